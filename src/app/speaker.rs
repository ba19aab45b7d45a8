//! Says into the database, again and again, how this process fares: whoever looks needs nothing of it but that. When it ends
//! it says so too; when it is killed its silence does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::figures::{Shown, shown};
use crate::cluster::{Health, Link};
use crate::config::RedisLost;
use crate::domain::ids::OpeningId;
use crate::domain::time::{Clock, Micros};
use crate::gateway::Gateway;
use crate::http::Drain;
use crate::http::health::Readiness;
use crate::limits::{
    GATE3_ALONE_PER_SECOND, STATUS_PERIOD, STATUS_PERIOD_SQLITE, STATUS_SAY_TIMEOUT, STATUS_SILENCE_PERIODS,
};
use crate::opening::{Openings, gate2};
use crate::status::{
    self, Gate2, Gate2State, OpeningReport, RedisReport, Report, Said, SentinelsReport, State,
};
use crate::store::{Db, StoreError};

pub struct Parts {
    pub db: Db,
    pub clock: Clock,
    pub openings: Openings,
    pub gateway: Arc<Gateway>,
    pub readiness: Readiness,
    pub drain: Drain,
    pub links: Vec<Link>,
    pub redis_lost: RedisLost,
    pub name: String,
    pub buyers_door: String,
    pub staff_door: String,
}

pub struct Speaker {
    nudge: Arc<Notify>,
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Speaker {
    pub fn start(parts: Parts) -> Self {
        let (nudge, end) = (Arc::new(Notify::new()), CancellationToken::new());
        let task = tokio::spawn(run(parts, Arc::clone(&nudge), end.clone()));
        Self { nudge, end, task }
    }

    /// The state changed: say so now.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// The last word.
    pub async fn gone(self) {
        self.end.cancel();
        // It was said, or could not be: then the silence says it.
        drop(self.task.await);
    }
}

async fn run(parts: Parts, nudge: Arc<Notify>, end: CancellationToken) {
    let period = if parts.db.is_sqlite() { STATUS_PERIOD_SQLITE } else { STATUS_PERIOD };
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let mut voice = Voice::new(parts, period);
    loop {
        voice.say(None).await;
        tokio::select! {
            _ = ticks.tick() => {}
            () = nudge.notified() => {}
            () = voice.parts.drain.begun(), if !voice.said_draining => {}
            () = turned(&voice.parts.links) => {}
            () = end.cancelled() => break,
        }
    }
    voice.say(Some(State::Gone)).await;
}

/// Some Redis came or went. Each looks a few times a second at most, so no more often is it told.
async fn turned(links: &[Link]) {
    if links.is_empty() {
        return std::future::pending().await;
    }
    select_all(links.iter().map(|link| Box::pin(link.turned()))).await;
}

/// What one word needs of those before it.
struct Voice {
    parts: Parts,
    period: Duration,
    started: Micros,
    past: HashMap<OpeningId, Past>,
    said_draining: bool,
    /// A word arrived.
    was_heard: bool,
    /// The last word did not arrive.
    unheard: bool,
}

/// An opening as it was when it was last told of.
#[derive(Debug, Clone, Copy)]
struct Past {
    /// By the monotonic clock.
    at: Micros,
    picks: u64,
    journal_head: i64,
    behind_since: Option<Micros>,
}

impl Voice {
    fn new(parts: Parts, period: Duration) -> Self {
        let started = parts.clock.mono();
        Self {
            parts,
            period,
            started,
            past: HashMap::new(),
            said_draining: false,
            was_heard: false,
            unheard: false,
        }
    }

    async fn say(&mut self, last: Option<State>) {
        let state = last.unwrap_or_else(|| self.state());
        self.said_draining |= state == State::Draining;
        let heard = match timeout(STATUS_SAY_TIMEOUT, self.try_say(state)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => self.failed(&error),
            Err(_) => self.failed(&"the database did not answer in time"),
        };
        self.was_heard |= heard;
        self.unheard = !heard;
    }

    /// Once for each time that it begins, not once a second.
    fn failed(&self, why: &dyn std::fmt::Display) -> bool {
        if !self.unheard {
            tracing::warn!(%why, "how this gateway fares could not be written; others take it for silent");
        }
        false
    }

    fn state(&self) -> State {
        if self.parts.drain.has_begun() {
            State::Draining
        } else if self.parts.readiness.is_ready() {
            State::Ready
        } else {
            State::Starting
        }
    }

    async fn try_say(&mut self, state: State) -> Result<(), StoreError> {
        let report = self.report().await?;
        let now = self.parts.clock.mono();
        let alive_us = (self.period * STATUS_SILENCE_PERIODS).as_micros();
        let Parts { db, openings, name, buyers_door, staff_door, .. } = &self.parts;
        let said = Said {
            id: openings.gateway(),
            name,
            buyers_door,
            staff_door,
            state,
            alive_for: Micros(i64::try_from(alive_us).unwrap_or(i64::MAX)),
            up: now.since(self.started),
            is_first: !self.was_heard,
            report: &report,
        };
        status::say(db, &said).await
    }

    async fn report(&mut self) -> Result<Report, StoreError> {
        let (database, offset) = self.parts.db.health(&self.parts.clock).await?;
        let now = self.parts.clock.mono();
        let connected = self.parts.gateway.presence.connected_everywhere();
        let shown = shown(self.parts.openings.list());
        let past = std::mem::take(&mut self.past);
        let mut openings = Vec::with_capacity(shown.len());
        for opening in &shown {
            let id = &opening.live.facts.id;
            let here = connected.get(id).copied().unwrap_or(0);
            let (mut report, now) = tell(opening, past.get(id), now, here);
            report.gate2 = noticeboard(opening, self.parts.redis_lost);
            report.gate2.redis = self.parts.openings.link_of(id).map(|link| link.health().at);
            openings.push(report);
            self.past.insert(id.clone(), now);
        }
        let refuses = openings.iter().any(|opening| opening.clock_refuses);
        Ok(Report {
            connected: connected.values().sum(),
            clock: status::Clock { offset_us: offset.map(|offset| offset.0), refuses },
            database,
            redis: self.parts.links.iter().map(|link| redis(&link.health())).collect(),
            openings,
        })
    }
}

fn tell(opening: &Shown, past: Option<&Past>, now: Micros, connected: usize) -> (OpeningReport, Past) {
    let (live, figures) = (&opening.live, &opening.figures);
    let picks = live.stats.picks();
    let here = Past { at: now, picks, journal_head: figures.journal_head, behind_since: None };
    let past = past.copied().unwrap_or(here);
    let here = Past { behind_since: behind_since(past, figures.journal_applied), ..here };
    let elapsed_us = u64::try_from(now.since(past.at).0).unwrap_or(0);
    let report = OpeningReport {
        id: opening.id.clone(),
        phase: figures.phase.as_str().to_owned(),
        paused: figures.paused,
        armed: figures.armed,
        starts_in_ms: figures.starts_in.ms(),
        epoch: figures.epoch,
        journal_head: figures.journal_head,
        journal_applied: figures.journal_applied,
        board_seq: figures.board_seq,
        behind_ms: here.behind_since.map_or(0, |since| now.since(since).ms()),
        gate2: Gate2::default(),
        picks,
        yes: live.stats.yes(),
        picks_per_s: (picks.saturating_sub(past.picks) * 1_000_000).checked_div(elapsed_us).unwrap_or(0),
        holds: figures.holds,
        connected,
        clock_offset_us: figures.clock_offset.0,
        clock_refuses: figures.clock_refuses,
        commits_fail: figures.commits_fail,
    };
    (report, here)
}

/// The opening's place in Redis.
fn noticeboard(opening: &Shown, lost: RedisLost) -> Gate2 {
    let Some(standing) = opening.live.gate2() else { return Gate2::default() };
    let state = match standing.state {
        gate2::Gate2State::Off => Gate2State::Off,
        gate2::Gate2State::Ready => Gate2State::Ready,
        gate2::Gate2State::Lost => Gate2State::Lost,
        gate2::Gate2State::Rebuilding => Gate2State::Rebuilding,
    };
    let reason = standing.reason;
    Gate2 {
        state,
        redis: None,
        reason: (reason != gate2::Gate2Reason::None).then(|| reason.as_str().to_owned()),
        for_ms: ms(standing.since.elapsed()),
        stream_lag: Some(opening.figures.journal_head - opening.figures.journal_applied),
        holds_picks: lost == RedisLost::Hold,
        picks_per_s_max: (lost == RedisLost::Continue).then_some(GATE3_ALONE_PER_SECOND),
    }
}

fn redis(health: &Health) -> RedisReport {
    let said = |text: &String| (!text.is_empty()).then(|| text.clone());
    RedisReport {
        address: health.at.clone(),
        reachable: health.reachable,
        for_ms: ms(health.since.elapsed()),
        role: health.reachable.then(|| "master".to_owned()),
        master: said(&health.master),
        version: said(&health.version),
        replicas: health.replicas,
        sentinels: health.sentinels.as_ref().map(|seen| SentinelsReport {
            named: seen.named,
            reachable: seen.reachable,
            known: seen.known,
            refusal: seen.refusal.clone(),
        }),
        run_id: said(&health.run_id),
        round_trip_us: health
            .reachable
            .then(|| i64::try_from(health.round_trip.as_micros()).unwrap_or(i64::MAX)),
        eviction: said(&health.eviction),
        reason: said(&health.reason).filter(|_| !health.connecting),
    }
}

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Memory is behind when it has not what the journal had already at the last look: a moment's distance is no lag.
fn behind_since(past: Past, journal_applied: i64) -> Option<Micros> {
    (journal_applied < past.journal_head).then(|| past.behind_since.unwrap_or(past.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation that turned it red: compared with the journal's head of the same look.
    #[test]
    fn memory_is_behind_from_the_look_at_which_the_journal_was_ahead() {
        let past = Past { at: Micros(5), picks: 0, journal_head: 10, behind_since: None };
        assert_eq!(behind_since(past, 10), None, "what came since may be on its way");
        assert_eq!(behind_since(past, 9), Some(Micros(5)));
        let longer = Past { behind_since: Some(Micros(2)), ..past };
        assert_eq!(behind_since(longer, 9), Some(Micros(2)));
        assert_eq!(behind_since(longer, 12), None);
    }
}
