//! Taps after the rules of [`crate::tap`]: each on record before it is sent, each timed from the moment it was due.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::super::live::add;
use super::super::notes::{TapNote, Told};
use super::Hall;
use super::moments::Timer;
use super::seat::{Tapping, Waiting};
use crate::raw::{Net, http, ws};
use crate::report::series::Outcome;
use crate::tap::{Heard, Send, Step, Tap};
use crate::wire::{self, Answer};

/// Without an answer for this long a buyer asks for the truth.
const SILENCE: Duration = Duration::from_secs(3);

impl Hall {
    pub(super) fn due_tap(&mut self, net: &mut Net, seat: usize, waiting: Waiting, now: Instant) {
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
    pub(super) fn next_tap(&mut self, net: &mut Net, seat: usize, now: Instant) {
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

    pub(super) fn send(&mut self, net: &mut Net, seat: usize, now: Instant) {
        let session = self.session(seat);
        let place = &mut self.seats[seat];
        let Some(tapping) = place.tapping.as_mut() else { return };
        tapping.sent = true;
        let (key, unit) = (&tapping.tap.key, tapping.tap.unit);
        self.out.clear();
        match (place.socket, tapping.tap.sending()) {
            (true, sending @ (Send::Pick | Send::Again)) => {
                let frame = wire::pick_frame(key, unit, sending == Send::Again);
                ws::text(&mut self.out, frame.as_bytes());
            }
            (true, Send::Ask) => ws::text(&mut self.out, wire::ask_frame(key).as_bytes()),
            (false, sending) => {
                let path = format!("/api/v1/openings/{}/picks", self.world.opening);
                let body = wire::pick_body(key, unit, sending == Send::Again).to_string();
                match sending {
                    Send::Pick | Send::Again => {
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

    pub(super) fn heard(&mut self, net: &mut Net, seat: usize, heard: Heard, at: Instant) {
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

    pub(super) fn answered(&mut self, net: &mut Net, seat: usize, told: Told, outcome: Outcome, at: Instant) {
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
}
