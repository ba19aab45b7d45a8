//! Load runs that the console starts: the load tool as a child process against this server's own doors, in a rehearsal
//! made for it. One at a time, bounded in buyers and time, gone when the server goes.
//!
//! ```text
//!   start ── copy of the opening ── child, its pass in its environment ── report ── copy cleared, pass void
//! ```
//!
//! The run itself is judged by the child; this only starts it, ends it and keeps what it wrote.

mod leftovers;
mod pass;
mod reports;
mod run;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::child::Program;
use crate::domain::ids::RowId;
use crate::domain::time::Micros;
use crate::http::{Code, Problem};
use crate::limits::LOAD_RUN_CLEAR_OF_OPENING_S;
use crate::opening::lifecycle::Phase;
use crate::opening::{Live, Openings};

pub use leftovers::put_away as put_away_leftovers;
pub use pass::Pass;
pub use reports::Reports;
pub use run::{Asked, Run, Scenario, start};

/// The load tool's name, beside this program.
const PROGRAM: &str = "kaipan-loadtest";

/// Where the child finds the doors of this very server.
#[derive(Debug, Clone, Copy)]
pub struct LoadDoors {
    pub buyers: SocketAddr,
    pub staff: SocketAddr,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct LoadRuns(Arc<Inner>);

struct Inner {
    program: Option<PathBuf>,
    reports: Reports,
    /// Known when both doors listen.
    doors: OnceLock<LoadDoors>,
    /// Held for a few instructions, never over an await.
    current: Mutex<Option<Current>>,
    /// Raised with each end of a run.
    ended: watch::Sender<u64>,
}

/// The run under way.
struct Current {
    run: Run,
    pass: Option<Pass>,
    stop: CancellationToken,
}

impl LoadRuns {
    /// `named`: the load tool's path, if the settings name one. `folder`: where reports are kept.
    pub fn new(named: Option<PathBuf>, folder: PathBuf) -> Self {
        let program = match named {
            Some(path) => Some(path).filter(|path| path.is_file()),
            None => Program::beside(PROGRAM).ok(),
        };
        Self(Arc::new(Inner {
            program,
            reports: Reports::new(folder),
            doors: OnceLock::new(),
            current: Mutex::default(),
            ended: watch::Sender::new(0),
        }))
    }

    /// Called once, when both doors listen.
    pub fn reach(&self, doors: LoadDoors) {
        let own = LoadDoors { buyers: own_address(doors.buyers), staff: own_address(doors.staff) };
        // A second call would say the same.
        let _ = self.0.doors.set(own);
    }

    pub fn reports(&self) -> &Reports {
        &self.0.reports
    }

    /// Why no run can be started now, if so.
    pub fn refusal(&self, openings: &Openings) -> Option<Problem> {
        if self.0.program.is_none() {
            return Some(Code::LoadTestMissing.into());
        }
        if let Some(current) = self.lock().as_ref() {
            return Some(Problem::new(Code::LoadRunBusy).with("run", current.run.run.to_string()));
        }
        openings.list().iter().find(|live| is_near(live)).map(|live| {
            Problem::new(Code::OpeningNear)
                .with("opening", live.facts.id.to_string())
                .with("name", live.facts.name.clone())
                .with("start_ms", live.control().start_at.ms())
        })
    }

    /// The run under way.
    pub fn current(&self) -> Option<Run> {
        self.lock().as_ref().map(|current| current.run.clone())
    }

    /// Who stands behind this token, if it is the current run's.
    pub fn pass(&self, token: &str) -> Option<Pass> {
        self.lock().as_ref()?.pass.as_ref().filter(|pass| pass.is(token)).cloned()
    }

    /// Asks the run to end, if it is the one under way.
    pub fn stop(&self, run: &RowId) -> bool {
        match self.lock().as_ref() {
            Some(current) if current.run.run == *run => {
                current.stop.cancel();
                true
            }
            _ => false,
        }
    }

    /// Ends whatever runs and waits for it: the server is about to stop.
    pub async fn shut_down(&self) {
        let mut ended = self.0.ended.subscribe();
        let running = self.current();
        if let Some(run) = running
            && self.stop(&run.run)
        {
            // An error would mean that this very object is gone.
            let _ = ended.changed().await;
        }
    }

    /// Takes the one place, so that two who ask at once do not both begin.
    fn reserve(&self, run: Run) -> Result<Place, Problem> {
        let mut current = self.lock();
        if let Some(current) = current.as_ref() {
            return Err(Problem::new(Code::LoadRunBusy).with("run", current.run.run.to_string()));
        }
        let stop = CancellationToken::new();
        *current = Some(Current { run, pass: None, stop: stop.clone() });
        Ok(Place { load: self.clone(), stop })
    }

    /// What the run has come to, and its child's pass from now on.
    fn update(&self, run: &Run, pass: Option<Pass>) {
        if let Some(current) = self.lock().as_mut() {
            current.run = run.clone();
            current.pass = pass;
        }
    }

    /// What the run has come to; its pass stays.
    fn tell(&self, run: &Run) {
        if let Some(current) = self.lock().as_mut() {
            current.run = run.clone();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one place, from the question to the end of the run. Dropped it is free, so that a run which ends in a panic does
/// not forbid every later one.
struct Place {
    load: LoadRuns,
    /// Cancelled when the run is asked to end.
    stop: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.load.lock() = None;
        self.load.0.ended.send_modify(|count| *count += 1);
    }
}

/// A real opening that runs, or will within the hour, is not disturbed.
fn is_near(live: &Live) -> bool {
    if live.facts.simulated {
        return false;
    }
    let soon = live.control().start_at.since(live.now()) <= Micros::from_secs(LOAD_RUN_CLEAR_OF_OPENING_S);
    match live.phase() {
        Phase::Armed | Phase::Live => true,
        phase => phase.is_running() && soon,
    }
}

/// A door that listens on every address is reached on loopback.
fn own_address(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OP-94. Seen red when dropping the place did nothing.
    #[tokio::test]
    async fn a_run_that_panics_gives_its_place_back() {
        let folder = tempfile::tempdir().unwrap();
        let load = LoadRuns::new(None, folder.path().to_owned());
        let place = load.reserve(Run::example(RowId::generate())).unwrap_or_else(|_| panic!("free"));
        assert!(load.reserve(Run::example(RowId::generate())).is_err(), "one at a time");
        let begun = tokio::spawn(async move {
            let _place = place;
            panic!("as a run may");
        });
        assert!(begun.await.is_err());
        assert!(load.current().is_none() && load.reserve(Run::example(RowId::generate())).is_ok());
    }
}
