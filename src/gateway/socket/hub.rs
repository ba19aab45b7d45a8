//! One hub a core and opening: hears what the opening says and puts it into its members' mailboxes.
//!
//! Order: an entry of the journal reaches its owner's mailbox before the tick that shows it reaches anybody's, because
//! the opening publishes in that order and the hub reads events first. Members are served in chunks, and the loop looks
//! at other sockets between two of them: with thousands of members a tick would otherwise delay picks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::mailbox::{BoardFrame, Leave, Mailbox};
use crate::domain::ids::{OpeningId, RegOrd};
use crate::gateway::core::Parts;
use crate::gateway::wire::{self, ServerFrame};
use crate::http::Drain;
use crate::identity::buyers::DeviceEvent;
use crate::limits::FANOUT_CHUNK;
use crate::opening::board::Tick;
use crate::opening::memory::Applied;
use crate::opening::{Live, Openings};

/// How often a hub asks whether its opening still runs here.
const STILL_HERE_PERIOD: Duration = Duration::from_millis(500);

/// The hubs of one core.
#[derive(Default)]
pub struct Hubs {
    /// A lock of one core's tasks, held for a few instructions and never over an await.
    running: Mutex<HashMap<OpeningId, Arc<Hub>>>,
}

impl Hubs {
    /// The hub of this opening on this core; starts it on the first call.
    pub fn of(self: &Arc<Self>, live: &Arc<Live>, parts: &Parts) -> Arc<Hub> {
        let mut running = self.lock();
        // An opening that was withdrawn and published again is another one.
        if let Some(hub) = running.get(&live.facts.id).filter(|hub| Arc::ptr_eq(&hub.live, live)) {
            return Arc::clone(hub);
        }
        let hub = Arc::new(Hub { live: Arc::clone(live), members: Mutex::default() });
        running.insert(live.facts.id.clone(), Arc::clone(&hub));
        let sources = Sources {
            ticks: live.board().subscribe(),
            events: live.events(),
            devices: parts.buyers.devices().subscribe(),
        };
        let (openings, drain) = (parts.openings.clone(), parts.drain.clone());
        let (hubs, task) = (Arc::clone(self), Arc::clone(&hub));
        tokio::spawn(async move {
            task.run(sources, &openings, &drain).await;
            let mut running = hubs.lock();
            if running.get(&task.live.facts.id).is_some_and(|hub| Arc::ptr_eq(hub, &task)) {
                running.remove(&task.live.facts.id);
            }
        });
        hub
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OpeningId, Arc<Hub>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sources {
    ticks: Receiver<Arc<Tick>>,
    events: Receiver<Arc<Applied>>,
    devices: Receiver<DeviceEvent>,
}

pub struct Hub {
    live: Arc<Live>,
    /// A lock of one core's tasks, held for a few instructions and never over an await.
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    next: u64,
    all: HashMap<u64, Arc<Mailbox>>,
    of: HashMap<RegOrd, Vec<u64>>,
}

/// A mailbox's membership; ends when dropped.
pub struct Member {
    hub: Arc<Hub>,
    id: u64,
    who: Option<RegOrd>,
}

impl Hub {
    /// From here on the mailbox gets what happens; take the snapshot after joining, so that nothing lies between.
    pub fn join(self: &Arc<Self>, mailbox: Arc<Mailbox>, who: Option<RegOrd>) -> Member {
        let mut members = self.lock();
        let id = members.next;
        members.next += 1;
        members.all.insert(id, mailbox);
        if let Some(who) = who {
            members.of.entry(who).or_default().push(id);
        }
        Member { hub: Arc::clone(self), id, who }
    }

    async fn run(&self, sources: Sources, openings: &Openings, drain: &Drain) {
        let Sources { mut ticks, mut events, mut devices } = sources;
        let mut still_here = tokio::time::interval(STILL_HERE_PERIOD);
        loop {
            tokio::select! {
                biased;
                () = drain.begun() => return self.each(|mailbox| mailbox.leave(Leave::Drain)).await,
                event = events.recv() => match event {
                    Ok(applied) => self.tell_event(&applied).await,
                    Err(RecvError::Lagged(_)) => self.each(|mailbox| { mailbox.mine(); mailbox.control(); }).await,
                    Err(RecvError::Closed) => break,
                },
                event = devices.recv() => match event {
                    Ok(event) if event.opening == self.live.facts.id => {
                        self.each_of(event.registration, Mailbox::device);
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => self.each(Mailbox::device).await,
                    Err(RecvError::Closed) => break,
                },
                tick = ticks.recv() => match tick {
                    Ok(tick) => {
                        let frame = encode(&tick);
                        self.each(|mailbox| mailbox.board(Arc::clone(&frame))).await;
                    }
                    Err(RecvError::Lagged(_)) => self.each(Mailbox::snapshot).await,
                    Err(RecvError::Closed) => break,
                },
                _ = still_here.tick() => {
                    let here = openings.get(&self.live.facts.id);
                    if !here.is_some_and(|live| Arc::ptr_eq(&live, &self.live)) {
                        break;
                    }
                }
            }
        }
        self.each(|mailbox| mailbox.leave(Leave::Away)).await;
    }

    async fn tell_event(&self, applied: &Applied) {
        match &applied.claim {
            Some(claim) => {
                let who = claim.registration;
                if self.has(who) {
                    let text = ServerFrame::Claim { claim: wire::claim(claim) }.text();
                    self.each_of(who, |mailbox| mailbox.claim(text.clone()));
                }
            }
            // What is no claim and no withheld unit is about the opening itself.
            None if applied.unit.is_none() => self.each(Mailbox::control).await,
            None => {}
        }
    }

    async fn each(&self, put: impl Fn(&Mailbox)) {
        let all: Vec<Arc<Mailbox>> = self.lock().all.values().cloned().collect();
        for chunk in all.chunks(FANOUT_CHUNK) {
            chunk.iter().for_each(|mailbox| put(mailbox));
            tokio::task::yield_now().await;
        }
    }

    fn each_of(&self, who: RegOrd, put: impl Fn(&Mailbox)) {
        let members = self.lock();
        let ids = members.of.get(&who).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| members.all.get(id)).for_each(|mailbox| put(mailbox));
    }

    fn has(&self, who: RegOrd) -> bool {
        self.lock().of.contains_key(&who)
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first core to come encodes; the others, and all their members, share its bytes.
fn encode(tick: &Tick) -> Arc<BoardFrame> {
    let bytes = tick.encoded(|tick| Bytes::from(wire::board_frame(tick)));
    // What was a String is UTF-8.
    let text = Utf8Bytes::try_from(bytes).unwrap_or_default();
    Arc::new(BoardFrame { from: tick.from, to: tick.to, text })
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = self.hub.lock();
        members.all.remove(&self.id);
        if let Some(who) = self.who
            && let Some(ids) = members.of.get_mut(&who)
        {
            ids.retain(|id| *id != self.id);
            if ids.is_empty() {
                members.of.remove(&who);
            }
        }
    }
}
