//! What a pick is answered with, and the ticket of one that won.

use crate::unit::UnitWord;

/// Places that one pick can need: the registration's own, and its household's.
pub const HOLDERS_PER_PICK_MAX: usize = 2;

/// Gate 1's answer. Losing a unit is an outcome, not an error, and each outcome has its name.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a won pick holds the unit and its places until its ticket is confirmed or undone"]
pub enum Pick {
    /// The unit and the places are pending for this owner. The database is next.
    Won(Ticket),
    /// The database has given it to this same owner before.
    Mine,
    /// Another pick of this same owner waits for the database with it.
    MinePending,
    /// The database has given it to somebody else.
    Taken { owner: u32 },
    /// Somebody else's pick waits for the database with it: not an answer yet.
    Pending,
    /// Not on offer.
    Withheld,
    /// `holders[holder_index]` has used all its places in this class.
    QuotaUsed { holder_index: usize },
    /// `holders[holder_index]` has no place free, but one is pending and may come back: not an answer yet.
    QuotaPending { holder_index: usize },
    /// No such unit (yet).
    UnknownUnit,
    /// No such holder (yet), no such class, or not 1 to [`HOLDERS_PER_PICK_MAX`] holders: there is no quota to
    /// take a place from, and a pick without a place is never let through.
    UnknownHolder,
}

/// A pick that won in memory and waits for the database.
///
/// It is the only key to what it holds: it can be neither copied nor made outside this crate, and
/// [`confirm`](crate::Inventory::confirm) and [`undo`](crate::Inventory::undo) consume it. So nothing is
/// confirmed twice, or undone after it was confirmed. While the database's answer is not known the ticket is
/// kept, and the words stay pending. To drop it is to leave them pending until the process ends or the
/// database's word overwrites them; it has no `Drop` because giving back *unasked* is the one thing that must
/// not happen to a pick whose commit may have succeeded.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "confirm or undo it: until then the unit and the places stay pending"]
pub struct Ticket {
    pub(crate) unit: u32,
    pub(crate) owner: u32,
    /// The very word this pick wrote, generation included: what "still this ticket's" is measured by.
    pub(crate) word: UnitWord,
    pub(crate) places: Places,
}

impl Ticket {
    /// The unit it holds.
    pub fn unit(&self) -> u32 {
        self.unit
    }

    /// The registration it holds the unit for.
    pub fn owner(&self) -> u32 {
        self.owner
    }
}

/// The quota places a ticket holds: one of `class` at each of the first `count` holders.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) class: u8,
    pub(crate) holders: [u32; HOLDERS_PER_PICK_MAX],
    pub(crate) count: usize,
}

/// What became of the unit's word when a ticket was confirmed or undone. The places are settled either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The word was still this ticket's and was changed.
    Done,
    /// The database had spoken about the unit in the meantime, and its word was left as it is.
    Overruled,
}
