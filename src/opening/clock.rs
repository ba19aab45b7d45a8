//! The clock that opens the gate: wall time until the opening is armed, from then on a frozen pair of database time
//! and monotonic time, which no step of the wall moves.

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
}

impl OpeningClock {
    pub fn new(clock: Clock) -> Self {
        Self { clock, anchor: ArcSwapOption::empty() }
    }

    pub fn now(&self) -> Micros {
        match &*self.anchor.load() {
            Some(anchor) => anchor.now(self.clock.mono()),
            None => self.clock.wall(),
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
