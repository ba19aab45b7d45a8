//! One simulated opening: its facts, its gateways that come and go, and what everybody was told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::{actors, audit};
use crate::cluster::Gate2;
use crate::cluster::sim::{RedisFaults, SimRedis};
use crate::config::RedisLost;
use crate::domain::ids::{OpeningId, RegOrd, UnitOrd};
use crate::domain::kind::{Eligibility, PerKind, UnitKind};
use crate::domain::money::Fen;
use crate::domain::time::{Clock, Micros};
use crate::opening::answer::{Answer, Key};
use crate::opening::facts::{Facts, Household, Registration, Unit};
use crate::opening::gate2::Between;
use crate::opening::lifecycle::Phase;
use crate::opening::live::Live;
use crate::opening::recover::{self, Running};
use crate::opening::testing;
use crate::store::sim::{Faults, Mutation, SimDb};
use crate::store::{Head, Ledger};

/// Virtual wall time at which every run begins.
const BEGIN: Micros = Micros::from_secs(1_800_000_000);
const START_AFTER_S: i64 = 5;
pub const HOLD: Micros = Micros::from_secs(20);
/// How long people act; then faults end and all comes to rest.
pub const ACTIVE: Duration = Duration::from_secs(45);
/// Well after the last hold and its one extension have lapsed.
const REST: Duration = Duration::from_secs(90);

/// What a seed decides beforehand.
pub struct Plan {
    pub seed: u64,
    pub gateways: usize,
    /// Redis stands between them.
    pub redis: bool,
    pub mutation: Mutation,
    pub rng: SmallRng,
}

impl Plan {
    pub fn new(seed: u64, gateways: usize, redis: bool, mutation: Mutation) -> Self {
        Self { seed, gateways, redis, mutation, rng: SmallRng::seed_from_u64(seed ^ 0x6b61_6970_616e) }
    }
}

/// What a buyer did and was told.
pub struct Tap {
    pub who: RegOrd,
    pub unit: UnitOrd,
    pub key: Key,
    /// The first real answer; buyers stop asking then.
    pub answer: Option<Answer>,
    /// By the database's clock.
    pub answered_at: Micros,
}

pub struct World {
    pub facts: Facts,
    pub db: SimDb,
    pub db_clock: Clock,
    /// Each gateway machine has a clock of its own.
    pub clocks: Vec<Clock>,
    pub gateways: Vec<RefCell<Option<Running>>>,
    /// Each gateway's way to Redis; none without.
    pub redis: Vec<SimRedis>,
    /// Rung when any gateway dies: connections break.
    pub deaths: Notify,
    pub taps: RefCell<Vec<Tap>>,
    pub crashes: Cell<u64>,
    pub calm: Cell<bool>,
    pub faults: Faults,
    rng: RefCell<SmallRng>,
}

impl World {
    /// Every call of the database fails while it is away.
    pub fn database_away(&self, away: bool) {
        if !self.calm.get() {
            self.db.set_faults(Faults { fail: if away { 1_000 } else { self.faults.fail }, ..self.faults });
        }
    }

    pub fn roll(&self, below: u64) -> u64 {
        self.rng.borrow_mut().random_range(0..below.max(1))
    }

    pub fn chance(&self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    pub async fn nap(&self, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.roll(most_ms))).await;
    }

    /// Some gateway that is up.
    pub fn live(&self) -> Option<std::sync::Arc<Live>> {
        let at = usize::try_from(self.roll(self.gateways.len() as u64)).unwrap_or(0);
        let gateway = self.gateways.get(at)?.borrow();
        gateway.as_ref().map(|running| running.live.clone())
    }

    fn redis_faults(&self, faults: RedisFaults) {
        self.redis.first().inspect(|redis| redis.set_faults(faults));
    }

    /// Brings a gateway up, however often the database fails meanwhile.
    pub async fn start(&self, at: usize) {
        loop {
            let ledger = Ledger::Sim(self.db.clone());
            let (facts, clock) = (self.facts.clone(), self.clocks[at].clone());
            let when_lost = if self.chance(80) { RedisLost::Continue } else { RedisLost::Hold };
            let gate = self.redis.get(at).cloned().map(Gate2::Sim);
            let between = gate.map(|gate| Between { gate, when_lost });
            let started = recover::start(ledger, facts, clock, format!("gateway-{at}"), between);
            match started.await {
                Ok(running) => {
                    *self.gateways[at].borrow_mut() = Some(running);
                    return;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// The process is gone between any two of its effects.
    pub fn crash(&self, at: usize) {
        if self.gateways[at].borrow_mut().take().is_some() {
            self.crashes.set(self.crashes.get() + 1);
            self.deaths.notify_waiters();
        }
    }
}

pub async fn run(mut plan: Plan) -> Result<audit::Counts, String> {
    let facts = facts(&mut plan.rng);
    let db_clock = Clock::virtual_at(BEGIN);
    let clocks: Vec<Clock> = (0..plan.gateways)
        .map(|_| Clock::virtual_at(BEGIN.plus(Micros::from_ms(plan.rng.random_range(-20..=20)))))
        .collect();
    let start_at = BEGIN.plus(Micros::from_secs(START_AFTER_S));
    let head = Head {
        epoch: 1,
        phase: Phase::Published.as_str().to_owned(),
        paused: false,
        control_version: 1,
        next_seq: 1,
        start_at,
        end_at: start_at.plus(Micros::from_secs(60)),
        anchor_wall: None,
        anchor_mono: None,
        anchor_boot: None,
    };
    let db = SimDb::new(plan.seed, db_clock.clone(), clocks[0].clone(), head);
    let redis = if plan.redis { SimRedis::new(plan.seed, plan.gateways) } else { Vec::new() };
    let world = Rc::new(World {
        facts,
        db,
        db_clock,
        gateways: clocks.iter().map(|_| RefCell::new(None)).collect(),
        clocks,
        redis,
        deaths: Notify::new(),
        taps: RefCell::default(),
        crashes: Cell::new(0),
        calm: Cell::new(false),
        faults: Faults {
            fail: 4,
            lose_answer: 60,
            sleep: if plan.redis { 20 } else { 0 },
            mutation: plan.mutation,
        },
        rng: RefCell::new(plan.rng),
    });
    LocalSet::new().run_until(Box::pin(act(world))).await
}

async fn act(world: Rc<World>) -> Result<audit::Counts, String> {
    for at in 0..world.gateways.len() {
        world.start(at).await;
    }
    world.db.set_faults(world.faults);
    world.redis_faults(RedisFaults { lose_answer: 60, lose_entry: 40, disorder: 60, crash: 80 });
    let people = actors::spawn(&world);
    tokio::time::sleep(ACTIVE).await;

    // Faults end, every gateway is up, and everybody who still waits gets an answer.
    world.calm.set(true);
    world.db.set_faults(Faults { mutation: world.faults.mutation, ..Faults::default() });
    world.redis_faults(RedisFaults::default());
    world.redis.first().inspect(|redis| redis.heal());
    for person in people {
        person.await.map_err(|error| format!("an actor broke: {error}"))?;
    }
    for at in 0..world.gateways.len() {
        if world.gateways[at].borrow().is_none() {
            world.start(at).await;
        }
    }
    tokio::time::sleep(REST).await;
    audit::audit(&world)
}

/// A small opening in which everything is scarce.
fn facts(rng: &mut SmallRng) -> Facts {
    let units = rng.random_range(4..12_u32);
    let buyers = rng.random_range(5..16_u32);
    let households = rng.random_range(1..5_u32);
    let unit = |ord: u32| Unit {
        kind: if ord.is_multiple_of(4) { UnitKind::Parking } else { UnitKind::Home },
        ..testing::unit(ord)
    };
    let registration = |ord: u32| Registration {
        eligibility: if rng.random_range(0..10) == 0 { Eligibility::Pending } else { Eligibility::Passed },
        household: (rng.random_range(0..2) == 0).then(|| {
            let ord = ord % households;
            Household { name: format!("JT{ord}"), ord }
        }),
        quota_home: rng.random_range(1..3),
        ..testing::registration(ord)
    };
    let registrations = (0..buyers).map(registration).collect();
    Facts {
        hold: HOLD,
        deposit: PerKind { home: Fen(5_000), parking: Fen(1_000), shop: Fen(0), storage: Fen(0) },
        household_quota: PerKind { home: Some(2), parking: Some(1), shop: None, storage: None },
        published_at: BEGIN,
        ..testing::facts(OpeningId::generate(), (0..units).map(unit).collect(), registrations)
    }
}
