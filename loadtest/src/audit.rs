//! Was the sale as the buyers were told? Compares the crowd's own record with the server's claims and journal, and says
//! it in one line.
//!
//! The record knows what was said to buyers, the truth knows what is stored; neither is made from the other. Every
//! promise is a kind of [`Finding`], and one finding changes the line.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde::Deserialize;

use crate::record::{Entry, What};

mod boards;
mod history;
mod verdict;
pub use boards::BEHIND_MS_MAX;
use boards::boards;
use history::{History, Occupant};
pub use verdict::{Finding, Verdict};

#[cfg(test)]
mod tests;

/// What `kaipan opening dump --json` prints.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Truth {
    pub claims: Vec<Claim>,
    pub journal: Vec<JournalEntry>,
}

/// A claim as stored. A withheld unit is a claim without a registration.
#[derive(Debug, Clone, Deserialize)]
pub struct Claim {
    pub id: String,
    pub unit: u32,
    pub registration: Option<String>,
    pub key: Option<String>,
    pub state: String,
    pub occupying: bool,
    /// Journal sequence of the entry that granted it.
    pub seq: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct JournalEntry {
    pub seq: i64,
    pub kind: String,
    /// By the server's clock.
    pub at_ms: i64,
    pub body: JournalBody,
}

/// Of an entry, which claim on which unit it is about, where it is about one.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct JournalBody {
    pub claim: Option<String>,
    pub unit: Option<u32>,
}

impl Truth {
    /// The journal in its own order, in whatever order it came.
    fn in_order(&self) -> Vec<&JournalEntry> {
        let mut entries: Vec<&JournalEntry> = self.journal.iter().collect();
        entries.sort_by_key(|entry| entry.seq);
        entries
    }
}

/// Reads the truth; the error is a sentence that names the file.
pub fn read_truth(path: &Path) -> Result<Truth, String> {
    let text = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The comparison. Pure.
pub fn compare(record: &[Entry], truth: &Truth) -> Verdict {
    let mut findings = Vec::new();
    doubles(truth, &mut findings);
    let taps = answers(record, truth, &mut findings);
    refusals(record, truth, &mut findings);
    deals(record, truth, &mut findings);
    journal(truth, &mut findings);
    let boards = boards(record, truth, &mut findings);
    let sold = truth.claims.iter().filter(|claim| claim.state == "sold").count();
    Verdict { sold, taps, boards, findings }
}

/// A unit is held by one claim at a time: not two now, by the claims, and not two at any moment, by the journal. Both
/// must also end with the same occupant, and show it alike.
fn doubles(truth: &Truth, findings: &mut Vec<Finding>) {
    let mut by_claims: BTreeMap<u32, Vec<Occupant<'_>>> = BTreeMap::new();
    for claim in truth.claims.iter().filter(|claim| claim.occupying) {
        by_claims.entry(claim.unit).or_default().push(Occupant::of(claim));
    }
    let mut doubled: BTreeSet<u32> =
        by_claims.iter().filter(|(_, occupants)| occupants.len() > 1).map(|(unit, _)| *unit).collect();
    let mut history = History::default();
    doubled.extend(truth.in_order().into_iter().filter_map(|entry| history.apply(entry)));
    findings.extend(doubled.iter().map(|unit| Finding::Double { unit: *unit }));
    for unit in by_claims.keys().copied().chain(history.occupied()).collect::<BTreeSet<_>>() {
        let stored = by_claims.get(&unit).and_then(|occupants| occupants.first()).copied();
        if !doubled.contains(&unit) && stored != history.occupant(unit) {
            findings.push(Finding::Disagreement { unit });
        }
    }
}

/// What a buyer was told in the end. Two noes for two reasons are one end: nothing of a no is stored that could forbid it.
#[derive(PartialEq, Eq)]
enum End<'a> {
    Yes { claim: &'a str, unit: u32 },
    No,
}

/// Each tap against what the server stored under its key. Gives the number of taps.
fn answers(record: &[Entry], truth: &Truth, findings: &mut Vec<Finding>) -> usize {
    let stored: HashMap<(&str, &str), &Claim> = truth
        .claims
        .iter()
        .filter_map(|claim| Some(((claim.registration.as_deref()?, claim.key.as_deref()?), claim)))
        .collect();
    let mut said: BTreeMap<(&str, &str), Vec<End<'_>>> = BTreeMap::new();
    let mut tapped: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for entry in record {
        let (tap, end) = match &entry.what {
            What::Tap { registration, key, unit } => {
                tapped.insert((registration, key), *unit);
                continue;
            }
            What::Yes { registration, key, claim, unit } => {
                ((registration.as_str(), key.as_str()), End::Yes { claim, unit: *unit })
            }
            What::No { registration, key, .. } => ((registration.as_str(), key.as_str()), End::No),
            _ => continue,
        };
        let ends = said.entry(tap).or_default();
        // The same answer again is what a repeated question gets.
        if !ends.contains(&end) {
            ends.push(end);
        }
    }
    for (tap, unit) in &tapped {
        match said.get(tap).map(Vec::as_slice) {
            None => findings.push(Finding::Unanswered { key: tap.1.to_owned() }),
            Some([End::Yes { claim, unit: told }]) => {
                let kept = stored.get(tap).is_some_and(|stored| {
                    stored.id == *claim && stored.unit == *unit && told == unit && is_kept(&stored.state)
                });
                if !kept {
                    findings.push(Finding::YesLost { key: tap.1.to_owned() });
                }
            }
            Some([End::No]) if stored.contains_key(tap) => {
                findings.push(Finding::NoWasYes { key: tap.1.to_owned() });
            }
            Some([End::No]) => {}
            Some(_) => findings.push(Finding::Contradicted { key: tap.1.to_owned() }),
        }
    }
    for (_, key) in said.keys().filter(|tap| !tapped.contains_key(*tap)) {
        findings.push(Finding::Contradicted { key: (*key).to_owned() });
    }
    tapped.len()
}

/// A no has its cause: what is said to be taken was somebody's or withheld at some time, and somebody gets something as
/// long as there is something.
fn refusals(record: &[Entry], truth: &Truth, findings: &mut Vec<Finding>) {
    // The journal too: it still tells of units that were withheld when their claims are gone.
    let had: BTreeSet<u32> = truth
        .claims
        .iter()
        .map(|claim| claim.unit)
        .chain(truth.journal.iter().filter_map(|entry| entry.body.unit))
        .collect();
    let mut tapped: HashMap<(&str, &str), u32> = HashMap::new();
    let (mut refused, mut said_taken) = (BTreeSet::new(), BTreeSet::new());
    // The crowd's people may come to a sale that is over; who taps only comes to one that has something to give.
    let mut nothing = true;
    for entry in record {
        match &entry.what {
            What::Tap { registration, key, unit } => {
                tapped.insert((registration, key), *unit);
            }
            What::No { registration, key, code } => {
                let unit = tapped.get(&(registration.as_str(), key.as_str())).copied();
                if let Some(unit) = unit.filter(|unit| !had.contains(unit)) {
                    refused.insert(unit);
                    if code == "TAKEN" {
                        said_taken.insert(unit);
                    }
                }
            }
            What::Run { .. } | What::Yes { .. } => nothing = false,
            _ => {}
        }
    }
    findings.extend(said_taken.into_iter().map(|unit| Finding::TakenButFree { unit }));
    if let Some(unit) = refused.first().filter(|_| nothing) {
        findings.push(Finding::NothingGiven { unit: *unit });
    }
}

/// A yes lives on as a hold or a deal, or has ended in one of the ways a buyer was told of.
fn is_kept(state: &str) -> bool {
    matches!(state, "held" | "lapsing" | "offered" | "sold" | "lapsed" | "released" | "given_up")
}

/// A deal that the cashier was told of is a deal.
fn deals(record: &[Entry], truth: &Truth, findings: &mut Vec<Finding>) {
    let states: HashMap<&str, &str> =
        truth.claims.iter().map(|claim| (claim.id.as_str(), claim.state.as_str())).collect();
    for entry in record {
        if let What::Paid { claim, state, .. } = &entry.what
            && state == "sold"
            && states.get(claim.as_str()) != Some(&"sold")
        {
            findings.push(Finding::DealLost { claim: claim.clone() });
        }
    }
}

/// The journal runs 1, 2, 3 … without a gap, and every claim stands on entries that are there.
fn journal(truth: &Truth, findings: &mut Vec<Finding>) {
    let seqs: BTreeSet<i64> = truth.journal.iter().map(|entry| entry.seq).collect();
    let mut expected = 1;
    for seq in &seqs {
        if *seq != expected {
            findings.push(Finding::JournalGap { after: expected - 1 });
        }
        expected = seq + 1;
    }
    if seqs.len() != truth.journal.len() {
        findings.push(Finding::JournalGap { after: 0 });
    }
    for claim in truth.claims.iter().filter(|claim| !seqs.contains(&claim.seq)) {
        findings.push(Finding::JournalGap { after: claim.seq - 1 });
    }
    findings.dedup();
}
