//! Picks and asks: the part of the script that grants.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Script, claim_of, control_of};
use crate::domain::ids::{ClaimId, RegOrd, UnitOrd};
use crate::domain::kind::UnitKind;
use crate::opening::answer::{Answer, Claim, ClaimState, HolderKind, Key, Refusal};
use crate::opening::event::Event;
use crate::opening::facts::{Holder, Unit};
use crate::opening::job::Pick;
use crate::store::{ClaimRow, Keyed, NewClaim, NewPlace, StoreError};

/// A pick of this group that nothing has refused so far.
struct Candidate<'p> {
    /// Where its pick stands in the group.
    at: usize,
    pick: &'p Pick,
    unit: &'p Unit,
    claim: NewClaim,
}

impl Candidate<'_> {
    fn id(&self) -> &ClaimId {
        &self.claim.row.id
    }
}

/// A claim that wants one of a holder's numbered places.
struct Seeker<'w> {
    claim: &'w ClaimId,
    class: UnitKind,
    holder: &'w Holder,
    /// The place it tries first.
    first: u32,
}

impl Seeker<'_> {
    /// All of the holder's places in turn, from the first one on and round; `tried` is below their number.
    fn place(&self, tried: u32) -> NewPlace {
        let limit = u32::from(self.holder.limit);
        NewPlace {
            claim: self.claim.clone(),
            holder_kind: self.holder.kind.as_str(),
            holder: self.holder.name.clone(),
            class: self.class.as_str(),
            place: i64::from((self.first % limit + tried) % limit),
        }
    }
}

impl Script<'_> {
    /// Decides a group of picks. One answer a pick, in order.
    pub(super) async fn picks(&mut self, picks: &[Pick]) -> Result<Vec<Answer>, StoreError> {
        let mut answers: Vec<Option<Answer>> = vec![None; picks.len()];
        self.answer_recorded(picks, &mut answers).await?;

        let control = control_of(&self.head)?;
        let facts = self.facts;
        let mut candidates = Vec::new();
        for (at, (pick, answer)) in picks.iter().zip(&mut answers).enumerate() {
            if answer.is_some() {
                continue;
            }
            // A gateway's clock may be some milliseconds ahead; the gate opens by the database's.
            match (control.refuses(pick.arrived.min(self.now)), facts.unit(pick.unit)) {
                (Some(refusal), _) => *answer = Some(Answer::No(refusal)),
                (None, None) => *answer = Some(Answer::No(Refusal::UnitUnknown)),
                (None, Some(unit)) => {
                    let seq = self.head.next_seq + i64::try_from(candidates.len()).unwrap_or(0);
                    candidates.push(Candidate { at, pick, unit, claim: self.new_claim(pick, unit, seq) });
                }
            }
        }

        let refused = self.claim_units(&mut candidates).await?;
        for (at, answer) in self.why_taken(&refused).await? {
            put(&mut answers, at, answer);
        }
        let over = self.claim_places(&mut candidates).await?;
        for (at, refusal) in over {
            put(&mut answers, at, Answer::No(refusal));
        }
        for (at, claim) in self.grant(candidates).await? {
            put(&mut answers, at, Answer::Yes(Arc::new(claim)));
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Answer::Unknown)).collect())
    }

    /// Numbers and records what is left: these are granted.
    async fn grant(&mut self, candidates: Vec<Candidate<'_>>) -> Result<Vec<(usize, Claim)>, StoreError> {
        let mut granted = Vec::with_capacity(candidates.len());
        let mut moved = Vec::new();
        for Candidate { at, pick, claim: NewClaim { row, .. }, .. } in candidates {
            let deadline_at = row.deadline_at.unwrap_or(self.now);
            let seq = self.record(Event::Held {
                claim: row.id.clone(),
                unit: pick.unit,
                registration: pick.who,
                key: pick.key.as_str().to_owned(),
                code: row.code.clone(),
                deposit_fen: row.deposit_fen,
                deadline_at,
            });
            // Those before it that were refused left their numbers.
            if seq != row.seq {
                moved.push((row.id.clone(), seq));
            }
            let claim = Claim {
                id: row.id,
                unit: pick.unit,
                registration: pick.who,
                key: pick.key.clone(),
                state: ClaimState::Held,
                generation: row.generation,
                code: row.code,
                deposit: row.deposit_fen,
                paid: row.paid_fen,
                deadline_at: Some(deadline_at),
                extended: row.extended,
                created_at: row.created_at,
                seq,
            };
            granted.push((at, claim));
        }
        if !moved.is_empty() {
            let moved: Vec<(&ClaimId, i64)> = moved.iter().map(|(claim, seq)| (claim, *seq)).collect();
            self.tx.number_claims(&moved).await?;
        }
        Ok(granted)
    }

    /// Idempotency before every rule: a key that is already recorded answers as recorded.
    async fn answer_recorded(
        &mut self,
        picks: &[Pick],
        answers: &mut [Option<Answer>],
    ) -> Result<(), StoreError> {
        if picks.is_empty() {
            return Ok(());
        }
        let keys: Vec<(RegOrd, &str)> = picks.iter().map(|pick| (pick.who, pick.key.as_str())).collect();
        let mut recorded: HashMap<(RegOrd, String), Answer> = HashMap::new();
        for keyed in self.tx.keyed(&keys).await? {
            match keyed {
                Keyed::Tombstone { registration, key } => {
                    recorded.insert((registration, key), Answer::No(Refusal::NotRecorded));
                }
                Keyed::Claim(row) => {
                    if let Some(claim) = claim_of(&row)? {
                        let key = claim.key.as_str().to_owned();
                        recorded.insert((claim.registration, key), Answer::Yes(Arc::new(claim)));
                    }
                }
            }
        }
        if recorded.is_empty() {
            return Ok(());
        }
        for (pick, slot) in picks.iter().zip(answers.iter_mut()) {
            *slot = recorded.get(&(pick.who, pick.key.as_str().to_owned())).cloned();
        }
        Ok(())
    }

    fn new_claim(&self, pick: &Pick, unit: &Unit, seq: i64) -> NewClaim {
        let id = ClaimId::generate();
        // The random end of the id, read out at the cashier's desk.
        let code = id.as_str().chars().skip(20).collect();
        let row = ClaimRow {
            id,
            unit_ord: i64::from(pick.unit.0),
            registration_ord: Some(i64::from(pick.who.0)),
            request_key: Some(pick.key.as_str().to_owned()),
            state: ClaimState::Held.as_str().to_owned(),
            occupying: true,
            generation: 1,
            code,
            deposit_fen: self.facts.deposit.get(unit.kind),
            paid_fen: crate::domain::money::Fen::ZERO,
            deadline_at: Some(self.now.plus(self.facts.hold)),
            extended: false,
            created_at: self.now,
            changed_at: self.now,
            seq,
            changed_seq: seq,
            reason: None,
        };
        NewClaim { row, property_id: unit.property.clone(), rehearsal: self.facts.rehearsal }
    }

    /// Offers the candidates to the unique indexes; those refused leave `candidates` and are returned.
    async fn claim_units<'p>(
        &mut self,
        candidates: &mut Vec<Candidate<'p>>,
    ) -> Result<Vec<(usize, &'p Pick)>, StoreError> {
        let claims: Vec<&NewClaim> = candidates.iter().map(|candidate| &candidate.claim).collect();
        let refused: HashSet<ClaimId> = self.tx.insert_claims(&claims).await?.into_iter().collect();
        if refused.is_empty() {
            return Ok(Vec::new());
        }
        let taken = candidates.extract_if(.., |candidate| refused.contains(candidate.id()));
        Ok(taken.map(|candidate| (candidate.at, candidate.pick)).collect())
    }

    /// The database's word on refused claims: whose the units are.
    async fn why_taken(&mut self, refused: &[(usize, &Pick)]) -> Result<Vec<(usize, Answer)>, StoreError> {
        if refused.is_empty() {
            return Ok(Vec::new());
        }
        let mut units: Vec<UnitOrd> = refused.iter().map(|(_, pick)| pick.unit).collect();
        units.sort_unstable();
        units.dedup();
        let mut owners: HashMap<UnitOrd, Option<Claim>> = HashMap::new();
        for row in self.tx.occupants(&units).await? {
            owners.insert(row.unit(), claim_of(&row)?);
        }
        let why = |pick: &Pick| {
            let unit = pick.unit;
            match owners.get(&unit) {
                // Not in this opening: the same property is occupied in another one.
                None => Answer::No(Refusal::Taken { unit }),
                Some(None) => Answer::No(Refusal::Withheld { unit }),
                Some(Some(claim)) if claim.registration == pick.who && claim.key == pick.key => {
                    Answer::Yes(Arc::new(claim.clone()))
                }
                Some(Some(claim)) if claim.registration == pick.who => {
                    Answer::No(Refusal::AlreadyYours { unit })
                }
                Some(Some(_)) => Answer::No(Refusal::Taken { unit }),
            }
        };
        Ok(refused.iter().map(|(at, pick)| (*at, why(pick))).collect())
    }

    /// Takes each candidate's numbered places. Those without one are taken back, leave `candidates`, and are
    /// returned with the reason.
    async fn claim_places(
        &mut self,
        candidates: &mut Vec<Candidate<'_>>,
    ) -> Result<Vec<(usize, Refusal)>, StoreError> {
        let facts = self.facts;
        let wanted: Vec<(ClaimId, UnitKind, Vec<Holder>)> = candidates
            .iter()
            .map(|c| (c.id().clone(), c.unit.kind, facts.holders(c.pick.who, c.unit.kind)))
            .collect();
        let without = self.take_places(&wanted).await?;
        if without.is_empty() {
            return Ok(Vec::new());
        }
        let over: Vec<Candidate<'_>> =
            candidates.extract_if(.., |candidate| without.contains_key(candidate.id())).collect();
        let ids: Vec<&ClaimId> = over.iter().map(Candidate::id).collect();
        self.tx.delete_claims(&ids).await?;
        let refusal = |candidate: &Candidate<'_>| {
            let holder = *without.get(candidate.id())?;
            Some((candidate.at, Refusal::QuotaUsed { holder, kind: candidate.unit.kind }))
        };
        Ok(over.iter().filter_map(refusal).collect())
    }

    /// Tries place after place for every claim at once; returns the claims that found none, with whose quota was used.
    /// Registrations first, so that a claim that fails there takes no place from a household. The rows of a claim that
    /// fails go when the caller deletes or frees it.
    ///
    /// Every place is tried before a claim is refused. The first one tried is the place after those that memory knows as
    /// used: right nearly always, and if not, the index says so.
    pub(super) async fn take_places(
        &mut self,
        wanted: &[(ClaimId, UnitKind, Vec<Holder>)],
    ) -> Result<HashMap<ClaimId, HolderKind>, StoreError> {
        let mut without = HashMap::new();
        for kind in HolderKind::ALL {
            let mut open: Vec<Seeker<'_>> = Vec::new();
            let mut before: HashMap<(u32, UnitKind), u32> = HashMap::new();
            for (claim, class, holders) in wanted.iter().filter(|(claim, _, _)| !without.contains_key(claim))
            {
                for holder in holders.iter().filter(|holder| holder.kind == *kind) {
                    // Of one holder's claims in this group each begins a place further.
                    let first = before
                        .entry((holder.index, *class))
                        .or_insert_with(|| self.inventory.quota(holder.index, class.class()).used);
                    open.push(Seeker { claim, class: *class, holder, first: *first });
                    *first = first.saturating_add(1);
                }
            }
            let mut tried: u32 = 0;
            loop {
                open.retain(|seeker| {
                    let possible = tried < u32::from(seeker.holder.limit);
                    if !possible {
                        without.insert(seeker.claim.clone(), *kind);
                    }
                    possible
                });
                if open.is_empty() {
                    break;
                }
                let places: Vec<NewPlace> = open.iter().map(|seeker| seeker.place(tried)).collect();
                let refused: HashSet<ClaimId> = self.tx.insert_places(&places).await?.into_iter().collect();
                open.retain(|seeker| refused.contains(seeker.claim));
                tried += 1;
            }
        }
        Ok(without)
    }

    /// The claim, or a tombstone so that a late commit of this key loses, and only then no.
    pub(super) async fn ask(&mut self, who: RegOrd, key: &Key) -> Result<Answer, StoreError> {
        match self.tx.keyed(&[(who, key.as_str())]).await?.into_iter().next() {
            Some(Keyed::Claim(row)) => Ok(match claim_of(&row)? {
                Some(claim) => Answer::Yes(Arc::new(claim)),
                None => Answer::Unknown,
            }),
            Some(Keyed::Tombstone { .. }) => Ok(Answer::No(Refusal::NotRecorded)),
            None => {
                self.tx.insert_tombstone(who, key.as_str(), self.now).await?;
                Ok(Answer::No(Refusal::NotRecorded))
            }
        }
    }
}

fn put(answers: &mut [Option<Answer>], at: usize, answer: Answer) {
    if let Some(slot) = answers.get_mut(at) {
        *slot = Some(answer);
    }
}
