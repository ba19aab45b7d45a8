//! What the threads of a run and whoever watches them share while it goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Moments of yeses that a board may still be measured against; older ones have reached every board or never will.
const YESES_MAX: usize = 50_000;
/// Not counted yet.
const UNKNOWN: u64 = u64::MAX;

/// Counters for the progress display and for deciding when a run is over. Relaxed: each stands alone, and a moment's delay
/// only makes the run a moment longer.
#[derive(Debug)]
pub struct Live {
    pub connected: AtomicU64,
    pub taps: AtomicU64,
    pub yes: AtomicU64,
    pub no: AtomicU64,
    /// Refusals, losses and silences on the way.
    pub not_yet: AtomicU64,
    /// Taps after this moment (µs after T) are not made any more.
    pub cut_us: AtomicI64,
    /// Once positive: the sequence that every board must reach.
    pub target_seq: AtomicI64,
    pub stop: AtomicBool,
    pub steps: Vec<StepLive>,
    threads: Vec<ThreadLive>,
    /// When each yes was heard, by its journal sequence. Never held across a system call.
    yeses: Mutex<BTreeMap<i64, Instant>>,
}

#[derive(Debug, Default)]
pub struct StepLive {
    pub answered: AtomicU64,
    /// Of these, later than the limit.
    pub slow: AtomicU64,
}

#[derive(Debug)]
struct ThreadLive {
    /// Items left on the agenda, taps in flight, boards behind the target.
    left: AtomicU64,
    open: AtomicU64,
    behind: AtomicU64,
}

impl Live {
    pub fn new(threads: usize, steps: usize) -> Self {
        let thread = || ThreadLive {
            left: AtomicU64::new(1),
            open: AtomicU64::new(0),
            behind: AtomicU64::new(UNKNOWN),
        };
        Self {
            connected: AtomicU64::new(0),
            taps: AtomicU64::new(0),
            yes: AtomicU64::new(0),
            no: AtomicU64::new(0),
            not_yet: AtomicU64::new(0),
            cut_us: AtomicI64::new(i64::MAX),
            target_seq: AtomicI64::new(-1),
            stop: AtomicBool::new(false),
            steps: (0..steps).map(|_| StepLive::default()).collect(),
            threads: (0..threads).map(|_| thread()).collect(),
            yeses: Mutex::default(),
        }
    }

    pub fn tell(&self, thread: usize, left: usize, open: usize) {
        self.threads[thread].left.store(left as u64, Ordering::Relaxed);
        self.threads[thread].open.store(open as u64, Ordering::Relaxed);
    }

    pub fn tell_behind(&self, thread: usize, behind: usize) {
        self.threads[thread].behind.store(behind as u64, Ordering::Relaxed);
    }

    /// Nothing left on any agenda.
    pub fn is_played(&self) -> bool {
        self.threads.iter().all(|thread| thread.left.load(Ordering::Relaxed) == 0)
    }

    pub fn open_taps(&self) -> u64 {
        self.threads.iter().map(|thread| thread.open.load(Ordering::Relaxed)).sum()
    }

    /// Asks every thread to count its boards anew against `seq`.
    pub fn settle(&self, seq: i64) {
        for thread in &self.threads {
            thread.behind.store(UNKNOWN, Ordering::Relaxed);
        }
        self.target_seq.store(seq, Ordering::Relaxed);
    }

    /// Boards behind the target; none while a thread has not counted.
    pub fn behind(&self) -> Option<u64> {
        let counts = self.threads.iter().map(|thread| thread.behind.load(Ordering::Relaxed));
        counts.map(|count| (count != UNKNOWN).then_some(count)).sum()
    }

    pub fn heard_yes(&self, seq: i64, at: Instant) {
        let mut yeses = self.yeses.lock().unwrap_or_else(PoisonError::into_inner);
        yeses.insert(seq, at);
        if yeses.len() > YESES_MAX {
            yeses.pop_first();
        }
    }

    /// When the first change after `from` up to `to` was answered, as far as one of ours made it.
    pub fn first_yes(&self, from: i64, to: i64) -> Option<Instant> {
        let yeses = self.yeses.lock().unwrap_or_else(PoisonError::into_inner);
        yeses.range(from.saturating_add(1)..=to.max(from.saturating_add(1))).next().map(|(_, at)| *at)
    }

    pub fn last_yes(&self) -> Option<Instant> {
        let yeses = self.yeses.lock().unwrap_or_else(PoisonError::into_inner);
        yeses.values().max().copied()
    }
}

pub fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
