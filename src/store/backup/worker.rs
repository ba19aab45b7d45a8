//! The thread that ships, and what it and the commits know of each other.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::shipper::{Shipper, Signals};
use super::{BackupError, BackupTo, BehindSince, Bounds};
use crate::domain::time::Clock;
use crate::limits;
use crate::store::StoreError;
use crate::telemetry::names;

pub(super) struct Worker {
    strict: bool,
    bounds: Bounds,
    clock: Clock,
    /// SQLite's log, to see how long it is while nothing is shipped.
    log: PathBuf,
    /// A std Mutex: held for a few instructions, never over an await or a file.
    state: Mutex<State>,
    changed: Condvar,
    stop: Arc<AtomicBool>,
    /// The log is written back before it is shipped: what it holds will be in the database file alone. Set before that
    /// begins, so whoever sees the log's next round sees this too.
    lost: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    /// Commits of this process, and up to which of them the backup has everything.
    committed: u64,
    shipped: u64,
    /// False until the first ship has ended well.
    begun: bool,
    behind_since: BehindSince,
    /// Ships that failed since.
    failures: u64,
    waiting: Vec<(u64, oneshot::Sender<()>)>,
    /// As of the last ship.
    log_bytes: u64,
    /// The length of the log at which it is written back again, after a reader kept some of it from it.
    write_back_at: u64,
    writing_back: bool,
    /// The database file is being copied and must stand still.
    copying: bool,
}

/// As long as this lives SQLite may be writing its log back.
pub(super) struct WritingBack(Arc<Worker>);

impl Drop for WritingBack {
    fn drop(&mut self) {
        self.0.state().writing_back = false;
        self.0.changed.notify_all();
    }
}

type Started = oneshot::Receiver<Result<(), BackupError>>;

impl Worker {
    /// Starts the thread. The receiver hears how the first ship ended.
    pub(super) fn start(
        to: &BackupTo,
        clock: Clock,
        log: PathBuf,
        shipper: impl FnOnce(Signals, Clock) -> Shipper,
    ) -> Result<(Arc<Self>, Started), StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let lost = Arc::new(AtomicBool::new(false));
        let signals = Signals { stop: Arc::clone(&stop), lost: Arc::clone(&lost) };
        let shipper = shipper(signals, clock.clone());
        let state = State { write_back_at: to.bounds.log_bytes, ..State::default() };
        let worker = Arc::new(Self {
            strict: to.strict,
            bounds: to.bounds,
            clock,
            log,
            state: Mutex::new(state),
            changed: Condvar::new(),
            stop,
            lost,
            thread: Mutex::new(None),
        });
        let (tell, started) = oneshot::channel();
        let run = {
            let worker = Arc::clone(&worker);
            move || worker.run(shipper, tell)
        };
        let thread = std::thread::Builder::new().name("backup".to_owned()).spawn(run);
        let thread = thread
            .map_err(|error| StoreError::Backup(BackupError::Folder { folder: to.folder.clone(), error }))?;
        *worker.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok((worker, started))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- the side of the commits ---

    /// Counts a commit and wakes the thread. `None`: nobody waits, because the backup is behind.
    pub(super) fn commit(&self) -> Option<(u64, oneshot::Receiver<()>)> {
        let mut state = self.state();
        state.committed += 1;
        self.changed.notify_all();
        if state.behind_since.is_some() && !self.strict {
            return None;
        }
        let (tell, told) = oneshot::channel();
        let number = state.committed;
        state.waiting.push((number, tell));
        Some((number, told))
    }

    /// How long a commit waits; `None`: until it is shipped.
    pub(super) fn patience(&self) -> Option<Duration> {
        (!self.strict).then_some(self.bounds.patience)
    }

    /// The backup did not answer in time about this commit; 0: about the start.
    pub(super) fn give_up_waiting(&self, number: u64) {
        let mut state = self.state();
        if !state.begun || state.shipped < number {
            self.fall_behind(&mut state, "it does not answer");
        }
    }

    fn fall_behind(&self, state: &mut State, why: &str) {
        if state.behind_since.is_some() {
            return;
        }
        state.behind_since = Some(self.clock.wall());
        metrics::counter!(names::BACKUP_FAILURES).increment(1);
        if self.strict {
            tracing::error!(
                why,
                "THE BACKUP DOES NOT TAKE THE LOG: commits wait for it, as --backup-strict asks"
            );
        } else {
            tracing::error!(
                why,
                "THE BACKUP IS BEHIND: what is answered from now on is on this machine alone"
            );
        }
    }

    /// In the writer's turn, after a commit, and before the turn is handed on: whether the log is to be written back now. Decided
    /// and noted in one hold of the lock: the copy of a base must not begin in between.
    pub(super) fn write_back(self: &Arc<Self>) -> Option<WritingBack> {
        let mut state = self.state();
        if !self.wants_write_back(&state) {
            return None;
        }
        state.writing_back = true;
        state.write_back_at = state.log_bytes + self.bounds.log_bytes / 4;
        drop(state);
        Some(WritingBack(Arc::clone(self)))
    }

    fn wants_write_back(&self, state: &State) -> bool {
        if state.copying || state.writing_back {
            return false;
        }
        if state.behind_since.is_none() {
            return state.shipped == state.committed && state.log_bytes >= state.write_back_at;
        }
        // The disk under the sale must not fill up because another machine is away.
        let length = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        let too_long = length >= self.bounds.log_bytes_behind;
        if too_long && !self.lost.swap(true, Ordering::SeqCst) {
            tracing::error!(
                length,
                "SQLite's log is written back unshipped: the backup will need another base"
            );
        }
        too_long
    }

    pub(super) fn behind_since(&self) -> BehindSince {
        self.state().behind_since
    }

    pub(super) fn stop(&self) {
        let state = self.state();
        self.stop.store(true, Ordering::Relaxed);
        self.changed.notify_all();
        drop(state);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has said why in the log.
            drop(thread.join());
        }
    }

    // --- the side of the thread ---

    fn run(&self, mut shipper: Shipper, started: oneshot::Sender<Result<(), BackupError>>) {
        let mut started = Some(started);
        // The first round is the start itself.
        let mut due = true;
        while !self.stop.load(Ordering::Relaxed) {
            if due {
                match self.round(&mut shipper) {
                    Ok(()) => {
                        due = false;
                        started.take().map(|started| started.send(Ok(())));
                    }
                    // Whoever waits for the start says it, and there is no server.
                    Err(error) if started.is_some() && (self.strict || error.is_final()) => {
                        match started.take().map(|started| started.send(Err(error))) {
                            Some(Ok(())) => return,
                            // Nobody waits any more.
                            _ => continue,
                        }
                    }
                    Err(error) => {
                        self.failed(&error);
                        started.take().map(|started| started.send(Err(error)));
                        self.nap(limits::BACKUP_RETRY);
                    }
                }
                continue;
            }
            self.renew(&mut shipper);
            due = self.wait_for_commits();
        }
    }

    /// Ships until nothing is left that was committed before.
    fn round(&self, shipper: &mut Shipper) -> Result<(), BackupError> {
        let target = self.state().committed;
        if self.lost.swap(false, Ordering::SeqCst) {
            shipper.break_chain();
        }
        let _still = shipper.needs_base().then(|| self.keep_still());
        let begun = Instant::now();
        let log_bytes = shipper.ship()?;
        metrics::histogram!(names::BACKUP_SECONDS).record(begun.elapsed());

        let mut state = self.state();
        if log_bytes < state.log_bytes {
            state.write_back_at = self.bounds.log_bytes;
        }
        state.log_bytes = log_bytes;
        (state.shipped, state.begun) = (target, true);
        // Commits that went on without waiting are counted too: only when none is left is the backup whole again.
        if target == state.committed && !self.lost.load(Ordering::SeqCst) {
            state.failures = 0;
            if let Some(since) = state.behind_since.take() {
                let for_ms = self.clock.wall().since(since).ms();
                tracing::warn!(for_ms, "the backup has everything again");
            }
        }
        let (done, left) = state.waiting.drain(..).partition(|(number, _)| *number <= target);
        state.waiting = left;
        drop(state);
        let done: Vec<(u64, oneshot::Sender<()>)> = done;
        for (_, tell) in done {
            // Who gave up waiting does not listen.
            let _ = tell.send(());
        }
        Ok(())
    }

    fn failed(&self, error: &BackupError) {
        let mut state = self.state();
        state.failures += 1;
        // Seldomer and seldomer: the gauge and its alert go on.
        if state.failures > 1 && state.failures.is_power_of_two() {
            tracing::warn!(%error, failures = state.failures, "the backup is still behind");
        }
        self.fall_behind(&mut state, &error.to_string());
        if !self.strict {
            // They go on without it: dropping the sender tells them.
            state.waiting.clear();
        }
    }

    /// Keeps SQLite from writing its log back; waits for one that does.
    fn keep_still(&self) -> Still<'_> {
        let mut state = self.state();
        while state.writing_back {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.copying = true;
        drop(state);
        Still(self)
    }

    /// Begins another base when it is time, or ends one that is copied.
    fn renew(&self, shipper: &mut Shipper) {
        match shipper.renewed() {
            Some(ended) => {
                self.state().copying = false;
                match ended {
                    Ok(()) => tracing::info!("the backup has another base"),
                    Err(error) => {
                        tracing::warn!(%error, "the backup's next base was not made; it is tried again")
                    }
                }
            }
            None if shipper.wants_renewal() && self.behind_since().is_none() => {
                let still = self.keep_still();
                match shipper.renew() {
                    // Until it has ended.
                    Ok(()) => std::mem::forget(still),
                    Err(error) => tracing::warn!(%error, "no thread to copy the backup's next base"),
                }
            }
            None => {}
        }
    }

    /// True if something was committed that is not shipped, or was written back unshipped: that may come after the last
    /// commit's own round, and nothing else would mend it.
    fn wait_for_commits(&self) -> bool {
        let is_due = |state: &State| state.committed != state.shipped || self.lost.load(Ordering::SeqCst);
        let mut state = self.state();
        if !is_due(&state) && !self.stop.load(Ordering::Relaxed) {
            let waited = self.changed.wait_timeout(state, limits::BACKUP_LOOK_PERIOD);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        is_due(&state)
    }

    fn nap(&self, at_most: Duration) {
        let (mut state, begun) = (self.state(), Instant::now());
        // Every commit wakes it.
        while let Some(left) = at_most.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The database file stands still as long as this lives.
struct Still<'a>(&'a Worker);

impl Drop for Still<'_> {
    fn drop(&mut self) {
        self.0.state().copying = false;
    }
}
