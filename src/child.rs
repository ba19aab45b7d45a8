//! A child process that cannot outlive this one: its standard input is a pipe we hold, and it leaves when the pipe ends.
//!
//! Children run in process groups of their own, so that a Ctrl-C in the terminal reaches only this process, which then
//! stops them in order.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, ChildStdout, Command};

/// How long a child may take to end after it was asked to, before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(12);

pub struct Program {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Standard error, and standard output where nobody reads it.
    pub log: PathBuf,
    /// All of its environment; `None`: this process's own.
    pub env: Option<Vec<(&'static str, String)>>,
}

pub struct Child {
    process: tokio::process::Child,
    /// Held, not read: dropping it is the request to leave.
    lifeline: Option<ChildStdin>,
}

impl Program {
    /// The binary that lies beside this one: `kaipan` itself, `kaipan-loadtest` or `kaipan-fakes`.
    pub fn beside(name: &str) -> io::Result<PathBuf> {
        let path = std::env::current_exe()?.with_file_name(name);
        if path.is_file() {
            return Ok(path);
        }
        let sentence =
            format!("{} is missing: `make run` or `cargo build --workspace` builds it", path.display());
        Err(io::Error::new(io::ErrorKind::NotFound, sentence))
    }

    fn command(&self) -> io::Result<Command> {
        let log = append(&self.log)?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::piped()).stderr(log).kill_on_drop(true).process_group(0);
        if let Some(env) = &self.env {
            command.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
        }
        Ok(command)
    }

    /// Starts it with `first` on its standard input, which then stays open.
    pub async fn spawn(&self, first: &[u8]) -> io::Result<(Child, Option<ChildStdout>)> {
        let mut command = self.command()?;
        command.stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut lifeline = process.stdin.take();
        if let Some(pipe) = lifeline.as_mut() {
            pipe.write_all(first).await?;
            pipe.flush().await?;
        }
        let output = process.stdout.take();
        Ok((Child { process, lifeline }, output))
    }

    /// Starts it; what it prints goes to the log.
    pub fn spawn_logged(&self) -> io::Result<Child> {
        let mut command = self.command()?;
        command.stdout(append(&self.log)?);
        let mut process = command.spawn()?;
        let lifeline = process.stdin.take();
        Ok(Child { process, lifeline })
    }

    /// Runs it to its end and gives its status and what it printed.
    pub async fn output(&self) -> io::Result<(ExitStatus, Vec<u8>)> {
        let mut command = self.command()?;
        let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?.wait_with_output().await?;
        Ok((output.status, output.stdout))
    }
}

impl Child {
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Resolves when it has ended. Cancel-safe.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        // tokio's own `wait` closes the child's standard input first, which is taken out and kept in `lifeline`.
        self.process.wait().await
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.start_kill()
    }

    /// Asks it to leave, and kills it if it does not.
    pub async fn stop(mut self) {
        drop(self.lifeline.take());
        if let Some(pid) =
            self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw)
        {
            // A child that ended in this moment can't be signalled, and needs no signal.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(STOP_PATIENCE, self.process.wait()).await.is_err() {
            let _ = self.process.kill().await;
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The last lines of a log, for a sentence about why a child ended.
pub fn last_lines(log: &Path, count: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &Path, script: &str) -> Program {
        Program {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            log: folder.join("child.log"),
            env: None,
        }
    }

    #[tokio::test]
    async fn a_child_leaves_when_its_lifeline_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, _) = shell(folder.path(), "cat >/dev/null; exit 7").spawn(b"plan\n").await.unwrap();
        assert!(
            tokio::time::timeout(Duration::from_millis(200), child.ended()).await.is_err(),
            "still there"
        );
        drop(child.lifeline.take());
        assert_eq!(child.ended().await.unwrap().code(), Some(7));
    }

    /// What the server knows by its environment (the database's password) is not for a load generator.
    /// Mutation caught: `env_clear` left out.
    #[tokio::test]
    async fn a_child_with_an_environment_has_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let program = Program {
            env: Some(vec![("TOKEN", "t".to_owned())]),
            ..shell(folder.path(), "echo \"$TOKEN:$CARGO_MANIFEST_DIR\" >&2")
        };
        assert!(program.spawn_logged().unwrap().ended().await.unwrap().success());
        assert_eq!(last_lines(&program.log, 9), "t:");
    }

    #[tokio::test]
    async fn a_killed_child_runs_no_handler() {
        let folder = tempfile::tempdir().unwrap();
        let program = shell(folder.path(), "trap 'echo handler' TERM EXIT; echo up >&2; cat >/dev/null");
        let mut child = program.spawn_logged().unwrap();
        while last_lines(&program.log, 1) != "up" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill().unwrap();
        assert_eq!(child.ended().await.unwrap().code(), None, "ended by a signal");
        assert_eq!(last_lines(&program.log, 9), "up");
    }
}
