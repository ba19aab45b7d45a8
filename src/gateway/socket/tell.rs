//! What the opening says, to those it concerns.
//!
//! A reader that keeps up gets it at once, in one system call with bytes that all share; one that does not is owed it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::frame;
use super::hub::{EVENTS_AT_ONCE, Hub, Io, Sources, Step};
use super::line::{BoardFrame, Item};
use super::member::{AWAY, Member};
use super::members::Id;
use crate::gateway::wire::{self, ServerFrame};
use crate::limits::{FANOUT_CHUNK, FANOUT_TURNS_MAX};
use crate::opening::board::Tick;
use crate::opening::memory::Applied;

/// The first core to come encodes; the others, and all their members, share its bytes.
fn encode(tick: &Tick) -> Arc<BoardFrame> {
    let bytes = tick.encoded(|tick| framed(wire::board_frame(tick).as_bytes()));
    Arc::new(BoardFrame { from: tick.from, to: tick.to, bytes })
}

/// A tick with those that came while the one before it was still on its way to the last member. Where that takes longer
/// than a tick, one by one they would be shown later and later.
fn gathered(first: Arc<Tick>, ticks: &mut Receiver<Arc<Tick>>) -> Result<Arc<Tick>, RecvError> {
    let mut all = first;
    loop {
        match ticks.try_recv() {
            Ok(next) => all = Arc::new(all.followed_by(&next)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(all),
            Err(TryRecvError::Lagged(missed)) => return Err(RecvError::Lagged(missed)),
        }
    }
}

/// Whether to ask again what was not ready. Relaxed: it is read by whom it wakes, and says nothing of other memory.
#[derive(Default)]
struct Again(AtomicBool);

impl Wake for Again {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A text frame as it goes over the socket.
pub fn framed(text: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + 10);
    frame::text(&mut out, text);
    out.into()
}

impl Hub {
    /// Each member in turn, and everybody else in between.
    pub(super) async fn each(&mut self, io: &mut Io, act: impl Fn(&mut Self, Id)) {
        self.answers();
        let slots = self.members.slots();
        for first in (0..slots).step_by(FANOUT_CHUNK) {
            for slot in first..(first + FANOUT_CHUNK).min(slots) {
                if let Some(id) = self.members.at(slot) {
                    act(self, id);
                }
            }
            if first + FANOUT_CHUNK < slots {
                self.let_others_go_first(io).await;
            }
        }
    }

    /// What clients say is more urgent than what they are shown: it is heard to its end, within bounds.
    async fn let_others_go_first(&mut self, io: &mut Io) {
        for _ in 0..FANOUT_TURNS_MAX {
            let count = self.turn(io.poll.get_mut(), &mut io.events);
            self.answers();
            tokio::task::yield_now().await;
            self.wake();
            if count < EVENTS_AT_ONCE {
                return;
            }
        }
    }

    /// Decided answers leave before anything that the opening shows of them: they were decided before it was told.
    pub(super) fn answers(&mut self) {
        if self.deciding.is_empty() {
            return;
        }
        let again = Arc::new(Again::default());
        let waker = Waker::from(Arc::clone(&again));
        let mut context = Context::from_waker(&waker);
        loop {
            match self.deciding.poll_next_unpin(&mut context) {
                Poll::Ready(Some(decided)) => self.answer(decided),
                // It stops before it has looked at all of them when some want to be looked at again, and says so by
                // waking whoever asked.
                Poll::Pending if again.0.swap(false, Ordering::Relaxed) => {}
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }

    /// Everybody goes; who waits for an answer may wait for it so long.
    pub(super) async fn leave(&mut self, io: &mut Io, patience: Duration) {
        self.leaving = Some(self.now + patience);
        self.each(io, |hub, id| {
            hub.serve(
                id,
                |_, _, member| {
                    if member.keys.is_empty() || patience.is_zero() { Err(AWAY) } else { Ok(()) }
                },
            );
        })
        .await;
    }

    /// The board goes on: the events up to it, then the board that all are shown, then each member's part of it.
    pub(super) async fn tell_tick(
        &mut self,
        io: &mut Io,
        first: Result<Arc<Tick>, RecvError>,
        sources: &mut Sources,
    ) {
        let tick = first.and_then(|tick| gathered(tick, &mut sources.ticks));
        let board = match &tick {
            Ok(tick) => Arc::clone(&tick.board),
            Err(RecvError::Lagged(_)) => {
                // The ticks that are left are older than the board that makes up for the lost ones, which is taken before
                // the events are caught up with, so that none behind it is missed.
                sources.ticks = sources.ticks.resubscribe();
                self.open.live.board().snapshot()
            }
            Err(RecvError::Closed) => return self.leave(io, Duration::ZERO).await,
        };
        self.catch_up(io, &mut sources.events).await;
        // After ticks were lost, the next ones are older than the board that made up for them.
        if board.seq > self.shown.seq {
            self.shown = board;
        }
        match tick {
            Ok(tick) => {
                let frame = encode(&tick);
                self.each(io, |hub, id| hub.show(id, &frame)).await;
            }
            Err(_lost) => self.each(io, |hub, id| hub.tell(id, Item::Snapshot)).await,
        }
    }

    /// The events up to a tick. They were told before it, but this hub may have looked for them a moment before that.
    pub(super) async fn catch_up(&mut self, io: &mut Io, events: &mut Receiver<Arc<Applied>>) {
        loop {
            match events.try_recv() {
                Ok(applied) => self.tell_event(io, &applied).await,
                Err(TryRecvError::Lagged(_)) => self.tell_all_events(io).await,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    pub(super) async fn tell_event(&mut self, io: &mut Io, applied: &Applied) {
        self.answers();
        match &applied.claim {
            Some(claim) => {
                let members = self.members.of(claim.registration);
                if members.is_empty() {
                    return;
                }
                let mut out = Vec::new();
                frame::text_with(&mut out, |out| ServerFrame::Claim { claim: wire::claim(claim) }.write(out));
                let bytes = Bytes::from(out);
                for id in members {
                    self.serve(id, |hub, _, member| hub.tell_claim(member, &bytes));
                }
            }
            // What is no claim and no withheld unit is about the opening itself.
            None if applied.unit.is_none() => self.each(io, |hub, id| hub.tell(id, Item::Control)).await,
            None => {}
        }
    }

    /// Events were lost: everybody hears all that they could have been about.
    pub(super) async fn tell_all_events(&mut self, io: &mut Io) {
        self.each(io, |hub, id| {
            hub.tell(id, Item::Mine);
            hub.tell(id, Item::Control);
        })
        .await;
    }

    fn tell_claim(&mut self, member: &mut Member, bytes: &Bytes) -> Step {
        if member.closing.is_some() {
            return Ok(());
        }
        if !member.line.is_free() {
            // One answer to any number of changes.
            member.line.owe(Item::Mine);
            return Ok(());
        }
        Ok(member.line.send_shared(bytes, self.now)?)
    }

    pub(super) fn tell(&mut self, id: Id, item: Item) {
        self.serve(id, |hub, _, member| {
            if member.closing.is_some() {
                return Ok(());
            }
            member.line.owe(item).map_or(Ok(()), |item| hub.pass_on(member, item))
        });
    }

    /// A tick to one member.
    pub(super) fn show(&mut self, id: Id, frame: &Arc<BoardFrame>) {
        self.serve(id, |hub, _, member| {
            if member.closing.is_some() {
                return Ok(());
            }
            if member.line.is_free() {
                return hub.show_now(member, frame);
            }
            member.line.owe(Item::Board(Arc::clone(frame)));
            Ok(())
        });
    }

    fn show_now(&mut self, member: &mut Member, frame: &BoardFrame) -> Step {
        // Seen with the snapshot already.
        if frame.to <= member.seq {
            return Ok(());
        }
        if frame.from != member.seq {
            return self.send_snapshot(member);
        }
        member.seq = frame.to;
        Ok(member.line.send_shared(&frame.bytes, self.now)?)
    }

    fn pass_on(&mut self, member: &mut Member, item: Item) -> Step {
        match item {
            Item::Device => self.say_device(member),
            Item::Mine => {
                self.say_mine(member);
                Ok(())
            }
            Item::Control => {
                self.say(&wire::control(&self.open.live));
                Ok(())
            }
            Item::Snapshot => {
                self.meters.skips.increment(1);
                self.send_snapshot(member)
            }
            Item::Board(frame) => self.show_now(member, &frame),
        }
    }

    /// The socket takes bytes again: sends what waits, then what is owed.
    pub(super) fn go_on(&mut self, id: Id, member: &mut Member) -> Step {
        loop {
            member.line.flush(self.now)?;
            let Some(item) = member.line.next() else { break };
            if member.closing.is_none() {
                self.pass_on(member, item)?;
                self.send(member)?;
            }
        }
        if member.line.is_free() {
            // The kernel took the rest: so much was read meanwhile, which is as good as a word of its own.
            member.heard_at = self.now;
            if member.closing.is_some() {
                self.end_stream(member);
            }
            if std::mem::take(&mut member.is_unread) {
                self.unread.push(id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::UnitOrd;
    use crate::opening::board::{Board, Status};

    /// OP-41. Mutation that turned it red: the first tick alone, as it came.
    #[tokio::test]
    async fn ticks_that_waited_are_shown_as_one_without_a_gap() {
        let board = Board::new(0, vec![Status::Free; 4]);
        let mut ticks = board.subscribe();
        for seq in 1..=3 {
            board.note(seq, [(UnitOrd(0), Status::Held), (UnitOrd(seq as u32), Status::Sold)]);
            board.publish();
        }
        let first = ticks.recv().await.unwrap();
        let all = gathered(first, &mut ticks).unwrap();
        assert_eq!((all.from, all.to, all.changes.len()), (0, 3, 4));
        assert!(ticks.try_recv().is_err(), "none is left to be shown again");
    }
}
