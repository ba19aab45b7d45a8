//! A running `kaipan serve`, and the ways to end it: politely, or as a power cut would.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

use super::api::Api;
use super::home::Home;
use super::ports::free_port;

/// A start includes migrations and the boot's recovery; the binary is unoptimised and the machine may be busy.
const READY_WITHIN: Duration = Duration::from_secs(60);
const GONE_WITHIN: Duration = Duration::from_secs(20);

pub struct Server {
    child: Child,
    log: PathBuf,
    pub buyers_port: u16,
    pub staff_port: u16,
}

impl Home {
    /// Starts the server on this home's own ports and waits until it is ready.
    pub async fn serve(&self) -> Server {
        self.serve_on(self.buyers_port, self.staff_port).await.expect("the server starts")
    }

    /// A second server on the same data, on other ports. What it said, when it ended instead of getting ready.
    pub async fn serve_another(&self) -> Result<Server, String> {
        self.serve_on(free_port(), free_port()).await
    }

    async fn serve_on(&self, buyers_port: u16, staff_port: u16) -> Result<Server, String> {
        let mut command = self.command();
        command.arg("serve");
        self.serve_by(command, buyers_port, staff_port).await
    }

    /// Starts `command`, a server that reads this home's settings from its environment, and waits until it is ready.
    pub async fn serve_by(
        &self,
        mut command: Command,
        buyers_port: u16,
        staff_port: u16,
    ) -> Result<Server, String> {
        let log = self.file(&format!("serve-{buyers_port}.log"));
        // Appended to: a restart's words stand after those of the process that was killed.
        let out = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = command
            .env("KAIPAN_BUYERS_LISTEN", format!("127.0.0.1:{buyers_port}"))
            .env("KAIPAN_STAFF_LISTEN", format!("127.0.0.1:{staff_port}"))
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        let mut server = Server { child, log, buyers_port, staff_port };
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = server.child.try_wait().unwrap() {
                return Err(format!("{status}: {}", server.said()));
            }
            if server.is_ready().await {
                return Ok(server);
            }
            assert!(Instant::now() < deadline, "not ready after {READY_WITHIN:?}: {}", server.said());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Server {
    /// The buyers' door, without a session.
    pub fn buyers(&self) -> Api {
        Api::new(self.buyers_port)
    }

    /// The staff's door, without a session.
    pub fn staff(&self) -> Api {
        Api::new(self.staff_port)
    }

    /// The process's standard input, where the command asked for one.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("a piped standard input")
    }

    async fn is_ready(&self) -> bool {
        self.buyers().try_get("/readyz").await.is_some_and(|reply| reply.status == 200)
            && self.staff().try_get("/readyz").await.is_some_and(|reply| reply.status == 200)
    }

    /// A sample of the metrics' page, by name and labels; `None` while the page does not have it.
    pub async fn figure(&self, sample: &str) -> Option<f64> {
        let page = self.staff().get("/metrics").await.text();
        let value = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.map(|value| value.parse().unwrap())
    }

    /// What the process has printed.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL: no destructor runs, no buffer is written.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGSTOP: it keeps its sockets, its transactions and its beliefs, and says nothing.
    pub fn freeze(&self) {
        self.send(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.send(Signal::CONT);
    }

    fn send(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().expect("still running")).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// SIGTERM, then waits for the drain to end by itself.
    pub async fn stop(mut self) -> std::process::ExitStatus {
        // Waiting would close it first, and a server with a lifeline would be told twice.
        let _lifeline = self.child.stdin.take();
        self.send(Signal::TERM);
        timeout(GONE_WITHIN, self.child.wait()).await.expect("the drain ends").unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `kill_on_drop` ends the process; what it said is the first thing one wants to know about a failed test.
        if std::thread::panicking() {
            let said = self.said();
            let tail: Vec<&str> = said.lines().rev().take(40).collect();
            println!("── {}", self.log.display());
            tail.into_iter().rev().for_each(|line| println!("{line}"));
        }
    }
}
