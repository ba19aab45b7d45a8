//! Time: what the agenda and the timers have due, and moments by T.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::agenda::{Act, us};
use super::Hall;
use super::seat::Waiting;
use crate::raw::Net;
use crate::tap::Heard;

/// Items of the agenda at a stretch, before the loop reads again.
const CHUNK: usize = 32;

/// A timer of an earlier turn is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Send { turn: u32 },
    Silence { turn: u32 },
    Connect { turn: u32 },
}

impl Hall {
    /// Microseconds after T.
    pub(super) fn since_start_us(&self, at: Instant) -> i64 {
        match at.checked_duration_since(self.world.start) {
            Some(after) => us(after),
            None => -us(self.world.start.saturating_duration_since(at)),
        }
    }

    pub(super) fn moment(&self, at_us: i64) -> Instant {
        let span = Duration::from_micros(at_us.unsigned_abs());
        if at_us >= 0 {
            self.world.start + span
        } else {
            self.world.start.checked_sub(span).unwrap_or(self.world.start)
        }
    }

    pub(super) fn ms(&self, at: Instant) -> i64 {
        self.since_start_us(at).div_euclid(1_000)
    }

    pub(super) fn play(&mut self, net: &mut Net, now: Instant) {
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

    pub(super) fn ring(&mut self, net: &mut Net, now: Instant) {
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
}
