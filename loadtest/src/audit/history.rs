//! The journal read forward: who has each unit, and what a board shows of it, after each entry.

use std::collections::{BTreeMap, HashMap};

use super::{Claim, JournalEntry};

/// Who has a unit, and the digit that boards show for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Occupant<'a> {
    pub claim: &'a str,
    pub digit: char,
}

impl<'a> Occupant<'a> {
    /// By a claim that occupies its unit.
    pub(super) fn of(claim: &'a Claim) -> Self {
        let digit = match claim.state.as_str() {
            "withheld" => '3',
            "sold" => '2',
            _ => '1',
        };
        Self { claim: &claim.id, digit }
    }
}

/// By the journal alone, as far as it was applied.
#[derive(Default)]
pub(super) struct History<'a> {
    unit_of: HashMap<&'a str, u32>,
    occupants: BTreeMap<u32, Occupant<'a>>,
}

impl<'a> History<'a> {
    /// Applies the next entry; gives its unit where that was given away while somebody else had it.
    pub(super) fn apply(&mut self, entry: &'a JournalEntry) -> Option<u32> {
        // Withheld units are claims only while the opening is published.
        if entry.kind == "unpublished" {
            self.occupants.retain(|_, occupant| occupant.digit != '3');
        }
        let claim = entry.body.claim.as_deref()?;
        if let Some(unit) = entry.body.unit {
            self.unit_of.insert(claim, unit);
        }
        let unit = *self.unit_of.get(claim)?;
        let before = self.occupants.get(&unit).copied();
        let is_its_own = before.is_some_and(|before| before.claim == claim);
        match entry.kind.as_str() {
            "held" | "revived" => self.give(unit, Occupant { claim, digit: '1' }),
            "withheld" => self.give(unit, Occupant { claim, digit: '3' }),
            "sold" if is_its_own => self.give(unit, Occupant { claim, digit: '2' }),
            "lapsed" | "given_up" | "released" if is_its_own => {
                self.occupants.remove(&unit);
                return None;
            }
            _ => return None,
        }
        (before.is_some() && !is_its_own).then_some(unit)
    }

    fn give(&mut self, unit: u32, to: Occupant<'a>) {
        self.occupants.insert(unit, to);
    }

    pub(super) fn occupant(&self, unit: u32) -> Option<Occupant<'a>> {
        self.occupants.get(&unit).copied()
    }

    /// Units that somebody has.
    pub(super) fn occupied(&self) -> impl Iterator<Item = u32> {
        self.occupants.keys().copied()
    }

    /// A board of so many units as it is to be shown now.
    pub(super) fn board(&self, units: usize) -> String {
        let mut digits = vec!['0'; units];
        for (unit, occupant) in &self.occupants {
            if let Some(digit) = digits.get_mut(*unit as usize) {
                *digit = occupant.digit;
            }
        }
        digits.into_iter().collect()
    }
}
