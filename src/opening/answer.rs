//! What a buyer is told: yes, no with a reason, or "not known yet". A time-out is never a no.

use std::fmt;
use std::sync::Arc;

use crate::domain::ids::{ClaimId, RegOrd, UnitOrd};
use crate::domain::kind::{UnitKind, names};
use crate::domain::money::Fen;
use crate::domain::time::Micros;

/// Characters of the longest key.
const KEY_CHARS_MAX: usize = 40;

/// The buyer's own name for one tap, so that the same tap is never decided twice. Held in place and not behind a
/// pointer: each tap is compared with the buyer's last thirty.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Zeroes behind the text, so that the derived order is the text's.
    text: [u8; KEY_CHARS_MAX],
    chars: u8,
}

impl Key {
    /// 8 to 40 characters of `A–Z a–z 0–9 - _`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if bytes.len() < 8 || !bytes.iter().all(allowed) {
            return None;
        }
        let mut text = [0; KEY_CHARS_MAX];
        text.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { text, chars: u8::try_from(bytes.len()).ok()? })
    }

    pub fn as_str(&self) -> &str {
        let text = self.text.get(..usize::from(self.chars)).unwrap_or_default();
        // ASCII, by `parse`.
        str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.as_str())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_8_to_40_letters_digits_dashes_and_underscores() {
        for text in ["tap-0001", "A_z-09az", &"k".repeat(40)] {
            assert_eq!(Key::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "tap-001", &"k".repeat(41), "tap 0001", "tap-0001\n", "täp-0001", "tap.0001"] {
            assert_eq!(Key::parse(text), None, "{text:?}");
        }
        let [short, long] = ["tap-0001", "tap-00010"].map(|text| Key::parse(text).unwrap());
        assert!(short < long && short != long);
        assert_eq!(format!("{short:?}"), "Key(\"tap-0001\")");
    }
}
