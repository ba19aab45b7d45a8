//! The board: each unit's public status at a journal sequence. Changes are gathered and published once a tick; what
//! a tick looks like on the wire is the doors' business, but each encodes it once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use crate::domain::ids::UnitOrd;
use crate::limits::TICKS_KEPT;
use crate::telemetry::names;

/// What everybody may know of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    Free = 0,
    Held = 1,
    Sold = 2,
    Withheld = 3,
}

impl Status {
    /// The digit on the wire.
    pub const fn digit(self) -> u8 {
        b'0' + self as u8
    }
}

/// The whole board at `seq`.
pub struct Snapshot {
    pub seq: i64,
    /// By unit ordinal.
    pub statuses: Vec<Status>,
    encoded: OnceLock<Bytes>,
}

/// The changes after `from` up to `to`, each unit once, with its last status.
pub struct Tick {
    pub from: i64,
    pub to: i64,
    pub changes: Vec<(UnitOrd, Status)>,
    /// The board at `to`: who passes ticks on must not show a newer one.
    pub board: Arc<Snapshot>,
    encoded: OnceLock<Bytes>,
}

impl Snapshot {
    /// The same bytes for every connection: encoded by whoever asks first.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(self)).clone()
    }
}

impl Tick {
    /// This tick and the one after it as one: each unit once, with its last status.
    #[must_use]
    pub fn followed_by(&self, next: &Self) -> Self {
        let both = self.changes.iter().chain(&next.changes);
        let last: BTreeMap<u32, Status> = both.map(|(unit, status)| (unit.0, *status)).collect();
        let changes = last.into_iter().map(|(unit, status)| (UnitOrd(unit), status)).collect();
        Self {
            from: self.from,
            to: next.to,
            changes,
            board: Arc::clone(&next.board),
            encoded: OnceLock::new(),
        }
    }

    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(self)).clone()
    }
}

pub struct Board {
    published: ArcSwap<Snapshot>,
    /// Held for a few instructions; nobody on a pick's way takes it.
    gathering: Mutex<Gathering>,
    changed: Notify,
    ticks: broadcast::Sender<Arc<Tick>>,
}

#[derive(Default)]
struct Gathering {
    to: i64,
    changes: BTreeMap<u32, Status>,
    /// When the first of them was noted.
    since: Option<Instant>,
}

impl Board {
    pub fn new(seq: i64, statuses: Vec<Status>) -> Self {
        Self {
            published: ArcSwap::from_pointee(Snapshot { seq, statuses, encoded: OnceLock::new() }),
            gathering: Mutex::new(Gathering { to: seq, ..Gathering::default() }),
            changed: Notify::new(),
            ticks: broadcast::channel(TICKS_KEPT).0,
        }
    }

    /// The board as last published; a [`Tick`] whose `from` is its `seq` continues it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// Ticks from now on. Who lags behind takes a snapshot instead.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Tick>> {
        self.ticks.subscribe()
    }

    /// Notes that the journal has come to `seq`, and what that changed.
    pub fn note(&self, seq: i64, changes: impl IntoIterator<Item = (UnitOrd, Status)>) {
        let mut gathering = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        gathering.to = gathering.to.max(seq);
        gathering.since.get_or_insert_with(Instant::now);
        gathering.changes.extend(changes.into_iter().map(|(unit, status)| (unit.0, status)));
        drop(gathering);
        self.changed.notify_one();
    }

    /// Waits until something was noted that is not published.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Publishes what was gathered, if anything was.
    pub fn publish(&self) -> Option<Arc<Tick>> {
        // The lock is held to the end, so that ticks leave in the order of their sequence.
        let mut gathering = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.published.load_full();
        if gathering.to == before.seq {
            return None;
        }
        let mut statuses = before.statuses.clone();
        let mut changes = Vec::with_capacity(gathering.changes.len());
        for (unit, status) in std::mem::take(&mut gathering.changes) {
            if let Some(slot) = usize::try_from(unit).ok().and_then(|at| statuses.get_mut(at)) {
                *slot = status;
                changes.push((UnitOrd(unit), status));
            }
        }
        let to = gathering.to;
        if let Some(since) = gathering.since.take() {
            metrics::histogram!(names::BOARD_TICK_SECONDS).record(since.elapsed().as_secs_f64());
        }
        let board = Arc::new(Snapshot { seq: to, statuses, encoded: OnceLock::new() });
        self.published.store(Arc::clone(&board));
        let tick = Arc::new(Tick { from: before.seq, to, changes, board, encoded: OnceLock::new() });
        // Nobody listening is no failure.
        let _ = self.ticks.send(tick.clone());
        Some(tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn op_41_ticks_join_without_gaps_and_carry_each_units_last_status_once() {
        let board = Board::new(4, vec![Status::Free; 3]);
        let mut ticks = board.subscribe();
        assert!(board.publish().is_none(), "nothing changed, nothing sent");
        board.note(5, [(UnitOrd(1), Status::Held)]);
        board.note(7, [(UnitOrd(1), Status::Sold), (UnitOrd(9), Status::Held)]);
        board.publish().unwrap();
        let tick = ticks.try_recv().unwrap();
        assert_eq!((tick.from, tick.to), (4, 7));
        assert_eq!(tick.changes, [(UnitOrd(1), Status::Sold)], "a unit that is not on the board is left out");
        board.note(8, []);
        let tick = board.publish().unwrap();
        assert_eq!(
            (tick.from, tick.to, tick.changes.len()),
            (7, 8, 0),
            "a sequence without a change is told"
        );
        let snapshot = board.snapshot();
        assert_eq!(snapshot.seq, 8);
        assert_eq!(snapshot.statuses, [Status::Free, Status::Sold, Status::Free]);
    }

    #[test]
    fn two_ticks_are_one_with_each_units_last_status() {
        let board = Board::new(0, vec![Status::Free; 3]);
        board.note(1, [(UnitOrd(2), Status::Held), (UnitOrd(0), Status::Held)]);
        let first = board.publish().unwrap();
        board.note(2, [(UnitOrd(2), Status::Sold)]);
        let both = first.followed_by(&board.publish().unwrap());
        assert_eq!((both.from, both.to), (0, 2));
        assert_eq!(both.changes, [(UnitOrd(0), Status::Held), (UnitOrd(2), Status::Sold)]);
        assert_eq!((both.board.seq, both.board.statuses[2]), (2, Status::Sold));
    }
}
