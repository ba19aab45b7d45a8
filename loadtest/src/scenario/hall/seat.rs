//! What a thread keeps of one buyer: some two hundred bytes while nothing happens.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use super::super::fold::Board;
use crate::tap::Tap;

#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// The intended moment: latency counts from here, however long the buyer was busy.
    pub due: Instant,
    pub unit: u32,
    pub step: u16,
}

/// The tap in hand.
#[derive(Debug)]
pub struct Tapping {
    pub tap: Tap,
    pub due: Instant,
    pub step: u16,
    /// Its place in the notes.
    pub note: usize,
    /// It has left at least once, so its outcome may be on the server.
    pub sent: bool,
}

#[derive(Debug)]
pub struct Seat {
    /// Over the WebSocket; else over HTTP.
    pub socket: bool,
    /// Which of the gateways it connects to.
    pub gateway: usize,
    /// Is to be connected.
    pub wanted: bool,
    pub connecting: bool,
    pub up: bool,
    pub attempts: u32,
    pub connect_due: Instant,
    /// Timers of an earlier link or an earlier message are void.
    pub link_turn: u32,
    pub tap_turn: u32,
    pub taps: u32,
    pub tapping: Option<Tapping>,
    /// Taps whose moment came while another was in hand.
    pub queue: VecDeque<Waiting>,
    pub board: Option<Rc<Board>>,
    pub asked_snapshot: bool,
}

impl Seat {
    pub fn new(socket: bool, gateway: usize) -> Self {
        Self {
            socket,
            gateway,
            wanted: false,
            connecting: false,
            up: false,
            attempts: 0,
            connect_due: Instant::now(),
            link_turn: 0,
            tap_turn: 0,
            taps: 0,
            tapping: None,
            queue: VecDeque::new(),
            board: None,
            asked_snapshot: false,
        }
    }

    /// A new link begins without a board: the server sends it whole.
    pub fn begin_connect(&mut self, due: Instant) {
        // A link that was lost keeps the moment it was lost at: until it is up again, all of it is waiting.
        if self.attempts == 0 {
            self.connect_due = due;
        }
        self.connecting = true;
        self.link_turn += 1;
        self.board = None;
        self.asked_snapshot = false;
    }
}
