//! Several gateways serve this opening: what stands between gate 1 and the committer, and how news reach the others.
//!
//! ```text
//!   gate 1 won ─► stage ─► claim.lua ──GO──► committer ─► commit ─► teller ─► tell.lua ─► stream
//!                   ▲          │ WAIT, NEWS                                                │
//!                   └─ parked ◄┘   ◄──── memory applies the journal ◄──── follower ◄───────┘
//! ```
//!
//! Redis answers no buyer: a pick that met something there waits until the journal has told this gateway's memory, and is
//! decided by gate 1 again (`docs/decisions/0010-several-gateways.md`).

mod follower;
mod stage;
mod steward;
mod teller;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::job::Pick;
use super::live::Live;
use crate::cluster::{Gate2, Gate2Error, LinkError};
use crate::config::RedisLost;
use crate::domain::kind::names;
use crate::limits::{COMMIT_QUEUE, TELL_QUEUE};
use teller::Told;

names!(
    /// What gate 2 is doing.
    Gate2State {
        /// There is no Redis: one gateway, or several that look into the database.
        Off = "off",
        Ready = "ready",
        /// Picks go straight to the database, so many a second, or wait.
        Lost = "lost",
        /// This gateway loads the opening under a new epoch; meanwhile as lost.
        Rebuilding = "rebuilding",
    }
);

names!(
    /// Why it is not ready.
    Gate2Reason {
        None = "NONE",
        /// It has not been looked at yet.
        Starting = "STARTING",
        /// Nothing answers at its address.
        Away = "AWAY",
        /// A call was sent and no answer came.
        NoAnswer = "NO_ANSWER",
        /// The server refused a call: read-only, out of memory, a script that does not run.
        Refused = "REFUSED",
        /// This epoch is not loaded there: flushed, restarted, failed over.
        NotLoaded = "NOT_LOADED",
    }
);

/// Gate 2 at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub state: Gate2State,
    pub reason: Gate2Reason,
    pub since: Instant,
}

/// How an opening works together with other gateways.
#[derive(Clone)]
pub struct Between {
    pub gate: Gate2,
    pub when_lost: RedisLost,
}

/// The opening's handle to gate 2 and its tasks.
pub(super) struct Together {
    gate: Gate2,
    when_lost: RedisLost,
    standing: ArcSwap<Standing>,
    picks: mpsc::Sender<Pick>,
    told: mpsc::Sender<Told>,
    /// Memory has applied something: parked picks may be decided.
    news: Notify,
    /// The stream is not enough: read the database now.
    behind: Notify,
    /// Something is wrong with Redis: look now.
    look: Notify,
}

/// What the tasks take.
pub(super) struct Queues {
    picks: mpsc::Receiver<Pick>,
    told: mpsc::Receiver<Told>,
}

impl Together {
    pub fn new(between: Between) -> (Self, Queues) {
        let (picks, picks_waiting) = mpsc::channel(COMMIT_QUEUE);
        let (told, told_waiting) = mpsc::channel(TELL_QUEUE);
        let standing =
            Standing { state: Gate2State::Lost, reason: Gate2Reason::Starting, since: Instant::now() };
        let together = Self {
            gate: between.gate,
            when_lost: between.when_lost,
            standing: ArcSwap::from_pointee(standing),
            picks,
            told,
            news: Notify::new(),
            behind: Notify::new(),
            look: Notify::new(),
        };
        (together, Queues { picks: picks_waiting, told: told_waiting })
    }

    pub fn picks(&self) -> &mpsc::Sender<Pick> {
        &self.picks
    }

    /// Memory has applied entries: what is parked may be decided.
    pub fn applied(&self) {
        self.news.notify_one();
    }

    pub fn standing(&self) -> Standing {
        **self.standing.load()
    }

    fn is_ready(&self) -> bool {
        self.standing.load().state == Gate2State::Ready
    }

    fn stand(&self, state: Gate2State, reason: Gate2Reason) {
        let before = self.standing();
        if (before.state, before.reason) != (state, reason) {
            tracing::info!(
                from = before.state.as_str(),
                to = state.as_str(),
                reason = reason.as_str(),
                "gate 2"
            );
            self.standing.store(Arc::new(Standing { state, reason, since: Instant::now() }));
        }
    }

    /// A call went wrong: picks go the other way from now on, and the steward looks.
    fn lost(&self, error: &Gate2Error) {
        self.stand_lost(error);
        self.look.notify_one();
    }

    /// The same by the steward, which has looked: waking itself it would look again and again without a pause.
    fn stand_lost(&self, error: &Gate2Error) {
        let reason = match error {
            Gate2Error::Unsealed => Gate2Reason::NotLoaded,
            Gate2Error::Link(LinkError::Away(_)) => Gate2Reason::Away,
            Gate2Error::Link(LinkError::Unknown(_)) => Gate2Reason::NoAnswer,
            Gate2Error::Link(LinkError::Refused(_)) => Gate2Reason::Refused,
        };
        if self.standing().state != Gate2State::Rebuilding {
            self.stand(Gate2State::Lost, reason);
        }
    }
}

/// Starts what an opening between several gateways needs.
pub(super) fn spawn(tasks: &mut JoinSet<()>, live: &Arc<Live>, queues: Queues, gateway: String) {
    tasks.spawn(stage::run(Arc::clone(live), queues.picks));
    tasks.spawn(teller::run(Arc::clone(live), queues.told));
    tasks.spawn(follower::run(Arc::clone(live)));
    tasks.spawn(follower::catch_up(Arc::clone(live)));
    tasks.spawn(steward::run(Arc::clone(live), gateway));
}
