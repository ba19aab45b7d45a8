//! Stopping with grace: whoever serves a client holds a guard, and the server ends when the last guard is dropped.
//!
//! axum's own shutdown waits for requests but not for WebSocket tasks, which outlive their request; here both count.

use std::time::Duration;

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Cheap to clone; all clones are one drain.
#[derive(Clone, Default)]
pub struct Drain {
    stop: CancellationToken,
    work: TaskTracker,
}

/// As long as this lives, the drain waits.
pub struct Guard {
    _token: TaskTrackerToken,
}

impl Drain {
    /// The same drain with a lock of its own to wait on: one for each loop, so that cores do not meet on it.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { stop: self.stop.child_token(), work: self.work.clone() }
    }

    /// Asks everybody to finish: no new connections, requests end, sockets close with 1001.
    pub fn begin(&self) {
        self.stop.cancel();
        self.work.close();
    }

    pub fn has_begun(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Resolves when the drain begins.
    pub fn begun(&self) -> WaitForCancellationFuture<'_> {
        self.stop.cancelled()
    }

    /// For background work of other modules, which know nothing of doors: cancelled when the drain begins.
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    pub fn guard(&self) -> Guard {
        Guard { _token: self.work.token() }
    }

    /// Waits for the last guard, at most `limit`; says whether all were dropped.
    pub async fn finished(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.work.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_the_last_guard_and_no_longer_than_it_may() {
        let drain = Drain::default();
        let guard = drain.guard();
        drain.begin();
        assert!(drain.has_begun());
        assert!(!drain.finished(Duration::from_secs(1)).await);
        drop(guard);
        assert!(drain.finished(Duration::from_secs(1)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_hears_of_the_drain_and_is_waited_for() {
        let drain = Drain::default();
        let child = drain.child();
        let guard = child.guard();
        drain.begin();
        child.begun().await;
        assert!(!drain.finished(Duration::from_secs(1)).await);
        drop(guard);
        assert!(drain.finished(Duration::from_secs(1)).await);
    }
}
