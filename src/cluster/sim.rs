//! The simulator's twin of gate 2: several servers with the scripts' rules (`epoch`), and the ways in which Redis goes wrong.
//!
//! Every call takes some virtual time; its answer may be lost after it was carried out, before, or while it is on its way.

mod epoch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::gate2::Gate2Error;
use super::link::LinkError;
use super::words::{News, Noted, Said, Tap};
use crate::limits::{REDIS_STREAM_BLOCK_MS, STREAM_PAGE};

pub use epoch::{Epoch, Known};

/// How often things go wrong, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub struct RedisFaults {
    pub lose_answer: u32,
    /// An entry never reaches the stream.
    pub lose_entry: u32,
    /// A page of the stream comes in another order.
    pub disorder: u32,
    /// A gateway dies between gate 2 and gate 3.
    pub crash: u32,
}

/// What it said in a run, so that a quiet simulator is noticed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct RedisCounts {
    pub go: u64,
    pub wait: u64,
    pub news: u64,
    pub unsealed: u64,
    pub lost_answers: u64,
    /// Raised in the run; counted by the audit.
    pub epochs: u64,
}

impl RedisCounts {
    pub fn add(&mut self, other: &Self) {
        self.go += other.go;
        self.wait += other.wait;
        self.news += other.news;
        self.unsealed += other.unsealed;
        self.lost_answers += other.lost_answers;
        self.epochs += other.epochs;
    }

    pub fn is_busy(&self) -> bool {
        [self.go, self.wait, self.news, self.unsealed, self.lost_answers, self.epochs].iter().all(|n| *n > 0)
    }

    fn said(&mut self, said: Said) {
        match said {
            Said::Go => self.go += 1,
            Said::Wait => self.wait += 1,
            Said::News(_) => self.news += 1,
        }
    }
}

/// One gateway's way to Redis.
#[derive(Clone)]
pub struct SimRedis {
    shared: Arc<Shared>,
    gateway: usize,
}

struct Shared {
    state: Mutex<State>,
    told: Notify,
    /// Rung for a gateway that is to die now.
    doomed: Notify,
}

struct State {
    servers: Vec<Server>,
    /// Which server each gateway talks to; `None`: none answers.
    at: Vec<Option<usize>>,
    rng: SmallRng,
    faults: RedisFaults,
    counts: RedisCounts,
    doomed: Vec<usize>,
    begun: Instant,
}

#[derive(Clone, Default)]
struct Server {
    run: u64,
    /// Its clock less the others', in milliseconds.
    clock_ms: i64,
    epochs: BTreeMap<i64, Epoch>,
    /// What it was some writes ago: a replica that was behind.
    past: Vec<BTreeMap<i64, Epoch>>,
}

/// Writes of which a replica may be behind.
const BEHIND_MAX: usize = 12;

impl SimRedis {
    /// One server, and as many gateways that talk to it.
    pub fn new(seed: u64, gateways: usize) -> Vec<Self> {
        let state = State {
            servers: vec![Server { run: 1, ..Server::default() }],
            at: vec![Some(0); gateways],
            rng: SmallRng::seed_from_u64(seed ^ 0x0072_6564_6973),
            faults: RedisFaults::default(),
            counts: RedisCounts::default(),
            doomed: Vec::new(),
            begun: Instant::now(),
        };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), told: Notify::new(), doomed: Notify::new() });
        (0..gateways).map(|gateway| Self { shared: Arc::clone(&shared), gateway }).collect()
    }

    pub fn set_faults(&self, faults: RedisFaults) {
        self.lock().faults = faults;
    }

    pub fn counts(&self) -> RedisCounts {
        self.lock().counts
    }

    /// Gateways that are to die now: there, or a moment later, is their last pick.
    pub async fn doomed(&self) -> Vec<usize> {
        self.shared.doomed.notified().await;
        std::mem::take(&mut self.lock().doomed)
    }

    /// FLUSHALL at every server.
    pub fn flush(&self) {
        self.lock().servers.iter_mut().for_each(|server| server.epochs.clear());
    }

    /// Nobody reaches any server, until [`Self::back`].
    pub fn away(&self) {
        self.lock().at.iter_mut().for_each(|at| *at = None);
    }

    /// Everybody reaches a server that was started empty.
    pub fn back(&self) {
        let mut state = self.lock();
        let run = state.next_run();
        state.servers.push(Server { run, ..Server::default() });
        state.all_at_the_newest();
    }

    /// A replica that is some writes behind becomes the master. With `split` some gateways stay with the old one for
    /// now: two masters at once.
    pub fn fail_over(&self, split: bool) {
        let mut state = self.lock();
        let run = state.next_run();
        let skew = state.rng.random_range(-5_000..5_000);
        let Some(old) = state.servers.last().cloned() else { return };
        let epochs = old.past.first().cloned().unwrap_or(old.epochs);
        state.servers.push(Server { run, clock_ms: skew, epochs, past: Vec::new() });
        if split {
            let newest = state.servers.len() - 1;
            for at in 0..state.at.len() {
                if state.rng.random_range(0..2) == 0
                    && let Some(at) = state.at.get_mut(at)
                {
                    *at = Some(newest);
                }
            }
        } else {
            state.all_at_the_newest();
        }
    }

    /// Whoever still talks to an old master, or to none, finds the newest.
    pub fn heal(&self) {
        self.lock().all_at_the_newest();
    }

    /// What the server of this gateway holds under an epoch.
    pub fn epoch(&self, epoch: i64) -> Epoch {
        let state = self.lock();
        let server = state.at.get(self.gateway).copied().flatten().and_then(|at| state.servers.get(at));
        server.and_then(|server| server.epochs.get(&epoch)).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn claim(&self, epoch: i64, taps: &[Tap]) -> Result<Vec<Said>, Gate2Error> {
        let taps = taps.to_vec();
        let said = self.call(move |server, now| {
            let run = server.run;
            let epoch = server.epochs.entry(epoch).or_default();
            if epoch.seal != Some(run) {
                return Err(Gate2Error::Unsealed);
            }
            Ok(taps.iter().map(|tap| epoch.claim(tap, now)).collect::<Vec<_>>())
        });
        let said = said.await;
        self.count(&said);
        if matches!(&said, Ok(said) if said.contains(&Said::Go)) && self.roll(|faults| faults.crash) {
            self.lock().doomed.push(self.gateway);
            self.shared.doomed.notify_one();
            tokio::time::sleep(self.delay(3)).await;
        }
        said
    }

    fn count(&self, said: &Result<Vec<Said>, Gate2Error>) {
        let counts = &mut self.lock().counts;
        match said {
            Ok(said) => said.iter().for_each(|said| counts.said(*said)),
            Err(Gate2Error::Unsealed) => counts.unsealed += 1,
            Err(Gate2Error::Link(LinkError::Unknown(_))) => counts.lost_answers += 1,
            Err(Gate2Error::Link(_)) => {}
        }
    }

    pub(super) async fn look(&self, epoch: i64, taps: &[Tap]) -> Result<Vec<Said>, Gate2Error> {
        let taps = taps.to_vec();
        self.call(move |server, _| match server.epochs.get(&epoch) {
            Some(known) if known.seal == Some(server.run) => {
                Ok(taps.iter().map(|tap| known.look(tap)).collect())
            }
            _ => Err(Gate2Error::Unsealed),
        })
        .await
    }

    pub(super) async fn tell(&self, epoch: i64, news: &[News]) -> Result<(), Gate2Error> {
        let news: Vec<News> = news
            .iter()
            .map(|news| match self.roll(|faults| faults.lose_entry) {
                true => News { entry: None, ..news.clone() },
                false => news.clone(),
            })
            .collect();
        let told = self
            .call(move |server, _| {
                server.epochs.entry(epoch).or_default().tell(&news);
                Ok(())
            })
            .await;
        self.shared.told.notify_waiters();
        told
    }

    pub(super) async fn settle(&self, epoch: i64, taps: &[(u32, String)]) -> Result<(), Gate2Error> {
        let taps = taps.to_vec();
        self.call(move |server, _| {
            server.epochs.entry(epoch).or_default().settle(&taps);
            Ok(())
        })
        .await
    }

    pub(super) async fn is_sealed(&self, epoch: i64) -> Result<bool, Gate2Error> {
        self.call(move |server, _| {
            Ok(server.epochs.get(&epoch).is_some_and(|known| known.seal == Some(server.run)))
        })
        .await
    }

    pub(super) async fn rebuild(&self, epoch: i64, words: &[News]) -> Result<(), Gate2Error> {
        let run = self.call(|server, _| Ok(server.run)).await?;
        for part in words.chunks(3) {
            self.tell(epoch, part).await?;
        }
        self.call(move |server, _| {
            server.epochs.entry(epoch).or_default().seal = Some(run);
            server.epochs.remove(&(epoch - 1));
            Ok(())
        })
        .await
    }

    pub(super) async fn next(&self, epoch: i64, after: i64) -> Result<Vec<(i64, Noted)>, Gate2Error> {
        let told = self.shared.told.notified();
        let mut found = self.read(epoch, after).await?;
        if found.is_empty() {
            let _nothing = timeout(Duration::from_millis(REDIS_STREAM_BLOCK_MS), told).await;
            found = self.read(epoch, after).await?;
        }
        if self.roll(|faults| faults.disorder) {
            found.reverse();
        }
        Ok(found)
    }

    async fn read(&self, epoch: i64, after: i64) -> Result<Vec<(i64, Noted)>, Gate2Error> {
        self.call(move |server, _| {
            let Some(known) = server.epochs.get(&epoch) else { return Ok(Vec::new()) };
            let entries = known.stream.range(after + 1..).take(STREAM_PAGE);
            Ok(entries.map(|(seq, noted)| (*seq, noted.clone())).collect())
        })
        .await
    }

    /// One call: on its way, carried out at the server of that moment, back; the answer may be lost.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Server, i64) -> Result<T, Gate2Error> + Send + 'static,
    ) -> Result<T, Gate2Error> {
        tokio::time::sleep(self.delay(2)).await;
        if self.roll(|faults| faults.lose_answer) {
            match self.delay(2).as_millis() {
                0 => drop(self.carry_out(work)),
                1 => {}
                _ => {
                    let (late, delay) = (self.clone(), self.delay(1_500));
                    tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        drop(late.carry_out(work));
                        late.shared.told.notify_waiters();
                    });
                }
            }
            return Err(Gate2Error::Link(LinkError::Unknown("simulated".into())));
        }
        let answer = self.carry_out(work);
        tokio::time::sleep(self.delay(2)).await;
        answer
    }

    fn carry_out<T>(
        &self,
        work: impl FnOnce(&mut Server, i64) -> Result<T, Gate2Error>,
    ) -> Result<T, Gate2Error> {
        let mut state = self.lock();
        let now = i64::try_from(state.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let at = state.at.get(self.gateway).copied().flatten();
        let Some(server) = at.and_then(|at| state.servers.get_mut(at)) else {
            return Err(Gate2Error::Link(LinkError::Away("simulated".into())));
        };
        let before = server.epochs.clone();
        let clock = now + server.clock_ms;
        let answer = work(server, clock);
        if server.epochs != before {
            server.past.push(before);
            let late = server.past.len().saturating_sub(BEHIND_MAX);
            server.past.drain(..late);
        }
        answer
    }

    fn delay(&self, most_ms: u64) -> Duration {
        Duration::from_millis(self.lock().rng.random_range(0..=most_ms))
    }

    fn roll(&self, chance: impl FnOnce(RedisFaults) -> u32) -> bool {
        let mut state = self.lock();
        let chance = chance(state.faults);
        state.rng.random_range(0..1_000) < chance
    }
}

impl State {
    fn next_run(&self) -> u64 {
        self.servers.len() as u64 + 1
    }

    fn all_at_the_newest(&mut self) {
        let newest = self.servers.len() - 1;
        self.at.iter_mut().for_each(|at| *at = Some(newest));
    }
}
