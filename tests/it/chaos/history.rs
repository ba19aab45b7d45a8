//! Was every answer true when it was given? What buyers recorded (sent, answered, which answer) is held against the
//! journal, unit by unit: the journal is the one order, and each answer must fit a moment of it between the tap and the
//! answer. A *yes* names its entry. A *no* names a reason that held then, or a little earlier: see [`STALE_US`].
//!
//! When an entry was committed is known from two sides: not before its own time, which was read inside its
//! transaction, and not after the time of the next transaction's, which waited for it behind the head row.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::client::{Line, Tap};

/// How long a gateway that runs and hears its database may still refuse a unit that another gateway's commit has freed:
/// it compares its last sequence with the head row every 250 ms (docs/decisions/0010), and reads what it lacks.
pub const STALE_US: i64 = 300_000;

/// A journal entry, as far as units are concerned.
#[derive(Debug, Clone)]
pub struct Written {
    pub seq: i64,
    pub at_us: i64,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Held {
        claim: String,
        unit: u64,
        registration: String,
        key: String,
    },
    /// Given up, lapsed or released.
    Ended {
        claim: String,
    },
    /// Nothing that a tap's answer rests on.
    Other,
}

pub struct History<'a> {
    pub journal: &'a [Written],
    pub record: &'a [Line],
    /// Homes that a registration may have.
    pub quota: usize,
    /// For how long a reason may have been gone: [`STALE_US`], and more where a case keeps a gateway from hearing.
    pub stale_us: i64,
}

/// A claim's time on its unit.
#[derive(Debug)]
struct Stay<'a> {
    claim: &'a str,
    unit: u64,
    registration: &'a str,
    key: &'a str,
    seq: i64,
    /// Committed not before this.
    from_us: i64,
    /// Committed not after this.
    from_until_us: i64,
    /// Its end was committed not before and not after these.
    end_us: Option<(i64, i64)>,
}

impl Stay<'_> {
    /// Whether it may have been seen between two moments.
    fn may_be_seen(&self, after_us: i64, before_us: i64) -> bool {
        self.from_us <= before_us && self.end_us.is_none_or(|(_, until_us)| until_us >= after_us)
    }
}

impl History<'_> {
    /// Every answer that was a lie, in words.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let stays = self.stays(&mut faults);
        let mut on_unit: HashMap<u64, Vec<&Stay<'_>>> = HashMap::new();
        let mut of: HashMap<&str, Vec<&Stay<'_>>> = HashMap::new();
        for stay in &stays {
            on_unit.entry(stay.unit).or_default().push(stay);
            of.entry(stay.registration).or_default().push(stay);
        }
        let mut open: BTreeMap<&Tap, i64> = BTreeMap::new();
        for line in self.record {
            match line {
                Line::Tapped { tap, at_us } => drop(open.insert(tap, *at_us)),
                Line::Answered { tap, answer, at_us } => {
                    let Some(sent_us) = open.remove(tap) else {
                        faults.push(format!("answered twice, or never tapped: {tap:?}"));
                        continue;
                    };
                    let on_unit = on_unit.get(&tap.unit).map_or(&[][..], Vec::as_slice);
                    let of = of.get(tap.registration.as_str()).map_or(&[][..], Vec::as_slice);
                    let told = Told { tap, answer, sent_us, at_us: *at_us };
                    faults.extend(self.lie(&told, on_unit, of).map(|lie| format!("{lie}: {told:?}")));
                }
                Line::GaveUp { claim, sent_us, at_us } => {
                    let stay = stays.iter().find(|stay| stay.claim == claim);
                    let ended = stay.and_then(|stay| stay.end_us);
                    let fits = |(from_us, until_us): (i64, i64)| from_us <= *at_us && until_us >= *sent_us;
                    if !ended.is_some_and(fits) {
                        faults.push(format!("given up, says the answer; the journal: {ended:?}: {line:?}"));
                    }
                }
                Line::Left { .. } => {}
            }
        }
        faults.extend(open.keys().map(|tap| format!("unanswered: {tap:?}")));
        faults
    }

    /// Every claim's time on its unit, in the journal's order, which itself must be sound.
    fn stays(&self, faults: &mut Vec<String>) -> Vec<Stay<'_>> {
        let mut stays: Vec<Stay<'_>> = Vec::new();
        let mut at: HashMap<&str, usize> = HashMap::new();
        let mut occupied: HashMap<u64, usize> = HashMap::new();
        for (place, entry) in self.journal.iter().enumerate() {
            if place > 0 && entry.at_us < self.journal[place - 1].at_us {
                faults.push(format!("the journal's times go back at {}", entry.seq));
            }
            let later = self.journal[place..].iter().find(|other| other.at_us > entry.at_us);
            let until_us = later.map_or(i64::MAX, |other| other.at_us);
            match &entry.what {
                What::Held { claim, unit, registration, key } => {
                    at.insert(claim, stays.len());
                    if let Some(before) = occupied.insert(*unit, stays.len()) {
                        faults.push(format!("unit {unit} is given twice: {:?} and {entry:?}", stays[before]));
                    }
                    stays.push(Stay {
                        claim,
                        unit: *unit,
                        registration,
                        key,
                        seq: entry.seq,
                        from_us: entry.at_us,
                        from_until_us: until_us,
                        end_us: None,
                    });
                }
                What::Ended { claim } => match at.get(claim.as_str()) {
                    Some(at) if stays[*at].end_us.is_none() => {
                        stays[*at].end_us = Some((entry.at_us, until_us));
                        occupied.remove(&stays[*at].unit);
                    }
                    _ => faults.push(format!("an end without a beginning: {entry:?}")),
                },
                What::Other => {}
            }
        }
        stays
    }

    /// What is wrong with an answer.
    fn lie(&self, told: &Told<'_>, on_unit: &[&Stay<'_>], of: &[&Stay<'_>]) -> Option<&'static str> {
        let Told { tap, answer, sent_us, at_us } = *told;
        let own = of.iter().find(|stay| stay.key == tap.key);
        if answer["answer"] == "yes" {
            let Some(stay) = own else { return Some("a yes that the journal does not have") };
            let claim = &answer["claim"];
            let named = claim["id"] == stay.claim && claim["seq"] == stay.seq && claim["unit"] == stay.unit;
            return if !named || stay.unit != tap.unit {
                Some("a yes that names another entry than the journal's")
            } else if stay.from_us > at_us {
                Some("a yes before its commit")
            } else if stay.from_until_us < sent_us {
                Some("a yes to a tap that was not sent yet")
            } else {
                None
            };
        }
        if own.is_some() {
            return Some("a no that was a yes");
        }
        let after_us = sent_us - self.stale_us;
        let seen = |stay: &&&Stay<'_>| stay.may_be_seen(after_us, at_us);
        match answer["code"].as_str() {
            Some("TAKEN") => {
                let taken = on_unit.iter().filter(seen).any(|stay| stay.registration != tap.registration);
                (!taken).then_some("taken by nobody")
            }
            Some("ALREADY_YOURS") => {
                let mine = on_unit.iter().filter(seen).any(|stay| stay.registration == tap.registration);
                (!mine).then_some("yours, and it was not")
            }
            Some("QUOTA_USED") => {
                // As many as may have been seen at one moment: each of their beginnings is one, and so is the first.
                let moments = of.iter().map(|stay| stay.from_us).filter(|us| (after_us..=at_us).contains(us));
                let most = moments
                    .chain([after_us])
                    .map(|us| of.iter().filter(|stay| stay.may_be_seen(us, us)).count());
                (most.max() < Some(self.quota)).then_some("no place left, and there was one")
            }
            Some("NOT_RECORDED") => None,
            _ => Some("not an answer while the opening is live"),
        }
    }
}

#[derive(Debug)]
struct Told<'a> {
    tap: &'a Tap,
    answer: &'a Value,
    sent_us: i64,
    at_us: i64,
}

/// A journal's entry, from its row.
pub fn written(seq: i64, at_us: i64, body: &[u8], registrations: &BTreeMap<i64, String>) -> Written {
    let body: Value = serde_json::from_slice(body).unwrap();
    let text = |field: &str| body[field].as_str().unwrap().to_owned();
    let what = match body["kind"].as_str().unwrap() {
        "held" => What::Held {
            claim: text("claim"),
            unit: body["unit"].as_u64().unwrap(),
            registration: registrations[&body["registration"].as_i64().unwrap()].clone(),
            key: text("key"),
        },
        "given_up" | "lapsed" | "released" => What::Ended { claim: text("claim") },
        _ => What::Other,
    };
    Written { seq, at_us, what }
}

mod lies;
