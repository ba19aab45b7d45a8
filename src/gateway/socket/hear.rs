//! What a client says, and what it is answered.

use std::io::{ErrorKind, Read};
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Number;
use tokio::time::Instant;

use super::frame::{self, Heard, code};
use super::hub::{Hub, Step};
use super::member::{AWAY, End, Member};
use super::members::Id;
use crate::domain::ids::{RegOrd, UnitOrd};
use crate::gateway::problems;
use crate::gateway::wire::{self, ClientFrame, ServerFrame};
use crate::http::{Code, Problem};
use crate::identity::buyers::DeviceRole;
use crate::limits::SOCKET_PICKS_IN_FLIGHT_MAX;
use crate::opening::PickError;
use crate::opening::answer::{Answer, Key};
use crate::opening::tried::{Tried, Waiting};

/// Reads of one socket before others are looked at.
const READS_AT_ONCE: usize = 4;

/// A pick or an ask that had to wait, when it is decided.
pub struct Decided {
    pub(super) id: Id,
    pub(super) key: Key,
    pub(super) began: Instant,
    pub(super) answer: Result<Answer, PickError>,
}

pub type Deciding = Pin<Box<dyn Future<Output = Decided> + Send>>;

impl Hub {
    /// Reads what a socket has. A reader that is behind with its answers is not heard: its own socket slows it.
    pub(super) fn read(&mut self, id: Id, member: &mut Member, to_end: bool) -> Step {
        for _ in 0..READS_AT_ONCE {
            let is_heard = member.line.is_free() && self.leaving.is_none();
            if !is_heard && member.closing.is_none() {
                member.is_unread = true;
                return Ok(());
            }
            match member.line.socket.read(&mut self.input) {
                Ok(0) => return Err(End::Gone),
                // Only the end of the stream is waited for.
                Ok(_) if member.closing.is_some() => {}
                Ok(count) => {
                    self.hear(id, member, count)?;
                    self.send(member)?;
                    if count < self.input.len() && !to_end {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Gone),
            }
        }
        self.unread.push(id);
        Ok(())
    }

    /// What came along with the handshake.
    pub(super) fn hear_early(&mut self, id: Id, member: &mut Member, early: &[u8]) -> Step {
        for bytes in early.chunks(self.input.len()) {
            if let Some(input) = self.input.get_mut(..bytes.len()) {
                input.copy_from_slice(bytes);
            }
            self.hear(id, member, bytes.len())?;
        }
        Ok(())
    }

    /// Hears the first `count` bytes of the input.
    fn hear(&mut self, id: Id, member: &mut Member, count: usize) -> Step {
        let mut input = std::mem::take(&mut self.input);
        let mut decoder = std::mem::take(&mut member.decoder);
        let mut rest = input.get_mut(..count).unwrap_or_default();
        let step = loop {
            match decoder.next(&mut rest) {
                Ok(Some(heard)) => {
                    if let Err(end) = self.hear_one(id, member, &heard) {
                        break Err(end);
                    }
                }
                Ok(None) => break Ok(()),
                Err(refused) => break Err(End::Close(refused.code, refused.reason)),
            }
        };
        member.decoder = decoder;
        self.input = input;
        step
    }

    fn hear_one(&mut self, id: Id, member: &mut Member, heard: &Heard<'_>) -> Step {
        member.heard_at = self.now;
        let pace = match heard {
            Heard::Close(code) => return Err(End::Left(*code)),
            _ => member.pace.check(self.allowed, self.now),
        };
        match (heard, pace) {
            (Heard::Text(text), Ok(())) => self.hear_text(id, member, text),
            (Heard::Text(text), Err(problem)) if !member.pace.is_flooded() => {
                let key = ClientFrame::parse(text).ok().and_then(|frame| frame.key().map(str::to_owned));
                self.say(&ServerFrame::error(problem, key));
                Ok(())
            }
            (Heard::Ping(payload), Ok(())) => {
                frame::pong(&mut self.out, payload);
                Ok(())
            }
            (Heard::Pong | Heard::Close(_), Ok(())) => Ok(()),
            (_, Err(_)) => Err(End::Close(code::POLICY, "too many frames")),
        }
    }

    fn hear_text(&mut self, id: Id, member: &mut Member, text: &str) -> Step {
        match ClientFrame::parse(text) {
            Ok(ClientFrame::Pick { key, unit, again: false }) => {
                self.decide(id, member, &key, Wanted::Pick(UnitOrd(unit)))
            }
            Ok(ClientFrame::Pick { key, unit, again: true }) => {
                self.decide(id, member, &key, Wanted::Again(UnitOrd(unit)))
            }
            Ok(ClientFrame::Ask { key }) => self.decide(id, member, &key, Wanted::Truth),
            Ok(ClientFrame::Snapshot) => self.send_snapshot(member),
            Ok(ClientFrame::Time { c }) => {
                self.tell_time(c);
                Ok(())
            }
            Err((problem, key)) => {
                self.say(&ServerFrame::error(problem, key));
                Ok(())
            }
        }
    }

    fn tell_time(&mut self, c: Number) {
        let now_ms = self.open.live.now().ms();
        self.say(&ServerFrame::Time { c, now_ms });
    }

    /// A pick or an ask. What is decided at once, as nearly every lost pick is, is answered at once.
    fn decide(&mut self, id: Id, member: &mut Member, key: &str, wanted: Wanted) -> Step {
        let (who, key) = match self.admit(member, key, !matches!(wanted, Wanted::Truth)) {
            Ok(Admitted::Decide(who, key)) => (who, key),
            Ok(Admitted::Already) => return Ok(()),
            Ok(Admitted::Viewer(key)) => {
                self.say(&ServerFrame::Answer(wire::Answer::viewer_device(&key)));
                return Ok(());
            }
            Err(problem) if problem.code == Code::SessionEnded => {
                return self.end_session(Some(key.to_owned()));
            }
            Err(problem) => {
                self.say(&ServerFrame::error(problem, Some(key.to_owned())));
                return Ok(());
            }
        };
        let (live, began) = (&self.open.live, self.now);
        let left = match wanted {
            Wanted::Pick(unit) => match live.try_pick(who, unit, &key) {
                Tried::Decided(answer) => {
                    self.say_answer(&key, answer);
                    self.meters.answer_seconds.record(began.elapsed().as_secs_f64());
                    return Ok(());
                }
                Tried::Waiting(waiting) => Left::Picked(waiting),
            },
            Wanted::Again(unit) => Left::Again(unit),
            Wanted::Truth => Left::Truth,
        };
        member.keys.push(key.clone());
        let live = Arc::clone(live);
        let deciding = async move {
            let answer = match left {
                Left::Picked(waiting) => live.decided(waiting).await,
                Left::Again(unit) => live.pick_again(who, unit, key.clone()).await,
                Left::Truth => live.ask(who, key.clone()).await,
            };
            Decided { id, key, began, answer }
        };
        // Without tokio's budget: an answer that is ready must be seen before the board that shows it.
        self.deciding.push(Box::pin(tokio::task::unconstrained(deciding)));
        Ok(())
    }

    /// Whether this very message may be acted on: session, device, rate and bound are looked at each time.
    fn admit(&self, member: &Member, key: &str, is_pick: bool) -> Result<Admitted, Problem> {
        let session = member.session.as_ref().ok_or(Code::NotSignedIn)?;
        let who = session.registration;
        let view = self.device(member).ok_or(Code::SessionEnded)?;
        let key = Key::parse(key).ok_or_else(|| Problem::malformed("key"))?;
        if is_pick && view.role == DeviceRole::Viewer {
            return Ok(Admitted::Viewer(key));
        }
        if is_pick {
            self.lateness.admit(self.now.into_std())?;
            self.open.rates.pick(who)?;
        } else {
            self.open.rates.ask(who)?;
        }
        if member.keys.contains(&key) {
            return Ok(Admitted::Already);
        }
        if member.keys.len() >= SOCKET_PICKS_IN_FLIGHT_MAX {
            return Err(problems::pick(PickError::Busy));
        }
        Ok(Admitted::Decide(who, key))
    }

    fn say_answer(&mut self, key: &Key, answer: Result<Answer, PickError>) {
        match answer {
            Ok(answer) => frame::text_with(&mut self.out, |out| wire::write_answer(out, key, &answer)),
            Err(error) => {
                self.say(&ServerFrame::error(problems::pick(error), Some(key.as_str().to_owned())));
            }
        }
    }

    /// A pick or ask that had to wait was decided.
    pub(super) fn answer(&mut self, decided: Decided) {
        let Decided { id, key, began, answer } = decided;
        self.serve(id, |hub, _, member| {
            if member.closing.is_some() {
                return Ok(());
            }
            member.keys.retain(|other| *other != key);
            hub.say_answer(&key, answer);
            hub.send(member)?;
            hub.meters.answer_seconds.record(began.elapsed().as_secs_f64());
            if member.keys.is_empty() {
                member.keys = Vec::new();
                if hub.leaving.is_some() {
                    return Err(AWAY);
                }
            }
            Ok(())
        });
    }
}

/// What a client asks of a key.
#[derive(Clone, Copy)]
enum Wanted {
    Pick(UnitOrd),
    /// Sent before; it may have been taken.
    Again(UnitOrd),
    /// What became of it.
    Truth,
}

/// What is left to be waited for.
enum Left {
    Picked(Waiting),
    Again(UnitOrd),
    Truth,
}

enum Admitted {
    Decide(RegOrd, Key),
    /// The same key is being decided on this socket: its one answer will come.
    Already,
    Viewer(Key),
}
