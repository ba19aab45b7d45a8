//! What to do next about one tap. A tap has one key for its whole life and ends as a yes or a no; everything else is
//! on the way there: *in progress* repeats the same pick and says so, *unknown*, silence and a lost link ask for the truth.
//!
//! Pure: no clock, no socket. [`crate::crowd::buyer`] does what it says.

use std::time::Duration;

use crate::wire::{Answer, Claim};

const IN_PROGRESS_PAUSE: Duration = Duration::from_millis(150);
const UNKNOWN_PAUSE: Duration = Duration::from_millis(300);
/// Asked often without an end, a buyer asks less often.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// What was heard since the last step.
#[derive(Debug)]
pub enum Heard {
    Answer(Answer),
    SlowDown(Duration),
    /// The server cannot serve this frame as it is (`KEY_REUSED`, a bad frame): only the truth helps.
    Error,
    Silence,
    /// The link was lost; it comes back by itself.
    LinkLost,
}

/// What to send, after how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    Pick,
    /// The same pick, after it was heard to be on its way: whatever gateway it comes to now must not refuse it unasked.
    Again,
    Ask,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Send(Send, Duration),
    Yes(Claim),
    No(String),
}

/// One tap on one unit.
#[derive(Debug)]
pub struct Tap {
    pub key: String,
    pub unit: u32,
    sending: Send,
    rounds: u32,
}

impl Tap {
    /// A new tap: its first step is to send the pick.
    pub fn new(key: String, unit: u32) -> Self {
        Self { key, unit, sending: Send::Pick, rounds: 0 }
    }

    /// A tap whose answer was never seen, taken up again: it only asks.
    pub fn outstanding(key: String, unit: u32) -> Self {
        Self { key, unit, sending: Send::Ask, rounds: 0 }
    }

    pub fn sending(&self) -> Send {
        self.sending
    }

    pub fn next(&mut self, heard: Heard) -> Step {
        self.rounds = self.rounds.saturating_add(1);
        match heard {
            Heard::Answer(Answer::Yes { claim, .. }) => Step::Yes(claim),
            Heard::Answer(Answer::No { code, .. }) => Step::No(code),
            // The same pick again, or an ask once we were asking.
            Heard::Answer(Answer::InProgress { .. }) => {
                if self.sending == Send::Pick {
                    self.sending = Send::Again;
                }
                Step::Send(self.sending, self.grown(IN_PROGRESS_PAUSE))
            }
            Heard::SlowDown(wait) => Step::Send(self.sending, wait),
            Heard::Answer(Answer::Unknown { .. }) | Heard::Error => self.ask(self.grown(UNKNOWN_PAUSE)),
            Heard::Silence | Heard::LinkLost => self.ask(Duration::ZERO),
        }
    }

    fn ask(&mut self, pause: Duration) -> Step {
        self.sending = Send::Ask;
        Step::Send(Send::Ask, pause)
    }

    fn grown(&self, pause: Duration) -> Duration {
        pause.saturating_mul(self.rounds).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        "RC00001-1-abcd".to_owned()
    }

    fn sends(step: Step) -> Send {
        match step {
            Step::Send(send, _) => send,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn in_progress_repeats_the_pick_with_the_same_key() {
        let mut tap = Tap::new(key(), 7);
        assert_eq!(sends(tap.next(Heard::SlowDown(Duration::from_secs(1)))), Send::Pick);
        assert_eq!(sends(tap.next(Heard::Answer(Answer::InProgress { key: key() }))), Send::Again);
        assert_eq!(sends(tap.next(Heard::SlowDown(Duration::from_secs(1)))), Send::Again);
        assert_eq!((tap.key, tap.unit), (key(), 7));
    }

    #[test]
    fn unknown_silence_and_a_lost_link_ask_and_never_pick_again() {
        for heard in
            [Heard::Answer(Answer::Unknown { key: key() }), Heard::Silence, Heard::LinkLost, Heard::Error]
        {
            let mut tap = Tap::new(key(), 7);
            assert_eq!(sends(tap.next(heard)), Send::Ask);
            // A late "in progress" to the pick must not turn the ask back into a pick.
            assert_eq!(sends(tap.next(Heard::Answer(Answer::InProgress { key: key() }))), Send::Ask);
        }
    }

    #[test]
    fn only_yes_and_no_end_a_tap() {
        let mut tap = Tap::outstanding(key(), 7);
        assert_eq!(tap.sending(), Send::Ask);
        let no = Answer::No { key: key(), code: "NOT_RECORDED".to_owned() };
        assert_eq!(tap.next(Heard::Answer(no)), Step::No("NOT_RECORDED".to_owned()));
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut tap = Tap::new(key(), 7);
        let mut last = Duration::ZERO;
        for _ in 0..50 {
            let Step::Send(_, pause) = tap.next(Heard::Answer(Answer::Unknown { key: key() })) else {
                panic!()
            };
            assert!(pause >= last && pause <= PAUSE_MAX);
            last = pause;
        }
        assert_eq!(last, PAUSE_MAX);
    }
}
