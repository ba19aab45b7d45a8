//! Rows of the opening's tables as plain values. States and kinds stay text here; the opening reads them.

use sqlx::FromRow;

use crate::domain::ids::{ClaimId, PaymentId, RegOrd, UnitOrd};
use crate::domain::money::Fen;
use crate::domain::time::Micros;

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Head {
    pub epoch: i64,
    pub phase: String,
    pub paused: bool,
    pub control_version: i64,
    pub next_seq: i64,
    pub start_at: Micros,
    pub end_at: Micros,
    pub anchor_wall: Option<Micros>,
    pub anchor_mono: Option<Micros>,
    pub anchor_boot: Option<String>,
}

impl Head {
    /// The frozen clock of an armed opening, as a function of the monotonic clock.
    pub(super) fn anchor_now(&self) -> Option<impl Fn(Micros) -> Micros + use<>> {
        let (wall, mono) = (self.anchor_wall?, self.anchor_mono?);
        Some(move |now: Micros| wall.plus(now.since(mono)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ClaimRow {
    pub id: ClaimId,
    pub unit_ord: i64,
    pub registration_ord: Option<i64>,
    pub request_key: Option<String>,
    pub state: String,
    pub occupying: bool,
    pub generation: i64,
    pub code: String,
    pub deposit_fen: Fen,
    pub paid_fen: Fen,
    pub deadline_at: Option<Micros>,
    pub extended: bool,
    pub created_at: Micros,
    pub changed_at: Micros,
    pub seq: i64,
    pub changed_seq: i64,
    pub reason: Option<String>,
}

/// A claim to insert: held by a registration, or withheld without one.
#[derive(Debug, Clone)]
pub struct NewClaim {
    pub row: ClaimRow,
    pub property_id: crate::domain::ids::PropertyId,
    pub rehearsal: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPlace {
    pub claim: ClaimId,
    pub holder_kind: &'static str,
    pub holder: String,
    pub class: &'static str,
    pub place: i64,
}

/// What is recorded under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyed {
    Claim(ClaimRow),
    Tombstone { registration: RegOrd, key: String },
}

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Entry {
    pub seq: i64,
    pub kind: String,
    pub version: i64,
    pub at: Micros,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PaymentRow {
    pub id: PaymentId,
    pub claim_id: ClaimId,
    pub generation: i64,
    pub method: String,
    pub reference: String,
    pub amount_fen: Fen,
    pub state: String,
    pub applied_fen: Fen,
    pub refund_fen: Fen,
    pub refund_reason: Option<String>,
    pub recorded_by: String,
    pub created_at: Micros,
}

/// How much of a payment was applied, and what is owed back and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledPayment {
    pub id: PaymentId,
    pub applied: Fen,
    pub refund: Fen,
    pub refund_reason: Option<&'static str>,
}

impl ClaimRow {
    pub fn unit(&self) -> UnitOrd {
        UnitOrd(u32::try_from(self.unit_ord).unwrap_or(u32::MAX))
    }

    pub fn registration(&self) -> Option<RegOrd> {
        self.registration_ord.and_then(|ord| u32::try_from(ord).ok()).map(RegOrd)
    }
}
