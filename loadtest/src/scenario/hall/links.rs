//! Connections: made when they are due, and again after every end as long as the buyer is to be there.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::live::add;
use super::Hall;
use super::moments::Timer;
use crate::raw::{Net, Opens, http, net, ws};
use crate::report::series::Outcome;
use crate::tap::Heard;

/// Between two attempts to connect.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

impl Hall {
    pub(super) fn session(&self, seat: usize) -> String {
        self.world
            .tokens
            .get(self.buyer(seat) as usize)
            .map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"))
    }

    pub(super) fn connect(&mut self, net: &mut Net, seat: usize, due: Instant) {
        let opens = if self.seats[seat].socket {
            let headers = format!("sec-websocket-protocol: kaipan.v1\r\n{}", self.session(seat));
            let path = format!("/api/v1/openings/{}/ws", self.world.opening);
            Opens::Ws(ws::handshake(&path, &headers).into())
        } else {
            Opens::Http
        };
        self.seats[seat].begin_connect(due);
        let address = self.world.addresses[self.seats[seat].gateway];
        if net.connect(seat, address, opens).is_err() {
            self.link_lost(net, seat, Instant::now(), "CONNECT_FAILED");
        }
    }

    /// Connected, and a socket has said hello.
    pub(super) fn up(&mut self, net: &mut Net, seat: usize, at: Instant) {
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

    pub(super) fn down(&mut self, seat: usize, at: Instant) {
        if std::mem::replace(&mut self.seats[seat].up, false) {
            self.world.live.connected.fetch_sub(1, Ordering::Relaxed);
            let ms = self.ms(at);
            self.notes.series.socket_closed(ms);
        }
    }

    pub(super) fn link_lost(&mut self, net: &mut Net, seat: usize, at: Instant, why: &str) {
        if self.seats[seat].up {
            // From here on it is to be connected again, however many attempts that takes.
            self.seats[seat].connect_due = at;
        }
        self.down(seat, at);
        let gateways = self.world.addresses.len();
        let place = &mut self.seats[seat];
        let idle = place.tapping.is_none() && place.queue.is_empty();
        // A server closes an HTTP connection that is not used; the next tap makes another.
        if place.wanted && (place.socket || !idle) {
            self.count_error(why, at);
            let place = &mut self.seats[seat];
            place.attempts = place.attempts.saturating_add(1);
            // Whoever is behind a balancer comes back to another one, and stays there.
            place.gateway = (place.gateway + 1) % gateways;
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

    pub(super) fn closed(&mut self, net: &mut Net, seat: usize, at: Instant, why: net::Why) {
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

    pub(super) fn count_error(&mut self, code: &str, at: Instant) {
        self.notes.error(code);
        add(&self.world.live.not_yet);
        let ms = self.ms(at);
        self.notes.series.answered(ms, Outcome::Error);
    }
}
