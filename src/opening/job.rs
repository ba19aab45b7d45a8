//! What can be asked of an opening's one committer, and how it can end.

use std::sync::Arc;

use super::answer::{Answer, Claim, Key};
use super::lifecycle::Control;
use crate::domain::ids::{ClaimId, PaymentId, RegOrd, StaffId, UnitOrd};
use crate::domain::kind::names;
use crate::domain::time::Micros;
use crate::store::StoreError;

/// A pick that won gate 1.
#[derive(Debug, Clone)]
pub struct Pick {
    pub who: RegOrd,
    pub unit: UnitOrd,
    pub key: Key,
    /// When gate 1 took it; compared with the window in the head row.
    pub arrived: Micros,
}

/// A change other than a pick. Each names the generation it saw, so a repetition of one that succeeded is recognised
/// and answers the same.
#[derive(Debug, Clone)]
pub enum Command {
    /// Yes, no, or a tombstone and then no.
    Ask {
        who: RegOrd,
        key: Key,
    },
    GiveUp {
        who: RegOrd,
        claim: ClaimId,
        generation: i64,
    },
    /// By the lease holder, when the database's time has passed the deadline.
    Lapse {
        claim: ClaimId,
        generation: i64,
    },
    Release {
        claim: ClaimId,
        generation: i64,
        reason: String,
        by: StaffId,
    },
    /// Once, by the opening's hold time.
    Extend {
        claim: ClaimId,
        generation: i64,
        reason: String,
        by: StaffId,
    },
    /// A lapsed claim is held again, if unit and quota are free.
    Revive {
        claim: ClaimId,
        generation: i64,
        reason: String,
        by: StaffId,
    },
    /// Applies a recorded payment to its hold, or lists it for refund.
    Settle {
        payment: PaymentId,
    },
    Control(Change),
}

/// A change of phase or pause.
#[derive(Debug, Clone)]
pub enum Change {
    Arm {
        anchor: Option<(Micros, Micros, String)>,
    },
    Open,
    Pause {
        by: StaffId,
    },
    Resume {
        by: StaffId,
    },
    /// By a person before its time, or by the clock.
    Close {
        by: Option<StaffId>,
    },
}

/// How a command ended, once committed.
#[derive(Debug, Clone)]
pub enum Done {
    Answer(Answer),
    Claim(Arc<Claim>),
    Control(Control),
    /// The payment was settled (see its row).
    Settled,
}

names!(
    /// Why a command was refused.
    CommandRefusal {
        ClaimUnknown = "CLAIM_UNKNOWN",
        /// It has another generation or state by now.
        ClaimChanged = "CLAIM_CHANGED",
        AlreadyExtended = "ALREADY_EXTENDED",
        /// The unit is somebody else's by now.
        UnitTaken = "UNIT_TAKEN",
        QuotaUsed = "QUOTA_USED",
        NotDueYet = "NOT_DUE_YET",
        PaymentUnknown = "PAYMENT_UNKNOWN",
        TransitionRefused = "TRANSITION_REFUSED",
    }
);

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("refused: {}", .0.as_str())]
    Refused(CommandRefusal),
    /// The outcome is not known (yet); look at the opening again.
    #[error("the outcome is not known")]
    Unknown,
    #[error("too many wait already")]
    Busy,
    #[error("the opening was closed down in this process")]
    Stopped,
    #[error(transparent)]
    Store(#[from] StoreError),
}
