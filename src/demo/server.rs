//! One `kaipan serve` after another: started, watched, killed on request, started again.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::fakes::Fakes;
use super::ports::Doors;
use super::state::{ServerPhase, ServerState};
use super::{DemoError, wire};
use crate::child::{Child, Program, last_lines};

const READY_EVERY: Duration = Duration::from_millis(50);
/// A server that is not ready by then will not be.
const READY_PATIENCE: Duration = Duration::from_secs(60);
/// Ends in a row without having been ready in between: then it is not bad luck.
const FALSE_STARTS_MAX: u32 = 3;
const FALSE_START_PAUSE: Duration = Duration::from_millis(500);

enum Order {
    Kill,
    Stop,
}

/// A cheap handle; the loop behind it owns the process.
#[derive(Clone)]
pub(super) struct Server {
    orders: mpsc::Sender<Order>,
    state: watch::Receiver<ServerState>,
}

impl Server {
    pub fn start(
        data_dir: &Path,
        doors: Doors,
        fakes: Option<&Fakes>,
    ) -> Result<(Self, JoinHandle<()>), DemoError> {
        let program = Program {
            program: Program::beside("kaipan").map_err(|error| DemoError(error.to_string()))?,
            args: arguments(data_dir, doors, fakes),
            log: data_dir.join("logs").join("serve.log"),
            env: None,
        };
        let (orders, received) = mpsc::channel(4);
        let (tell, state) = watch::channel(ServerState::default());
        let keeper = Keeper { program, door: doors.buyers, orders: received, tell };
        Ok((Self { orders, state }, tokio::spawn(keeper.keep())))
    }

    /// SIGKILL, and start again.
    pub async fn kill(&self) {
        let _ = self.orders.send(Order::Kill).await;
    }

    /// Lets it drain and end; the loop ends with it.
    pub async fn stop(&self) {
        let _ = self.orders.send(Order::Stop).await;
    }

    pub fn state(&self) -> ServerState {
        self.state.borrow().clone()
    }

    pub fn changes(&self) -> watch::Receiver<ServerState> {
        self.state.clone()
    }

    /// Waits until it serves; the error says why it does not.
    pub async fn up(&self, log: &Path) -> Result<(), DemoError> {
        let mut state = self.state.clone();
        let settled = state
            .wait_for(|state| matches!(state.state, ServerPhase::Up | ServerPhase::Failed))
            .await
            .map(|state| state.state);
        match settled {
            Ok(ServerPhase::Up) => Ok(()),
            _ => {
                Err(DemoError(format!("the server does not start; its last words:\n{}", last_lines(log, 3))))
            }
        }
    }
}

fn arguments(data_dir: &Path, doors: Doors, fakes: Option<&Fakes>) -> Vec<OsString> {
    let mut args: Vec<OsString> = ["serve", "--lifeline", "--crowd", "--data-dir"].map(OsString::from).into();
    args.push(data_dir.into());
    // Nobody's phone rings for a demo, whatever the environment says: its people read their codes on the page.
    args.extend(["--sms-provider", "outbox"].map(OsString::from));
    for (flag, address) in [("--listen", doors.buyers), ("--staff-listen", doors.console)] {
        args.push(flag.into());
        args.push(address.to_string().into());
    }
    for (flag, value) in fakes.map(Fakes::settings).unwrap_or_default() {
        args.push(flag.into());
        args.push(value.into());
    }
    args
}

struct Keeper {
    program: Program,
    door: SocketAddr,
    orders: mpsc::Receiver<Order>,
    tell: watch::Sender<ServerState>,
}

/// How one process's life ended for the keeper.
enum Ended {
    Killed(Instant),
    /// By itself; whether it had been ready.
    Itself {
        was_up: bool,
    },
    Stopped,
}

impl Keeper {
    async fn keep(mut self) {
        let mut false_starts = 0;
        let mut killed_at = None;
        loop {
            self.tell.send_modify(|state| (state.state, state.pid) = (ServerPhase::Starting, None));
            let ended = match self.program.spawn_logged() {
                Ok(child) => self.live(child, killed_at.take()).await,
                Err(error) => {
                    tracing::error!(%error, "the server could not be started");
                    Ended::Itself { was_up: false }
                }
            };
            match ended {
                Ended::Stopped => break,
                Ended::Killed(at) => killed_at = Some(at),
                Ended::Itself { was_up: true } => false_starts = 0,
                Ended::Itself { was_up: false } => {
                    false_starts += 1;
                    if false_starts == FALSE_STARTS_MAX {
                        self.tell.send_modify(|state| (state.state, state.pid) = (ServerPhase::Failed, None));
                        return;
                    }
                    tokio::time::sleep(FALSE_START_PAUSE).await;
                }
            }
        }
        self.tell.send_modify(|state| (state.state, state.pid) = (ServerPhase::Down, None));
    }

    async fn live(&mut self, mut child: Child, killed_at: Option<Instant>) -> Ended {
        self.tell.send_modify(|state| state.pid = child.pid());
        let mut was_up = false;
        let ready = ready(self.door);
        tokio::pin!(ready);
        loop {
            tokio::select! {
                is_ready = &mut ready, if !was_up => {
                    if !is_ready {
                        child.stop().await;
                        return Ended::Itself { was_up: false };
                    }
                    was_up = true;
                    self.tell.send_modify(|state| {
                        state.state = ServerPhase::Up;
                        state.back_ms = killed_at
                            .map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX))
                            .or(state.back_ms);
                    });
                }
                _ = child.ended() => return Ended::Itself { was_up },
                order = self.orders.recv() => match order {
                    Some(Order::Kill) => {
                        let at = Instant::now();
                        if let Err(error) = child.kill() {
                            tracing::warn!(%error, "the server could not be killed");
                        }
                        self.tell.send_modify(|state| (state.state, state.kills) = (ServerPhase::Down, state.kills + 1));
                        let _ = child.ended().await;
                        return Ended::Killed(at);
                    }
                    Some(Order::Stop) | None => {
                        child.stop().await;
                        return Ended::Stopped;
                    }
                },
            }
        }
    }
}

/// True as soon as the server says that it is ready, false when it does not in good time.
async fn ready(door: SocketAddr) -> bool {
    let asking = async {
        loop {
            if wire::get(door, "/readyz", None).await.is_ok_and(|answer| answer.status.is_success()) {
                return;
            }
            tokio::time::sleep(READY_EVERY).await;
        }
    };
    tokio::time::timeout(READY_PATIENCE, asking).await.is_ok()
}
