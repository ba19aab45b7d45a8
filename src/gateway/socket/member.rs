//! One socket's state in its loop: a few hundred bytes, and nothing that a quiet one does not need.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mio::net::TcpStream;
use tokio::time::Instant;

use super::frame::{self, Decoder, code};
use super::line::Line;
use super::pace::Pace;
use super::place::Place;
use super::presence::Seat;
use crate::http::accept::Held;
use crate::http::drain::Guard;
use crate::identity::buyers::BuyerSession;
use crate::limits::SOCKET_PING_PERIOD;
use crate::opening::answer::Key;

/// Who opened the socket.
pub enum Visitor {
    Buyer(BuyerSession),
    Stranger,
    /// Came with a token that is no longer good, and is told so.
    Ended,
}

/// A visitor with a seat among the sockets, and what ends with the socket.
pub struct Seated {
    pub visitor: Visitor,
    pub place: Arc<Place>,
    pub ends: Ends,
}

/// Given back when the socket is gone.
pub struct Ends {
    pub seat: Seat,
    pub held: Option<Held>,
    pub guard: Guard,
}

/// A socket whose handshake is over.
pub struct Joining {
    pub seated: Seated,
    pub socket: TcpStream,
    /// What the client sent behind its handshake.
    pub early: Bytes,
    /// How long it may take to accept a byte.
    pub stall: Duration,
}

impl Joining {
    /// Its hub has ended: the client is told to come again, as far as its socket takes that at once.
    pub fn turn_away(mut self) {
        let mut bytes = Vec::new();
        frame::close(&mut bytes, Some(code::AWAY), RECONNECT);
        let _ = self.socket.write(&bytes);
    }
}

/// Why the conversation is over.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// The client left, or its socket broke: nobody to say goodbye to.
    Gone,
    Close(u16, &'static str),
    /// The client said goodbye, with this code.
    Left(Option<u16>),
}

const RECONNECT: &str = "reconnect";

pub const AWAY: End = End::Close(code::AWAY, RECONNECT);
pub const REPLACED: End = End::Close(code::POLICY, "replaced by a newer socket");

pub struct Member {
    pub line: Line<TcpStream>,
    pub session: Option<Box<BuyerSession>>,
    pub place: Arc<Place>,
    /// Board sequence that the client has.
    pub seq: i64,
    pub decoder: Decoder,
    /// Picks and asks that are being decided: a key that is one of them is not sent along twice.
    pub keys: Vec<Key>,
    pub pace: Pace,
    pub heard_at: Instant,
    pub ping_at: Instant,
    pub stall: Duration,
    /// The goodbye was said; its echo, or the end of the stream, is waited for until then.
    pub closing: Option<Instant>,
    /// There may be bytes to read that no further event tells of.
    pub is_unread: bool,
    _ends: Ends,
}

impl Member {
    pub fn new(seated: Seated, socket: TcpStream, stall: Duration, now: Instant) -> Self {
        let Seated { visitor, place, ends } = seated;
        let session = match visitor {
            Visitor::Buyer(session) => Some(Box::new(session)),
            Visitor::Stranger | Visitor::Ended => None,
        };
        Self {
            line: Line::new(socket),
            session,
            place,
            seq: -1,
            decoder: Decoder::default(),
            keys: Vec::new(),
            pace: Pace::default(),
            heard_at: now,
            // Ten thousand sockets that opened in one second must not ping in one.
            ping_at: now + SOCKET_PING_PERIOD.mul_f64(rand::random_range(0.5..1.0)),
            stall,
            closing: None,
            is_unread: true,
            _ends: ends,
        }
    }
}
