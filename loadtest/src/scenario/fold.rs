//! Every buyer's board, folded from the frames that this buyer got. Ten thousand buyers get the same bytes, so a frame is
//! parsed once and a board is stored once; whoever gets other bytes ends with another board, and that is what the
//! audit is after.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Deserialize;

/// Frames that may still arrive somewhere. A slow reader's frame is parsed again.
const FRAMES: usize = 64;
/// Boards that one frame was applied to: more than one only after a gap.
const RESULTS: usize = 16;

/// The status of every unit at a journal sequence.
#[derive(Debug, PartialEq, Eq)]
pub struct Board {
    pub seq: i64,
    /// One digit a unit.
    pub status: Vec<u8>,
}

/// What a frame did to a board.
#[derive(Debug)]
pub enum Folded {
    Board(Rc<Board>),
    /// The frame does not follow: a snapshot has to be asked for.
    Gap,
    /// Not a board frame of the protocol.
    Broken,
}

/// Arrivals of one frame of changes, handed over when no more are expected.
#[derive(Debug)]
pub struct Arrivals {
    pub from: i64,
    pub to: i64,
    pub first: Instant,
    /// Microseconds after `first`, one for each board.
    pub after_us: Vec<u32>,
}

struct Frame {
    bytes: Box<[u8]>,
    what: What,
    first: Instant,
    after_us: Vec<u32>,
    /// Boards it was applied to, by address, held so that an address is not another board's, with what came of it.
    results: Vec<(Rc<Board>, Rc<Board>)>,
}

enum What {
    Snapshot(Rc<Board>),
    Changes { from: i64, to: i64, units: Vec<u32> },
}

#[derive(Deserialize)]
struct SnapshotText {
    seq: i64,
    status: String,
}

#[derive(Deserialize)]
struct ChangesText {
    from: i64,
    to: i64,
    u: Vec<u32>,
}

/// The frames of one thread.
#[derive(Default)]
pub struct Folder {
    frames: VecDeque<Frame>,
    /// One allocation for equal boards that were reached on different ways; cleared now and then.
    boards: HashMap<(i64, Vec<u8>), Rc<Board>>,
    retired: Vec<Arrivals>,
}

impl Folder {
    /// Applies a `board` or `snapshot` frame to the board of one connection.
    pub fn apply(&mut self, board: Option<&Rc<Board>>, text: &[u8], at: Instant) -> Folded {
        let found = self.frames.iter().position(|frame| *frame.bytes == *text);
        let index = match found {
            Some(index) => index,
            None => {
                let Some(what) = self.parse(text) else { return Folded::Broken };
                if self.frames.len() >= FRAMES {
                    self.retire();
                }
                let frame =
                    Frame { bytes: text.into(), what, first: at, after_us: Vec::new(), results: Vec::new() };
                // Newest first: that is the one the other connections get now.
                self.frames.push_front(frame);
                0
            }
        };
        let Some(frame) = self.frames.get_mut(index) else { return Folded::Broken };
        let units = match &frame.what {
            What::Snapshot(whole) => return Folded::Board(Rc::clone(whole)),
            What::Changes { from, to, units } => match board {
                Some(board) if board.seq == *from => (*to, units),
                _ => return Folded::Gap,
            },
        };
        let Some(board) = board else { return Folded::Gap };
        let after = at.saturating_duration_since(frame.first);
        frame.after_us.push(u32::try_from(after.as_micros()).unwrap_or(u32::MAX));
        if let Some((_, result)) = frame.results.iter().find(|(of, _)| Rc::ptr_eq(of, board)) {
            return Folded::Board(Rc::clone(result));
        }
        let mut status = board.status.clone();
        for pair in units.1.as_chunks::<2>().0 {
            let (Ok(unit), Ok(digit)) = (usize::try_from(pair[0]), u8::try_from(pair[1])) else {
                return Folded::Broken;
            };
            match status.get_mut(unit) {
                Some(place) if digit < 10 => *place = b'0' + digit,
                _ => return Folded::Broken,
            }
        }
        let seq = units.0;
        let result = self
            .boards
            .entry((seq, status))
            .or_insert_with_key(|(seq, status)| Rc::new(Board { seq: *seq, status: status.clone() }));
        let result = Rc::clone(result);
        if frame.results.len() < RESULTS {
            frame.results.push((Rc::clone(board), Rc::clone(&result)));
        }
        Folded::Board(result)
    }

    /// Frames that will not arrive any more, with the time of each arrival.
    pub fn retired(&mut self) -> Vec<Arrivals> {
        std::mem::take(&mut self.retired)
    }

    /// At the end all have arrived; before, those older than `age`.
    pub fn retire_older(&mut self, now: Instant, age: Duration) {
        while self.frames.back().is_some_and(|frame| now.saturating_duration_since(frame.first) >= age) {
            self.retire();
        }
    }

    fn retire(&mut self) {
        if let Some(frame) = self.frames.pop_back()
            && let What::Changes { from, to, .. } = frame.what
            && !frame.after_us.is_empty()
        {
            self.retired.push(Arrivals { from, to, first: frame.first, after_us: frame.after_us });
        }
        // Whoever still shows an old board holds it.
        if self.boards.len() > 2 * FRAMES {
            self.boards.retain(|_, board| Rc::strong_count(board) > 1);
        }
    }

    fn parse(&mut self, text: &[u8]) -> Option<What> {
        if is_snapshot(text) {
            let SnapshotText { seq, status } = serde_json::from_slice(text).ok()?;
            let board = self
                .boards
                .entry((seq, status.into_bytes()))
                .or_insert_with_key(|(seq, status)| Rc::new(Board { seq: *seq, status: status.clone() }));
            Some(What::Snapshot(Rc::clone(board)))
        } else {
            let ChangesText { from, to, u } = serde_json::from_slice(text).ok()?;
            Some(What::Changes { from, to, units: u })
        }
    }
}

pub fn is_board(text: &[u8]) -> bool {
    text.starts_with(br#"{"t":"board""#) || is_snapshot(text)
}

fn is_snapshot(text: &[u8]) -> bool {
    text.starts_with(br#"{"t":"snapshot""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(folded: Folded) -> Rc<Board> {
        match folded {
            Folded::Board(board) => board,
            other => panic!("{other:?}"),
        }
    }

    /// Seen red when a frame's result was looked up by the frame alone: then the liar's victim showed the others' board.
    #[test]
    fn the_same_bytes_make_the_same_board_and_other_bytes_another() {
        let mut folder = Folder::default();
        let now = Instant::now();
        let start = br#"{"t":"snapshot","seq":12,"status":"0120"}"#;
        let (one, two) = (board(folder.apply(None, start, now)), board(folder.apply(None, start, now)));
        assert!(Rc::ptr_eq(&one, &two));
        let lied = board(folder.apply(None, br#"{"t":"snapshot","seq":12,"status":"2120"}"#, now));
        let change = br#"{"t":"board","from":12,"to":15,"u":[3,3]}"#;
        let one = board(folder.apply(Some(&one), change, now));
        let lied = board(folder.apply(Some(&lied), change, now));
        let later = now + Duration::from_millis(3);
        let two = board(folder.apply(Some(&two), change, later));
        assert_eq!((one.seq, one.status.as_slice()), (15, &b"0123"[..]));
        assert!(Rc::ptr_eq(&one, &two), "stored once");
        assert_eq!(lied.status, b"2123");

        folder.retire_older(later, Duration::ZERO);
        let arrivals = folder.retired();
        assert_eq!(arrivals.len(), 1, "of changes only");
        assert_eq!((arrivals[0].from, arrivals[0].to), (12, 15));
        assert_eq!(arrivals[0].after_us, [0, 0, 3_000]);
    }

    #[test]
    fn a_gap_and_nonsense_are_not_folded() {
        let mut folder = Folder::default();
        let now = Instant::now();
        let change = br#"{"t":"board","from":12,"to":15,"u":[3,3]}"#;
        assert!(matches!(folder.apply(None, change, now), Folded::Gap), "nothing before a snapshot");
        let base = board(folder.apply(None, br#"{"t":"snapshot","seq":11,"status":"00"}"#, now));
        assert!(matches!(folder.apply(Some(&base), change, now), Folded::Gap));
        let beyond = br#"{"t":"board","from":11,"to":12,"u":[2,1]}"#;
        assert!(matches!(folder.apply(Some(&base), beyond, now), Folded::Broken), "a unit that is not there");
        assert!(matches!(folder.apply(Some(&base), br#"{"t":"board"}"#, now), Folded::Broken));
    }

    #[test]
    fn a_long_run_keeps_only_what_is_shown() {
        let mut folder = Folder::default();
        let now = Instant::now();
        let mut mine = board(folder.apply(None, br#"{"t":"snapshot","seq":0,"status":"00"}"#, now));
        for seq in 0..10_000 {
            let text = format!(r#"{{"t":"board","from":{seq},"to":{},"u":[0,{}]}}"#, seq + 1, seq % 2);
            mine = board(folder.apply(Some(&mine), text.as_bytes(), now));
        }
        assert_eq!(mine.seq, 10_000);
        assert!(
            folder.frames.len() <= FRAMES && folder.boards.len() <= 4 * FRAMES,
            "{}",
            folder.boards.len()
        );
    }
}
