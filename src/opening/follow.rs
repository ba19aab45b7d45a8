//! Follows the journal: what other gateways committed, as the stream brings it or as the database has it. Entries are
//! applied in their order and by one at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::answer::{Answer, Claim, ClaimState};
use super::event::Recorded;
use super::live::Live;
use super::memory::{Applied, held_claim};
use super::script::{claim_of, control_of};
use crate::domain::ids::ClaimId;
use crate::limits::JOURNAL_PAGE;
use crate::store::StoreError;

impl Live {
    /// To the board and to all who listen.
    pub(super) fn show(&self, applied: Vec<Applied>) {
        let Some(last) = applied.last() else { return };
        let units = applied.iter().filter_map(|entry| entry.unit);
        for (unit, _) in units.clone() {
            self.ring(unit);
        }
        let (seq, changes): (i64, Vec<_>) = (last.seq, units.collect());
        for entry in applied {
            if let Some(claim) = &entry.claim {
                self.remember(claim);
            }
            // Nobody listening is no failure.
            let _ = self.events.send(Arc::new(entry));
        }
        // Last: what concerns one buyer is told before the board shows it to all.
        self.board.note(seq, changes);
        if let Some(together) = &self.together {
            together.applied();
        }
    }

    /// Follows the journal to its end: what other gateways wrote.
    pub(super) async fn follow(&self) -> Result<(), StoreError> {
        let known = self.known();
        let Some(head) = self.ledger.read_head(&self.facts.id).await? else { return Ok(()) };
        if self.is_set_back() || self.knows_less(&head, known) {
            return Ok(());
        }
        self.head.fetch_max(head.next_seq - 1, Ordering::Relaxed);
        if self.memory.applied() + 1 >= head.next_seq && control_of(&head)? == **self.control.load() {
            return Ok(());
        }
        let _order = self.order.lock().await;
        let mut applied = Vec::new();
        self.read_on(&mut applied).await;
        self.show(applied);
        self.refresh_control().await
    }

    /// Takes entries that the stream brought, up to `last`; what does not come next is read from the database.
    pub(super) async fn take_on(&self, recorded: &[Recorded], last: i64) {
        let _order = self.order.lock().await;
        self.remember_grants(recorded);
        let mut applied = self.memory.apply(&self.facts, &self.inventory, recorded);
        if self.memory.applied() < last {
            self.read_on(&mut applied).await;
        }
        self.head.fetch_max(self.memory.applied(), Ordering::Relaxed);
        // An entry without a claim or a unit is one of phase or pause, which the head row has.
        let controls = applied.iter().any(|entry| entry.unit.is_none() && entry.claim.is_none());
        self.show(applied);
        if controls && let Err(error) = self.refresh_control().await {
            tracing::warn!(opening = %self.facts.id, %error, "the head row could not be read; the heartbeat tries again");
        }
    }

    /// Before memory shows a unit as its owner's, the tap that won it is known: repeated here it is the same yes, and not
    /// "yours already".
    fn remember_grants(&self, recorded: &[Recorded]) {
        for claim in recorded.iter().filter_map(held_claim) {
            let claim = Arc::new(claim);
            self.keys.granted(claim.registration, &claim.key, claim.unit, &Answer::Yes(Arc::clone(&claim)));
        }
    }

    /// Tells the other gateways what memory has applied, unless the stream told it.
    pub(super) fn tell(&self, recorded: &[Recorded], applied: &[Applied]) {
        if let Some(together) = &self.together {
            together.tell(recorded, applied);
        }
    }

    /// Applies what the journal has beyond memory. The caller holds the order lock.
    pub(super) async fn read_on(&self, applied: &mut Vec<Applied>) {
        while !self.is_set_back() {
            let (after, at) = self.memory.applied_at();
            // The last one that is known, too: is it the same?
            let from = at.map_or(after, |_| after - 1);
            let mut entries = match self.ledger.journal_after(&self.facts.id, from, JOURNAL_PAGE).await {
                Ok(entries) => entries,
                Err(error) => {
                    // The heartbeat tries again; until then memory is behind, which only costs gate 3 some refusals.
                    tracing::warn!(opening = %self.facts.id, %error, "could not read the journal");
                    return;
                }
            };
            if at.is_some_and(|at| self.was_rewritten(&mut entries, after, at)) {
                return;
            }
            let page: Result<Vec<Recorded>, StoreError> = entries.iter().map(Recorded::from_entry).collect();
            let page = match page {
                Ok(page) if page.is_empty() => return,
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(opening = %self.facts.id, %error, "the journal does not read");
                    return;
                }
            };
            self.remember_grants(&page);
            let part = self.memory.apply(&self.facts, &self.inventory, &page);
            self.tell(&page, &part);
            let stuck = part.is_empty();
            applied.extend(part);
            match self.memory.missing() {
                Some(claim) => {
                    if let Err(error) = self.read_ended(&claim).await {
                        tracing::warn!(opening = %self.facts.id, %error, "could not read a revived claim");
                        return;
                    }
                }
                None if stuck => return,
                None => {}
            }
        }
    }

    /// A claim that ended before the start and lives again: as it was, so that its entry changes it like any other.
    async fn read_ended(&self, claim: &ClaimId) -> Result<(), StoreError> {
        let row = self.ledger.read_claim(&self.facts.id, claim).await?;
        let read = row.as_ref().map(claim_of).transpose()?.flatten();
        let claim = read.ok_or_else(|| StoreError::Corrupt(format!("claim {claim} has gone")))?;
        let ended = Claim { state: ClaimState::Lapsed, deadline_at: None, ..claim };
        self.memory.remember_ended(vec![Arc::new(ended)]);
        Ok(())
    }

    /// A claim by its id, for whoever was told of it elsewhere: another gateway may have granted it a moment ago.
    pub async fn find_claim(&self, claim: &ClaimId) -> Result<Option<Arc<Claim>>, StoreError> {
        if let Some(known) = self.claim(claim) {
            return Ok(Some(known));
        }
        self.follow().await?;
        Ok(self.claim(claim))
    }

    pub(super) async fn refresh_control(&self) -> Result<(), StoreError> {
        let known = self.known();
        if let Some(head) = self.ledger.read_head(&self.facts.id).await? {
            if self.is_set_back() || self.knows_less(&head, known) {
                return Ok(());
            }
            let read = control_of(&head)?;
            // A commit of this process may have stored a newer one meanwhile.
            self.control.rcu(|held| {
                if held.version > read.version && held.epoch == read.epoch {
                    held.clone()
                } else {
                    Arc::new(read.clone())
                }
            });
        }
        Ok(())
    }
}
