//! Taps that are on their way: each has a key that tells its place in the list, the moment at which it was meant to
//! leave, and what became of it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use kaipan_loadtest::raw::http;

use crate::frames::Said;

#[derive(Debug, Clone, Copy)]
pub struct Tap {
    pub due_ns: u64,
    pub unit: u32,
    pub link: u32,
    pub counted: bool,
    pub done: bool,
}

/// The taps of one command.
#[derive(Default)]
pub struct Taps {
    /// Tells this command's keys from those of all others.
    salt: u32,
    pub all: Vec<Tap>,
    pub said: [u64; Said::NAMES.len()],
    pub told_when: u64,
    pub last_ns: u64,
    pub last_yes_ns: u64,
    /// Answers up to here are in time.
    pub until_ns: u64,
    pub in_time: u64,
    /// How late the latest one left.
    pub late_ns: u64,
    /// Of yeses and of the other answers.
    yes_us: Vec<u32>,
    no_us: Vec<u32>,
}

impl Taps {
    pub fn new(salt: u32) -> Self {
        Self { salt, ..Self::default() }
    }

    /// The text of a pick, the same over both transports but for the frame's tag.
    pub fn body(&self, at: usize, framed: bool, out: &mut Vec<u8>) {
        let opening: &[u8] = if framed { b"{\"t\":\"pick\",\"key\":\"" } else { b"{\"key\":\"" };
        out.extend_from_slice(opening);
        hex(self.salt, out);
        hex(at as u32, out);
        out.extend_from_slice(b"\",\"unit\":");
        http::number(out, u64::from(self.all[at].unit));
        out.push(b'}');
    }

    /// The tap that a key names, if it is one of these.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        let (salt, at) = key.split_at_checked(8)?;
        let number = |digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        (number(salt)? == self.salt).then_some(())?;
        let at = number(at)? as usize;
        (at < self.all.len()).then_some(at)
    }

    /// Notes what was said to a tap that has no answer yet.
    pub fn note(&mut self, at: usize, said: Said, at_ns: u64) {
        let tap = &mut self.all[at];
        tap.done |= said != Said::InProgress;
        if !tap.counted {
            return;
        }
        self.said[said.place()] += 1;
        if let Said::Refused { retry_after_ms: Some(_) } = said {
            self.told_when += 1;
        }
        if said.is_answer() {
            self.last_ns = self.last_ns.max(at_ns);
            self.in_time += u64::from(at_ns <= self.until_ns);
            let took_us = at_ns.saturating_sub(tap.due_ns) / 1_000;
            let took_us = u32::try_from(took_us).unwrap_or(u32::MAX);
            if said == Said::Yes {
                self.last_yes_ns = self.last_yes_ns.max(at_ns);
                self.yes_us.push(took_us);
            } else {
                self.no_us.push(took_us);
            }
        }
    }

    pub fn unanswered(&self) -> u64 {
        self.all.iter().filter(|tap| tap.counted && !tap.done).count() as u64
    }

    /// Four bytes a number: how many yeses there are, then the microseconds of each of them, then those of the other answers.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        let yeses = u32::try_from(self.yes_us.len()).unwrap_or(u32::MAX);
        for number in std::iter::once(&yeses).chain(&self.yes_us).chain(&self.no_us) {
            out.write_all(&number.to_le_bytes())?;
        }
        out.flush()
    }
}

fn hex(number: u32, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend((0..8).rev().map(|place| DIGITS[(number >> (4 * place)) as usize & 15]));
}

/// A small generator of numbers that look random; the same from the same seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// The cube of a random number sends half of the taps to the best tenth.
    pub fn skewed(&mut self, bound: u32) -> u32 {
        let chance = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (f64::from(bound) * chance.powi(3)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Taps {
        let mut taps = Taps::new(0xdead_beef);
        let tap = Tap { due_ns: 1_000, unit: 7, link: 0, counted: true, done: false };
        taps.all = vec![tap, tap, Tap { counted: false, ..tap }];
        taps
    }

    #[test]
    fn a_key_finds_its_tap_and_no_other_commands() {
        let taps = three();
        let mut text = Vec::new();
        taps.body(1, true, &mut text);
        assert_eq!(text, br#"{"t":"pick","key":"deadbeef00000001","unit":7}"#);
        assert_eq!(taps.find(b"deadbeef00000001"), Some(1));
        for other in ["deadbeef00000003", "deadbeee00000001", "short", ""] {
            assert_eq!(taps.find(other.as_bytes()), None, "{other}");
        }
    }

    /// Mutation that turned it red: `IN_PROGRESS` counted as done.
    #[test]
    fn in_progress_leaves_a_tap_unanswered() {
        let mut taps = three();
        taps.note(0, Said::InProgress, 5_000);
        assert_eq!(taps.unanswered(), 2);
        taps.note(0, Said::Yes, 2_001_000);
        taps.note(2, Said::Taken, 9_000_000);
        assert_eq!((taps.unanswered(), taps.said), (1, [1, 0, 0, 1, 0, 0, 0]));
        assert_eq!((taps.yes_us.as_slice(), taps.last_ns), (&[2_000][..], 2_001_000));
        assert!(taps.no_us.is_empty(), "nobody counts the third");
    }

    #[test]
    fn half_of_the_skewed_taps_want_the_best_tenth() {
        let mut dice = Dice::new(7);
        let wanted: Vec<u32> = (0..10_000).map(|_| dice.skewed(1_000)).collect();
        let best = wanted.iter().filter(|unit| **unit < 100).count();
        assert!((4_000..5_300).contains(&best), "{best}");
        assert!(wanted.iter().all(|unit| *unit < 1_000));
        assert!((0..1_000).map(|_| dice.below(3)).all(|number| number < 3));
    }
}
