//! What an opening knows of itself at a moment, for the metrics. Nothing decides by it.

use std::sync::atomic::Ordering;

use super::board::Status;
use super::gate2::Gate2State;
use super::lifecycle::Phase;
use super::live::Live;
use crate::domain::time::Micros;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFigures {
    pub phase: Phase,
    pub paused: bool,
    /// The clock is frozen.
    pub armed: bool,
    /// Negative after the start.
    pub starts_in: Micros,
    /// The database's time less the frozen clock.
    pub clock_offset: Micros,
    pub clock_refuses: bool,
    /// The last group was not committed, and is tried again.
    pub commits_fail: bool,
    /// The last entry that is known to be in the database.
    pub journal_head: i64,
    /// The last entry in memory.
    pub journal_applied: i64,
    /// The last entry on the board.
    pub board_seq: i64,
    /// On the board, by status.
    pub units: [(&'static str, usize); 4],
    pub holds: usize,
    pub epoch: i64,
    pub gate2: Gate2State,
}

impl Live {
    pub fn figures(&self) -> LiveFigures {
        let control = self.control();
        let now = self.now();
        let journal_applied = self.memory.applied();
        let board = self.board.snapshot();
        let count = |status| board.statuses.iter().filter(|other| **other == status).count();
        LiveFigures {
            phase: control.phase_at(now),
            paused: control.paused,
            armed: self.clock.anchor().is_some(),
            starts_in: control.start_at.since(now),
            clock_offset: Micros(self.clock_offset.load(Ordering::Relaxed)),
            clock_refuses: self.clock_off.load(Ordering::Relaxed),
            commits_fail: self.troubled.load(Ordering::Relaxed),
            journal_head: self.head.load(Ordering::Relaxed).max(journal_applied),
            journal_applied,
            board_seq: board.seq,
            units: [
                ("free", count(Status::Free)),
                ("held", count(Status::Held)),
                ("sold", count(Status::Sold)),
                ("withheld", count(Status::Withheld)),
            ],
            holds: self.memory.holds(),
            epoch: control.epoch,
            gate2: self.gate2().map_or(Gate2State::Off, |standing| standing.state),
        }
    }
}
