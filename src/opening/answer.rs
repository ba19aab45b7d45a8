//! What a buyer is told: yes, no with a reason, or "not known yet". A time-out is never a no.

use std::sync::Arc;

use crate::domain::ids::{ClaimId, RegOrd, UnitOrd};
use crate::domain::kind::{UnitKind, names};
use crate::domain::money::Fen;
use crate::domain::time::Micros;

/// The buyer's own name for one tap, so that the same tap is never decided twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// 8 to 40 characters of `A–Z a–z 0–9 - _`.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (8..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fits.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Committed. The claim is as it is now, which may be later than held.
    Yes(Arc<Claim>),
    No(Refusal),
    /// Not an answer: repeat the same pick with the same key.
    InProgress,
    /// Not an answer: the outcome is not known; ask with the key until it is.
    Unknown,
}

names!(
    /// Whose places are used up.
    HolderKind { Registration = "registration", Household = "household" }
);

/// Why a pick was refused. Losing the race is an outcome, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NotOpenYet,
    Closed,
    Paused,
    /// On the roster, but not eligible to pick.
    NotAdmitted,
    QuotaUsed {
        holder: HolderKind,
        kind: UnitKind,
    },
    Taken {
        unit: UnitOrd,
    },
    Withheld {
        unit: UnitOrd,
    },
    AlreadyYours {
        unit: UnitOrd,
    },
    UnitUnknown,
    /// Only from ask: the key was never recorded, and now never will be.
    NotRecorded,
}

impl Refusal {
    /// The stable code on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotOpenYet => "NOT_OPEN_YET",
            Self::Closed => "CLOSED",
            Self::Paused => "PAUSED",
            Self::NotAdmitted => "NOT_ADMITTED",
            Self::QuotaUsed { .. } => "QUOTA_USED",
            Self::Taken { .. } => "TAKEN",
            Self::Withheld { .. } => "WITHHELD",
            Self::AlreadyYours { .. } => "ALREADY_YOURS",
            Self::UnitUnknown => "UNIT_UNKNOWN",
            Self::NotRecorded => "NOT_RECORDED",
        }
    }
}

names!(
    /// Where a claim stands. A withheld unit is a claim without a registration.
    ClaimState {
        Withheld = "withheld",
        Held = "held",
        Sold = "sold",
        Lapsed = "lapsed",
        Released = "released",
        GivenUp = "given_up",
    }
);

impl ClaimState {
    /// The unit is nobody else's while this holds; the database's partial indexes rest on it.
    pub const fn is_occupying(self) -> bool {
        matches!(self, Self::Withheld | Self::Held | Self::Sold)
    }
}

/// A granted pick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub id: ClaimId,
    pub unit: UnitOrd,
    pub registration: RegOrd,
    pub key: Key,
    pub state: ClaimState,
    /// Raised whenever the claim starts or stops occupying its unit or becomes a deal; a confirm, a release, an
    /// extension names the one it saw.
    pub generation: i64,
    /// What the buyer shows at the cashier.
    pub code: String,
    pub deposit: Fen,
    pub paid: Fen,
    pub deadline_at: Option<Micros>,
    pub extended: bool,
    pub created_at: Micros,
    /// Journal sequence that granted it.
    pub seq: i64,
}
