//! What becomes of a claim after it was granted: given up, lapsed, released, extended, revived, paid.
//!
//! Each transition names the generation it saw. A repetition of one that already happened finds the next generation
//! in the state it wanted, and answers the same.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Script, claim_of};
use crate::domain::ids::{ClaimId, PaymentId, RegOrd, StaffId};
use crate::domain::money::Fen;
use crate::opening::answer::ClaimState;
use crate::opening::event::Event;
use crate::opening::job::{Command, CommandRefusal, Done};
use crate::store::{ClaimRow, PaymentRow, SettledPayment, StoreError};

type Outcome = Result<Done, CommandRefusal>;

/// A claim's end, as asked for.
#[derive(Clone, Copy)]
pub(super) struct Ending<'c> {
    claim: &'c ClaimId,
    generation: i64,
    how: How<'c>,
}

#[derive(Clone, Copy)]
enum How<'c> {
    GivenUp { who: RegOrd },
    Lapsed,
    Released { reason: &'c str, by: &'c StaffId },
}

impl<'c> Ending<'c> {
    /// What a command ends, if it ends something.
    pub(super) fn of(command: &'c Command) -> Option<Self> {
        let (claim, generation, how) = match command {
            Command::GiveUp { who, claim, generation } => (claim, generation, How::GivenUp { who: *who }),
            Command::Lapse { claim, generation } => (claim, generation, How::Lapsed),
            Command::Release { claim, generation, reason, by } => {
                (claim, generation, How::Released { reason, by })
            }
            _ => return None,
        };
        Some(Self { claim, generation: *generation, how })
    }
}

/// What became of it.
enum Ended {
    Now(Box<ClaimRow>),
    /// A repetition.
    Already,
    Refused(CommandRefusal),
}

impl Script<'_> {
    /// Claims that people or time end, all in the same few statements: a burst of holds lapses as it was granted, in one
    /// second, and the head row is held meanwhile.
    pub(super) async fn end_all(&mut self, endings: &[Ending<'_>]) -> Result<Vec<Outcome>, StoreError> {
        let ids: Vec<&ClaimId> = endings.iter().map(|ending| ending.claim).collect();
        let rows = self.tx.claims(&ids).await?;
        let mut rows: HashMap<ClaimId, ClaimRow> =
            rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut outcomes = Vec::with_capacity(endings.len());
        let mut ended: Vec<ClaimId> = Vec::new();
        for ending in endings {
            let Some(row) = rows.get(ending.claim) else {
                outcomes.push(Err(CommandRefusal::ClaimUnknown));
                continue;
            };
            match self.end(row, ending) {
                Ended::Already => outcomes.push(done(row)?),
                Ended::Refused(refusal) => outcomes.push(Err(refusal)),
                Ended::Now(row) => {
                    outcomes.push(done(&row)?);
                    ended.push(row.id.clone());
                    rows.insert(row.id.clone(), *row);
                }
            }
        }
        let ended: Vec<&ClaimRow> = ended.iter().filter_map(|id| rows.get(id)).collect();
        if !ended.is_empty() {
            let ids: Vec<&ClaimId> = ended.iter().map(|row| &row.id).collect();
            self.tx.end_claims(&ended).await?;
            self.tx.free_places(&ids).await?;
            self.tx.refund_applied(&ids, "HOLD_ENDED").await?;
        }
        Ok(outcomes)
    }

    /// Held → ended: the unit and the places are free, and what was paid is owed back.
    fn end(&mut self, row: &ClaimRow, ending: &Ending<'_>) -> Ended {
        let Ending { claim: _, generation, how } = *ending;
        let is_held = row.state == ClaimState::Held.as_str() && row.generation == generation;
        let (state, reason) = match how {
            // Somebody else's claim answers like an unknown one.
            How::GivenUp { who } if row.registration() != Some(who) => {
                return Ended::Refused(CommandRefusal::ClaimUnknown);
            }
            How::GivenUp { .. } => (ClaimState::GivenUp, None),
            // The deadline is judged by the database's time, never by this gateway's.
            How::Lapsed if is_held && row.deadline_at.is_none_or(|deadline| self.now < deadline) => {
                return Ended::Refused(CommandRefusal::NotDueYet);
            }
            How::Lapsed => (ClaimState::Lapsed, None),
            How::Released { reason, .. } => (ClaimState::Released, Some(reason)),
        };
        if row.state == state.as_str() && row.generation == generation + 1 {
            return Ended::Already;
        }
        if !is_held {
            return Ended::Refused(CommandRefusal::ClaimChanged);
        }
        let (claim, generation) = (row.id.clone(), generation + 1);
        let seq = self.record(match how {
            How::GivenUp { .. } => Event::GivenUp { claim, generation },
            How::Lapsed => Event::Lapsed { claim, generation },
            How::Released { by, .. } => Event::Released { claim, generation, by: by.clone() },
        });
        Ended::Now(Box::new(ClaimRow {
            state: state.as_str().to_owned(),
            occupying: state.is_occupying(),
            generation,
            paid_fen: Fen::ZERO,
            deadline_at: None,
            changed_at: self.now,
            changed_seq: seq,
            reason: reason.map(str::to_owned),
            ..row.clone()
        }))
    }

    pub(super) async fn extend(
        &mut self,
        claim: &ClaimId,
        generation: i64,
        reason: &str,
        by: &StaffId,
    ) -> Result<Outcome, StoreError> {
        let Some(row) = self.tx.claim(claim).await? else { return Ok(Err(CommandRefusal::ClaimUnknown)) };
        let Some(deadline) = row.deadline_at else { return Ok(Err(CommandRefusal::ClaimChanged)) };
        if row.state != ClaimState::Held.as_str() || row.generation != generation {
            return Ok(Err(CommandRefusal::ClaimChanged));
        }
        if row.extended {
            return Ok(Err(CommandRefusal::AlreadyExtended));
        }
        let deadline_at = deadline.plus(self.facts.hold);
        let seq = self.record(Event::Extended { claim: row.id.clone(), deadline_at, by: by.clone() });
        let row = ClaimRow {
            deadline_at: Some(deadline_at),
            extended: true,
            changed_at: self.now,
            changed_seq: seq,
            reason: Some(reason.to_owned()),
            ..row
        };
        self.tx.update_claim(&row).await?;
        done(&row)
    }

    pub(super) async fn revive(
        &mut self,
        claim: &ClaimId,
        generation: i64,
        reason: &str,
        by: &StaffId,
    ) -> Result<Outcome, StoreError> {
        let Some(row) = self.tx.claim(claim).await? else { return Ok(Err(CommandRefusal::ClaimUnknown)) };
        if row.state == ClaimState::Held.as_str() && row.generation == generation + 1 {
            return done(&row);
        }
        let lapsed = row.state == ClaimState::Lapsed.as_str() && row.generation == generation;
        let (true, Some(who), Some(unit)) = (lapsed, row.registration(), self.facts.unit(row.unit())) else {
            return Ok(Err(CommandRefusal::ClaimChanged));
        };
        let holders = self.facts.holders(who, unit.kind);
        let without = self.take_places(&[(row.id.clone(), unit.kind, holders)]).await?;
        if !without.is_empty() {
            self.tx.free_places(&[&row.id]).await?;
            return Ok(Err(CommandRefusal::QuotaUsed));
        }
        let deadline_at = self.now.plus(self.facts.hold);
        let row = ClaimRow {
            state: ClaimState::Held.as_str().to_owned(),
            occupying: true,
            generation: generation + 1,
            deadline_at: Some(deadline_at),
            extended: false,
            changed_at: self.now,
            changed_seq: self.head.next_seq,
            reason: Some(reason.to_owned()),
            ..row
        };
        if !self.tx.update_claim(&row).await? {
            self.tx.free_places(&[&row.id]).await?;
            return Ok(Err(CommandRefusal::UnitTaken));
        }
        self.record(Event::Revived {
            claim: row.id.clone(),
            generation: row.generation,
            deadline_at,
            by: by.clone(),
        });
        done(&row)
    }

    /// Applies a recorded payment. Money counts only for the generation of the hold it was taken for; the rest is
    /// owed back, so late money never confirms a home given to somebody else.
    pub(super) async fn settle(&mut self, payment: &PaymentId) -> Result<Outcome, StoreError> {
        let Some(payment) = self.tx.payment(payment).await? else {
            return Ok(Err(CommandRefusal::PaymentUnknown));
        };
        if payment.state != "recorded" {
            return Ok(Ok(Done::Settled));
        }
        let row = self.tx.claim(&payment.claim_id).await?;
        let payable =
            row.filter(|row| row.state == ClaimState::Held.as_str() && row.generation == payment.generation);
        match payable {
            Some(row) => self.apply(row, &payment).await?,
            None => {
                self.tx
                    .settle_payment(&SettledPayment {
                        id: payment.id,
                        applied: Fen::ZERO,
                        refund: payment.amount_fen,
                        refund_reason: Some("HOLD_ENDED"),
                    })
                    .await?;
            }
        }
        Ok(Ok(Done::Settled))
    }

    async fn apply(&mut self, row: ClaimRow, payment: &PaymentRow) -> Result<(), StoreError> {
        let owed = Fen((row.deposit_fen.0 - row.paid_fen.0).max(0));
        let applied = payment.amount_fen.min(owed);
        let refund = Fen(payment.amount_fen.0 - applied.0);
        self.tx
            .settle_payment(&SettledPayment {
                id: payment.id.clone(),
                applied,
                refund,
                refund_reason: (refund > Fen::ZERO).then_some("SURPLUS"),
            })
            .await?;
        let paid_fen = Fen(row.paid_fen.0 + applied.0);
        let mut seq =
            self.record(Event::Paid { claim: row.id.clone(), payment: payment.id.clone(), paid_fen });
        let mut row = ClaimRow { paid_fen, ..row };
        if paid_fen >= row.deposit_fen {
            row.state = ClaimState::Sold.as_str().to_owned();
            row.generation += 1;
            row.deadline_at = None;
            seq = self.record(Event::Sold { claim: row.id.clone(), generation: row.generation });
        }
        self.tx.update_claim(&ClaimRow { changed_at: self.now, changed_seq: seq, ..row }).await?;
        Ok(())
    }
}

fn done(row: &ClaimRow) -> Result<Outcome, StoreError> {
    Ok(match claim_of(row)? {
        Some(claim) => Ok(Done::Claim(Arc::new(claim))),
        None => Err(CommandRefusal::ClaimUnknown),
    })
}
