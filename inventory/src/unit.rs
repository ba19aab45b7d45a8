//! A unit's word: what it says, and how it may change.
//!
//! ```text
//!   63                              34 33                              2 1   0
//!  ┌──────────────────────────────────┬─────────────────────────────────┬─────┐
//!  │ generation (30)                  │ owner (32)                      │state│
//!  └──────────────────────────────────┴─────────────────────────────────┴─────┘
//!   +1 with every write                registration's ordinal;           0 free
//!                                      0 unless pending or occupied      1 pending
//!                                                                        2 occupied
//!                                                                        3 withheld
//! ```
//!
//! Everything that must change together stands in these 64 bits, so a change is one compare-and-exchange
//! and there is no moment at which a unit has a state without its owner. All zero is a free unit, which is
//! how a word is born.
//!
//! **Generation.** Each write adds one, whoever writes. So a word is never the same twice, and an exchange
//! that expects a word succeeds only if *nothing* happened since. Without it, this: A's pick waits for the
//! database; the database's word frees the unit; A picks it again; now A's first ticket is undone late and,
//! finding "pending, A", frees a unit that A's second pick is about to be told it has won. It takes 2^30
//! changes of one unit under one waiting ticket to come round again.

use crate::sync::{AtomicU64, Ordering};

const STATE_BITS: u32 = 2;
const OWNER_BITS: u32 = 32;
const GENERATION_SHIFT: u32 = STATE_BITS + OWNER_BITS;

/// What a unit's word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitState {
    /// On offer.
    Free,
    /// A pick has won it in memory and the database has not answered yet.
    Pending { owner: u32 },
    /// The database has given it to `owner` (held, lapsing, offered or sold: gate 1 does not care which).
    Occupied { owner: u32 },
    /// Not on offer.
    Withheld,
}

/// One value of a unit's word; compared as a whole, generation included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitWord(u64);

impl UnitWord {
    #[inline]
    pub(crate) fn state(self) -> UnitState {
        let owner = (self.0 >> STATE_BITS) as u32; // the cast drops the generation above it
        match self.0 & ((1 << STATE_BITS) - 1) {
            0 => UnitState::Free,
            1 => UnitState::Pending { owner },
            2 => UnitState::Occupied { owner },
            _ => UnitState::Withheld,
        }
    }

    /// The word that follows this one: `state`, one generation on. The shift drops what overflows, so the
    /// generation wraps within its own bits and never spills into the owner.
    #[inline]
    pub(crate) fn next(self, state: UnitState) -> Self {
        let (state, owner) = match state {
            UnitState::Free => (0, 0),
            UnitState::Pending { owner } => (1, owner),
            UnitState::Occupied { owner } => (2, owner),
            UnitState::Withheld => (3, 0),
        };
        let generation = (self.0 >> GENERATION_SHIFT).wrapping_add(1);
        Self(generation << GENERATION_SHIFT | u64::from(owner) << STATE_BITS | state)
    }
}

/// A unit's word in memory, alone on its cache line: neighbours on the board are tapped together, and a
/// winner's exchange on room 0102 must not take the line from under the readers of room 0101.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct UnitCell(AtomicU64);

impl UnitCell {
    /// Acquire: whoever sees a unit's word sees the places as they were when it was written. A buyer who
    /// finds a unit free again because a pick was undone must not be refused for the place which that very
    /// pick has given back before. (Pairs with the Release in `exchange`.)
    #[inline]
    pub(crate) fn load(&self) -> UnitWord {
        UnitWord(self.0.load(Ordering::Acquire))
    }

    /// Writes `new` if the word is still `seen`; else answers what it is now.
    ///
    /// That at most one of many exchanges from one word succeeds needs no ordering at all: it is the single
    /// modification order of one atomic. The orderings are for the places. Release: see `load`. Acquire when
    /// it fails, because the caller then decides from the returned word exactly as from a loaded one. No
    /// Acquire when it succeeds: the word is the one that `load` has acquired already (same generation, so
    /// the same write). The strong form: a spurious failure would give places back and take them again.
    #[inline]
    pub(crate) fn exchange(&self, seen: UnitWord, new: UnitWord) -> Result<(), UnitWord> {
        self.0
            .compare_exchange(seen.0, new.0, Ordering::Release, Ordering::Acquire)
            .map(|_| ())
            .map_err(UnitWord)
    }

    /// Writes `state` whatever the word says, and answers what it said. A word that says so already is left
    /// alone: the database's word may be heard twice, and a generation is not to be spent on nothing.
    pub(crate) fn overwrite(&self, state: UnitState) -> UnitState {
        let mut seen = self.load();
        while seen.state() != state {
            match self.exchange(seen, seen.next(state)) {
                Ok(()) => break,
                Err(now) => seen = now,
            }
        }
        seen.state()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_word_carries_state_and_owner_whatever_its_generation() {
        let states = [
            UnitState::Free,
            UnitState::Pending { owner: 0 },
            UnitState::Pending { owner: u32::MAX },
            UnitState::Occupied { owner: 1 },
            UnitState::Occupied { owner: u32::MAX },
            UnitState::Withheld,
        ];
        let last_generation = UnitWord(u64::MAX << GENERATION_SHIFT);
        for before in [UnitWord(0), UnitWord(u64::MAX), last_generation] {
            for state in states {
                let word = before.next(state);
                assert_eq!(word.state(), state, "after {before:?}");
                assert_ne!(word, before);
            }
        }
        assert_eq!(
            last_generation.next(UnitState::Free),
            UnitWord(0),
            "the generation wraps in its own bits"
        );
    }

    #[test]
    fn a_word_that_comes_back_to_the_same_state_is_another_word() {
        let first = UnitWord(0).next(UnitState::Pending { owner: 5 });
        let again = first.next(UnitState::Free).next(UnitState::Pending { owner: 5 });
        assert_eq!(first.state(), again.state());
        assert_ne!(first, again);
    }

    #[test]
    fn saying_the_same_twice_writes_once() {
        let cell = UnitCell::default();
        assert_eq!(cell.overwrite(UnitState::Withheld), UnitState::Free);
        let word = cell.load();
        assert_eq!(cell.overwrite(UnitState::Withheld), UnitState::Withheld);
        assert_eq!(cell.load(), word);
    }

    #[test]
    fn a_unit_has_its_cache_line_to_itself() {
        assert_eq!((size_of::<UnitCell>(), align_of::<UnitCell>()), (64, 64));
    }
}
