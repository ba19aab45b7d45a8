//! The sending half of one socket: straight to the kernel while the reader keeps up, and what waits while not.
//!
//! What waits is bounded whatever happens: the rest of one write, answers to the few picks in flight, flags, and a few
//! board frames whose bytes all readers share. A reader further behind gets the newest board instead.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::limits::BOARD_FRAMES_QUEUED_MAX;

/// A board frame, encoded once for all who get it, its WebSocket head included.
#[derive(Debug)]
pub struct BoardFrame {
    pub from: i64,
    pub to: i64,
    pub bytes: Bytes,
}

/// What a reader that does not keep up is owed; made when it can be sent, from what is true then.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// Look at the session's device again.
    Device,
    /// All own claims.
    Mine,
    Control,
    /// The newest board, because frames were left out.
    Snapshot,
    Board(Arc<BoardFrame>),
}

impl PartialEq for BoardFrame {
    fn eq(&self, other: &Self) -> bool {
        (self.from, self.to) == (other.from, other.to)
    }
}

impl Eq for BoardFrame {}

pub struct Line<S> {
    pub socket: S,
    /// Only while the reader is behind.
    behind: Option<Box<Behind>>,
}

struct Behind {
    /// Accepted for sending, in order.
    bytes: VecDeque<Bytes>,
    /// When the socket last accepted a byte.
    since: Instant,
    device: bool,
    mine: bool,
    control: bool,
    snapshot: bool,
    board: VecDeque<Arc<BoardFrame>>,
}

impl<S: Write> Line<S> {
    pub fn new(socket: S) -> Self {
        Self { socket, behind: None }
    }

    /// The reader has been sent everything.
    pub fn is_free(&self) -> bool {
        self.behind.is_none()
    }

    /// Bytes wait for the reader: what is sent now would come after them.
    pub fn is_full(&self) -> bool {
        self.behind.as_ref().is_some_and(|behind| !behind.bytes.is_empty())
    }

    /// When the socket last accepted a byte, if it owes to accept some.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.behind.as_ref().map(|behind| behind.since)
    }

    /// Sends bytes of this socket alone. Sooner or later they all go, or the line breaks.
    pub fn send(&mut self, bytes: &[u8], now: Instant) -> io::Result<()> {
        if let Some(behind) = &mut self.behind {
            behind.bytes.push_back(Bytes::copy_from_slice(bytes));
            return Ok(());
        }
        let written = write(&mut self.socket, bytes)?;
        match bytes.get(written..) {
            None | Some([]) => {}
            Some(rest) => self.fall_behind(now).bytes.push_back(Bytes::copy_from_slice(rest)),
        }
        Ok(())
    }

    /// Sends bytes that many sockets get; what does not go at once is shared, not copied.
    pub fn send_shared(&mut self, bytes: &Bytes, now: Instant) -> io::Result<()> {
        let written = if self.is_free() { write(&mut self.socket, bytes)? } else { 0 };
        if written < bytes.len() {
            self.fall_behind(now).bytes.push_back(bytes.slice(written..));
        }
        Ok(())
    }

    /// Owes an item to a reader that is behind; says whether it is. What it does not take, the caller sends.
    pub fn owe(&mut self, item: Item) -> Option<Item> {
        let Some(behind) = &mut self.behind else { return Some(item) };
        match item {
            Item::Device => behind.device = true,
            Item::Mine => behind.mine = true,
            Item::Control => behind.control = true,
            Item::Snapshot => behind.make_stale(),
            Item::Board(_) if behind.snapshot => {}
            Item::Board(_) if behind.board.len() >= BOARD_FRAMES_QUEUED_MAX => behind.make_stale(),
            Item::Board(frame) => behind.board.push_back(frame),
        }
        None
    }

    /// Sends on after the socket took bytes again. Call [`Line::next`] until it is silent, then again this.
    pub fn flush(&mut self, now: Instant) -> io::Result<()> {
        let Some(behind) = &mut self.behind else { return Ok(()) };
        while let Some(bytes) = behind.bytes.front_mut() {
            let written = write(&mut self.socket, bytes)?;
            if written > 0 {
                behind.since = now;
            }
            if written < bytes.len() {
                drop(bytes.split_to(written));
                return Ok(());
            }
            behind.bytes.pop_front();
        }
        Ok(())
    }

    /// The next item that is owed, once all bytes before it are gone: what is personal first. The line is free after
    /// the last.
    pub fn next(&mut self) -> Option<Item> {
        let behind = self.behind.as_mut().filter(|behind| behind.bytes.is_empty())?;
        let take = |flag: &mut bool| std::mem::take(flag);
        if take(&mut behind.device) {
            return Some(Item::Device);
        }
        if take(&mut behind.mine) {
            return Some(Item::Mine);
        }
        if take(&mut behind.control) {
            return Some(Item::Control);
        }
        if take(&mut behind.snapshot) {
            return Some(Item::Snapshot);
        }
        if let Some(frame) = behind.board.pop_front() {
            return Some(Item::Board(frame));
        }
        self.behind = None;
        None
    }

    fn fall_behind(&mut self, now: Instant) -> &mut Behind {
        self.behind.get_or_insert_with(|| {
            Box::new(Behind {
                bytes: VecDeque::new(),
                since: now,
                device: false,
                mine: false,
                control: false,
                snapshot: false,
                board: VecDeque::new(),
            })
        })
    }
}

impl Behind {
    fn make_stale(&mut self) {
        self.board.clear();
        self.snapshot = true;
    }
}

/// How much the socket takes now.
fn write(socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match socket.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn board(from: i64) -> Arc<BoardFrame> {
        Arc::new(BoardFrame { from, to: from + 1, bytes: Bytes::new() })
    }

    /// A line whose reader has not read, filled to the brim; and what it was filled with.
    fn behind() -> (Line<UnixStream>, UnixStream, Vec<u8>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut line = Line::new(ours);
        let mut sent = Vec::new();
        for n in 0..=u8::MAX {
            let piece = vec![n; 10_000];
            line.send_shared(&Bytes::from(piece.clone()), Instant::now()).unwrap();
            sent.extend(piece);
            if !line.is_free() {
                return (line, theirs, sent);
            }
        }
        panic!("never full");
    }

    /// Reads what there is and lets the line send on, until nothing comes; what was owed goes as its name.
    fn read_on(line: &mut Line<UnixStream>, theirs: &mut UnixStream) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut piece = vec![0; 100_000];
            match theirs.read(&mut piece) {
                Ok(read) => all.extend_from_slice(&piece[..read]),
                Err(_) if line.is_free() => return all,
                Err(_) => {}
            }
            line.flush(Instant::now()).unwrap();
            while let Some(item) = line.next() {
                let name = match item {
                    Item::Board(frame) => format!("<board {}>", frame.from),
                    other => format!("<{other:?}>"),
                };
                line.send(name.as_bytes(), Instant::now()).unwrap();
            }
        }
    }

    #[test]
    fn nothing_is_lost_or_torn_when_the_reader_is_slow() {
        let (mut line, mut theirs, mut sent) = behind();
        for text in ["an answer", "another"] {
            line.send(text.as_bytes(), Instant::now()).unwrap();
            sent.extend_from_slice(text.as_bytes());
        }
        assert!(read_on(&mut line, &mut theirs) == sent, "in order and whole");
        assert!(line.is_free());
    }

    /// A personal answer precedes the board that shows it, also when neither could be sent at once.
    /// Mutation that turned it red: owed items sent before the bytes.
    #[test]
    fn answers_then_what_is_personal_then_the_board() {
        let (mut line, mut theirs, sent) = behind();
        assert_eq!(line.owe(Item::Board(board(1))), None);
        assert_eq!(line.owe(Item::Control), None);
        assert_eq!(line.owe(Item::Mine), None);
        assert_eq!(line.owe(Item::Board(board(2))), None);
        line.send(b"<answer>", Instant::now()).unwrap();
        let read = read_on(&mut line, &mut theirs);
        assert_eq!(String::from_utf8_lossy(&read[sent.len()..]), "<answer><Mine><Control><board 1><board 2>");
    }

    /// OP-41. Mutation that turned it red: pushing without looking at the length.
    #[test]
    fn a_slow_reader_is_skipped_to_the_newest_board_and_never_buffered_without_bound() {
        let (mut line, mut theirs, sent) = behind();
        for from in 0..100_000 {
            line.owe(Item::Board(board(from)));
            line.owe(Item::Mine);
        }
        let read = read_on(&mut line, &mut theirs);
        assert_eq!(String::from_utf8_lossy(&read[sent.len()..]), "<Mine><Snapshot>");
        assert_eq!(
            line.owe(Item::Board(board(7))),
            Some(Item::Board(board(7))),
            "after it frames flow again"
        );
    }

    #[test]
    fn a_stall_lasts_from_the_last_byte_that_was_taken() {
        let (mut line, mut theirs, _) = behind();
        let began = line.stalled_since().unwrap();
        let later = began + std::time::Duration::from_secs(9);
        line.flush(later).unwrap();
        assert_eq!(line.stalled_since(), Some(began), "nothing was taken");
        theirs.read_exact(&mut vec![0; 100_000]).unwrap();
        line.flush(later).unwrap();
        assert_ne!(line.stalled_since(), Some(began));
    }
}
