//! One thread's share of the buyers: their connections, their taps after the rules of [`crate::tap`], and their boards.
//!
//! A seat is a buyer on this thread. Seat `n` of thread `t` is buyer `n × threads + t`.
//!
//! ```text
//!   moments: agenda, timers ──► links: connect ──► inbox: frames, answers ──► taps: heard, next
//!                          └──► taps: send                      └──► boards: fold, measure
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::agenda::Due;
use super::fold::Folder;
use super::live::Live;
use super::notes::Notes;
use crate::raw::{Driver, Event, Net};

/// What the agenda and the timers have due.
mod moments;
/// What is kept of one buyer.
mod seat;

/// Connections.
mod links;
/// Taps.
mod taps;

/// Boards.
mod boards;
/// What comes in.
mod inbox;

use moments::Timer;
use seat::Seat;

/// A frame is on every board by then, or it is late and counted as late when it comes.
const FRAME_AGE: Duration = Duration::from_secs(3);
const UPKEEP: Duration = Duration::from_millis(20);

/// What every thread is told.
pub struct World {
    /// Of each gateway; one, where there is one server.
    pub addresses: Vec<SocketAddr>,
    pub opening: String,
    /// The session of each buyer; nobody is signed in where it is empty.
    pub tokens: Vec<String>,
    /// T.
    pub start: Instant,
    pub threads: usize,
    pub over_http_percent: u32,
    /// The beginning of every key of this run.
    pub keys: String,
    /// An answer later than this is slow, for the steps of a ramp.
    pub slow: Duration,
    pub live: Live,
}

impl World {
    pub fn key(&self, buyer: u32, number: u32) -> String {
        format!("{}-{buyer}-{number}", self.keys)
    }
}

pub struct Hall {
    world: Arc<World>,
    thread: usize,
    seats: Vec<Seat>,
    agenda: std::vec::IntoIter<Due>,
    next: Option<Due>,
    left: usize,
    open_taps: usize,
    timers: BinaryHeap<Reverse<(Instant, usize, Timer)>>,
    folder: Folder,
    upkeep_at: Instant,
    pub notes: Notes,
    out: Vec<u8>,
}

impl Hall {
    pub fn new(world: Arc<World>, thread: usize, seats: usize, agenda: Vec<Due>) -> Self {
        let steps = world.live.steps.len();
        let http = |seat: usize| {
            let buyer = seat * world.threads + thread;
            buyer % 100 < world.over_http_percent as usize
        };
        let gateways = world.addresses.len().max(1);
        let seats = (0..seats).map(|seat| Seat::new(!http(seat), seat % gateways)).collect();
        let left = agenda.len();
        let mut agenda = agenda.into_iter();
        let next = agenda.next();
        Self {
            upkeep_at: Instant::now(),
            world,
            thread,
            seats,
            agenda,
            next,
            left,
            open_taps: 0,
            timers: BinaryHeap::new(),
            folder: Folder::default(),
            notes: Notes::new(steps),
            out: Vec::with_capacity(1024),
        }
    }

    fn buyer(&self, seat: usize) -> u32 {
        u32::try_from(seat * self.world.threads + self.thread).unwrap_or(u32::MAX)
    }

    fn keep_up(&mut self, now: Instant) {
        if now < self.upkeep_at {
            return;
        }
        self.upkeep_at = now + UPKEEP;
        let live = &self.world.live;
        live.tell(self.thread, self.left, self.open_taps);
        let target = live.target_seq.load(Ordering::Relaxed);
        if target >= 0 {
            let behind = |seat: &&Seat| {
                seat.socket && seat.wanted && seat.board.as_ref().is_none_or(|board| board.seq < target)
            };
            let count = self.seats.iter().filter(behind).count();
            live.tell_behind(self.thread, count);
        }
        self.folder.retire_older(now, FRAME_AGE);
        self.measure_boards();
    }
}

impl Driver for Hall {
    fn event(&mut self, net: &mut Net, seat: usize, at: Instant, event: Event<'_>) {
        match event {
            Event::Open if !self.seats[seat].socket => self.up(net, seat, at),
            Event::Open => {}
            Event::Text(text) => self.text(net, seat, at, text),
            Event::Answer(answer) => self.http_answer(net, seat, at, answer),
            Event::Closed(why) => self.closed(net, seat, at, why),
        }
    }

    fn due(&mut self, net: &mut Net, now: Instant) {
        self.play(net, now);
        self.ring(net, now);
        self.keep_up(now);
    }

    fn next_due(&self) -> Option<Instant> {
        let agenda = self.next.map(|due| self.moment(due.at_us));
        let timer = self.timers.peek().map(|Reverse((at, _, _))| *at);
        [agenda, timer].into_iter().flatten().min()
    }

    fn is_done(&self) -> bool {
        self.world.live.stop.load(Ordering::Relaxed)
    }
}
