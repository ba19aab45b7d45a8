//! Gate 2's place on a pick's way: all that wait are asked for in one call; who may go on goes on, who met something is
//! parked until the journal has told this gateway what it was.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use inventory::UnitState;
use metrics::{Counter, counter};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Together;
use super::teller::tap;
use crate::cluster::{Gate2Error, LinkError, Said, Tap};
use crate::config::RedisLost;
use crate::limits::{GATE2_GROUP, GATE2_RETRY_MS, GATE3_ALONE_PER_SECOND, PICK_WAIT_MS};
use crate::opening::answer::Answer;
use crate::opening::gate1::Decision;
use crate::opening::job::Pick;
use crate::opening::live::{Job, Live};
use crate::telemetry::names;

const RETRY: Duration = Duration::from_millis(GATE2_RETRY_MS);
const PATIENCE: Duration = Duration::from_millis(PICK_WAIT_MS);
/// News by the stream take a millisecond or two; then the database is read.
const STREAM_PATIENCE: Duration = Duration::from_millis(GATE2_RETRY_MS / 2);

/// A pick that may not go on yet.
struct Parked {
    pick: Pick,
    why: Why,
    since: Instant,
    /// When it was last asked for.
    asked: Instant,
}

enum Why {
    /// Another tap's commit decides it.
    Wait,
    /// The journal, read to here, decides it.
    News(i64),
    /// It gave its words back and met another pick of this gateway.
    Again,
}

struct Stage<'l> {
    live: &'l Live,
    together: &'l Together,
    parked: Vec<Parked>,
    /// On their way to the database without Redis, at a bounded rate.
    held: VecDeque<Pick>,
    allowance: Allowance,
    said: SaidCounters,
}

pub async fn run(live: Arc<Live>, mut picks: mpsc::Receiver<Pick>) {
    let Some(together) = &live.together else { return };
    let mut stage = Stage {
        live: &live,
        together,
        parked: Vec::new(),
        held: VecDeque::new(),
        allowance: Allowance::new(Instant::now()),
        said: SaidCounters::of(&live.facts.id.to_string()),
    };
    let mut fresh = Vec::new();
    loop {
        let idle = stage.parked.is_empty() && stage.held.is_empty();
        tokio::select! {
            // In this order, so that the simulator replays a seed; whatever woke it, everything is looked at below.
            biased;
            taken = picks.recv_many(&mut fresh, GATE2_GROUP) => {
                if taken == 0 {
                    return;
                }
            }
            () = together.news.notified(), if !idle => {}
            () = sleep_until(stage.next_look()), if !idle => {}
        }
        let mut asking = stage.look_again();
        asking.append(&mut fresh);
        stage.pass(asking).await;
        stage.let_through().await;
    }
}

impl Stage<'_> {
    fn next_look(&self) -> Instant {
        let soonest = self.parked.iter().map(|parked| {
            parked.asked
                + match parked.why {
                    Why::Wait => RETRY,
                    Why::News(_) | Why::Again => STREAM_PATIENCE,
                }
        });
        let held = (!self.held.is_empty()).then(|| Instant::now() + Duration::from_millis(5));
        soonest.chain(held).min().unwrap_or_else(|| Instant::now() + RETRY)
    }

    /// Parked picks that can be decided are; returns those that Redis is to be asked for again.
    fn look_again(&mut self) -> Vec<Pick> {
        let (live, together) = (self.live, self.together);
        let now = Instant::now();
        let ready = together.is_ready();
        let applied = live.memory.applied();
        let mut asking = Vec::new();
        let mut still = Vec::new();
        for mut parked in std::mem::take(&mut self.parked) {
            let Pick { who, unit, key, .. } = &parked.pick;
            if matches!(parked.why, Why::Again) {
                if now - parked.since >= PATIENCE {
                    live.keys.forget(*who, key, &Answer::InProgress);
                } else {
                    still.extend(decide_again(live, parked));
                }
                continue;
            }
            // The journal granted it: somebody else had sent this very tap.
            if !live.memory.has_ticket(*who, key) {
                continue;
            }
            let overruled = live.inventory.state(unit.0) != UnitState::Pending { owner: who.0 };
            let told = matches!(parked.why, Why::News(seq) if applied >= seq);
            if overruled || told {
                live.memory.undo_ticket(*who, key, &live.inventory);
                live.ring(*unit);
                still.extend(decide_again(live, parked));
                continue;
            }
            match parked.why {
                Why::Wait if !ready || now - parked.asked >= RETRY => asking.push(parked.pick),
                // The journal was read many times since and has no such entry, so these were no news: the database decides.
                Why::News(_) if now - parked.since >= PATIENCE => self.held.push_back(parked.pick),
                Why::News(_) if now - parked.asked >= STREAM_PATIENCE => {
                    together.behind.notify_one();
                    parked.asked = now;
                    still.push(parked);
                }
                _ => still.push(parked),
            }
        }
        self.parked = still;
        asking
    }

    /// Asks for all of them at once.
    async fn pass(&mut self, picks: Vec<Pick>) {
        // One without a ticket holds nothing here that could be parked: gate 1 leaves it to the database alone (its history is
        // not read yet, or the journal has just granted this very tap).
        let (picks, past): (Vec<Pick>, Vec<Pick>) =
            picks.into_iter().partition(|pick| self.live.memory.has_ticket(pick.who, &pick.key));
        for pick in past {
            self.go_on(pick).await;
        }
        if picks.is_empty() {
            return;
        }
        if !self.together.is_ready() {
            return self.without(picks);
        }
        let applied = self.live.memory.applied();
        let taps: Vec<Tap> = picks
            .iter()
            .map(|pick| Tap { unit: pick.unit.0, tap: tap(pick.who, &pick.key), applied })
            .collect();
        let epoch = self.live.control.load().epoch;
        let said = match self.together.gate.claim(epoch, &taps).await {
            // Never sent again blindly: what became of it can be looked at.
            Err(Gate2Error::Link(LinkError::Unknown(why))) => {
                self.said.unknown.increment(1);
                tracing::warn!(opening = %self.live.facts.id, %why, "gate 2 gave no answer; looking what became of it");
                self.together.gate.look(epoch, &taps).await
            }
            said => said,
        };
        match said {
            Ok(said) => {
                for (pick, said) in picks.into_iter().zip(said) {
                    self.said.count(said);
                    match said {
                        Said::Go => self.go_on(pick).await,
                        Said::Wait => self.park(pick, Why::Wait),
                        Said::News(seq) => self.park(pick, Why::News(seq)),
                    }
                }
            }
            Err(error) => {
                self.said.failed(&error);
                self.together.lost(&error);
                self.without(picks);
            }
        }
    }

    fn park(&mut self, pick: Pick, why: Why) {
        let now = Instant::now();
        self.parked.push(Parked { pick, why, since: now, asked: now });
    }

    async fn go_on(&self, pick: Pick) {
        // Closed: this process lets the opening go, and whoever waits asks again.
        let _ = self.live.jobs.send(Job::Pick(pick)).await;
    }

    /// Redis is lost: the database alone decides.
    fn without(&mut self, picks: Vec<Pick>) {
        match self.together.when_lost {
            RedisLost::Continue => self.held.extend(picks),
            RedisLost::Hold => {
                for pick in picks {
                    self.live.memory.undo_ticket(pick.who, &pick.key, &self.live.inventory);
                    self.live.keys.forget(pick.who, &pick.key, &Answer::InProgress);
                    self.live.ring(pick.unit);
                }
            }
        }
    }

    /// As many of the held as the rate allows.
    async fn let_through(&mut self) {
        let allowed = self.allowance.take(self.held.len(), Instant::now());
        for pick in self.held.drain(..allowed).collect::<Vec<_>>() {
            self.go_on(pick).await;
        }
    }
}

/// Gate 1 once more, with what the journal has told. What still has to wait is parked again.
fn decide_again(live: &Live, mut parked: Parked) -> Option<Parked> {
    let Pick { who, unit, key, arrived } = &parked.pick;
    match live.look_with_history(*who, *unit, key, *arrived) {
        Decision::No(refusal) => {
            // The journal may have told of a grant meanwhile: what was said first stands.
            live.keys.settle(*who, key, &Answer::No(refusal));
            live.stats.refused(refusal);
            None
        }
        Decision::Queued => None,
        Decision::Wait => {
            parked.why = Why::Again;
            parked.asked = Instant::now();
            Some(parked)
        }
        Decision::Busy => {
            live.keys.forget(*who, key, &Answer::InProgress);
            None
        }
    }
}

/// So many a second, and a tenth of that at once.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    const MOST: f64 = GATE3_ALONE_PER_SECOND as f64 / 10.0;

    fn new(now: Instant) -> Self {
        Self { left: Self::MOST, at: now }
    }

    fn take(&mut self, wanted: usize, now: Instant) -> usize {
        let gained = (now - self.at).as_secs_f64() * GATE3_ALONE_PER_SECOND as f64;
        self.at = now;
        self.left = (self.left + gained).min(Self::MOST);
        // At most MOST, a small positive number.
        let allowed = (self.left as usize).min(wanted);
        self.left -= allowed as f64;
        allowed
    }
}

struct SaidCounters {
    go: Counter,
    wait: Counter,
    news: Counter,
    unsealed: Counter,
    unknown: Counter,
    away: Counter,
    refused: Counter,
}

impl SaidCounters {
    fn of(opening: &str) -> Self {
        let of = |answer: &'static str| counter!(names::GATE2_ANSWERS, "opening" => opening.to_owned(), "answer" => answer);
        Self {
            go: of("go"),
            wait: of("wait"),
            news: of("news"),
            unsealed: of("unsealed"),
            unknown: of("unknown"),
            away: of("away"),
            refused: of("refused"),
        }
    }

    fn count(&self, said: Said) {
        match said {
            Said::Go => self.go.increment(1),
            Said::Wait => self.wait.increment(1),
            Said::News(_) => self.news.increment(1),
        }
    }

    fn failed(&self, error: &Gate2Error) {
        match error {
            Gate2Error::Unsealed => self.unsealed.increment(1),
            Gate2Error::Link(LinkError::Away(_)) => self.away.increment(1),
            Gate2Error::Link(LinkError::Unknown(_)) => self.unknown.increment(1),
            Gate2Error::Link(LinkError::Refused(_)) => self.refused.increment(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_redis_a_burst_goes_through_and_then_so_many_a_second() {
        let begun = Instant::now();
        let mut allowance = Allowance::new(begun);
        let burst = usize::try_from(GATE3_ALONE_PER_SECOND / 10).unwrap();
        assert_eq!(allowance.take(5_000, begun), burst);
        assert_eq!(allowance.take(5_000, begun), 0);
        let mut passed = 0;
        for step in 1..=100 {
            passed += allowance.take(5_000, begun + Duration::from_millis(10 * step));
        }
        let a_second = usize::try_from(GATE3_ALONE_PER_SECOND).unwrap();
        assert!(passed.abs_diff(a_second) <= 1, "{passed}");
        assert_eq!(allowance.take(3, begun + Duration::from_secs(60)), 3);
    }
}
