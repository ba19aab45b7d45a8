//! Live figures of the run: one JSON object a line on standard output, read by the supervisor for the demo page.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Counters that every buyer adds to. Relaxed: figures for a page, nothing is decided by them.
#[derive(Debug, Default)]
pub struct Counts {
    pub signed_in: AtomicU64,
    pub sign_in_failed: AtomicU64,
    pub connected: AtomicU64,
    pub favourites: AtomicU64,
    pub taps: AtomicU64,
    pub taps_first_second: AtomicU64,
    pub yes: AtomicU64,
    pub no: AtomicU64,
    pub asked: AtomicU64,
    pub reconnects: AtomicU64,
    pub paid: AtomicU64,
    pub gave_up: AtomicU64,
    pub finished: AtomicU64,
    /// Never held across an await.
    reasons: Mutex<BTreeMap<String, u64>>,
    /// Milliseconds from tap to answer. Bounded by the number of taps in a schedule.
    answer_ms: Mutex<Vec<u32>>,
}

/// A line of figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    pub simulated: bool,
    pub state: String,
    pub buyers: usize,
    pub signed_in: u64,
    pub sign_in_failed: u64,
    pub connected: u64,
    pub favourites: u64,
    pub taps: u64,
    pub taps_first_second: u64,
    pub yes: u64,
    pub no: u64,
    pub unanswered: u64,
    pub reasons: BTreeMap<String, u64>,
    pub asked: u64,
    pub reconnects: u64,
    pub paid: u64,
    pub gave_up: u64,
    pub finished: u64,
    pub answer_ms_p50: Option<u32>,
    pub answer_ms_p99: Option<u32>,
    /// Free, held, sold, withheld, as the crowd sees the board.
    pub board: [usize; 4],
}

pub fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    pub fn refused(&self, code: &str) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        *reasons.entry(code.to_owned()).or_default() += 1;
    }

    pub fn answered_after(&self, wait: Duration) {
        let ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        self.answer_ms.lock().unwrap_or_else(PoisonError::into_inner).push(ms);
    }

    pub fn figures(&self, state: &str, buyers: usize, board: [usize; 4]) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut waits = self.answer_ms.lock().unwrap_or_else(PoisonError::into_inner).clone();
        waits.sort_unstable();
        // Answers first: a tap answered between the reads must not show as one answer too many.
        let (yes, no) = (read(&self.yes), read(&self.no));
        let taps = read(&self.taps);
        Figures {
            simulated: true,
            state: state.to_owned(),
            buyers,
            signed_in: read(&self.signed_in),
            sign_in_failed: read(&self.sign_in_failed),
            connected: read(&self.connected),
            favourites: read(&self.favourites),
            taps,
            taps_first_second: read(&self.taps_first_second),
            yes,
            no,
            unanswered: taps.saturating_sub(yes + no),
            reasons: self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            asked: read(&self.asked),
            reconnects: read(&self.reconnects),
            paid: read(&self.paid),
            gave_up: read(&self.gave_up),
            finished: read(&self.finished),
            answer_ms_p50: quantile(&waits, 50),
            answer_ms_p99: quantile(&waits, 99),
            board,
        }
    }
}

/// The smallest value that `percent` of a hundred do not exceed.
fn quantile(sorted: &[u32], percent: usize) -> Option<u32> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!((quantile(&hundred, 50), quantile(&hundred, 99)), (Some(50), Some(99)));
        assert_eq!((quantile(&[7], 50), quantile(&[7], 99)), (Some(7), Some(7)));
        assert_eq!(quantile(&[], 99), None);
    }
}
