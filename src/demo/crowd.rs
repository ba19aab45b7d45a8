//! Supervises `kaipan-loadtest crowd`: hands it its plan, reads its figures, starts it again if it falls over. It resumes
//! from its own record.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStdout;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::DemoError;
use crate::child::{Child, Program};

pub(super) const BINARY: &str = "kaipan-loadtest";
const FALLS_MAX: u32 = 5;
const FALL_PAUSE: Duration = Duration::from_secs(1);
/// A line of figures is about a kilobyte; a longer one is not one.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// The crowd's figures and its end. Dropping the handle's `leave` stops it.
pub(super) struct Crowd {
    pub figures: watch::Receiver<Option<Value>>,
    /// True: every tap has its answer. False: it fell over too often.
    pub ended: JoinHandle<bool>,
    leave: mpsc::Sender<()>,
}

impl Crowd {
    /// `plan` is the JSON of the crowd's plan: it holds phones and a password, and goes through the pipe only.
    pub fn start(data_dir: &Path, plan: &Value) -> Result<Self, DemoError> {
        let program = Program {
            program: binary()?,
            args: vec!["crowd".into()],
            log: data_dir.join("logs").join("crowd.log"),
            env: None,
        };
        let (leave, left) = mpsc::channel(1);
        let (tell, figures) = watch::channel(None);
        let ended = tokio::spawn(keep(program, format!("{plan}\n"), tell, left));
        Ok(Self { figures, ended, leave })
    }

    /// Lets it leave and waits for it.
    pub async fn stop(self) {
        drop(self.leave);
        let _ = self.ended.await;
    }
}

pub(super) fn binary() -> Result<PathBuf, DemoError> {
    Program::beside(BINARY).map_err(|error| DemoError(error.to_string()))
}

async fn keep(
    program: Program,
    plan: String,
    tell: watch::Sender<Option<Value>>,
    mut left: mpsc::Receiver<()>,
) -> bool {
    for fall in 0..=FALLS_MAX {
        match program.spawn(plan.as_bytes()).await {
            Ok((child, output)) => match live(child, output, &tell, &mut left).await {
                Ended::Done => return true,
                Ended::Left => return false,
                Ended::Fell => {}
            },
            Err(error) => tracing::error!(%error, "the crowd could not be started"),
        }
        tracing::warn!(fall, "the crowd fell over; it resumes from its record");
        tokio::time::sleep(FALL_PAUSE).await;
    }
    false
}

enum Ended {
    Done,
    Fell,
    Left,
}

async fn live(
    mut child: Child,
    output: Option<ChildStdout>,
    tell: &watch::Sender<Option<Value>>,
    left: &mut mpsc::Receiver<()>,
) -> Ended {
    let Some(output) = output else { return Ended::Fell };
    let mut lines = BufReader::with_capacity(LINE_BYTES_MAX, output).lines();
    loop {
        tokio::select! {
            // Only its sender's end is ever received.
            _ = left.recv() => {
                child.stop().await;
                return Ended::Left;
            }
            line = lines.next_line() => match line {
                Ok(Some(line)) => {
                    if let Ok(figures) = serde_json::from_str(&line) {
                        tell.send_replace(Some(figures));
                    }
                }
                // Its output has ended, so it is ending.
                Ok(None) | Err(_) => {
                    let done = child.ended().await.is_ok_and(|status| status.success());
                    return if done { Ended::Done } else { Ended::Fell };
                }
            },
        }
    }
}
