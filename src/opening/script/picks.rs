//! Picks and asks: the part of the script that grants.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Script, claim_of, control_of};
use crate::domain::ids::{ClaimId, RegOrd};
use crate::opening::answer::{Answer, ClaimState, HolderKind, Key, Refusal};
use crate::opening::event::Event;
use crate::opening::facts::{Holder, Unit};
use crate::opening::job::Pick;
use crate::store::{ClaimRow, Keyed, NewClaim, NewPlace, StoreError};

/// A claim of this group that the unit's index let in.
struct Granted<'p> {
    /// Where its pick stands in the group.
    at: usize,
    pick: &'p Pick,
    unit: &'p Unit,
    row: ClaimRow,
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
            match (control.refuses(pick.arrived), facts.unit(pick.unit)) {
                (Some(refusal), _) => *answer = Some(Answer::No(refusal)),
                (None, None) => *answer = Some(Answer::No(Refusal::UnitUnknown)),
                (None, Some(unit)) => {
                    let seq = self.head.next_seq + i64::try_from(candidates.len()).unwrap_or(0);
                    candidates.push(Granted { at, pick, unit, row: self.new_claim(pick, unit, seq) });
                }
            }
        }

        let refused = self.claim_units(&mut candidates).await?;
        for (at, pick) in refused {
            let answer = self.why_taken(pick).await?;
            put(&mut answers, at, answer);
        }
        let over = self.claim_places(&mut candidates).await?;
        for (at, refusal) in over {
            put(&mut answers, at, Answer::No(refusal));
        }

        for granted in candidates {
            let seq = self.record(Event::Held {
                claim: granted.row.id.clone(),
                unit: granted.pick.unit,
                registration: granted.pick.who,
                key: granted.pick.key.as_str().to_owned(),
                code: granted.row.code.clone(),
                deposit_fen: granted.row.deposit_fen,
                deadline_at: granted.row.deadline_at.unwrap_or(self.now),
            });
            if seq != granted.row.seq {
                self.tx.number_claim(&granted.row.id, seq).await?;
            }
            let row = ClaimRow { seq, changed_seq: seq, ..granted.row };
            if let Some(claim) = claim_of(&row)? {
                put(&mut answers, granted.at, Answer::Yes(Arc::new(claim)));
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Answer::Unknown)).collect())
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
        for keyed in self.tx.keyed(&keys).await? {
            let (who, key, answer) = match keyed {
                Keyed::Tombstone { registration, key } => {
                    (registration, key, Answer::No(Refusal::NotRecorded))
                }
                Keyed::Claim(row) => match claim_of(&row)? {
                    Some(claim) => {
                        (claim.registration, claim.key.as_str().to_owned(), Answer::Yes(Arc::new(claim)))
                    }
                    None => continue,
                },
            };
            for (pick, slot) in picks.iter().zip(answers.iter_mut()) {
                if pick.who == who && pick.key.as_str() == key {
                    *slot = Some(answer.clone());
                }
            }
        }
        Ok(())
    }

    fn new_claim(&self, pick: &Pick, unit: &Unit, seq: i64) -> ClaimRow {
        let id = ClaimId::generate();
        // The random end of the id, read out at the cashier's desk.
        let code = id.as_str().chars().skip(20).collect();
        ClaimRow {
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
        }
    }

    /// Offers the candidates to the unique indexes; those refused leave `candidates` and are returned.
    async fn claim_units<'p>(
        &mut self,
        candidates: &mut Vec<Granted<'p>>,
    ) -> Result<Vec<(usize, &'p Pick)>, StoreError> {
        let claims: Vec<NewClaim> = candidates
            .iter()
            .map(|candidate| NewClaim {
                row: candidate.row.clone(),
                property_id: candidate.unit.property.clone(),
                rehearsal: self.facts.rehearsal,
            })
            .collect();
        let accepted: HashSet<ClaimId> = self.tx.insert_claims(&claims).await?.into_iter().collect();
        let mut refused = Vec::new();
        candidates.retain(|candidate| {
            let kept = accepted.contains(&candidate.row.id);
            if !kept {
                refused.push((candidate.at, candidate.pick));
            }
            kept
        });
        Ok(refused)
    }

    /// The database's word on a refused claim: whose the unit is.
    async fn why_taken(&mut self, pick: &Pick) -> Result<Answer, StoreError> {
        let taken = Answer::No(Refusal::Taken { unit: pick.unit });
        let Some(row) = self.tx.occupant(pick.unit).await? else {
            // Not in this opening: the same property is occupied in another one.
            return Ok(taken);
        };
        Ok(match claim_of(&row)? {
            None => Answer::No(Refusal::Withheld { unit: pick.unit }),
            Some(claim) if claim.registration == pick.who && claim.key == pick.key => {
                Answer::Yes(Arc::new(claim))
            }
            Some(claim) if claim.registration == pick.who => {
                Answer::No(Refusal::AlreadyYours { unit: pick.unit })
            }
            Some(_) => taken,
        })
    }

    /// Takes each candidate's numbered places. Those without one are taken back, leave `candidates`, and are
    /// returned with the reason.
    async fn claim_places(
        &mut self,
        candidates: &mut Vec<Granted<'_>>,
    ) -> Result<Vec<(usize, Refusal)>, StoreError> {
        let facts = self.facts;
        let wanted: Vec<(ClaimId, &'static str, Vec<Holder>)> = candidates
            .iter()
            .map(|c| (c.row.id.clone(), c.unit.kind.as_str(), facts.holders(c.pick.who, c.unit.kind)))
            .collect();
        let without = self.take_places(&wanted).await?;
        let mut over = Vec::new();
        for candidate in candidates.iter() {
            if let Some(holder) = without.get(&candidate.row.id) {
                self.tx.delete_claim(&candidate.row.id).await?;
                over.push((candidate.at, Refusal::QuotaUsed { holder: *holder, kind: candidate.unit.kind }));
            }
        }
        candidates.retain(|candidate| !without.contains_key(&candidate.row.id));
        Ok(over)
    }

    /// Tries place 0, 1, 2 … for every claim at once; returns the claims that found no place, with whose quota was
    /// used. Registrations first, so that a claim that fails there takes no place from a household. The rows of a
    /// claim that fails go when the caller deletes or frees it.
    pub(super) async fn take_places(
        &mut self,
        wanted: &[(ClaimId, &'static str, Vec<Holder>)],
    ) -> Result<HashMap<ClaimId, HolderKind>, StoreError> {
        let mut without = HashMap::new();
        for kind in HolderKind::ALL {
            let mut open: Vec<(&ClaimId, &'static str, &Holder)> = wanted
                .iter()
                .filter(|(claim, _, _)| !without.contains_key(claim))
                .flat_map(|(claim, class, holders)| holders.iter().map(move |holder| (claim, *class, holder)))
                .filter(|(_, _, holder)| holder.kind == *kind)
                .collect();
            let mut place: i64 = 0;
            loop {
                open.retain(|(claim, _, holder)| {
                    let possible = place < i64::from(holder.limit);
                    if !possible {
                        without.insert((*claim).clone(), *kind);
                    }
                    possible
                });
                if open.is_empty() {
                    break;
                }
                let got = self.tx.insert_places(&numbered(&open, place)).await?;
                open.retain(|(claim, _, _)| !got.contains(claim));
                place += 1;
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

fn numbered(open: &[(&ClaimId, &'static str, &Holder)], place: i64) -> Vec<NewPlace> {
    open.iter()
        .map(|(claim, class, holder)| NewPlace {
            claim: (*claim).clone(),
            holder_kind: holder.kind.as_str(),
            holder: holder.name.clone(),
            class,
            place,
        })
        .collect()
}
