//! The connections of a worker: who each one is, and the board that each one sees.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use kaipan_loadtest::raw::{Opens, ws};

use super::command::{Boards, Place, Transport};
use crate::failure::{Failure, Outcome, While};
use crate::frames::{Board, digest};

pub struct Link {
    /// The lines that name the buyer in each request.
    pub headers: String,
    pub board: Board,
    /// When the board last changed.
    pub board_ns: u64,
    /// Taps over HTTP without an answer, in their order.
    pub on_their_way: VecDeque<usize>,
    /// Open, and a WebSocket has its board.
    pub ready: bool,
    pub stalled: bool,
}

impl Link {
    fn new(token: &str) -> Self {
        Self {
            headers: format!("authorization: Bearer {token}\r\n"),
            board: Board::default(),
            board_ns: 0,
            on_their_way: VecDeque::new(),
            ready: false,
            stalled: false,
        }
    }

    /// What opens this connection.
    pub fn opens(&self, place: &Place, transport: Transport) -> Opens {
        match transport {
            Transport::Http => Opens::Http,
            Transport::WebSocket => {
                let path = format!("/api/v1/openings/{}/ws", place.opening);
                let headers = format!("{}sec-websocket-protocol: kaipan.v1\r\n", self.headers);
                Opens::Ws(Arc::from(ws::handshake(&path, &headers)))
            }
        }
    }
}

/// `count` links with the tokens of the file.
pub fn links_of(place: &Place, count: u32) -> Outcome<Vec<Link>> {
    let tokens = tokens(&place.sessions)?;
    Ok((0..count as usize).map(|n| Link::new(&tokens[(place.first + n) % tokens.len()])).collect())
}

fn tokens(file: &Path) -> Outcome<Vec<String>> {
    let text = fs::read_to_string(file).during("reading the sessions")?;
    let tokens: Vec<String> = text.lines().map(str::to_owned).collect();
    if tokens.is_empty() { Err(Failure::new("no session in the file")) } else { Ok(tokens) }
}

/// What the readers among `links` see; `seq` is what they should have come to.
pub fn boards(links: &[Link], seq: i64) -> Boards {
    let mut boards = Boards { first_ns: u64::MAX, ..Boards::default() };
    let mut digests: BTreeMap<u64, u64> = BTreeMap::new();
    for link in links.iter().filter(|link| link.ready && !link.stalled) {
        boards.readers += 1;
        boards.gaps += u64::from(link.board.gaps);
        if link.board.seq >= seq {
            boards.there += 1;
            boards.first_ns = boards.first_ns.min(link.board_ns);
            boards.last_ns = boards.last_ns.max(link.board_ns);
        }
        *digests.entry(digest(&link.board.status)).or_default() += 1;
    }
    boards.digests = digests.into_iter().collect();
    boards
}
