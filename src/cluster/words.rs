//! What is said to the noticeboard, and what it says.

/// One pick that passed gate 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    pub unit: u32,
    /// Whose tap and which: the same text for the same tap at whatever gateway.
    pub tap: String,
    /// The last journal sequence that this gateway has applied.
    pub applied: i64,
}

/// What the noticeboard says of a tap. Never an answer for the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nobody is known to be ahead: on to the database.
    Go,
    /// Another tap is on its way to the database.
    Wait,
    /// The journal says more of the unit, at this sequence, than this gateway has applied.
    News(i64),
}

/// What the journal says of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Occupied { owner: u32 },
    Withheld,
    Free,
}

/// A committed journal entry for the others, or (`entry` is `None`) a unit's word alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub seq: i64,
    pub word: Option<(u32, Word)>,
    pub entry: Option<Noted>,
}

/// A journal entry as its row has it; `kind` is never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    pub kind: String,
    pub version: i64,
    pub at: i64,
    pub body: Vec<u8>,
}

impl Word {
    /// As the scripts read it.
    pub(super) fn text(self, seq: i64) -> String {
        match self {
            Self::Occupied { owner } => format!("o{seq}:{owner}"),
            Self::Withheld => format!("w{seq}"),
            Self::Free => format!("f{seq}"),
        }
    }
}

impl Said {
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "GO" => Some(Self::Go),
            "WAIT" => Some(Self::Wait),
            _ => Some(Self::News(text.strip_prefix("NEWS ")?.parse().ok()?)),
        }
    }
}
