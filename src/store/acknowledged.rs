//! How long ago the database last acknowledged a commit of this process. Whoever asks costs the database nothing: a process
//! commits its own word again and again (`app/speaker.rs`), so a long silence is the database's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Acknowledged(Arc<Inner>);

struct Inner {
    opened: Instant,
    /// Of the last commit, since then. Relaxed: a number that only grows older, and nothing is published by it.
    at_ms: AtomicU64,
}

impl Default for Acknowledged {
    /// A database that has just been opened counts as heard.
    fn default() -> Self {
        Self(Arc::new(Inner { opened: Instant::now(), at_ms: AtomicU64::new(0) }))
    }
}

impl Acknowledged {
    pub(super) fn now(&self) {
        self.0.at_ms.fetch_max(self.elapsed_ms(), Ordering::Relaxed);
    }

    pub fn ago(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms().saturating_sub(self.0.at_ms.load(Ordering::Relaxed)))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
