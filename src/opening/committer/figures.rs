//! What the committer tells the metrics. Handles are looked up once an opening, not once a commit.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::domain::ids::OpeningId;
use crate::telemetry::names;

pub(super) struct Figures {
    seconds: Histogram,
    jobs: Histogram,
    waiting: Gauge,
    failures: Counter,
}

impl Figures {
    pub(super) fn of(opening: &OpeningId) -> Self {
        let opening = opening.to_string();
        Self {
            seconds: histogram!(names::COMMIT_SECONDS, "opening" => opening.clone()),
            jobs: histogram!(names::COMMIT_JOBS, "opening" => opening.clone()),
            waiting: gauge!(names::COMMIT_WAITING, "opening" => opening.clone()),
            failures: counter!(names::COMMIT_FAILURES, "opening" => opening),
        }
    }

    /// Below 2^53 an f64 is exact, and no figure here comes near.
    pub(super) fn waiting(&self, jobs: usize) {
        self.waiting.set(jobs as f64);
    }

    pub(super) fn committed(&self, jobs: usize, took: Duration) {
        self.jobs.record(jobs as f64);
        self.seconds.record(took.as_secs_f64());
    }

    pub(super) fn failed(&self) {
        self.failures.increment(1);
    }
}
