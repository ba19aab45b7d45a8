//! What one thread writes down: every tap with its answer, and the figures. Compact, because there may be a million; the
//! record's own lines are made from it when the run is over.

use std::collections::{BTreeMap, HashMap};

use crate::raw::Effort;
use crate::record::{Entry, What};
use crate::report::Histogram;
use crate::report::series::Recorder;

/// A tap and what became of it.
#[derive(Debug, Clone)]
pub struct TapNote {
    pub buyer: u32,
    /// The buyer's how manieth, from 0: makes the key.
    pub number: u32,
    pub unit: u32,
    /// Microseconds after T: when it was due, when it was answered.
    pub due_us: i64,
    pub answered_us: i64,
    pub told: Option<Told>,
}

#[derive(Debug, Clone)]
pub enum Told {
    Yes { claim: Box<str>, unit: u32 },
    No(Code),
}

/// A code, by its place in [`Notes::codes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(u16);

/// An answer beside the one that ended its tap.
#[derive(Debug, Clone)]
pub struct MoreTold {
    pub buyer: u32,
    /// As the server wrote it: it may be that of no tap.
    pub key: String,
    pub at_us: i64,
    pub told: Told,
}

/// The same last board, and who showed it.
#[derive(Debug, Clone)]
pub struct LastBoard {
    pub seq: i64,
    pub status: Vec<u8>,
    pub boards: u64,
    /// One of the buyers.
    pub buyer: u32,
    /// When the books were closed.
    pub at_us: i64,
}

#[derive(Debug)]
pub struct Notes {
    pub taps: Vec<TapNote>,
    pub more: Vec<MoreTold>,
    codes: Vec<String>,
    numbers: HashMap<String, u16>,
    pub errors: BTreeMap<String, u64>,
    pub answer: Histogram,
    /// Answers by the rate they were asked at.
    pub steps: Vec<Histogram>,
    pub board: Histogram,
    pub connect: Histogram,
    /// How late taps left.
    pub lag: Histogram,
    pub series: Recorder,
    pub boards: Vec<LastBoard>,
    pub connects: u64,
    pub effort: Option<Effort>,
}

impl Notes {
    pub fn new(steps: usize) -> Self {
        Self {
            taps: Vec::new(),
            more: Vec::new(),
            codes: Vec::new(),
            numbers: HashMap::new(),
            errors: BTreeMap::new(),
            answer: Histogram::new(),
            steps: vec![Histogram::new(); steps],
            board: Histogram::new(),
            connect: Histogram::new(),
            lag: Histogram::new(),
            series: Recorder::default(),
            boards: Vec::new(),
            connects: 0,
            effort: None,
        }
    }

    pub fn error(&mut self, code: &str) {
        match self.errors.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                self.errors.insert(code.to_owned(), 1);
            }
        }
    }

    /// There are some dozen codes; a server that invents more than 65,535 gets the last one again.
    pub fn code(&mut self, code: String) -> Code {
        if let Some(number) = self.numbers.get(&code) {
            return Code(*number);
        }
        let number = u16::try_from(self.codes.len()).unwrap_or(u16::MAX);
        if number < u16::MAX {
            self.codes.push(code.clone());
            self.numbers.insert(code, number);
        }
        Code(number)
    }

    pub fn word(&self, code: Code) -> &str {
        self.codes.get(usize::from(code.0)).map_or("", String::as_str)
    }

    /// The lines of the record, in the order of a thread's taps. `start_ms` is T by the server's clock.
    pub fn entries(
        &self,
        name: &dyn Fn(u32) -> String,
        key: &dyn Fn(u32, u32) -> String,
        start_ms: i64,
    ) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.taps.len() * 2 + self.more.len() + self.boards.len());
        for tap in &self.taps {
            let (registration, key) = (name(tap.buyer), key(tap.buyer, tap.number));
            let what = What::Tap { registration: registration.clone(), key: key.clone(), unit: tap.unit };
            entries.push(Entry { at_ms: start_ms + tap.due_us.div_euclid(1_000), what });
            if let Some(told) = &tap.told {
                let what = self.answer(registration, key, told);
                entries.push(Entry { at_ms: start_ms + tap.answered_us.div_euclid(1_000), what });
            }
        }
        for more in &self.more {
            let what = self.answer(name(more.buyer), more.key.clone(), &more.told);
            entries.push(Entry { at_ms: start_ms + more.at_us.div_euclid(1_000), what });
        }
        for last in &self.boards {
            let what = What::Boards {
                board: name(last.buyer),
                boards: last.boards,
                seq: last.seq,
                status: String::from_utf8_lossy(&last.status).into_owned(),
            };
            entries.push(Entry { at_ms: start_ms + last.at_us.div_euclid(1_000), what });
        }
        entries
    }

    fn answer(&self, registration: String, key: String, told: &Told) -> What {
        match told {
            Told::Yes { claim, unit } => {
                What::Yes { registration, key, claim: claim.to_string(), unit: *unit }
            }
            Told::No(code) => What::No { registration, key, code: self.word(*code).to_owned() },
        }
    }
}
