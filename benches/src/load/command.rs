//! What the driver says to a worker and what it hears back.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::frames::Said;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    Http,
    WebSocket,
}

/// Where to connect and as whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    /// One, or one a gateway; the connections of a worker take them in turn.
    pub addresses: Vec<SocketAddr>,
    pub opening: String,
    /// One token a line; connection `n` of a worker uses line `first + n`, from the start again when they are used up.
    pub sessions: PathBuf,
    pub first: usize,
}

impl Place {
    /// Where connection `n` of a worker goes.
    pub fn address(&self, n: usize) -> SocketAddr {
        self.addresses[n % self.addresses.len()]
    }

    /// The same for the buyers behind the first `count`.
    pub fn after(&self, count: u32) -> Self {
        Self { first: self.first + count as usize, ..self.clone() }
    }
}

/// Which unit the taps of a wave want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// One after the other.
    Each,
    /// Half of the taps want the best tenth.
    Skewed,
}

/// Taps at moments that are fixed before the first of them leaves.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Wave {
    pub after_ms: u64,
    /// They are spread evenly over this long; zero is one instant.
    pub within_ms: u64,
    pub taps: u32,
    pub first_unit: u32,
    pub units: u32,
    pub spread: Spread,
    /// The connections that take turns, from the first on.
    pub links: u32,
    /// Whether they are part of the figure, or only there to make the board change.
    pub counted: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Opens this many more connections at this pace; done when each is open (a WebSocket: has its first board) or failed.
    Connect {
        place: Place,
        transport: Transport,
        count: u32,
        per_second: u32,
        patience_ms: u64,
    },
    /// Every connection taps, waits for its answer, taps again. Of a hundred taps `win_percent` want a unit that is free,
    /// from `first_unit` on; the others one that the same worker took before. With none that want a free one, all want
    /// any of the units, which others have taken.
    Closed {
        start_ns: u64,
        warm_ms: u64,
        run_ms: u64,
        first_unit: u32,
        units: u32,
        win_percent: u32,
        latencies: PathBuf,
    },
    Scheduled {
        start_ns: u64,
        waves: Vec<Wave>,
        patience_ms: u64,
        latencies: PathBuf,
    },
    /// Done when every board that is read has come to this sequence.
    Boards {
        seq: i64,
        patience_ms: u64,
    },
    /// The last so many connections ask for the whole board so often, and are never read again.
    Stall {
        count: u32,
        boards: u32,
    },
    /// Closes every connection.
    Leave,
}

/// The boards of a worker's readers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Boards {
    pub readers: u64,
    /// Of them with the sequence that was asked for.
    pub there: u64,
    /// When the first and the last of them got their last frame.
    pub first_ns: u64,
    pub last_ns: u64,
    /// Board frames that did not follow what the reader had.
    pub gaps: u64,
    /// Digest of a board and how many readers have it.
    pub digests: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reply {
    /// Why the command could not be done, in words.
    pub failed: Option<String>,
    pub open: u64,
    pub lost: u64,
    pub took_ms: u64,
    /// Taps by what was said to them, in the order of [`Said::NAMES`].
    pub said: [u64; Said::NAMES.len()],
    /// Refusals that named a time.
    pub told_when: u64,
    pub sent: u64,
    /// Answers that came before the last tap was due.
    pub in_time: u64,
    pub unanswered: u64,
    /// The earliest intended moment, the last answer and the last yes.
    pub first_ns: u64,
    pub last_ns: u64,
    pub last_yes_ns: u64,
    /// How late the latest tap left after its moment.
    pub late_ns: u64,
    /// The worker's own CPU share while it did this, 0 to 1.
    pub busy: f64,
    pub boards: Option<Boards>,
}
