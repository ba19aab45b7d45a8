//! A quota's word: how many places a holder has in one class, and how many are gone.
//!
//! ```text
//!   63            48 47                      24 23                       0
//!  ┌────────────────┬──────────────────────────┬──────────────────────────┐
//!  │ limit (16)     │ used (24)                │ pending (24)             │
//!  └────────────────┴──────────────────────────┴──────────────────────────┘
//!   0xFFFF: no limit  the database has them      tickets have them
//! ```
//!
//! A place is free while `used + pending < limit`. The three numbers share a word so that "is there room"
//! and "take it" are one exchange: two phones of one household, two units, one place, one winner.
//!
//! **The sum is the truth, the split is a hint.** Each operation changes `used + pending` by a fixed amount,
//! whatever the word says: take +1, give back −1, the database's use +1, the database's free −1, confirm ±0.
//! Fixed amounts commute. So it does not matter whether "your claim has lapsed" comes before or after the
//! confirm of that same claim, and the sum ends up right in any order. Only the split may then be short on
//! one side; the missing place is taken from the other side (`minus_pending`, `minus_used`). The split merely
//! chooses between "used" (a final no) and "pending" (ask again in a moment).
//!
//! If the callers ever free more than was used, the sum stops at zero. That errs towards letting a pick
//! through to the database, which refuses it with certainty, never towards refusing a buyer who has a place.

use crate::sync::{AtomicU64, Ordering};

const COUNT_BITS: u32 = 24;
const COUNT_MAX: u32 = (1 << COUNT_BITS) - 1;

/// The limit that means "no limit".
pub const NO_LIMIT: u16 = u16::MAX;

/// What a quota's word says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// [`NO_LIMIT`] for none. A quota is born with 0: a holder nobody has given a limit may take nothing.
    pub limit: u16,
    /// Places held by tickets that wait for the database.
    pub pending: u32,
    /// Places that the database has given away.
    pub used: u32,
}

/// Why no place could be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All places are used: final until something is freed.
    Used,
    /// Some of them are pending and may come back.
    Pending,
}

/// One value of a quota's word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct QuotaWord(u64);

impl QuotaWord {
    fn quota(self) -> Quota {
        Quota {
            limit: (self.0 >> (2 * COUNT_BITS)) as u16,
            used: (self.0 >> COUNT_BITS) as u32 & COUNT_MAX,
            pending: self.0 as u32 & COUNT_MAX,
        }
    }

    fn of(quota: Quota) -> Self {
        // A count at its maximum stays there instead of spilling into its neighbour. It takes 16 million
        // places of one holder, more than there can be units.
        let used = u64::from(quota.used.min(COUNT_MAX));
        let pending = u64::from(quota.pending.min(COUNT_MAX));
        Self(u64::from(quota.limit) << (2 * COUNT_BITS) | used << COUNT_BITS | pending)
    }

    /// A pending place is given back.
    fn minus_pending(self) -> Self {
        let mut quota = self.quota();
        match quota.pending {
            0 => quota.used = quota.used.saturating_sub(1),
            _ => quota.pending -= 1,
        }
        Self::of(quota)
    }

    /// A used place is freed.
    fn minus_used(self) -> Self {
        let mut quota = self.quota();
        match quota.used {
            0 => quota.pending = quota.pending.saturating_sub(1),
            _ => quota.used -= 1,
        }
        Self::of(quota)
    }

    /// A pending place becomes used. With none pending the database has freed it already, and paid with
    /// the other column: nothing is left to move.
    fn pending_to_used(self) -> Self {
        let mut quota = self.quota();
        if quota.pending > 0 {
            quota.pending -= 1;
            quota.used += 1;
        }
        Self::of(quota)
    }
}

impl Quota {
    fn room(self) -> Result<(), Full> {
        if self.limit == NO_LIMIT || self.used + self.pending < u32::from(self.limit) {
            Ok(())
        } else if self.used >= u32::from(self.limit) {
            Err(Full::Used)
        } else {
            Err(Full::Pending)
        }
    }
}

/// A quota's word in memory. Not padded: the classes of one holder belong together, and two buyers who
/// happen to share a line do not tap in the same nanosecond the way ten thousand tap one unit.
#[derive(Default)]
pub(crate) struct QuotaCell(AtomicU64);

impl QuotaCell {
    pub(crate) fn read(&self) -> Quota {
        // Acquire: as in `take`, so that whoever sees a place used may go on to look at the unit.
        QuotaWord(self.0.load(Ordering::Acquire)).quota()
    }

    /// Takes one place as pending, if there is room.
    pub(crate) fn take(&self) -> Result<(), Full> {
        // Acquire on both reads: a refusal is looked at twice. `pick` goes back to the unit's word after
        // "full", to see whether it was this same owner's other tap that took the place *and* the unit; it
        // finds that tap's word only if the place it saw used carries it (Release in `confirm`, `add_used`).
        let mut seen = QuotaWord(self.0.load(Ordering::Acquire));
        loop {
            let mut quota = seen.quota();
            quota.room()?;
            quota.pending += 1;
            // Relaxed when it succeeds: a place publishes nothing. The unit's exchange, which comes after,
            // is a Release and carries it. Never two takers of one place: one word, one modification order.
            // The weak form, because a spurious failure costs one turn of this loop and nothing else.
            match self.0.compare_exchange_weak(
                seen.0,
                QuotaWord::of(quota).0,
                Ordering::Relaxed,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(()),
                Err(now) => seen = QuotaWord(now),
            }
        }
    }

    /// Gives a pending place back.
    pub(crate) fn give_back(&self) {
        // Relaxed: more room can only be *missed* by a reader who has not acquired anything, and a reader
        // who comes because the unit is free again has acquired the unit's word, written after this.
        self.change(QuotaWord::minus_pending, Ordering::Relaxed);
    }

    /// A pending place is used for good.
    pub(crate) fn confirm(&self) {
        // Release: see `take`. The unit's word has been pending for this owner since before.
        self.change(QuotaWord::pending_to_used, Ordering::Release);
    }

    /// The database has used a place.
    pub(crate) fn add_used(&self) {
        // Release: as in `confirm`; the unit was occupied before (see `Inventory::use_place`).
        self.change(
            |word| {
                let mut quota = word.quota();
                quota.used = quota.used.saturating_add(1);
                QuotaWord::of(quota)
            },
            Ordering::Release,
        );
    }

    /// The database has freed a place.
    pub(crate) fn free_used(&self) {
        // Relaxed: as in `give_back`; the unit is freed after (see `Inventory::free_place`).
        self.change(QuotaWord::minus_used, Ordering::Relaxed);
    }

    pub(crate) fn set_limit(&self, limit: u16) {
        // Relaxed: a limit is a number of its own, and tells nobody about any other word.
        self.change(|word| QuotaWord::of(Quota { limit, ..word.quota() }), Ordering::Relaxed);
    }

    /// Applies `next` to the word. The read is Relaxed: the new value depends on this word alone. A word
    /// written by an unordered change still carries what an earlier Release put into it, because all writes
    /// here are read-modify-writes and those continue a release sequence.
    fn change(&self, next: impl Fn(QuotaWord) -> QuotaWord, on_success: Ordering) {
        let mut seen = self.0.load(Ordering::Relaxed);
        while let Err(now) =
            self.0.compare_exchange_weak(seen, next(QuotaWord(seen)).0, on_success, Ordering::Relaxed)
        {
            seen = now;
        }
    }
}
