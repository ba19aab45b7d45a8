//! The clock that opens the gate: database time until the opening is armed, from then on a frozen pair of database time
//! and monotonic time, which no step of the wall moves. On SQLite the database's time is this machine's wall; on Postgres
//! the wall of a gateway never counts, not even in the moment before its first heartbeat.

use arc_swap::ArcSwapOption;
use std::sync::Arc;

use crate::domain::time::{Clock, Micros};

/// "When the monotonic clock read `mono`, it was `wall`."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    pub wall: Micros,
    pub mono: Micros,
}

impl Anchor {
    pub fn now(self, mono: Micros) -> Micros {
        self.wall.plus(mono.since(self.mono))
    }
}

pub struct OpeningClock {
    clock: Clock,
    anchor: ArcSwapOption<Anchor>,
    /// What a database elsewhere said last. Counts until a pair is frozen.
    heard: ArcSwapOption<Anchor>,
}

impl OpeningClock {
    pub fn new(clock: Clock) -> Self {
        Self { clock, anchor: ArcSwapOption::empty(), heard: ArcSwapOption::empty() }
    }

    pub fn now(&self) -> Micros {
        if let Some(anchor) = &*self.anchor.load() {
            return anchor.now(self.clock.mono());
        }
        match &*self.heard.load() {
            Some(heard) => heard.now(self.clock.mono()),
            None => self.clock.wall(),
        }
    }

    /// A database elsewhere just said its time. However long the answer took, this is behind the truth by no more than
    /// that and never ahead of it: a gate may open by it.
    pub fn hear(&self, database_now: Micros) {
        if self.anchor.load().is_none() {
            self.heard.store(Some(Arc::new(self.pair_with(database_now))));
        }
    }

    pub fn mono(&self) -> Micros {
        self.clock.mono()
    }

    /// Freezes the pair. Arming again changes nothing: the first anchor stands.
    pub fn freeze(&self, anchor: Anchor) {
        self.anchor.rcu(|held| held.clone().or_else(|| Some(Arc::new(anchor))));
    }

    /// The pair that is in force, if the clock is frozen.
    pub fn anchor(&self) -> Option<Anchor> {
        self.anchor.load().as_deref().copied()
    }

    /// The pair that would say what the wall says now, corrected to the database's `database_now`.
    pub fn pair_with(&self, database_now: Micros) -> Anchor {
        Anchor { wall: database_now, mono: self.clock.mono() }
    }
}

/// This boot of this machine; a monotonic reading means nothing on another one.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by `it`'s steps of the clock: a gateway that started just before the sale on a machine ten seconds fast
    /// sold until its first heartbeat.
    #[tokio::test(start_paused = true)]
    async fn what_the_database_says_counts_before_the_wall() {
        let source = Clock::virtual_at(Micros::from_secs(1_010));
        let clock = OpeningClock::new(source.clone());
        clock.hear(Micros::from_secs(1_000));
        assert_eq!(clock.now(), Micros::from_secs(1_000));
        source.step_wall(Micros::from_secs(600));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(clock.now(), Micros::from_secs(1_001));
        clock.hear(Micros::from_secs(990));
        assert_eq!(clock.now(), Micros::from_secs(990), "the database was set right");
        clock.freeze(clock.pair_with(Micros::from_secs(991)));
        clock.hear(Micros::from_secs(5_000));
        assert_eq!(clock.now(), Micros::from_secs(991), "frozen");
    }

    #[tokio::test(start_paused = true)]
    async fn a_frozen_clock_ignores_steps_of_the_wall_and_the_gate_never_opens_early() {
        let source = Clock::virtual_at(Micros::from_secs(1_000));
        let clock = OpeningClock::new(source.clone());
        source.step_wall(Micros::from_secs(5));
        assert_eq!(clock.now(), Micros::from_secs(1_005), "before arming the wall counts");

        clock.freeze(clock.pair_with(Micros::from_secs(1_005)));
        source.step_wall(Micros::from_secs(600));
        tokio::time::advance(std::time::Duration::from_secs(10)).await;
        assert_eq!(clock.now(), Micros::from_secs(1_015));

        clock.freeze(clock.pair_with(Micros::from_secs(9_999)));
        assert_eq!(clock.now(), Micros::from_secs(1_015), "the first pair stands");
    }
}
