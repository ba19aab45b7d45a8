//! What this process believes of an opening's claims: a reading of the journal, applied in its order.
//!
//! [`Memory::apply`] is the only way in, for this gateway's own commits, another gateway's, and recovery's. So words
//! in the inventory, deadlines and the buyers' views can't drift apart.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inventory::{Inventory, Settled, Ticket};

use super::answer::{Claim, ClaimState, Key};
use super::board::Status;
use super::event::{Event, Recorded};
use super::facts::Facts;
use crate::domain::ids::{ClaimId, RegOrd, UnitOrd};
use crate::domain::money::Fen;
use crate::domain::time::Micros;

pub struct Memory {
    /// Held for a few instructions and never over an await. Losing picks don't take it.
    state: Mutex<State>,
}

struct State {
    /// The last journal sequence applied.
    applied: i64,
    /// When that entry was written: another one at its place would be of another time.
    applied_at: Option<Micros>,
    claims: HashMap<ClaimId, Arc<Claim>>,
    of: HashMap<RegOrd, Vec<ClaimId>>,
    deadlines: BTreeSet<(Micros, ClaimId)>,
    /// Own picks on their way to the database: their words are pending until the journal, or a no, settles them.
    tickets: HashMap<(RegOrd, Key), Ticket>,
    /// The claim that the next entry changes and that is not here: it ended before the start, and history has not come
    /// to it.
    missing: Option<ClaimId>,
}

/// A journal entry as it changed this process's view.
#[derive(Debug, Clone)]
pub struct Applied {
    pub seq: i64,
    pub at: Micros,
    /// The journal's kind.
    pub kind: &'static str,
    pub unit: Option<(UnitOrd, Status)>,
    /// The claim as it is after this entry.
    pub claim: Option<Arc<Claim>>,
}

impl Memory {
    /// Starts from the claims as recovery read them at `applied`, an entry of the time `at`, and loads the inventory with
    /// them.
    pub fn recovered(
        (applied, at): (i64, Option<Micros>),
        claims: Vec<Claim>,
        facts: &Facts,
        inventory: &Inventory,
    ) -> Self {
        let mut state = State {
            applied,
            applied_at: at,
            claims: HashMap::new(),
            of: HashMap::new(),
            deadlines: BTreeSet::new(),
            tickets: HashMap::new(),
            missing: None,
        };
        for claim in claims {
            if claim.state.is_occupying() {
                occupy(&claim, facts, inventory);
            }
            state.put(Arc::new(claim));
        }
        Self { state: Mutex::new(state) }
    }

    pub fn applied(&self) -> i64 {
        self.lock().applied
    }

    /// The last entry applied, and when it was written.
    pub fn applied_at(&self) -> (i64, Option<Micros>) {
        let state = self.lock();
        (state.applied, state.applied_at)
    }

    /// Applies entries that continue the journal here. Entries already applied are skipped; at a gap, or at a claim
    /// that is [missing](Self::missing), it stops, and the caller reads the rest from the database.
    pub fn apply(&self, facts: &Facts, inventory: &Inventory, entries: &[Recorded]) -> Vec<Applied> {
        let mut state = self.lock();
        state.missing = None;
        let mut applied = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.seq <= state.applied {
                continue;
            }
            if entry.seq != state.applied + 1 {
                break;
            }
            if let Event::Revived { claim, .. } = &entry.event
                && !state.claims.contains_key(claim)
            {
                state.missing = Some(claim.clone());
                break;
            }
            state.applied = entry.seq;
            state.applied_at = Some(entry.at);
            let (claim, withheld) = state.apply(facts, inventory, entry);
            let unit = claim.as_ref().map(|claim| (claim.unit, status_of(claim.state)));
            applied.push(Applied {
                seq: entry.seq,
                at: entry.at,
                kind: entry.event.kind(),
                unit: unit.or(withheld.map(|unit| (unit, Status::Withheld))),
                claim,
            });
        }
        applied
    }

    /// The claim at which [`Memory::apply`] stopped: [remember](Self::remember_ended) it and go on.
    pub fn missing(&self) -> Option<ClaimId> {
        self.lock().missing.clone()
    }

    /// Takes claims that ended before this process knew the opening; returns those that were new to it.
    pub fn remember_ended(&self, claims: Vec<Arc<Claim>>) -> Vec<Arc<Claim>> {
        let mut state = self.lock();
        let mut taken = Vec::with_capacity(claims.len());
        for claim in claims {
            // One that is here already is newer: it was revived since.
            if !state.claims.contains_key(&claim.id) {
                state.put(claim.clone());
                taken.push(claim);
            }
        }
        taken
    }

    /// Keeps a won pick's ticket until the database has spoken.
    pub fn keep_ticket(&self, who: RegOrd, key: Key, ticket: Ticket) {
        self.lock().tickets.insert((who, key), ticket);
    }

    pub fn has_ticket(&self, who: RegOrd, key: &Key) -> bool {
        self.lock().tickets.contains_key(&(who, key.clone()))
    }

    /// The database said no, for good.
    pub fn undo_ticket(&self, who: RegOrd, key: &Key, inventory: &Inventory) {
        if let Some(ticket) = self.lock().tickets.remove(&(who, key.clone())) {
            // Overruled is fine: then the word is already the database's.
            let _: Settled = inventory.undo(ticket);
        }
    }

    pub fn claim(&self, claim: &ClaimId) -> Option<Arc<Claim>> {
        self.lock().claims.get(claim).cloned()
    }

    /// A buyer's claims in the order they were granted, ended ones too.
    pub fn claims_of(&self, who: RegOrd) -> Vec<Arc<Claim>> {
        let state = self.lock();
        let ids = state.of.get(&who).map_or(&[][..], Vec::as_slice);
        let mut claims: Vec<Arc<Claim>> = ids.iter().filter_map(|id| state.claims.get(id).cloned()).collect();
        // History comes late.
        claims.sort_by_key(|claim| claim.seq);
        claims
    }

    pub fn all_claims(&self) -> Vec<Arc<Claim>> {
        self.lock().claims.values().cloned().collect()
    }

    /// Holds whose deadline is not after `now`, soonest first, at most `limit`.
    pub fn due(&self, now: Micros, limit: usize) -> Vec<(ClaimId, i64)> {
        let state = self.lock();
        let due = state.deadlines.iter().take_while(|(deadline, _)| *deadline <= now).take(limit);
        due.filter_map(|(_, id)| state.claims.get(id).map(|claim| (id.clone(), claim.generation))).collect()
    }

    /// Holds that run.
    pub fn holds(&self) -> usize {
        self.lock().deadlines.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One entry; returns the claim it left, or the unit it withheld.
    fn apply(
        &mut self,
        facts: &Facts,
        inventory: &Inventory,
        entry: &Recorded,
    ) -> (Option<Arc<Claim>>, Option<UnitOrd>) {
        let claim = match &entry.event {
            Event::Withheld { unit, .. } => {
                inventory.withhold(unit.0);
                return (None, Some(*unit));
            }
            Event::Held { .. } => self.held(facts, inventory, entry),
            Event::Extended { claim, deadline_at, .. } => {
                self.change(claim, |claim| Claim { deadline_at: Some(*deadline_at), extended: true, ..claim })
            }
            Event::Paid { claim, paid_fen, .. } => {
                self.change(claim, |claim| Claim { paid: *paid_fen, ..claim })
            }
            Event::Sold { claim, generation } => self.change(claim, |claim| Claim {
                state: ClaimState::Sold,
                generation: *generation,
                deadline_at: None,
                ..claim
            }),
            Event::Lapsed { claim, generation } => {
                self.ended(facts, inventory, claim, *generation, ClaimState::Lapsed)
            }
            Event::GivenUp { claim, generation } => {
                self.ended(facts, inventory, claim, *generation, ClaimState::GivenUp)
            }
            Event::Released { claim, generation, .. } => {
                self.ended(facts, inventory, claim, *generation, ClaimState::Released)
            }
            Event::Revived { claim, generation, deadline_at, .. } => {
                let revived = self.change(claim, |claim| Claim {
                    state: ClaimState::Held,
                    generation: *generation,
                    deadline_at: Some(*deadline_at),
                    extended: false,
                    ..claim
                });
                if let Some(claim) = &revived {
                    occupy(claim, facts, inventory);
                }
                revived
            }
            Event::Published { .. }
            | Event::Unpublished { .. }
            | Event::Armed
            | Event::Opened
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::Closed { .. }
            | Event::Archived { .. }
            | Event::Disabled { .. } => None,
        };
        (claim, None)
    }

    fn held(&mut self, facts: &Facts, inventory: &Inventory, entry: &Recorded) -> Option<Arc<Claim>> {
        let claim = held_claim(entry)?;
        // The same key may be on its way here for another unit: that ticket is not this claim's.
        let tap = (claim.registration, claim.key.clone());
        let is_its = self.tickets.get(&tap).is_some_and(|ticket| ticket.unit() == claim.unit.0);
        match is_its.then(|| self.tickets.remove(&tap)).flatten() {
            Some(ticket) => {
                if inventory.confirm(ticket) == Settled::Overruled {
                    // Another gateway's claim came and went while ours was on its way: in the journal's order
                    // ours is the last word.
                    inventory.occupy(claim.unit.0, claim.registration.0);
                }
            }
            None => occupy(&claim, facts, inventory),
        }
        let claim = Arc::new(claim);
        self.put(claim.clone());
        Some(claim)
    }

    fn change(&mut self, id: &ClaimId, change: impl FnOnce(Claim) -> Claim) -> Option<Arc<Claim>> {
        let before = self.claims.get(id)?.clone();
        if let Some(deadline) = before.deadline_at {
            self.deadlines.remove(&(deadline, id.clone()));
        }
        let after = Arc::new(change(Claim::clone(&before)));
        self.put(after.clone());
        Some(after)
    }

    fn ended(
        &mut self,
        facts: &Facts,
        inventory: &Inventory,
        id: &ClaimId,
        generation: i64,
        state: ClaimState,
    ) -> Option<Arc<Claim>> {
        let claim = self.change(id, |claim| Claim {
            state,
            generation,
            paid: Fen::ZERO,
            deadline_at: None,
            ..claim
        })?;
        // Places first: who sees the unit come back must not be refused for the place that came back with it.
        for_each_place(&claim, facts, |holder, class| inventory.free_place(holder, class));
        inventory.free(claim.unit.0);
        Some(claim)
    }

    fn put(&mut self, claim: Arc<Claim>) {
        if claim.state == ClaimState::Held
            && let Some(deadline) = claim.deadline_at
        {
            self.deadlines.insert((deadline, claim.id.clone()));
        }
        let ids = self.of.entry(claim.registration).or_default();
        if !ids.contains(&claim.id) {
            ids.push(claim.id.clone());
        }
        self.claims.insert(claim.id.clone(), claim);
    }
}

/// The claim that an entry grants.
pub(super) fn held_claim(entry: &Recorded) -> Option<Claim> {
    let Event::Held { claim, unit, registration, key, code, deposit_fen, deadline_at } = &entry.event else {
        return None;
    };
    Some(Claim {
        id: claim.clone(),
        unit: *unit,
        registration: *registration,
        key: Key::parse(key)?,
        state: ClaimState::Held,
        generation: 1,
        code: code.clone(),
        deposit: *deposit_fen,
        paid: Fen::ZERO,
        deadline_at: Some(*deadline_at),
        extended: false,
        created_at: entry.at,
        seq: entry.seq,
    })
}

/// The unit and the places are this claim's: unit first, so that its owner who meets the used place finds it theirs.
fn occupy(claim: &Claim, facts: &Facts, inventory: &Inventory) {
    inventory.occupy(claim.unit.0, claim.registration.0);
    for_each_place(claim, facts, |holder, class| inventory.use_place(holder, class));
}

fn for_each_place(claim: &Claim, facts: &Facts, mut with: impl FnMut(u32, u8)) {
    if let Some(unit) = facts.unit(claim.unit) {
        for holder in facts.holders(claim.registration, unit.kind) {
            with(holder.index, unit.kind.class());
        }
    }
}

/// What the board shows for a claim in this state.
pub fn status_of(state: ClaimState) -> Status {
    match state {
        ClaimState::Withheld => Status::Withheld,
        ClaimState::Held => Status::Held,
        ClaimState::Sold => Status::Sold,
        ClaimState::Lapsed | ClaimState::Released | ClaimState::GivenUp => Status::Free,
    }
}
