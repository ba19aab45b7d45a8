//! Gate 1: the inventory of one opening in this process's memory.
//!
//! Ten thousand people tap; a thousand units exist; nine thousand of the taps must be told "no" at once,
//! without touching a lock, a queue or a database. Here a unit is one atomic word, and a buyer's quota is
//! one atomic word. Losing costs a few loads; winning costs one exchange for each word.
//!
//! ```text
//!   units   (one word a unit, each alone on a cache line)
//!   ┌──────────────────┬──────────────────┬──────────────────┬── …
//!   │ 0: free          │ 1: pending, 17   │ 2: occupied, 4   │
//!   └──────────────────┴──────────────────┴──────────────────┴── …
//!        ▲ 3. exchange          generation | owner | state
//!        │ 1. load
//!        │
//!      pick(unit, owner, class, holders)
//!        │
//!        │ 2. take a place from each holder
//!        ▼
//!   quotas  (one word a holder and class; a holder is a registration or a household)
//!   ┌──────────────────┬──────────────────┬──────────────────┬── …
//!   │ 17·home    1/0/1 │ 17·parking 1/0/0 │ 9001·home  2/1/0 │    limit | used | pending
//!   └──────────────────┴──────────────────┴──────────────────┴── …
//! ```
//!
//! # The way of a word
//!
//! ```text
//!              pick                     confirm
//!      free ─────────▶ pending, owner ──────────▶ occupied, owner
//!       ▲                   │ undo
//!       └───────────────────┘
//!      occupy, withhold, free: the database's word, from anywhere to anywhere
//! ```
//!
//! # What it must not know
//!
//! It is pure and synchronous: no clock, no I/O, no await, no serde, no dependency, no unsafe. It does not
//! know what an opening, a price or a deadline is, and it never decides alone: a won pick is a *candidate*
//! that the database confirms or refuses. When memory and database differ, the database is right, so every
//! doubt is settled here in favour of letting a pick through to it, and none is settled by refusing a
//! buyer for something that is not so.
//!
//! # Reading order
//!
//! `unit` and `quota` are the two words with their atomics, each ordering argued where it stands;
//! `segments` is how there can be more of them while picks run; `pick` is what a pick is answered with;
//! this file puts them in order. Choices and rejected alternatives: `docs/decisions/0002-inventory-words.md`.

mod pick;
mod quota;
mod segments;
mod sync;
mod unit;

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub use pick::{HOLDERS_PER_PICK_MAX, Pick, Settled, Ticket};
pub use quota::{NO_LIMIT, Quota};
pub use unit::UnitState;

use pick::Places;
use quota::{Full, QuotaCell};
use segments::Segments;
use sync::FIRST_SCALE;
use unit::{UnitCell, UnitWord};

/// Units that one opening can have: a new town's worth, 6 MB of words.
pub const UNITS_MAX: u32 = 100_000;
/// Holders (registrations and households together) that one opening can have.
pub const HOLDERS_MAX: u32 = 1_000_000;

/// 256 units first, then 512, 1,024 …
type Units = Segments<UnitCell, FIRST_SCALE, 9>;
/// 1,024 holders first, then 2,048, 4,096 …
type Holders = Segments<QuotaCell, { 4 * FIRST_SCALE }, 10>;

#[cfg(not(loom))]
const _: () = assert!(Units::CAPACITY >= UNITS_MAX && Holders::CAPACITY >= HOLDERS_MAX);

/// More units or holders were asked for than an inventory can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    pub asked: u32,
    pub max: u32,
}

impl std::fmt::Display for TooMany {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} asked for, at most {} possible", self.asked, self.max)
    }
}

impl std::error::Error for TooMany {}

/// The words of one opening. Shared by reference between all threads; no method blocks a pick.
pub struct Inventory {
    units: Units,
    quotas: Holders,
}

impl Inventory {
    /// An inventory without units or holders, whose holders will have one quota for each of `classes`
    /// (home, parking, shop, storage).
    #[must_use]
    pub fn new(classes: u8) -> Self {
        Self { units: Segments::new(1), quotas: Segments::new(usize::from(classes)) }
    }

    /// Makes units `0..total` exist; new ones are free. Idempotent, never shrinks, safe while picks run.
    /// To add units that are not on offer, grow and withhold them before the catalogue names them.
    pub fn grow_units(&self, total: u32) -> Result<(), TooMany> {
        if total > UNITS_MAX {
            return Err(TooMany { asked: total, max: UNITS_MAX });
        }
        self.units.grow(total);
        Ok(())
    }

    /// Makes holders `0..total` exist; new ones have limit 0 in every class until [`set_limit`](Self::set_limit).
    pub fn grow_holders(&self, total: u32) -> Result<(), TooMany> {
        if total > HOLDERS_MAX {
            return Err(TooMany { asked: total, max: HOLDERS_MAX });
        }
        self.quotas.grow(total);
        Ok(())
    }

    /// Units that exist: none below this number is ever answered [`Pick::UnknownUnit`].
    pub fn units(&self) -> u32 {
        self.units.len()
    }

    /// Sets how many places a holder has in a class ([`NO_LIMIT`] for any number). A limit below what is used
    /// takes nothing away; it only lets nothing more through.
    pub fn set_limit(&self, holder: u32, class: u8, limit: u16) {
        if let Some(quota) = self.quota_cell(holder, class) {
            quota.set_limit(limit);
        }
    }

    /// One buyer's attempt at one unit. `holders` are those who each give a place: the registration, and its
    /// household where one has a limit.
    ///
    /// The order is the point:
    ///
    /// 1. **Look at the unit.** Most picks lose, and a loser must not write: a load leaves the unit's line
    ///    shared by all cores, an exchange would drag it from one to the next ("load before CAS"). It also
    ///    spares a false `QuotaUsed` to somebody whose unit is gone anyway, or is already his.
    /// 2. **Take the places**, of all holders or of none.
    /// 3. **Exchange the unit's word last.** Before it nobody can see the pick, so a lost exchange gives the
    ///    places back and the pick is decided again from the word that beat it.
    ///
    /// Lock-free: each turn of the loop means that another thread has changed the unit's word.
    pub fn pick(&self, unit: u32, owner: u32, class: u8, holders: &[u32]) -> Pick {
        let Some(cell) = self.unit_cell(unit) else { return Pick::UnknownUnit };
        let mut seen = cell.load();
        loop {
            match seen.state() {
                UnitState::Free => {}
                UnitState::Pending { owner: other } if other == owner => return Pick::MinePending,
                UnitState::Pending { .. } => return Pick::Pending,
                UnitState::Occupied { owner: other } if other == owner => return Pick::Mine,
                UnitState::Occupied { owner } => return Pick::Taken { owner },
                UnitState::Withheld => return Pick::Withheld,
            }
            let places = match self.take_places(class, holders) {
                Ok(places) => places,
                Err(refusal) => {
                    // Between the look and the refusal the unit may have gone, perhaps to this owner's own
                    // other tap, with the very place that is missing now. Then the truth is "yours", not
                    // "no place". So a refusal counts only if the unit has not moved since the look. That
                    // the second look cannot miss such a tap is argued in `QuotaCell::take`.
                    let now = cell.load();
                    if now == seen {
                        return refusal;
                    }
                    seen = now;
                    continue;
                }
            };
            let word = seen.next(UnitState::Pending { owner });
            match cell.exchange(seen, word) {
                Ok(()) => return Pick::Won(Ticket { unit, owner, word, places }),
                Err(now) => {
                    self.give_back(&places);
                    seen = now;
                }
            }
        }
    }

    /// The database has said yes: pending → occupied, and the places are used.
    ///
    /// If the word is no longer this ticket's, the database has spoken about the unit since (a second gateway's
    /// news, a release that overtook this call), and it is left alone: a confirm says that a claim *was* made,
    /// not that it still stands. The places become used all the same, because whoever ended the claim frees
    /// them with [`free_place`](Self::free_place), and the two may come in either order (see `quota.rs`).
    ///
    /// Places first, unit last: whoever sees the unit settled sees its places settled.
    pub fn confirm(&self, ticket: Ticket) -> Settled {
        let Ticket { unit, owner, word, places } = ticket;
        self.each_place(&places, QuotaCell::confirm);
        self.settle(unit, word, UnitState::Occupied { owner })
    }

    /// The database has said no: pending → free, and the places are given back.
    ///
    /// If the word is no longer this ticket's it is left alone: it is the database's, perhaps by now another
    /// buyer's. The places are this ticket's in any case and are given back.
    ///
    /// Places first, unit last: whoever sees the unit free finds the places free as well.
    pub fn undo(&self, ticket: Ticket) -> Settled {
        let Ticket { unit, word, places, .. } = ticket;
        self.give_back(&places);
        self.settle(unit, word, UnitState::Free)
    }

    /// The database's word, as read at recovery or heard from another gateway: the unit is `owner`'s. Answers
    /// what was known before, `None` for an unknown unit.
    ///
    /// These three overwrite whatever is there, a pending word too: the pick behind it will be refused, or is
    /// that claim itself. They trust the caller to speak in the order of the journal and each entry once;
    /// only the caller knows sequence numbers. The confirm of a ticket has its place in that same order.
    pub fn occupy(&self, unit: u32, owner: u32) -> Option<UnitState> {
        self.overwrite(unit, UnitState::Occupied { owner })
    }

    /// The database's word: the unit is not on offer.
    pub fn withhold(&self, unit: u32) -> Option<UnitState> {
        self.overwrite(unit, UnitState::Withheld)
    }

    /// The database's word: the unit is on offer (again). Call [`free_place`](Self::free_place) *before*, so
    /// that a buyer who sees the unit come back is not refused for the place that came back with it.
    pub fn free(&self, unit: u32) -> Option<UnitState> {
        self.overwrite(unit, UnitState::Free)
    }

    /// The database's word: a place is used by a claim for which this process holds no ticket. (A claim with a
    /// ticket is confirmed instead, or its place would count twice.) Call it *after* [`occupy`](Self::occupy),
    /// so that the owner who meets the used place finds the unit his.
    pub fn use_place(&self, holder: u32, class: u8) {
        if let Some(quota) = self.quota_cell(holder, class) {
            quota.add_used();
        }
    }

    /// The database's word: a place is free again. Below zero it stays at zero.
    pub fn free_place(&self, holder: u32, class: u8) {
        if let Some(quota) = self.quota_cell(holder, class) {
            quota.free_used();
        }
    }

    /// What a unit's word says now. A unit that is not known is not on offer.
    pub fn state(&self, unit: u32) -> UnitState {
        self.unit_cell(unit).map_or(UnitState::Withheld, |cell| cell.load().state())
    }

    /// What a quota's word says now. A holder that is not known has no place to take.
    pub fn quota(&self, holder: u32, class: u8) -> Quota {
        self.quota_cell(holder, class).map_or_else(Quota::default, QuotaCell::read)
    }

    #[inline]
    fn unit_cell(&self, unit: u32) -> Option<&UnitCell> {
        self.units.row(unit)?.first()
    }

    #[inline]
    fn quota_cell(&self, holder: u32, class: u8) -> Option<&QuotaCell> {
        self.quotas.row(holder)?.get(usize::from(class))
    }

    fn overwrite(&self, unit: u32, state: UnitState) -> Option<UnitState> {
        self.unit_cell(unit).map(|cell| cell.overwrite(state))
    }

    /// Takes one place of `class` from each holder. When one has none, those taken before are given back:
    /// for that moment a third pick may be told `QuotaPending` for a place that nobody gets, which is why
    /// that answer says "ask again" and not "no".
    fn take_places(&self, class: u8, holders: &[u32]) -> Result<Places, Pick> {
        if holders.is_empty() || holders.len() > HOLDERS_PER_PICK_MAX {
            return Err(Pick::UnknownHolder);
        }
        let mut places = Places { class, holders: [0; HOLDERS_PER_PICK_MAX], count: 0 };
        for (holder_index, (&holder, slot)) in holders.iter().zip(&mut places.holders).enumerate() {
            let refusal = match self.quota_cell(holder, class).map(QuotaCell::take) {
                Some(Ok(())) => {
                    *slot = holder;
                    places.count += 1;
                    continue;
                }
                Some(Err(Full::Used)) => Pick::QuotaUsed { holder_index },
                Some(Err(Full::Pending)) => Pick::QuotaPending { holder_index },
                None => Pick::UnknownHolder,
            };
            self.give_back(&places);
            return Err(refusal);
        }
        Ok(places)
    }

    fn give_back(&self, places: &Places) {
        self.each_place(places, QuotaCell::give_back);
    }

    fn each_place(&self, places: &Places, change: impl Fn(&QuotaCell)) {
        for &holder in places.holders.iter().take(places.count) {
            if let Some(quota) = self.quota_cell(holder, places.class) {
                change(quota);
            }
        }
    }

    /// The end of a ticket: the word it wrote becomes `state`, if it still stands.
    fn settle(&self, unit: u32, word: UnitWord, state: UnitState) -> Settled {
        let done = self.unit_cell(unit).is_some_and(|cell| cell.exchange(word, word.next(state)).is_ok());
        if done { Settled::Done } else { Settled::Overruled }
    }
}
