//! One hub a core and opening: a single task that has all the opening's sockets of its core.
//!
//! It waits for the kernel (one poll for all its sockets, itself watched by the runtime), for decided picks and for what
//! the opening says, and does each thing to its end: nothing here waits for a reader, and no two things of one socket
//! overlap. So the order of what a client gets is the order in which this file does it: before anything of the opening
//! is passed on, answers that are decided leave, and before a tick, the events up to it.
//!
//! A tick goes to the members in chunks; between two of them the hub looks at what clients say, and the loop at its
//! other tasks. With thousands of members it would otherwise delay picks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::frame;
use super::hear::Deciding;
use super::line::Item;
use super::member::{AWAY, End, Joining, Member, REPLACED, Visitor};
use super::members::{Id, Members};
use super::meters::Meters;
use super::pace::Allowance;
use super::place::{Place, ToLoop};
use crate::gateway::core::Gateway;
use crate::gateway::open::Open;
use crate::http::lateness::Lateness;
use crate::identity::buyers::DeviceEvent;
use crate::limits::{
    LATENESS_LOOK_PERIOD, SOCKET_DRAIN_TIMEOUT, SOCKET_PING_PERIOD, SOCKET_READ_BYTES, SOCKET_SILENCE_MAX,
};
use crate::opening::board::{Snapshot, Tick};
use crate::opening::memory::Applied;

/// How often a hub asks whether its opening still runs here.
const STILL_HERE_PERIOD: Duration = Duration::from_millis(500);

/// How often a part of the members is looked after, and how many parts there are: each member once a second.
const SWEEP_PERIOD: Duration = Duration::from_millis(250);
pub(super) const SWEEP_PARTS: usize = 4;

/// The kernel's word on the hub's own probe, which waits among the sockets' for the hub to come to it.
const PROBE: mio::Token = mio::Token(usize::MAX);

/// Events of the kernel that are taken before the hub looks at anything else.
pub const EVENTS_AT_ONCE: usize = 256;

pub type Step = Result<(), End>;

/// What the opening says, and the sessions.
pub struct Sources {
    pub ticks: Receiver<Arc<Tick>>,
    pub events: Receiver<Arc<Applied>>,
    pub devices: Receiver<DeviceEvent>,
}

/// The kernel's word on all sockets of a hub.
pub struct Io {
    pub(super) poll: AsyncFd<mio::Poll>,
    pub(super) events: mio::Events,
}

pub struct Hub {
    pub(super) gateway: Arc<Gateway>,
    pub(super) open: Arc<Open>,
    /// The one board that sockets are shown. Once greeted, no socket is shown a board newer than the events it has been
    /// told, or it would see its own home as somebody's before it hears that it is its own. The opening's own board runs ahead of
    /// the events that still wait here; this one goes on behind them, with the ticks.
    pub(super) shown: Arc<Snapshot>,
    pub(super) meters: Meters,
    pub(super) allowed: Allowance,
    pub(super) members: Members,
    /// Picks and asks that could not be answered at once.
    pub(super) deciding: FuturesUnordered<Deciding>,
    /// Of the moment at which the hub last woke.
    pub(super) now: Instant,
    /// What one read brings, of whichever socket.
    pub(super) input: Vec<u8>,
    /// What one socket is about to be sent; empty between two of them.
    pub(super) out: Vec<u8>,
    /// Sockets that may have more to read although no event tells of it.
    pub(super) unread: Vec<Id>,
    /// Everybody goes; who still waits for an answer, until then.
    pub(super) leaving: Option<Instant>,
    /// How late the hub comes to its sockets.
    pub(super) lateness: Lateness,
    probe: mio::Waker,
    /// The probe is under way.
    is_probed: bool,
    registry: mio::Registry,
    part: usize,
}

impl Hub {
    /// Its sources are there before its first board, so that every event behind that board comes to it.
    pub fn new(gateway: Arc<Gateway>, open: Arc<Open>) -> io::Result<(Self, Io, Sources)> {
        let live = &open.live;
        let sources = Sources {
            ticks: live.board().subscribe(),
            events: live.events(),
            devices: gateway.parts.buyers.devices().subscribe(),
        };
        let shown = live.board().snapshot();
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let probe = mio::Waker::new(&registry, PROBE)?;
        #[expect(
            deprecated,
            reason = "its unsafe heir asks what mio keeps: a Poll owns one descriptor to its end"
        )]
        let poll = AsyncFd::with_interest(poll, Interest::READABLE)?;
        let io = Io { poll, events: mio::Events::with_capacity(EVENTS_AT_ONCE) };
        let hub = Self {
            allowed: open.frames(),
            gateway,
            open,
            shown,
            meters: Meters::default(),
            members: Members::default(),
            deciding: FuturesUnordered::new(),
            now: Instant::now(),
            input: vec![0; SOCKET_READ_BYTES],
            out: Vec::new(),
            unread: Vec::new(),
            leaving: None,
            lateness: Lateness::new(std::time::Instant::now()),
            probe,
            is_probed: false,
            registry,
            part: 0,
        };
        Ok((hub, io, sources))
    }

    /// Runs until the server stops or the opening no longer runs here, and all its sockets are gone.
    pub async fn run(mut self, mut io: Io, mut sources: Sources, inbox: &mut UnboundedReceiver<ToLoop>) {
        let drain = self.gateway.parts.drain.child();
        let mut drains = std::pin::pin!(drain.begun());
        let mut sweep = interval(SWEEP_PERIOD);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut probes = interval(LATENESS_LOOK_PERIOD);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut still_here = interval(STILL_HERE_PERIOD);
        while self.leaving.is_none() || !self.members.is_empty() {
            tokio::select! {
                biased;
                () = &mut drains, if self.leaving.is_none() => {
                    self.wake();
                    self.leave(&mut io, SOCKET_DRAIN_TIMEOUT).await;
                }
                Some(decided) = self.deciding.next() => {
                    self.wake();
                    self.answer(decided);
                }
                event = sources.events.recv() => {
                    self.wake();
                    match event {
                        Ok(applied) => self.tell_event(&mut io, &applied).await,
                        Err(RecvError::Lagged(_)) => self.tell_all_events(&mut io).await,
                        Err(RecvError::Closed) => self.leave(&mut io, Duration::ZERO).await,
                    }
                }
                event = sources.devices.recv() => {
                    self.wake();
                    match event {
                        Ok(event) if event.opening == self.open.live.facts.id => {
                            for id in self.members.of(event.registration) {
                                self.tell(id, Item::Device);
                            }
                        }
                        Ok(_) | Err(RecvError::Closed) => {}
                        Err(RecvError::Lagged(_)) => self.each(&mut io, |hub, id| hub.tell(id, Item::Device)).await,
                    }
                }
                Some(told) = inbox.recv() => {
                    self.wake();
                    match told {
                        ToLoop::Join(joining) => self.join(*joining),
                        ToLoop::Replaced(place) => self.replace(&place),
                    }
                }
                _ = probes.tick(), if !self.is_probed => self.send_probe(),
                _ = sweep.tick() => {
                    self.wake();
                    self.sweep();
                }
                _ = still_here.tick(), if self.leaving.is_none() => {
                    let here = self.gateway.parts.openings.get(&self.open.live.facts.id);
                    if !here.is_some_and(|live| Arc::ptr_eq(&live, &self.open.live)) {
                        self.wake();
                        self.leave(&mut io, Duration::ZERO).await;
                    }
                }
                // Behind all that is short: one board may be due when the last member has the one before it.
                tick = sources.ticks.recv() => {
                    self.wake();
                    self.tell_tick(&mut io, tick, &mut sources).await;
                }
                ready = io.poll.readable_mut() => {
                    let Ok(mut ready) = ready else { return };
                    if self.turn(ready.get_inner_mut(), &mut io.events) < EVENTS_AT_ONCE {
                        ready.clear_ready();
                    }
                    tokio::task::yield_now().await;
                }
                () = std::future::ready(()), if !self.unread.is_empty() => {
                    self.wake();
                    self.read_on();
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Asks the kernel to say a word to ourselves, behind all that it has to say already.
    fn send_probe(&mut self) {
        match self.probe.wake() {
            Ok(()) => {
                self.is_probed = true;
                self.lateness.expect(std::time::Instant::now());
            }
            Err(error) => tracing::debug!(%error, "the hub could not probe itself"),
        }
    }

    pub(super) fn wake(&mut self) {
        self.now = Instant::now();
    }

    /// Does what the kernel has to say now; how much that was.
    pub(super) fn turn(&mut self, poll: &mut mio::Poll, events: &mut mio::Events) -> usize {
        if let Err(error) = poll.poll(events, Some(Duration::ZERO)) {
            if error.kind() != io::ErrorKind::Interrupted {
                tracing::error!(%error, "the kernel's events can not be read");
            }
            // There may be more: asked again after everybody else had their turn.
            return EVENTS_AT_ONCE;
        }
        self.wake();
        let mut count = 0;
        for event in events.iter() {
            count += 1;
            if event.token() == PROBE {
                self.is_probed = false;
                self.lateness.look(std::time::Instant::now());
                continue;
            }
            let to_end = event.is_read_closed() || event.is_error();
            self.serve(Id::of_token(event.token()), |hub, id, member| {
                if event.is_writable() && !member.line.is_free() {
                    hub.go_on(id, member)?;
                }
                if event.is_readable() || to_end { hub.read(id, member, to_end) } else { Ok(()) }
            });
        }
        count
    }

    fn read_on(&mut self) {
        for id in std::mem::take(&mut self.unread) {
            self.serve(id, |hub, id, member| hub.read(id, member, true));
        }
    }

    /// Acts for one member, sends what that left to be said, and lets the member go if it ends.
    pub(super) fn serve(&mut self, id: Id, act: impl FnOnce(&mut Self, Id, &mut Member) -> Step) {
        let Some(mut member) = self.members.take(id) else { return };
        let step = act(self, id, &mut member).and_then(|()| self.send(&mut member));
        let stays = match step {
            Ok(()) => true,
            Err(end) => self.say_goodbye(id, &mut member, end),
        };
        if stays {
            self.members.put(id, member);
        } else {
            self.out.clear();
            self.meters.sockets(member.session.is_some()).decrement(1);
            self.members.release(id, member.place.who);
        }
    }

    pub(super) fn join(&mut self, joining: Joining) {
        let Joining { seated, mut socket, early, stall } = joining;
        let is_ended = matches!(seated.visitor, Visitor::Ended);
        let id = self.members.reserve(seated.place.who);
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        if let Err(error) = self.registry.register(&mut socket, id.token(), interest) {
            tracing::error!(%error, "a socket can not be watched");
            return self.members.release(id, seated.place.who);
        }
        let member = Box::new(Member::new(seated, socket, stall, self.now));
        self.meters.sockets(member.session.is_some()).increment(1);
        self.members.put(id, member);
        self.serve(id, |hub, id, member| {
            hub.greet(member, is_ended)?;
            if hub.leaving.is_some() {
                return Err(AWAY);
            }
            if member.place.is_replaced() {
                return Err(REPLACED);
            }
            hub.hear_early(id, member, &early)
        });
    }

    fn replace(&mut self, place: &Arc<Place>) {
        let Some(who) = place.who else { return };
        for id in self.members.of(who) {
            self.serve(
                id,
                |_, _, member| {
                    if Arc::ptr_eq(&member.place, place) { Err(REPLACED) } else { Ok(()) }
                },
            );
        }
    }

    /// Looks after a part of the members: pings, and ends what nobody else would.
    pub(super) fn sweep(&mut self) {
        self.part = (self.part + 1) % SWEEP_PARTS;
        for slot in (self.part..self.members.slots()).step_by(SWEEP_PARTS) {
            if let Some(id) = self.members.at(slot) {
                self.serve(id, |hub, _, member| hub.look_after(member));
            }
        }
    }

    fn look_after(&mut self, member: &mut Member) -> Step {
        let now = self.now;
        let has_stalled = member.line.stalled_since().is_some_and(|since| since + member.stall <= now);
        // Half open, or its owner sleeps: a close frame would wait for nobody. A reader that is behind is neither heard nor
        // pinged, so its silence says nothing: its stall ends it. (Nothing is written on from here: the kernel would take
        // a last few KiB of a reader that sleeps, and it would pass for one that reads.)
        let is_silent = member.line.is_free() && member.heard_at + SOCKET_SILENCE_MAX <= now;
        if has_stalled || is_silent || member.closing.is_some_and(|until| until <= now) {
            return Err(End::Gone);
        }
        if self.leaving.is_some_and(|until| until <= now) {
            return Err(AWAY);
        }
        if member.ping_at <= now {
            member.ping_at = now + SOCKET_PING_PERIOD;
            if member.line.is_free() && member.closing.is_none() {
                frame::ping(&mut self.out);
            }
        }
        Ok(())
    }
}
