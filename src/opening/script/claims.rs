//! What becomes of a claim after it was granted: given up, lapsed, released, extended, revived, paid.
//!
//! Each transition names the generation it saw. A repetition of one that already happened finds the next generation
//! in the state it wanted, and answers the same.

use std::sync::Arc;

use super::{Script, claim_of};
use crate::domain::ids::{ClaimId, PaymentId, RegOrd, StaffId};
use crate::domain::money::Fen;
use crate::opening::answer::ClaimState;
use crate::opening::event::Event;
use crate::opening::job::{CommandRefusal, Done};
use crate::store::{ClaimRow, PaymentRow, SettledPayment, StoreError};

type Ended = Result<Result<Done, CommandRefusal>, StoreError>;

impl Script<'_> {
    pub(super) async fn give_up(&mut self, who: RegOrd, claim: &ClaimId, generation: i64) -> Ended {
        match self.tx.claim(claim).await? {
            Some(row) if row.registration() == Some(who) => {
                self.end(row, generation, ClaimState::GivenUp, None, |claim, generation| Event::GivenUp {
                    claim,
                    generation,
                })
                .await
            }
            // Somebody else's claim answers like an unknown one.
            _ => Ok(Err(CommandRefusal::ClaimUnknown)),
        }
    }

    /// The deadline is judged by the database's time, never by this gateway's.
    pub(super) async fn lapse(&mut self, claim: &ClaimId, generation: i64) -> Ended {
        let Some(row) = self.tx.claim(claim).await? else { return Ok(Err(CommandRefusal::ClaimUnknown)) };
        let is_held = row.state == ClaimState::Held.as_str() && row.generation == generation;
        if is_held && row.deadline_at.is_none_or(|deadline| self.now < deadline) {
            return Ok(Err(CommandRefusal::NotDueYet));
        }
        self.end(row, generation, ClaimState::Lapsed, None, |claim, generation| Event::Lapsed {
            claim,
            generation,
        })
        .await
    }

    pub(super) async fn release(
        &mut self,
        claim: &ClaimId,
        generation: i64,
        reason: &str,
        by: &StaffId,
    ) -> Ended {
        let Some(row) = self.tx.claim(claim).await? else { return Ok(Err(CommandRefusal::ClaimUnknown)) };
        let by = by.clone();
        self.end(row, generation, ClaimState::Released, Some(reason), |claim, generation| Event::Released {
            claim,
            generation,
            by,
        })
        .await
    }

    /// Held → `state`: the unit and the places are free, and what was paid is owed back.
    async fn end(
        &mut self,
        row: ClaimRow,
        generation: i64,
        state: ClaimState,
        reason: Option<&str>,
        event: impl FnOnce(ClaimId, i64) -> Event,
    ) -> Ended {
        if row.state == state.as_str() && row.generation == generation + 1 {
            return done(&row);
        }
        if row.state != ClaimState::Held.as_str() || row.generation != generation {
            return Ok(Err(CommandRefusal::ClaimChanged));
        }
        let seq = self.record(event(row.id.clone(), generation + 1));
        let row = ClaimRow {
            state: state.as_str().to_owned(),
            occupying: state.is_occupying(),
            generation: generation + 1,
            paid_fen: Fen::ZERO,
            deadline_at: None,
            changed_at: self.now,
            changed_seq: seq,
            reason: reason.map(str::to_owned),
            ..row
        };
        self.tx.update_claim(&row).await?;
        self.tx.free_places(&row.id).await?;
        self.tx.refund_applied(&row.id, "HOLD_ENDED").await?;
        done(&row)
    }

    pub(super) async fn extend(
        &mut self,
        claim: &ClaimId,
        generation: i64,
        reason: &str,
        by: &StaffId,
    ) -> Ended {
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
    ) -> Ended {
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
            self.tx.free_places(&row.id).await?;
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
            self.tx.free_places(&row.id).await?;
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
    pub(super) async fn settle(&mut self, payment: &PaymentId) -> Ended {
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

fn done(row: &ClaimRow) -> Ended {
    Ok(match claim_of(row)? {
        Some(claim) => Ok(Done::Claim(Arc::new(claim))),
        None => Err(CommandRefusal::ClaimUnknown),
    })
}
