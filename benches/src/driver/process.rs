//! Processes on given cores: started with their standard input held, so that they end when the driver does, however it
//! ends; stopped politely where what they leave behind matters.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::machine::list;
use crate::clock::wait_for;
use crate::failure::{Failure, Outcome, While};

const READY_WITHIN: Duration = Duration::from_secs(60);
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// The binary that was built beside this one.
pub fn beside(name: &str) -> Outcome<PathBuf> {
    let own = std::env::current_exe().during("finding the binaries")?;
    let folder = own.parent().during("finding the binaries")?;
    // A test's own binary lies one folder deeper.
    let found = [folder, folder.parent().unwrap_or(folder)].map(|folder| folder.join(name));
    let found = found.into_iter().find(|file| file.is_file());
    found.ok_or_else(|| Failure(format!("{name} is not built beside {}", own.display())))
}

/// A command that runs on these cores only.
pub fn on_cores(cores: &[usize], program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &list(cores)]).arg(program);
    command
}

/// Ports below those from which the kernel serves outgoing connections: a burst of clients must not take one between
/// looking and binding.
pub fn free_address() -> Outcome<SocketAddr> {
    const FIRST: u16 = 21_000;
    const LAST: u16 = 32_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % 500).unwrap_or_default() * 20;
    for _ in FIRST..LAST {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST + (offset + step) % (LAST - FIRST)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(Failure::new("no free port"))
}

pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Starts it with its words in `log`; standard output only if nobody wants to read it here.
    pub fn start(mut command: Command, log: &Path, read: bool) -> Outcome<Self> {
        let doing = format!("starting {}", command.get_program().display());
        let words = File::create(log).during(&doing)?;
        command.stdin(Stdio::piped()).stderr(words.try_clone().during(&doing)?);
        command.stdout(if read { Stdio::piped() } else { Stdio::from(words) });
        let mut child = command.spawn().during(&doing)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Self { child, stdin, stdout, log: log.to_owned() })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its last words, for a failure's sentence.
    pub fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" · ")
    }

    pub fn tell(&mut self, line: &str) -> Outcome<()> {
        let stdin = self.stdin.as_mut().during("telling a process that has gone")?;
        stdin.write_all(line.as_bytes()).and_then(|()| stdin.write_all(b"\n")).during("telling a process")
    }

    pub fn hear(&mut self) -> Outcome<String> {
        let mut line = String::new();
        let heard = self.stdout.as_mut().during("hearing a process")?.read_line(&mut line);
        match heard.during("hearing a process")? {
            0 => Err(Failure(format!("a process ended: {}", self.said()))),
            _ => Ok(line),
        }
    }

    /// Waits until it accepts connections.
    pub fn listens(&mut self, address: SocketAddr) -> Outcome<()> {
        let accepted = wait_for(READY_WITHIN, || {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(Err(status));
            }
            TcpStream::connect(address).ok().map(|_| Ok(()))
        });
        match accepted {
            Some(Ok(())) => Ok(()),
            Some(Err(status)) => Err(Failure(format!("ended at its start with {status}: {}", self.said()))),
            None => Err(Failure(format!("does not listen on {address}: {}", self.said()))),
        }
    }

    /// Lets it finish: SIGTERM, and the wait until it has.
    pub fn stop(mut self) -> Outcome<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).during("a process's number")?;
        kill_process(id, Signal::TERM).during("stopping a process")?;
        let gone = wait_for(GONE_WITHIN, || self.child.try_wait().ok().flatten());
        gone.map(drop).ok_or_else(|| Failure(format!("a process does not stop: {}", self.said())))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What holds more processes ends them when its standard input ends; give it the moment it needs.
        drop(self.stdin.take());
        let gone = wait_for(Duration::from_secs(5), || self.child.try_wait().ok().flatten());
        if gone.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
