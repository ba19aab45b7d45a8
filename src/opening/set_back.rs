//! A database that has lost what this process has read from it: a standby that took over without the last commits, a
//! backup put back under a gateway that runs. Memory, board and Redis then tell of a sale that is not on record.
//!
//! Whoever notices takes no more picks of this opening and starts it again from the database, under an epoch that nobody had:
//! Redis' words and stream of what was lost lie under the old one.

use std::sync::atomic::Ordering;

use super::live::Live;
use super::script::Group;
use crate::domain::time::Micros;
use crate::store::{Entry, Head, Priority, StoreError};

/// What this process had read from the database at a moment: a later answer can not know less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    applied: i64,
    epoch: i64,
}

impl Live {
    /// To be taken before the database is asked.
    pub(super) fn known(&self) -> Known {
        Known { applied: self.memory.applied(), epoch: self.control.load().epoch }
    }

    /// The database is not the one that this process knew: what runs here is to be started anew.
    pub fn is_set_back(&self) -> bool {
        self.set_back.load(Ordering::Relaxed)
    }

    /// Whether a head row that was read after `known` was taken knows less.
    pub(super) fn knows_less(&self, head: &Head, known: Known) -> bool {
        let lost = head.next_seq <= known.applied || head.epoch < known.epoch;
        if lost {
            self.note_set_back(head.next_seq - 1, known.applied);
        }
        lost
    }

    /// The same of a group that stands behind the head row, which was taken after `known` was: whatever was known then lies
    /// before it. (Not what is known now: of a transaction that the database has ended meanwhile, others may have made more.)
    pub(super) fn is_ahead_of(&self, group: &Group, known: Known) -> bool {
        let applied = known.applied;
        let first = group.recorded.first().map_or(group.head.next_seq, |entry| entry.seq);
        if first <= applied {
            self.note_set_back(first - 1, applied);
        }
        first <= applied
    }

    /// Whether the journal's entry at `applied`, of the time `at`, is another one than memory has applied, or is gone: others
    /// may have written beyond it by now. Without that it is taken out of the page.
    pub(super) fn was_rewritten(&self, page: &mut Vec<Entry>, applied: i64, at: Micros) -> bool {
        let same = page.first().is_some_and(|entry| entry.seq == applied && entry.at == at);
        if same {
            page.remove(0);
        } else {
            self.note_set_back(applied - 1, applied);
        }
        !same
    }

    fn note_set_back(&self, last: i64, applied: i64) {
        // An embedded database has nobody who could put another one in its place.
        if !self.ledger.is_embedded() && !self.set_back.swap(true, Ordering::Relaxed) {
            tracing::error!(
                opening = %self.facts.id,
                last,
                applied,
                "the database was set back: it has lost entries of the journal that this gateway has read, and with them \
                 answers that buyers were given; the opening starts again from what the database has"
            );
        }
    }

    /// Raises the epoch above every one that this process has seen, so that Redis' words of what was lost are nobody's.
    pub(super) async fn leave_behind(&self) -> Result<(), StoreError> {
        let lost = self.control.load().epoch;
        let Some(mut head) = self.ledger.read_head(&self.facts.id).await? else { return Ok(()) };
        if head.epoch > lost {
            return Ok(());
        }
        let mut tx = self.ledger.begin(&self.facts.id, Priority::Commit).await?;
        if tx.take_head(head.epoch).await?.is_none() {
            // Somebody raises it just now; whoever starts reads theirs, or is refused and reads again.
            return Ok(());
        }
        while head.epoch <= lost {
            head = tx.raise_epoch().await?;
        }
        tx.commit().await
    }
}
