//! One thread's share of the buyers: their connections, their taps after the rules of [`crate::tap`], and their boards.
//!
//! A seat is a buyer on this thread. Seat `n` of thread `t` is buyer `n × threads + t`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::agenda::{Act, Due, us};
use super::fold::{Folded, Folder, is_board};
use super::live::{Live, add};
use super::notes::{LastBoard, Notes, TapNote, Told};
use crate::raw::{Driver, Event, Net, Opens, http, net, ws};
use crate::report::series::Outcome;
use crate::tap::{Heard, Send, Step, Tap};
use crate::wire::{self, Answer, Frame, Problem};

mod seat;
use seat::{Seat, Tapping, Waiting};

/// Items of the agenda at a stretch, before the loop reads again.
const CHUNK: usize = 32;
/// Without an answer for this long a buyer asks for the truth.
const SILENCE: Duration = Duration::from_secs(3);
const SLOW_DOWN_PAUSE: Duration = Duration::from_millis(500);
/// Between two attempts to connect.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// A frame is on every board by then, or it is late and counted as late when it comes.
const FRAME_AGE: Duration = Duration::from_secs(3);
const UPKEEP: Duration = Duration::from_millis(20);

/// What every thread is told.
pub struct World {
    pub address: SocketAddr,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Send { turn: u32 },
    Silence { turn: u32 },
    Connect { turn: u32 },
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
        let seats = (0..seats).map(|seat| Seat::new(!http(seat))).collect();
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

    /// Microseconds after T.
    fn since_start_us(&self, at: Instant) -> i64 {
        match at.checked_duration_since(self.world.start) {
            Some(after) => us(after),
            None => -us(self.world.start.saturating_duration_since(at)),
        }
    }

    fn moment(&self, at_us: i64) -> Instant {
        let span = Duration::from_micros(at_us.unsigned_abs());
        if at_us >= 0 {
            self.world.start + span
        } else {
            self.world.start.checked_sub(span).unwrap_or(self.world.start)
        }
    }

    fn ms(&self, at: Instant) -> i64 {
        self.since_start_us(at).div_euclid(1_000)
    }

    fn session(&self, seat: usize) -> String {
        self.world
            .tokens
            .get(self.buyer(seat) as usize)
            .map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"))
    }

    // --- connections ---

    fn connect(&mut self, net: &mut Net, seat: usize, due: Instant) {
        let opens = if self.seats[seat].socket {
            let headers = format!("sec-websocket-protocol: kaipan.v1\r\n{}", self.session(seat));
            let path = format!("/api/v1/openings/{}/ws", self.world.opening);
            Opens::Ws(ws::handshake(&path, &headers).into())
        } else {
            Opens::Http
        };
        self.seats[seat].begin_connect(due);
        if net.connect(seat, self.world.address, opens).is_err() {
            self.link_lost(net, seat, Instant::now(), "CONNECT_FAILED");
        }
    }

    /// Connected, and a socket has said hello.
    fn up(&mut self, net: &mut Net, seat: usize, at: Instant) {
        let place = &mut self.seats[seat];
        if std::mem::replace(&mut place.up, true) {
            return;
        }
        place.attempts = 0;
        self.notes.connects += 1;
        self.notes.connect.record(at.saturating_duration_since(place.connect_due));
        add(&self.world.live.connected);
        let ms = self.ms(at);
        self.notes.series.socket_opened(ms);
        if self.seats[seat].tapping.is_some() {
            self.send(net, seat, at);
        } else {
            self.next_tap(net, seat, at);
        }
    }

    fn down(&mut self, seat: usize, at: Instant) {
        if std::mem::replace(&mut self.seats[seat].up, false) {
            self.world.live.connected.fetch_sub(1, Ordering::Relaxed);
            let ms = self.ms(at);
            self.notes.series.socket_closed(ms);
        }
    }

    fn link_lost(&mut self, net: &mut Net, seat: usize, at: Instant, why: &str) {
        if self.seats[seat].up {
            // From here on it is to be connected again, however many attempts that takes.
            self.seats[seat].connect_due = at;
        }
        self.down(seat, at);
        let place = &mut self.seats[seat];
        let idle = place.tapping.is_none() && place.queue.is_empty();
        // A server closes an HTTP connection that is not used; the next tap makes another.
        if place.wanted && (place.socket || !idle) {
            self.count_error(why, at);
            let place = &mut self.seats[seat];
            place.attempts = place.attempts.saturating_add(1);
            let full = BACKOFF_MIN.saturating_mul(1 << place.attempts.min(6)).min(BACKOFF_MAX);
            // Jitter from the seat: no two seats come back in one microsecond, and a seed replays it.
            let share = 0.5 + 0.5 * (f64::from(u32::try_from(seat % 97).unwrap_or(0)) / 97.0);
            place.link_turn += 1;
            let timer = Timer::Connect { turn: place.link_turn };
            self.timers.push(Reverse((at + full.mul_f64(share), seat, timer)));
        }
        if self.seats[seat].tapping.as_ref().is_some_and(|tapping| tapping.sent) {
            self.heard(net, seat, Heard::LinkLost, at);
        }
    }

    fn count_error(&mut self, code: &str, at: Instant) {
        self.notes.error(code);
        add(&self.world.live.not_yet);
        let ms = self.ms(at);
        self.notes.series.answered(ms, Outcome::Error);
    }

    // --- taps ---

    fn due_tap(&mut self, net: &mut Net, seat: usize, waiting: Waiting, now: Instant) {
        let place = &mut self.seats[seat];
        if place.tapping.is_none() && place.queue.is_empty() && place.up {
            let late = now.saturating_duration_since(waiting.due);
            self.notes.lag.record(late);
        }
        self.open_taps += 1;
        add(&self.world.live.taps);
        self.seats[seat].queue.push_back(waiting);
        if self.seats[seat].tapping.is_none() {
            self.next_tap(net, seat, now);
        }
    }

    /// Begins with the next tap that waits; it is on record before it is sent.
    fn next_tap(&mut self, net: &mut Net, seat: usize, now: Instant) {
        let Some(waiting) = self.seats[seat].queue.pop_front() else { return };
        let buyer = self.buyer(seat);
        let number = self.seats[seat].taps;
        self.seats[seat].taps += 1;
        let note = self.notes.taps.len();
        self.notes.taps.push(TapNote {
            buyer,
            number,
            unit: waiting.unit,
            due_us: self.since_start_us(waiting.due),
            answered_us: 0,
            told: None,
        });
        let tap = Tap::new(self.world.key(buyer, number), waiting.unit);
        self.seats[seat].tapping =
            Some(Tapping { tap, due: waiting.due, step: waiting.step, note, sent: false });
        if self.seats[seat].up {
            self.send(net, seat, now);
        } else if !self.seats[seat].socket && !self.seats[seat].connecting {
            self.connect(net, seat, now);
        }
    }

    fn send(&mut self, net: &mut Net, seat: usize, now: Instant) {
        let session = self.session(seat);
        let place = &mut self.seats[seat];
        let Some(tapping) = place.tapping.as_mut() else { return };
        tapping.sent = true;
        let (key, unit) = (&tapping.tap.key, tapping.tap.unit);
        self.out.clear();
        match (place.socket, tapping.tap.sending()) {
            (true, Send::Pick) => ws::text(&mut self.out, wire::pick_frame(key, unit).as_bytes()),
            (true, Send::Ask) => ws::text(&mut self.out, wire::ask_frame(key).as_bytes()),
            (false, sending) => {
                let path = format!("/api/v1/openings/{}/picks", self.world.opening);
                let body = serde_json::json!({ "key": key, "unit": unit }).to_string();
                match sending {
                    Send::Pick => {
                        http::request(&mut self.out, "POST", &path, &session, Some(body.as_bytes()))
                    }
                    Send::Ask => {
                        http::request(&mut self.out, "POST", &format!("{path}/{key}/ask"), &session, None);
                    }
                }
            }
        }
        place.tap_turn += 1;
        let timer = Timer::Silence { turn: place.tap_turn };
        self.timers.push(Reverse((now + SILENCE, seat, timer)));
        if !net.send(seat, &self.out) {
            self.link_lost(net, seat, now, "LINK_LOST");
        }
    }

    fn heard(&mut self, net: &mut Net, seat: usize, heard: Heard, at: Instant) {
        let why = match &heard {
            Heard::Answer(Answer::InProgress { .. }) => Some("IN_PROGRESS"),
            Heard::Answer(Answer::Unknown { .. }) => Some("UNKNOWN"),
            Heard::SlowDown(_) => Some("SLOW_DOWN"),
            Heard::Silence => Some("SILENCE"),
            // Counted by their own codes where they were seen.
            Heard::Error | Heard::LinkLost | Heard::Answer(_) => None,
        };
        if let Some(why) = why {
            self.count_error(why, at);
        }
        let Some(tapping) = self.seats[seat].tapping.as_mut() else { return };
        match tapping.tap.next(heard) {
            Step::Send(_, pause) => {
                self.seats[seat].tap_turn += 1;
                let turn = self.seats[seat].tap_turn;
                if !self.seats[seat].up {
                    // Sent when the link is up again.
                } else if pause.is_zero() {
                    self.send(net, seat, at);
                } else {
                    self.timers.push(Reverse((at + pause, seat, Timer::Send { turn })));
                }
            }
            Step::Yes(claim) => {
                self.world.live.heard_yes(claim.seq, at);
                let told = Told::Yes { claim: claim.id.into(), unit: claim.unit };
                self.answered(net, seat, told, Outcome::Yes, at);
            }
            Step::No(code) => {
                let code = self.notes.code(code);
                self.answered(net, seat, Told::No(code), Outcome::No, at);
            }
        }
    }

    fn answered(&mut self, net: &mut Net, seat: usize, told: Told, outcome: Outcome, at: Instant) {
        let Some(tapping) = self.seats[seat].tapping.take() else { return };
        self.seats[seat].tap_turn += 1;
        self.open_taps = self.open_taps.saturating_sub(1);
        let wait = at.saturating_duration_since(tapping.due);
        let answered_us = self.since_start_us(at);
        if let Some(note) = self.notes.taps.get_mut(tapping.note) {
            (note.told, note.answered_us) = (Some(told), answered_us);
        }
        self.notes.answer.record(wait);
        self.notes.series.answered(answered_us.div_euclid(1_000), outcome);
        let live = &self.world.live;
        add(if outcome == Outcome::Yes { &live.yes } else { &live.no });
        if let Some(step) = live.steps.get(usize::from(tapping.step)) {
            add(&step.answered);
            if wait > self.world.slow {
                add(&step.slow);
            }
            self.notes.steps[usize::from(tapping.step)].record(wait);
        }
        self.next_tap(net, seat, at);
    }

    // --- what comes in ---

    fn text(&mut self, net: &mut Net, seat: usize, at: Instant, text: &[u8]) {
        if is_board(text) {
            return self.board(net, seat, at, text);
        }
        let Ok(frame) = serde_json::from_slice::<Frame>(text) else {
            return self.count_error("FRAME_UNKNOWN", at);
        };
        let is_ours =
            |key: &str| self.seats[seat].tapping.as_ref().is_some_and(|tapping| tapping.tap.key == key);
        match frame {
            Frame::Answer(answer) if is_ours(answer.key()) => {
                self.heard(net, seat, Heard::Answer(answer), at);
            }
            Frame::Error { code, params, key } => {
                if key.as_deref().is_some_and(is_ours) {
                    let heard = refusal(&code, params.retry_after_ms);
                    if matches!(heard, Heard::Error) {
                        self.count_error(&code, at);
                    }
                    self.heard(net, seat, heard, at);
                } else {
                    self.count_error(&code, at);
                }
            }
            // The first frame is the hello.
            _ => self.up(net, seat, at),
        }
    }

    fn board(&mut self, net: &mut Net, seat: usize, at: Instant, text: &[u8]) {
        let place = &mut self.seats[seat];
        match self.folder.apply(place.board.as_ref(), text, at) {
            Folded::Board(board) => {
                place.asked_snapshot = false;
                place.board = Some(board);
            }
            Folded::Gap if place.asked_snapshot => {}
            Folded::Gap => {
                place.asked_snapshot = true;
                self.notes.error("BOARD_GAP");
                self.out.clear();
                ws::text(&mut self.out, br#"{"t":"snapshot"}"#);
                net.send(seat, &self.out);
            }
            Folded::Broken => self.count_error("FRAME_UNKNOWN", at),
        }
    }

    fn http_answer(&mut self, net: &mut Net, seat: usize, at: Instant, answer: http::Answer<'_>) {
        let heard = if answer.status == 200 {
            match serde_json::from_slice::<Answer>(answer.body) {
                Ok(answer) => Heard::Answer(answer),
                Err(_) => Heard::Error,
            }
        } else {
            let problem: Problem = serde_json::from_slice(answer.body).unwrap_or_default();
            let code = if problem.code.is_empty() { format!("HTTP_{}", answer.status) } else { problem.code };
            match answer.status {
                429 | 503 => refusal("SLOW_DOWN", problem.params.retry_after_ms),
                _ => {
                    self.count_error(&code, at);
                    Heard::Error
                }
            }
        };
        self.heard(net, seat, heard, at);
    }

    // --- time ---

    fn play(&mut self, net: &mut Net, now: Instant) {
        for _ in 0..CHUNK {
            let Some(due) = self.next else { return };
            let moment = self.moment(due.at_us);
            if moment > now {
                return;
            }
            self.next = self.agenda.next();
            self.left -= 1;
            if due.at_us > self.world.live.cut_us.load(Ordering::Relaxed) {
                continue;
            }
            let seat = due.buyer as usize / self.world.threads;
            match due.act {
                Act::Connect => {
                    self.seats[seat].wanted = true;
                    self.connect(net, seat, moment);
                }
                Act::Leave => {
                    self.seats[seat].wanted = false;
                    self.seats[seat].connecting = false;
                    net.close(seat);
                    self.down(seat, Instant::now());
                    self.seats[seat].board = None;
                }
                Act::Tap { unit, step } => {
                    let sending = Instant::now();
                    self.due_tap(net, seat, Waiting { due: moment, unit, step }, sending);
                }
            }
        }
    }

    fn ring(&mut self, net: &mut Net, now: Instant) {
        for _ in 0..CHUNK {
            match self.timers.peek() {
                Some(Reverse((at, _, _))) if *at <= now => {}
                _ => return,
            }
            let Some(Reverse((_, seat, timer))) = self.timers.pop() else { return };
            let place = &self.seats[seat];
            match timer {
                Timer::Send { turn } if turn == place.tap_turn && place.up => self.send(net, seat, now),
                Timer::Silence { turn } if turn == place.tap_turn => {
                    if !place.socket {
                        // Its answer could still come, and would be taken for the next one's.
                        net.close(seat);
                        self.down(seat, now);
                        self.heard(net, seat, Heard::Silence, now);
                        self.connect(net, seat, now);
                    } else {
                        self.heard(net, seat, Heard::Silence, now);
                    }
                }
                Timer::Connect { turn } if turn == place.link_turn && place.wanted => {
                    self.connect(net, seat, now);
                }
                _ => {}
            }
        }
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

    fn measure_boards(&mut self) {
        for arrivals in self.folder.retired() {
            let reference = self.world.live.first_yes(arrivals.from, arrivals.to).unwrap_or(arrivals.first);
            let first_us = self.since_start_us(arrivals.first);
            let lag_us = first_us - self.since_start_us(reference);
            for after_us in arrivals.after_us {
                let lag_us = u64::try_from(lag_us + i64::from(after_us)).unwrap_or(0);
                self.notes.board.record_us(lag_us);
                self.notes.series.board((first_us + i64::from(after_us)).div_euclid(1_000), lag_us);
            }
        }
    }

    /// Closes the books: what the last frames measured, and the boards as they are now.
    pub fn finish(mut self) -> Notes {
        self.folder.retire_older(Instant::now(), Duration::ZERO);
        self.measure_boards();
        for seat in 0..self.seats.len() {
            let place = &self.seats[seat];
            let (seq, status) = match &place.board {
                _ if !place.wanted || !place.socket => continue,
                Some(board) => (board.seq, board.status.as_slice()),
                // Greeted, and never shown a board: that is a wrong board too, one of no unit.
                None if place.up => (-1, &[][..]),
                None => continue,
            };
            let last = |last: &&mut LastBoard| last.seq == seq && last.status == status;
            match self.notes.boards.iter_mut().find(last) {
                Some(last) => last.boards += 1,
                None => {
                    let (status, buyer) = (status.to_vec(), self.buyer(seat));
                    self.notes.boards.push(LastBoard { seq, status, boards: 1, buyer });
                }
            }
        }
        self.notes
    }
}

fn refusal(code: &str, retry_after_ms: Option<u64>) -> Heard {
    match code {
        "SLOW_DOWN" | "OVERLOADED" | "DRAINING" | "NOT_READY" => {
            Heard::SlowDown(retry_after_ms.map_or(SLOW_DOWN_PAUSE, Duration::from_millis))
        }
        _ => Heard::Error,
    }
}

impl Driver for Hall {
    fn event(&mut self, net: &mut Net, seat: usize, at: Instant, event: Event<'_>) {
        match event {
            Event::Open if !self.seats[seat].socket => self.up(net, seat, at),
            Event::Open => {}
            Event::Text(text) => self.text(net, seat, at, text),
            Event::Answer(answer) => self.http_answer(net, seat, at, answer),
            Event::Closed(why) => {
                self.seats[seat].connecting = false;
                let code = match why {
                    net::Why::NotConnected => "CONNECT_FAILED".to_owned(),
                    net::Why::Ended(Some(1_001)) => "DRAINING".to_owned(),
                    net::Why::Broken(http::Broken::Refused(status)) => format!("HTTP_{status}"),
                    net::Why::Broken(_) => "FRAME_UNKNOWN".to_owned(),
                    net::Why::Ended(_) | net::Why::Reset | net::Why::Unsent => "LINK_LOST".to_owned(),
                };
                self.link_lost(net, seat, at, &code);
            }
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
