//! What a frame or an answer says. The load reads tens of thousands of them a second on the cores it shares with
//! nobody but itself, so it looks for the few words it needs; the golden frames of the protocol are its test.

use memchr::memmem;

/// How one tap was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    Yes,
    Taken,
    /// A no for another reason.
    No,
    /// Not an answer: the same tap again.
    InProgress,
    /// Not an answer either.
    Unknown,
    /// `SLOW_DOWN` or `OVERLOADED`; the time that was named, in milliseconds.
    Refused {
        retry_after_ms: Option<u32>,
    },
    /// Anything else.
    Error,
}

impl Said {
    pub const NAMES: [&'static str; 7] = ["yes", "taken", "no", "in_progress", "unknown", "refused", "error"];

    pub fn place(self) -> usize {
        match self {
            Self::Yes => 0,
            Self::Taken => 1,
            Self::No => 2,
            Self::InProgress => 3,
            Self::Unknown => 4,
            Self::Refused { .. } => 5,
            Self::Error => 6,
        }
    }

    /// Yes and no end a tap; nothing else does.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Yes | Self::Taken | Self::No)
    }
}

/// A server's frame, as far as the load cares.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    Snapshot { seq: i64, status: &'a [u8] },
    Mine,
    Board { from: i64, to: i64, changes: &'a [u8] },
    Answer { key: &'a [u8], said: Said },
    Other,
}

/// The text after `name`, up to `end`.
fn after<'a>(text: &'a [u8], name: &[u8], end: u8) -> Option<&'a [u8]> {
    let start = memmem::find(text, name)? + name.len();
    let length = memchr::memchr(end, &text[start..])?;
    Some(&text[start..start + length])
}

/// The decimal number after `name`.
pub fn number_after(text: &[u8], name: &[u8]) -> Option<i64> {
    let start = memmem::find(text, name)? + name.len();
    let digits = text[start..].iter().take_while(|c| c.is_ascii_digit()).count();
    (digits > 0).then(|| decimal(&text[start..start + digits]))
}

fn decimal(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
}

/// What the body of an answer, or an `answer` frame, says.
pub fn said(text: &[u8]) -> Said {
    match after(text, b"\"answer\":\"", b'"') {
        Some(b"yes") => Said::Yes,
        Some(b"no") if memmem::find(text, b"\"code\":\"TAKEN\"").is_some() => Said::Taken,
        Some(b"no") => Said::No,
        Some(b"in_progress") => Said::InProgress,
        Some(b"unknown") => Said::Unknown,
        _ => refusal(text),
    }
}

fn refusal(text: &[u8]) -> Said {
    match after(text, b"\"code\":\"", b'"') {
        Some(b"SLOW_DOWN" | b"OVERLOADED") => {
            let wait = number_after(text, b"\"retry_after_ms\":").and_then(|ms| u32::try_from(ms).ok());
            Said::Refused { retry_after_ms: wait }
        }
        _ => Said::Error,
    }
}

pub fn read(text: &[u8]) -> Frame<'_> {
    let Some(kind) = text.strip_prefix(b"{\"t\":\"") else { return Frame::Other };
    if kind.starts_with(b"answer\"") || kind.starts_with(b"error\"") {
        let key = after(text, b"\"key\":\"", b'"').unwrap_or_default();
        return Frame::Answer { key, said: said(text) };
    }
    if kind.starts_with(b"board\"") {
        let numbers = (number_after(text, b"\"from\":"), number_after(text, b"\"to\":"));
        let changes = after(text, b"\"u\":[", b']');
        if let ((Some(from), Some(to)), Some(changes)) = (numbers, changes) {
            return Frame::Board { from, to, changes };
        }
    }
    if kind.starts_with(b"snapshot\"")
        && let (Some(seq), Some(status)) =
            (number_after(text, b"\"seq\":"), after(text, b"\"status\":\"", b'"'))
    {
        return Frame::Snapshot { seq, status };
    }
    if kind.starts_with(b"mine\"") { Frame::Mine } else { Frame::Other }
}

/// One buyer's copy of the board, as the frames make it.
#[derive(Debug, Default)]
pub struct Board {
    pub seq: i64,
    pub status: Vec<u8>,
    /// Frames whose `from` was not the sequence at hand.
    pub gaps: u32,
}

impl Board {
    pub fn start(&mut self, seq: i64, status: &[u8]) {
        self.seq = seq;
        self.status.clear();
        self.status.extend_from_slice(status);
    }

    /// True when the frame follows what is at hand.
    pub fn change(&mut self, from: i64, to: i64, changes: &[u8]) -> bool {
        if from != self.seq {
            self.gaps += 1;
            return false;
        }
        let mut unit = None;
        for number in changes.split(|c| *c == b',').filter(|digits| !digits.is_empty()) {
            match unit.take() {
                None => unit = usize::try_from(decimal(number)).ok(),
                Some(at) => {
                    if let Some(slot) = self.status.get_mut(at) {
                        *slot = number.last().copied().unwrap_or_default();
                    }
                }
            }
        }
        self.seq = to;
        true
    }
}

/// Enough to tell two boards apart (FNV-1a).
pub fn digest(status: &[u8]) -> u64 {
    status.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_frames_are_understood() {
        let cases: [(&str, Frame<'_>); 8] = [
            (
                r#"{"t":"answer","answer":"no","key":"tap-0001","code":"TAKEN","params":{"unit":17}}"#,
                Frame::Answer { key: b"tap-0001", said: Said::Taken },
            ),
            (
                r#"{"t":"answer","answer":"yes","key":"tap-0001","claim":{"id":"01B","unit":17,"code":"K7Q2M9"}}"#,
                Frame::Answer { key: b"tap-0001", said: Said::Yes },
            ),
            (
                r#"{"t":"answer","answer":"no","key":"tap-0001","code":"QUOTA_USED","params":{"kind":"home"}}"#,
                Frame::Answer { key: b"tap-0001", said: Said::No },
            ),
            (
                r#"{"t":"error","code":"SLOW_DOWN","params":{"retry_after_ms":250},"key":"tap-0001"}"#,
                Frame::Answer { key: b"tap-0001", said: Said::Refused { retry_after_ms: Some(250) } },
            ),
            (
                r#"{"t":"board","from":12,"to":15,"u":[1,2,4,1]}"#,
                Frame::Board { from: 12, to: 15, changes: b"1,2,4,1" },
            ),
            (r#"{"t":"snapshot","seq":12,"status":"01231"}"#, Frame::Snapshot { seq: 12, status: b"01231" }),
            (r#"{"t":"mine","claims":[]}"#, Frame::Mine),
            (r#"{"t":"time","c":1234.5,"now_ms":1763784000000}"#, Frame::Other),
        ];
        for (text, frame) in cases {
            assert_eq!(read(text.as_bytes()), frame, "{text}");
        }
    }

    /// `IN_PROGRESS` and `unknown` are no answers. Mutation that turned it red: `is_answer` true for `InProgress`.
    #[test]
    fn only_yes_and_no_end_a_tap() {
        let answer = |name: &str| said(format!(r#"{{"answer":"{name}","key":"k"}}"#).as_bytes());
        let words = ["yes", "no", "in_progress", "unknown"].map(|name| answer(name).is_answer());
        assert_eq!(words, [true, true, false, false]);
        assert_eq!(said(b""), Said::Error);
    }

    #[test]
    fn a_board_follows_its_frames_and_notices_a_gap() {
        let mut board = Board::default();
        board.start(4, b"0000");
        assert!(board.change(4, 6, b"1,2,3,1"));
        assert_eq!((board.seq, board.status.as_slice()), (6, &b"0201"[..]));
        assert!(board.change(6, 7, b""));
        assert!(!board.change(9, 10, b"0,1"));
        assert_eq!((board.seq, board.gaps, board.status[0]), (7, 1, b'0'));
        assert_ne!(digest(b"0201"), digest(b"0210"));
    }
}
