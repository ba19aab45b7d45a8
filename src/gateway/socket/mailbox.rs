//! What a connection owes its client besides the answers to its own picks: bounded, whatever the client does.
//!
//! The hub puts in, the connection takes out when its socket accepts more. A board frame that finds no room makes the
//! whole board stale: the frames are dropped and the newest snapshot is sent once the reader is ready for it. So a slow
//! reader costs a few pointers and holds nobody up. Personal items leave before board frames.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::Notify;

use crate::limits::{BOARD_FRAMES_QUEUED_MAX, CLAIM_FRAMES_QUEUED_MAX};

/// A board frame, encoded once for all who get it.
#[derive(Debug, Clone)]
pub struct BoardFrame {
    pub from: i64,
    pub to: i64,
    pub text: Utf8Bytes,
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The server stops: taken picks are answered, then reconnect.
    Drain,
    /// The opening stops here: reconnect.
    Away,
    /// A newer socket of the same registration took the place.
    Replaced,
}

#[derive(Debug)]
pub enum Item {
    Leave(Leave),
    /// Look at the session's device again.
    Device,
    /// All own claims, because single ones were lost.
    Mine,
    Claim(Utf8Bytes),
    Control,
    /// The newest board, because frames were lost.
    Snapshot,
    Board(Arc<BoardFrame>),
}

#[derive(Default)]
pub struct Mailbox {
    /// Held for a few instructions, by the hub and the connection of one core; never over an await.
    owed: Mutex<Owed>,
    bell: Notify,
}

#[derive(Default)]
struct Owed {
    leave: Option<Leave>,
    device: bool,
    mine: bool,
    claims: VecDeque<Utf8Bytes>,
    control: bool,
    snapshot: bool,
    board: VecDeque<Arc<BoardFrame>>,
}

impl Mailbox {
    pub fn leave(&self, why: Leave) {
        self.put(|owed| owed.leave = Some(why));
    }

    pub fn device(&self) {
        self.put(|owed| owed.device = true);
    }

    pub fn mine(&self) {
        self.put(|owed| {
            owed.claims.clear();
            owed.mine = true;
        });
    }

    pub fn claim(&self, text: Utf8Bytes) {
        self.put(|owed| {
            if owed.mine {
                return;
            }
            if owed.claims.len() >= CLAIM_FRAMES_QUEUED_MAX {
                owed.claims.clear();
                owed.mine = true;
            } else {
                owed.claims.push_back(text);
            }
        });
    }

    pub fn control(&self) {
        self.put(|owed| owed.control = true);
    }

    pub fn snapshot(&self) {
        self.put(Owed::make_stale);
    }

    pub fn board(&self, frame: Arc<BoardFrame>) {
        self.put(|owed| {
            if owed.snapshot {
                return;
            }
            if owed.board.len() >= BOARD_FRAMES_QUEUED_MAX {
                owed.make_stale();
            } else {
                owed.board.push_back(frame);
            }
        });
    }

    /// The next item, when there is one. Cancel-safe: an item is taken only when it is returned.
    pub async fn next(&self) -> Item {
        loop {
            if let Some(item) = self.take() {
                return item;
            }
            // One permit is kept if the bell rang since the look; only the connection ever waits here.
            self.bell.notified().await;
        }
    }

    pub fn take(&self) -> Option<Item> {
        let mut owed = self.lock();
        if let Some(why) = owed.leave {
            return Some(Item::Leave(why));
        }
        let flag = |flag: &mut bool| std::mem::take(flag);
        if flag(&mut owed.device) {
            return Some(Item::Device);
        }
        if flag(&mut owed.mine) {
            return Some(Item::Mine);
        }
        if let Some(text) = owed.claims.pop_front() {
            return Some(Item::Claim(text));
        }
        if flag(&mut owed.control) {
            return Some(Item::Control);
        }
        if flag(&mut owed.snapshot) {
            return Some(Item::Snapshot);
        }
        owed.board.pop_front().map(Item::Board)
    }

    fn put(&self, change: impl FnOnce(&mut Owed)) {
        change(&mut self.lock());
        self.bell.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owed {
    fn make_stale(&mut self) {
        self.board.clear();
        self.snapshot = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(from: i64) -> Arc<BoardFrame> {
        Arc::new(BoardFrame { from, to: from + 1, text: "".into() })
    }

    fn taken(mailbox: &Mailbox) -> Vec<String> {
        std::iter::from_fn(|| mailbox.take())
            .map(|item| match item {
                Item::Board(frame) => format!("board {}", frame.from),
                Item::Claim(text) => format!("claim {text}"),
                other => format!("{other:?}").to_lowercase(),
            })
            .collect()
    }

    #[test]
    fn what_is_personal_leaves_before_the_board() {
        let mailbox = Mailbox::default();
        mailbox.board(frame(1));
        mailbox.claim("a".into());
        mailbox.control();
        mailbox.board(frame(2));
        mailbox.device();
        assert_eq!(taken(&mailbox), ["device", "claim a", "control", "board 1", "board 2"]);
    }

    /// OP-41. Mutation that turned it red: pushing without looking at the length.
    #[test]
    fn a_slow_reader_is_skipped_to_the_newest_board_and_never_buffered_without_bound() {
        let mailbox = Mailbox::default();
        for from in 0..1_000_000 {
            mailbox.board(frame(from));
        }
        assert_eq!(taken(&mailbox), ["snapshot"]);
        mailbox.board(frame(7));
        assert_eq!(taken(&mailbox), ["board 7"], "after the snapshot frames flow again");
        for _ in 0..1_000 {
            mailbox.claim("a".into());
        }
        assert_eq!(taken(&mailbox), ["mine"]);
    }

    #[tokio::test]
    async fn an_item_put_before_the_wait_is_not_missed() {
        let mailbox = Mailbox::default();
        mailbox.control();
        assert!(matches!(mailbox.next().await, Item::Control));
        let waiting = mailbox.next();
        mailbox.leave(Leave::Replaced);
        assert!(matches!(waiting.await, Item::Leave(Leave::Replaced)));
    }
}
