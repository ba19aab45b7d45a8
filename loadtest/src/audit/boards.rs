//! What boards showed in the end. A board names the journal entry that it has come to, so it is compared with the journal
//! read that far: a hold that lapses after a board's last frame makes no board wrong. How far it had come is a question
//! of its own.

use super::history::History;
use super::{Finding, Truth};
use crate::record::{Entry, What};

/// A change may be so long on its way to a board.
pub const BEHIND_MS_MAX: u32 = 5_000;

struct Shown<'a> {
    board: &'a str,
    boards: u64,
    seq: i64,
    status: &'a str,
    /// By the server's clock.
    at_ms: i64,
}

/// Compares every board on the record; gives how many there were.
pub(super) fn boards(record: &[Entry], truth: &Truth, findings: &mut Vec<Finding>) -> u64 {
    let mut all: Vec<Shown<'_>> = record.iter().filter_map(shown).collect();
    // So that the journal is read once.
    all.sort_by_key(|shown| shown.seq);
    let units = named(truth);
    let mut history = History::default();
    let mut journal = truth.in_order().into_iter().peekable();
    for shown in &all {
        while let Some(entry) = journal.next_if(|entry| entry.seq <= shown.seq) {
            history.apply(entry);
        }
        let (board, boards) = (shown.board.to_owned(), shown.boards);
        let expected = history.board(units.max(shown.status.len()));
        let difference = if shown.is_blank() { None } else { first_difference(shown.status, &expected) };
        if let Some((unit, shows, truth)) = difference {
            findings.push(Finding::BoardWrong { board, boards, unit, shows, truth });
        } else if let Some(next) = journal.peek()
            && shown.at_ms.saturating_sub(next.at_ms) > i64::from(BEHIND_MS_MAX)
        {
            findings.push(Finding::BoardBehind { board, boards, seq: shown.seq });
        }
    }
    all.iter().map(|shown| shown.boards).sum()
}

fn shown(entry: &Entry) -> Option<Shown<'_>> {
    let What::Boards { board, boards, seq, status } = &entry.what else { return None };
    Some(Shown { board, boards: *boards, seq: *seq, status, at_ms: entry.at_ms })
}

impl Shown<'_> {
    /// Never shown anything: there is nothing to compare, and everything that it is behind.
    fn is_blank(&self) -> bool {
        self.seq < 0 && self.status.is_empty()
    }
}

/// So many units does the journal know of: a board that shows fewer is wrong.
fn named(truth: &Truth) -> usize {
    truth.journal.iter().filter_map(|entry| entry.body.unit).map(|unit| unit as usize + 1).max().unwrap_or(0)
}

fn first_difference(shows: &str, truth: &str) -> Option<(u32, Option<char>, Option<char>)> {
    let (mut shows, mut truth) = (shows.chars(), truth.chars());
    for unit in 0.. {
        match (shows.next(), truth.next()) {
            (None, None) => return None,
            (here, there) if here != there => return Some((unit, here, there)),
            _ => {}
        }
    }
    None
}
