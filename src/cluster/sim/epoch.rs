//! What one epoch's keys hold, and the scripts' rules over maps instead of hashes. A test runs the scripts and this on the same
//! calls and compares.

use std::collections::BTreeMap;

use crate::cluster::words::{News, Noted, Said, Tap, Word};
use crate::limits::GATE2_PENDING_MS;

#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Epoch {
    pub units: BTreeMap<u32, Known>,
    pub stream: BTreeMap<i64, Noted>,
    pub(super) seal: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    Told { seq: i64, word: Word },
    Pending { seq: i64, since_ms: i64, tap: String },
}

impl Epoch {
    /// `lua/claim.lua`.
    pub fn claim(&mut self, tap: &Tap, now_ms: i64) -> Said {
        let (said, seq) = match self.units.get(&tap.unit) {
            None => (Said::Go, 0),
            Some(Known::Told { seq, word: Word::Free }) => (Said::Go, *seq),
            // The word stays: the database says whether it is old, or newer than gate 1's look.
            Some(Known::Told { seq, .. }) => {
                return if *seq > tap.applied { Said::News(*seq) } else { Said::Go };
            }
            Some(Known::Pending { seq, since_ms, tap: other }) => {
                let age = now_ms - since_ms;
                let runs = *other != tap.tap && (0..GATE2_PENDING_MS).contains(&age);
                (if runs { Said::Wait } else { Said::Go }, *seq)
            }
        };
        if said == Said::Go {
            let pending = Known::Pending { seq, since_ms: now_ms, tap: tap.tap.clone() };
            self.units.insert(tap.unit, pending);
        }
        said
    }

    /// `lua/look.lua`.
    pub fn look(&self, tap: &Tap) -> Said {
        match self.units.get(&tap.unit) {
            Some(Known::Told { seq, word }) if *seq > tap.applied && *word != Word::Free => Said::News(*seq),
            Some(Known::Pending { tap: other, .. }) if *other != tap.tap => Said::Wait,
            _ => Said::Go,
        }
    }

    /// `lua/tell.lua`.
    pub fn tell(&mut self, news: &[News]) {
        for News { seq, word, entry } in news {
            if let Some((unit, word)) = word {
                let before = match self.units.get(unit) {
                    None => -1,
                    Some(Known::Told { seq, .. } | Known::Pending { seq, .. }) => *seq,
                };
                if *seq > before {
                    let known = match self.units.remove(unit) {
                        Some(Known::Pending { since_ms, tap, .. }) if *word == Word::Free => {
                            Known::Pending { seq: *seq, since_ms, tap }
                        }
                        _ => Known::Told { seq: *seq, word: *word },
                    };
                    self.units.insert(*unit, known);
                }
            }
            let last = self.stream.keys().next_back().copied().unwrap_or(0);
            if let Some(noted) = entry
                && *seq > last
            {
                self.stream.insert(*seq, noted.clone());
            }
        }
    }

    /// `lua/settle.lua`.
    pub fn settle(&mut self, taps: &[(u32, String)]) {
        for (unit, refused) in taps {
            if let Some(Known::Pending { seq, tap, .. }) = self.units.get(unit)
                && tap == refused
            {
                match *seq {
                    0 => drop(self.units.remove(unit)),
                    seq => drop(self.units.insert(*unit, Known::Told { seq, word: Word::Free })),
                }
            }
        }
    }
}
