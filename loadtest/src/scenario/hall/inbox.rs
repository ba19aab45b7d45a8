//! What comes in: frames of a socket, answers over HTTP.

use std::time::{Duration, Instant};

use super::super::fold::is_board;
use super::super::notes::{MoreTold, Told};
use super::Hall;
use crate::raw::{Net, http};
use crate::tap::Heard;
use crate::wire::{Answer, Frame, Problem};

const SLOW_DOWN_PAUSE: Duration = Duration::from_millis(500);

impl Hall {
    pub(super) fn text(&mut self, net: &mut Net, seat: usize, at: Instant, text: &[u8]) {
        if is_board(text) {
            return self.board(net, seat, at, text);
        }
        let Ok(frame) = serde_json::from_slice::<Frame>(text) else {
            return self.count_error("FRAME_UNKNOWN", at);
        };
        match frame {
            Frame::Answer(answer) if self.awaits(seat, answer.key()) => {
                self.heard(net, seat, Heard::Answer(answer), at);
            }
            Frame::Answer(answer) => self.not_awaited(seat, at, answer),
            Frame::Error { code, params, key } => {
                if key.as_deref().is_some_and(|key| self.awaits(seat, key)) {
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

    /// An answer to the tap in hand.
    fn awaits(&self, seat: usize, key: &str) -> bool {
        self.seats[seat].tapping.as_ref().is_some_and(|tapping| tapping.tap.key == key)
    }

    /// An answer to a tap that has one already, or to none. It changes nothing for the buyer, but the audit compares it
    /// with the one before.
    fn not_awaited(&mut self, seat: usize, at: Instant, answer: Answer) {
        let (key, told) = match answer {
            Answer::Yes { key, claim } => (key, Told::Yes { claim: claim.id.into(), unit: claim.unit }),
            Answer::No { key, code } => (key, Told::No(self.notes.code(code))),
            Answer::InProgress { .. } | Answer::Unknown { .. } => return,
        };
        let (buyer, at_us) = (self.buyer(seat), self.since_start_us(at));
        self.notes.more.push(MoreTold { buyer, key, at_us, told });
    }

    pub(super) fn http_answer(&mut self, net: &mut Net, seat: usize, at: Instant, answer: http::Answer<'_>) {
        let heard = if answer.status == 200 {
            match serde_json::from_slice::<Answer>(answer.body) {
                Ok(answer) if self.awaits(seat, answer.key()) => Heard::Answer(answer),
                Ok(answer) => {
                    self.not_awaited(seat, at, answer);
                    Heard::Error
                }
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
}

fn refusal(code: &str, retry_after_ms: Option<u64>) -> Heard {
    match code {
        "SLOW_DOWN" | "OVERLOADED" | "DRAINING" | "NOT_READY" => {
            Heard::SlowDown(retry_after_ms.map_or(SLOW_DOWN_PAUSE, Duration::from_millis))
        }
        _ => Heard::Error,
    }
}
