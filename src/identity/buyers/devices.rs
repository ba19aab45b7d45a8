//! Which of a registration's devices picks (OP-26), as memory: read on every pick, without I/O.
//!
//! The database decides; this is its shadow. Every change is a transaction that takes a version from the opening's
//! `device_head`, reads the registration's whole state under that lock and hands it over here after the commit. A
//! state replaces an older one only, so it does not matter in which order two of them arrive.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use tokio::sync::broadcast;

use crate::domain::ids::{OpeningId, RegOrd, SessionId};
use crate::domain::time::Micros;
use crate::limits::{DEVICE_EVENTS_KEPT, DEVICE_REQUEST_S};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRole {
    Picks,
    Viewer,
}

impl DeviceRole {
    /// As the wire says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeviceRole::Picks => "picks",
            DeviceRole::Viewer => "viewer",
        }
    }
}

/// What one signed-in device may know about its registration's devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceView {
    pub role: DeviceRole,
    /// Another device asks to pick; only the picking one is told.
    pub request: Option<DeviceRequest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRequest {
    pub session: SessionId,
    pub label: String,
}

/// The devices of this registration changed: look at [`Devices::view`] of each of its sockets again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEvent {
    pub opening: OpeningId,
    pub registration: RegOrd,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LiveSession {
    pub id: SessionId,
    pub label: String,
    pub generation: u32,
    pub expires_at: Micros,
}

/// Everything about one registration's devices at one version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub version: i64,
    pub picks: Option<SessionId>,
    pub request: Option<(SessionId, Micros)>,
    /// In the order of their sign-in.
    pub live: Vec<LiveSession>,
}

impl State {
    pub(super) fn session(&self, id: &SessionId, now: Micros) -> Option<&LiveSession> {
        self.live.iter().find(|live| live.id == *id && live.expires_at > now)
    }

    /// The session that picks, if it is still signed in.
    pub(super) fn picking(&self, now: Micros) -> Option<&LiveSession> {
        self.picks.as_ref().and_then(|id| self.session(id, now))
    }

    /// The session that asks to pick, if it is still signed in and did not ask too long ago.
    pub(super) fn asking(&self, now: Micros) -> Option<&LiveSession> {
        let (id, at) = self.request.as_ref()?;
        let fresh = now.since(*at) < Micros::from_secs(DEVICE_REQUEST_S);
        if fresh { self.session(id, now) } else { None }
    }
}

#[derive(Default)]
pub(super) struct OpeningDevices {
    registrations: DashMap<RegOrd, Arc<State>>,
    /// Up to here everything of this opening has been read from the database.
    pub(super) followed: AtomicI64,
}

pub struct Devices {
    /// Openings are few and seldom added, so the map is replaced and read without a lock.
    openings: ArcSwap<HashMap<OpeningId, Arc<OpeningDevices>>>,
    events: broadcast::Sender<DeviceEvent>,
}

impl Devices {
    pub(super) fn new() -> Self {
        Self { openings: ArcSwap::default(), events: broadcast::Sender::new(DEVICE_EVENTS_KEPT) }
    }

    /// Whether this session is its registration's picking device. For every pick: one lock-free read, one shard read.
    pub fn may_pick(&self, opening: &OpeningId, registration: RegOrd, session: &SessionId) -> bool {
        self.openings
            .load()
            .get(opening)
            .and_then(|devices| {
                devices.registrations.get(&registration).map(|state| state.picks.as_ref() == Some(session))
            })
            .unwrap_or(false)
    }

    /// What this session's device is now; `None` when the session is not signed in.
    pub fn view(
        &self,
        opening: &OpeningId,
        registration: RegOrd,
        session: &SessionId,
        generation: u32,
        now: Micros,
    ) -> Option<DeviceView> {
        let state = self.state(opening, registration)?;
        state.session(session, now).filter(|live| live.generation == generation)?;
        if state.picks.as_ref() != Some(session) {
            return Some(DeviceView { role: DeviceRole::Viewer, request: None });
        }
        let request = state
            .asking(now)
            .map(|asking| DeviceRequest { session: asking.id.clone(), label: asking.label.clone() });
        Some(DeviceView { role: DeviceRole::Picks, request })
    }

    /// How many registrations are signed in on some device.
    pub fn signed_in(&self, opening: &OpeningId, now: Micros) -> usize {
        let signed_in = |state: &State| state.live.iter().any(|live| live.expires_at > now);
        self.openings
            .load()
            .get(opening)
            .map_or(0, |devices| devices.registrations.iter().filter(|state| signed_in(state)).count())
    }

    /// Changes from now on. A receiver that lagged must look at all its sockets again.
    pub fn subscribe(&self) -> broadcast::Receiver<DeviceEvent> {
        self.events.subscribe()
    }

    pub(super) fn state(&self, opening: &OpeningId, registration: RegOrd) -> Option<Arc<State>> {
        let openings = self.openings.load();
        let state = openings.get(opening)?.registrations.get(&registration)?;
        Some(state.value().clone())
    }

    /// Takes over a committed state, unless a newer one is known.
    pub(super) fn apply(&self, opening: &OpeningId, registration: RegOrd, state: State) {
        let devices = self.opening(opening);
        let newer = {
            let mut entry = devices.registrations.entry(registration).or_default();
            let newer = entry.version < state.version;
            if newer {
                *entry = Arc::new(state);
            }
            newer
        };
        if newer {
            // An error only says that nobody listens.
            self.events.send(DeviceEvent { opening: opening.clone(), registration }).ok();
        }
    }

    pub(super) fn followed(&self, opening: &OpeningId) -> i64 {
        self.opening(opening).followed.load(Ordering::Acquire)
    }

    pub(super) fn set_followed(&self, opening: &OpeningId, version: i64) {
        // Monotone: two readers may finish out of order.
        self.opening(opening).followed.fetch_max(version, Ordering::AcqRel);
    }

    fn opening(&self, opening: &OpeningId) -> Arc<OpeningDevices> {
        if let Some(devices) = self.openings.load().get(opening) {
            return devices.clone();
        }
        // Another thread may add the same opening meanwhile: the closure runs on the newest map and keeps what is there.
        let fresh = Arc::new(OpeningDevices::default());
        self.openings.rcu(|openings| {
            let mut openings = HashMap::clone(openings);
            openings.entry(opening.clone()).or_insert_with(|| fresh.clone());
            openings
        });
        self.openings.load().get(opening).cloned().unwrap_or(fresh)
    }
}
