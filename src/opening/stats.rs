//! Counts of this process since it started: for the console and the metrics, never for a decision.

use std::sync::atomic::{AtomicU64, Ordering};

use super::answer::Refusal;

macro_rules! counters {
    ($($field:ident: $code:literal),* $(,)?) => {
        #[derive(Default)]
        pub struct Stats {
            picks: AtomicU64,
            granted: AtomicU64,
            $($field: AtomicU64),*
        }

        impl Stats {
            pub(super) fn refused(&self, refusal: Refusal) {
                let counter = match refusal.code() {
                    $($code => &self.$field,)*
                    _ => return,
                };
                counter.fetch_add(1, Ordering::Relaxed);
            }

            /// Refusals by code, those that happened.
            pub fn refusals(&self) -> Vec<(&'static str, u64)> {
                [$(($code, self.$field.load(Ordering::Relaxed))),*]
                    .into_iter()
                    .filter(|(_, count)| *count > 0)
                    .collect()
            }
        }
    };
}

counters! {
    not_open_yet: "NOT_OPEN_YET",
    closed: "CLOSED",
    paused: "PAUSED",
    not_admitted: "NOT_ADMITTED",
    quota_used: "QUOTA_USED",
    taken: "TAKEN",
    withheld: "WITHHELD",
    already_yours: "ALREADY_YOURS",
    unit_unknown: "UNIT_UNKNOWN",
    not_recorded: "NOT_RECORDED",
}

impl Stats {
    pub(super) fn picked(&self) {
        self.picks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn granted(&self) {
        self.granted.fetch_add(1, Ordering::Relaxed);
    }

    /// Picks that this process was the one to say yes to.
    pub fn yes(&self) -> u64 {
        self.granted.load(Ordering::Relaxed)
    }

    pub fn picks(&self) -> u64 {
        self.picks.load(Ordering::Relaxed)
    }
}
