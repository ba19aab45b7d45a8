//! Idempotency in memory: what each registration's recent keys were decided to be. A repeated tap gets the same
//! answer; a tap that is still being decided is joined, not decided twice.
//!
//! Bounded: a registration has [`KEYS_PER_REGISTRATION`] keys. The oldest refused one leaves first. Granted ones come
//! back from the journal after a restart and from other gateways: gate 1 alone would tell their buyer "yours already"
//! or "quota used" where a yes was said.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::answer::{Answer, Key};
use crate::domain::ids::{RegOrd, UnitOrd};
use crate::limits::{KEYS_PER_REGISTRATION, WAITERS_PER_KEY};

pub struct Keys {
    /// One lock a registration, held for a few instructions and never over an await: two devices of one buyer are
    /// all who ever meet on it.
    slots: Box<[Mutex<VecDeque<Entry>>]>,
}

struct Entry {
    key: Key,
    /// The request is the unit: the same key for another one is refused.
    unit: UnitOrd,
    state: State,
}

enum State {
    Deciding(Vec<oneshot::Sender<Answer>>),
    Decided(Answer),
}

/// What the first look at a fresh key's pick came to.
pub enum First {
    /// Nobody has to wait for it.
    Decided(Answer),
    /// It is on its way: the caller sees to it that it is settled or forgotten.
    Open,
    /// It was not taken, and the key stays fresh.
    NotTaken,
}

/// What is known of a key.
pub enum Known {
    /// Nothing was; the caller's first look left it open.
    Fresh(oneshot::Receiver<Answer>),
    /// Somebody decides it: wait with them.
    Deciding(oneshot::Receiver<Answer>),
    Decided(Answer),
    /// The same key was used for another unit.
    Reused,
    /// Too many keys or waiters at once.
    Busy,
}

impl Keys {
    pub fn new(registrations: usize) -> Self {
        Self { slots: (0..registrations).map(|_| Mutex::default()).collect() }
    }

    /// Looks a key up and, if it is fresh, has `first` look at its pick. That runs under the registration's lock, so
    /// that a loser, which is nearly everybody, costs one look and no channel, and so that the committer can not
    /// settle a key before somebody waits for it. `first` is gate 1: a few instructions, and never back to the keys.
    pub fn begin(&self, who: RegOrd, key: &Key, unit: UnitOrd, first: impl FnOnce() -> First) -> Known {
        let Some(mut slot) = self.slot(who) else { return Known::Busy };
        if let Some(entry) = slot.iter_mut().find(|entry| entry.key == *key) {
            return if entry.unit == unit { entry.join() } else { Known::Reused };
        }
        if !make_room(&mut slot) {
            return Known::Busy;
        }
        let (state, known) = match first() {
            First::Decided(answer) => (State::Decided(answer.clone()), Known::Decided(answer)),
            First::Open => {
                let (sender, receiver) = oneshot::channel();
                (State::Deciding(vec![sender]), Known::Fresh(receiver))
            }
            First::NotTaken => return Known::Busy,
        };
        slot.push_back(Entry { key: key.clone(), unit, state });
        known
    }

    /// Looks a key up without starting anything.
    pub fn find(&self, who: RegOrd, key: &Key) -> Option<Known> {
        let mut slot = self.slot(who)?;
        let entry = slot.iter_mut().find(|entry| entry.key == *key)?;
        Some(entry.join())
    }

    /// The decision: remembered, and told to all who wait.
    pub fn settle(&self, who: RegOrd, key: &Key, answer: &Answer) {
        let Some(mut slot) = self.slot(who) else { return };
        let Some(entry) = slot.iter_mut().find(|entry| entry.key == *key) else { return };
        // Decided already, by the journal: a refusal that was on its way must not take a grant back.
        if let State::Deciding(waiting) = &mut entry.state {
            let waiting = std::mem::take(waiting);
            // Another gateway used it for another unit, before: it belongs to that one.
            if let Answer::Yes(claim) = answer {
                entry.unit = claim.unit;
            }
            entry.state = State::Decided(answer.clone());
            tell(waiting, answer);
        }
    }

    /// The journal says that this key was granted, whoever decided it.
    pub fn granted(&self, who: RegOrd, key: &Key, unit: UnitOrd, yes: &Answer) {
        let Some(mut slot) = self.slot(who) else { return };
        match slot.iter_mut().find(|entry| entry.key == *key) {
            Some(entry) if entry.unit == unit => {
                if let State::Deciding(waiting) =
                    std::mem::replace(&mut entry.state, State::Decided(yes.clone()))
                {
                    tell(waiting, yes);
                }
            }
            // Being decided for another unit: the database refuses that.
            Some(_) => {}
            None => {
                if make_room(&mut slot) {
                    slot.push_back(Entry { key: key.clone(), unit, state: State::Decided(yes.clone()) });
                }
            }
        }
    }

    /// No decision was reached, and none is under way: the key is fresh again, unless the journal has decided it
    /// meanwhile. Who waits is told `answer`.
    pub fn forget(&self, who: RegOrd, key: &Key, answer: &Answer) {
        let Some(mut slot) = self.slot(who) else { return };
        let is_open = |entry: &Entry| entry.key == *key && matches!(entry.state, State::Deciding(_));
        let Some(at) = slot.iter().position(is_open) else { return };
        if let Some(Entry { state: State::Deciding(waiting), .. }) = slot.remove(at) {
            tell(waiting, answer);
        }
    }

    /// What a buyer's later taps do to a key.
    #[cfg(test)]
    pub fn make_room_of(&self, who: RegOrd, key: &Key) {
        self.slot(who).unwrap().retain(|entry| entry.key != *key);
    }

    fn slot(&self, who: RegOrd) -> Option<MutexGuard<'_, VecDeque<Entry>>> {
        let slot = self.slots.get(usize::try_from(who.0).ok()?)?;
        Some(slot.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Entry {
    fn join(&mut self) -> Known {
        match &mut self.state {
            State::Decided(answer) => Known::Decided(answer.clone()),
            State::Deciding(waiting) => {
                // Those who left (a lost connection, a time-out) make room.
                waiting.retain(|waiter| !waiter.is_closed());
                if waiting.len() >= WAITERS_PER_KEY {
                    return Known::Busy;
                }
                let (sender, receiver) = oneshot::channel();
                waiting.push(sender);
                Known::Deciding(receiver)
            }
        }
    }
}

/// Whether another key fits; the oldest refusal goes first, then the oldest grant.
fn make_room(slot: &mut VecDeque<Entry>) -> bool {
    if slot.len() < KEYS_PER_REGISTRATION {
        return true;
    }
    let refused = slot.iter().position(|entry| matches!(entry.state, State::Decided(Answer::No(_))));
    let oldest = refused.or_else(|| slot.iter().position(|entry| matches!(entry.state, State::Decided(_))));
    oldest.and_then(|oldest| slot.remove(oldest)).is_some()
}

fn tell(waiting: Vec<oneshot::Sender<Answer>>, answer: &Answer) {
    for waiter in waiting {
        // Who no longer listens asks again.
        let _ = waiter.send(answer.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::ids::ClaimId;
    use crate::domain::money::Fen;
    use crate::domain::time::Micros;
    use crate::opening::answer::{Claim, ClaimState, Refusal};

    fn key(n: usize) -> Key {
        Key::parse(&format!("tap-{n:08}")).unwrap()
    }

    fn claim(key: Key) -> Claim {
        Claim {
            id: ClaimId::generate(),
            unit: UnitOrd(0),
            registration: RegOrd(0),
            key,
            state: ClaimState::Held,
            generation: 1,
            code: String::new(),
            deposit: Fen::ZERO,
            paid: Fen::ZERO,
            deadline_at: None,
            extended: false,
            created_at: Micros(0),
            seq: 1,
        }
    }

    /// A first look that leaves the pick open.
    fn begin(keys: &Keys, who: RegOrd, key: &Key, unit: UnitOrd) -> Known {
        keys.begin(who, key, unit, || First::Open)
    }

    #[test]
    fn a_key_is_decided_once_joined_while_pending_and_bound_to_its_unit() {
        let keys = Keys::new(1);
        let (who, unit) = (RegOrd(0), UnitOrd(7));
        let Known::Fresh(mut first) = begin(&keys, who, &key(1), unit) else { panic!("fresh") };
        let Known::Deciding(mut second) = begin(&keys, who, &key(1), unit) else { panic!("join") };
        assert!(matches!(begin(&keys, who, &key(1), UnitOrd(8)), Known::Reused));

        let answer = Answer::No(Refusal::Taken { unit });
        keys.settle(who, &key(1), &answer);
        assert_eq!(first.try_recv().unwrap(), answer);
        assert_eq!(second.try_recv().unwrap(), answer);
        assert!(matches!(begin(&keys, who, &key(1), unit), Known::Decided(known) if known == answer));
        assert!(matches!(begin(&keys, RegOrd(1), &key(1), unit), Known::Busy), "unknown registration");
    }

    #[test]
    fn a_key_decided_at_the_first_look_is_remembered_and_one_not_taken_stays_fresh() {
        let keys = Keys::new(1);
        let (who, unit) = (RegOrd(0), UnitOrd(7));
        let taken = Answer::No(Refusal::Taken { unit });
        assert!(matches!(keys.begin(who, &key(1), unit, || First::NotTaken), Known::Busy));
        let known = keys.begin(who, &key(1), unit, || First::Decided(taken.clone()));
        assert!(matches!(known, Known::Decided(answer) if answer == taken));
        let known = keys.begin(who, &key(1), unit, || panic!("looked at twice"));
        assert!(matches!(known, Known::Decided(answer) if answer == taken));
    }

    #[test]
    fn memory_is_bounded_and_a_forgotten_key_is_fresh() {
        let keys = Keys::new(1);
        let (who, unit) = (RegOrd(0), UnitOrd(0));
        for n in 0..KEYS_PER_REGISTRATION {
            assert!(matches!(begin(&keys, who, &key(n), unit), Known::Fresh(_)));
        }
        assert!(matches!(begin(&keys, who, &key(99), unit), Known::Busy), "all are being decided");
        keys.settle(who, &key(0), &Answer::No(Refusal::Closed));
        assert!(matches!(begin(&keys, who, &key(99), unit), Known::Fresh(_)));
        assert!(matches!(begin(&keys, who, &key(0), unit), Known::Busy), "the oldest decided one left");
        keys.forget(who, &key(99), &Answer::InProgress);
        assert!(matches!(begin(&keys, who, &key(99), unit), Known::Fresh(_)));
    }

    #[test]
    fn a_grant_from_the_journal_is_an_answer_and_outlives_refusals() {
        let keys = Keys::new(1);
        let (who, unit) = (RegOrd(0), UnitOrd(0));
        let yes = Answer::Yes(Arc::new(claim(key(0))));
        keys.granted(who, &key(0), unit, &yes);
        for n in 1..=KEYS_PER_REGISTRATION {
            assert!(matches!(begin(&keys, who, &key(n), unit), Known::Fresh(_)));
            keys.settle(who, &key(n), &Answer::No(Refusal::Closed));
        }
        assert!(matches!(begin(&keys, who, &key(0), unit), Known::Decided(known) if known == yes));
        assert!(matches!(begin(&keys, who, &key(0), UnitOrd(1)), Known::Reused));

        // Tapped here and granted through another gateway: who waits here hears it.
        let Known::Fresh(mut waiting) = begin(&keys, who, &key(99), unit) else { panic!("fresh") };
        keys.granted(who, &key(99), unit, &yes);
        assert_eq!(waiting.try_recv().unwrap(), yes);
    }
}
