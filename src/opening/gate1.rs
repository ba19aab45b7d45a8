//! Gate 1: what memory says of a pick, before anybody is asked. Who loses here is answered at once; who wins goes on to gate 2 or
//! to the committer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use inventory::Pick as Gate;
use tokio::time::{Instant, timeout_at};

use super::answer::{Key, Refusal};
use super::facts::HolderIndexes;
use super::job::Pick;
use super::live::{Job, Live};
use crate::domain::ids::{RegOrd, UnitOrd};
use crate::domain::kind::Eligibility;
use crate::domain::time::Micros;
use crate::limits::PICK_WAIT_MS;

/// A waiting pick looks again this often even if no bell rings: a household's place may settle under another unit.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What gate 1 says.
pub(super) enum Decision {
    No(Refusal),
    /// Somebody's commit decides it; look again.
    Wait,
    Queued,
    Busy,
}

impl Live {
    /// Gate 1, in order: phase and clock, admitted, the unit's word, the quota's. Waits while somebody's commit
    /// decides it, for a second at most.
    pub(super) async fn decide(&self, who: RegOrd, unit: UnitOrd, key: &Key, arrived: Micros) -> Decision {
        let until = Instant::now() + Duration::from_millis(PICK_WAIT_MS);
        loop {
            // The bell is taken in hand before the look, so that none that rings in between is missed.
            let mut bell = std::pin::pin!(self.bell(unit).notified());
            bell.as_mut().enable();
            match self.look_with_history(who, unit, key, arrived) {
                Decision::Wait if Instant::now() < until => {}
                decided => return decided,
            }
            let _rang = timeout_at(until.min(Instant::now() + LOOK_AGAIN), bell).await;
        }
    }

    /// Before [`super::history`] is read, a key that memory does not know may have been granted to a claim that has
    /// ended: then only gate 3 may refuse it.
    pub(super) fn look_with_history(
        &self,
        who: RegOrd,
        unit: UnitOrd,
        key: &Key,
        arrived: Micros,
    ) -> Decision {
        match self.look(who, unit, key, arrived) {
            // Nobody could ever have been granted these.
            decided @ Decision::No(Refusal::NotAdmitted | Refusal::UnitUnknown) => decided,
            Decision::No(_) if !self.history_is_read.load(Ordering::Acquire) => {
                self.queue(Pick { who, unit, key: key.clone(), arrived })
            }
            decided => decided,
        }
    }

    fn look(&self, who: RegOrd, unit: UnitOrd, key: &Key, arrived: Micros) -> Decision {
        if let Some(refusal) = self.control.load().refuses(arrived) {
            return Decision::No(refusal);
        }
        let admitted = self.facts.registration(who).is_some_and(|r| r.eligibility == Eligibility::Passed);
        if !admitted {
            return Decision::No(Refusal::NotAdmitted);
        }
        let Some(facts) = self.facts.unit(unit) else { return Decision::No(Refusal::UnitUnknown) };
        let holders = self.facts.holder_indexes(who, facts.kind);
        match self.inventory.pick(unit.0, who.0, facts.kind.class(), holders.as_slice()) {
            Gate::Won(ticket) => {
                self.memory.keep_ticket(who, key.clone(), ticket);
                self.queue(Pick { who, unit, key: key.clone(), arrived })
            }
            // The committer gave this very key up without an answer (see `committer`); its words are still pending.
            Gate::MinePending if self.memory.has_ticket(who, key) => {
                self.queue(Pick { who, unit, key: key.clone(), arrived })
            }
            Gate::Mine => Decision::No(Refusal::AlreadyYours { unit }),
            Gate::Taken { .. } => Decision::No(Refusal::Taken { unit }),
            Gate::Withheld => Decision::No(Refusal::Withheld { unit }),
            Gate::QuotaUsed { holder_index } => Decision::No(Refusal::QuotaUsed {
                holder: HolderIndexes::kind(holder_index),
                kind: facts.kind,
            }),
            Gate::UnknownUnit => Decision::No(Refusal::UnitUnknown),
            Gate::UnknownHolder => Decision::No(Refusal::NotAdmitted),
            Gate::Pending | Gate::MinePending | Gate::QuotaPending { .. } => Decision::Wait,
        }
    }

    fn queue(&self, pick: Pick) -> Decision {
        match &self.together {
            Some(together) => {
                if let Ok(place) = together.picks().try_reserve() {
                    place.send(pick);
                    return Decision::Queued;
                }
            }
            None => {
                if let Ok(place) = self.jobs.try_reserve() {
                    place.send(Job::Pick(pick));
                    return Decision::Queued;
                }
            }
        }
        // It never left this process, so undoing it can't contradict the database.
        self.memory.undo_ticket(pick.who, &pick.key, &self.inventory);
        self.ring(pick.unit);
        Decision::Busy
    }
}
