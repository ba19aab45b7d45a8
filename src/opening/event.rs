//! The journal's entries. Board, memory, audit and exports are readings of them; there is no second history.
//!
//! An entry holds no personal data: registrations appear by ordinal, staff by id, reasons stay in the staff log. The
//! bytes are canonical: JSON with the fields in the order declared here, no spaces. Changing a variant means a new
//! [`VERSION`] that still reads the old one.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{ClaimId, PaymentId, RegOrd, StaffId, UnitOrd};
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::store::{Entry, StoreError};

pub const VERSION: i64 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    Published {
        units_hash: String,
        roster_hash: String,
        start_at: Micros,
        end_at: Micros,
    },
    /// By a member of staff, or at the machine itself, through the command line.
    Unpublished {
        by: Option<StaffId>,
    },
    Withheld {
        claim: ClaimId,
        unit: UnitOrd,
    },
    /// The opening's clock is frozen from here on.
    Armed,
    Opened,
    Paused {
        by: StaffId,
    },
    Resumed {
        by: StaffId,
    },
    /// By a person before its time (`by`), or by the clock.
    Closed {
        by: Option<StaffId>,
    },
    Archived {
        by: StaffId,
    },
    Disabled {
        by: StaffId,
    },
    Held {
        claim: ClaimId,
        unit: UnitOrd,
        registration: RegOrd,
        key: String,
        code: String,
        deposit_fen: Fen,
        deadline_at: Micros,
    },
    Extended {
        claim: ClaimId,
        deadline_at: Micros,
        by: StaffId,
    },
    Paid {
        claim: ClaimId,
        payment: PaymentId,
        paid_fen: Fen,
    },
    Sold {
        claim: ClaimId,
        generation: i64,
    },
    Lapsed {
        claim: ClaimId,
        generation: i64,
    },
    GivenUp {
        claim: ClaimId,
        generation: i64,
    },
    Released {
        claim: ClaimId,
        generation: i64,
        by: StaffId,
    },
    Revived {
        claim: ClaimId,
        generation: i64,
        deadline_at: Micros,
        by: StaffId,
    },
}

/// An event at its place in the one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub seq: i64,
    pub at: Micros,
    pub event: Event,
}

impl Event {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Published { .. } => "published",
            Self::Unpublished { .. } => "unpublished",
            Self::Withheld { .. } => "withheld",
            Self::Armed => "armed",
            Self::Opened => "opened",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Closed { .. } => "closed",
            Self::Archived { .. } => "archived",
            Self::Disabled { .. } => "disabled",
            Self::Held { .. } => "held",
            Self::Extended { .. } => "extended",
            Self::Paid { .. } => "paid",
            Self::Sold { .. } => "sold",
            Self::Lapsed { .. } => "lapsed",
            Self::GivenUp { .. } => "given_up",
            Self::Released { .. } => "released",
            Self::Revived { .. } => "revived",
        }
    }
}

impl Recorded {
    pub fn to_entry(&self) -> Result<Entry, StoreError> {
        let body = serde_json::to_vec(&self.event).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        Ok(Entry { seq: self.seq, kind: self.event.kind().to_owned(), version: VERSION, at: self.at, body })
    }

    pub fn from_entry(entry: &Entry) -> Result<Self, StoreError> {
        if entry.version != VERSION {
            return Err(StoreError::Corrupt(format!(
                "journal entry {} has version {}, this program reads {VERSION}",
                entry.seq, entry.version
            )));
        }
        let event = serde_json::from_slice(&entry.body)
            .map_err(|e| StoreError::Corrupt(format!("journal entry {}: {e}", entry.seq)))?;
        Ok(Self { seq: entry.seq, at: entry.at, event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_canonical_and_read_back() {
        let recorded = Recorded {
            seq: 7,
            at: Micros(1_000),
            event: Event::Held {
                claim: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
                unit: UnitOrd(3),
                registration: RegOrd(9),
                key: "tap-00000001".into(),
                code: "K7PM2Q".into(),
                deposit_fen: Fen(5_000_000),
                deadline_at: Micros(901_000_000),
            },
        };
        let entry = recorded.to_entry().unwrap();
        assert_eq!(
            String::from_utf8(entry.body.clone()).unwrap(),
            r#"{"kind":"held","claim":"01ARZ3NDEKTSV4RRFFQ69G5FAV","unit":3,"registration":9,"key":"tap-00000001","code":"K7PM2Q","deposit_fen":5000000,"deadline_at":901000000}"#
        );
        assert_eq!(entry.kind, "held");
        assert_eq!(Recorded::from_entry(&entry).unwrap(), recorded);
        assert!(Recorded::from_entry(&Entry { version: 2, ..entry }).is_err());
    }
}
