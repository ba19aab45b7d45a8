//! Several real gateways on a Postgres and a Redis of their own, buyers who tap and give up all the while, and something
//! that breaks under them. Afterwards the books are audited, every answer is held against the journal's order, and every
//! gateway must show the truth.
//!
//! What may break is in docs/reliability.md, with the guards that were taken out and what noticed. Small in `make test`;
//! `KAIPAN_CHAOS=full` (`make soak`) has the crowds that an opening has to stand.

mod clocks;
mod crowd;
mod gateways;
mod history;
mod postgres;
mod redis;
mod standby;
mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use self::crowd::{Crowd, Custom};
use self::history::{History, STALE_US, Written, written};
use crate::client::{Doors, Line};
use crate::harness::{Books, Buyer, Fleet, Gateway, Plan, Redis, Sale, allow_sockets};

/// The small crowd; a full one is so many times as large, and what is done in a case grows with it.
const SMALL: usize = 200;
const HOMES_EACH: u32 = 2;
/// What the servers of these tests may be late beyond what is promised: they are not optimised and share their machine with
/// each other and other tests. What is looked for is an answer from long ago.
const BUSY_US: i64 = 500_000;
/// Buyers who sign in at once.
const SIGN_INS: usize = 16;
/// Longer than a gateway takes to see a fault, or to see that it is over.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

fn is_full() -> bool {
    std::env::var("KAIPAN_CHAOS").is_ok_and(|size| size == "full")
}

/// How many buyers.
fn buyers() -> usize {
    let count = if is_full() { 10 * SMALL } else { SMALL };
    // A page of each, and a request now and then.
    allow_sockets(count * 2);
    count
}

/// A live opening at several gateways, and everybody signed in.
struct Hall {
    fleet: Fleet,
    sale: Sale,
    homes: usize,
    buyers: Vec<Buyer>,
    doors: Doors,
}

impl Hall {
    async fn open(gateways: usize, redis: Option<&Redis>) -> Self {
        Self::at(Fleet::start(gateways, redis).await).await
    }

    async fn at(fleet: Fleet) -> Self {
        let starts_in_ms = if is_full() { 90_000 } else { 6_000 };
        let buyers = buyers();
        // Not enough for everybody's quota.
        let homes = buyers * 6 / 5;
        Self::with(fleet, Plan { homes, buyers, homes_each: HOMES_EACH, starts_in_ms, ..Plan::default() })
            .await
    }

    /// A few homes and buyers, for a test that taps by itself.
    async fn calm(fleet: Fleet) -> Self {
        Self::with(fleet, Plan::default()).await
    }

    async fn with(fleet: Fleet, plan: Plan) -> Self {
        let sale = Sale::publish(fleet.gateways[0].server(), &plan).await;
        let one = |n| sale.buyer(n);
        let buyers = futures_util::stream::iter(0..plan.buyers).map(one).buffered(SIGN_INS).collect().await;
        sale.started().await;
        let doors = Arc::new(Mutex::new(fleet.doors()));
        let hall = Self { fleet, sale, homes: plan.homes, buyers, doors };
        for gateway in &hall.fleet.gateways {
            hall.until(gateway, "kaipan_opening_armed", |armed| armed == 1.0).await;
        }
        hall
    }

    /// Everybody begins to tap.
    async fn crowd(&self, name: &'static str) -> Crowd {
        let custom = Custom { opening: self.sale.opening.clone(), name, homes: self.homes as u64 };
        let codes = self.sale.people.iter().map(|person| person.code.clone());
        let people = codes.zip(self.buyers.iter().map(|buyer| buyer.token.clone())).collect();
        Crowd::enter(custom, people, &self.doors).await
    }

    fn gateway(&self, at: usize) -> &Gateway {
        &self.fleet.gateways[at]
    }

    /// Whoever looks for another door finds those that are open now.
    fn set_doors(&self) {
        *self.doors.lock().unwrap() = self.fleet.doors();
    }

    async fn epoch(&self, gateway: usize) -> f64 {
        self.figure(self.gateway(gateway), "kaipan_opening_epoch").await
    }

    /// The name of one of the opening's keys in Redis, as this gateway's epoch has it.
    async fn key(&self, gateway: usize, what: &str) -> String {
        format!("kp:{{{}}}:{}:{what}", self.sale.opening, self.epoch(gateway).await)
    }

    /// Every gateway's gate 2 is in this state.
    async fn all_are(&self, state: &str) {
        for gateway in &self.fleet.gateways {
            self.until_with(gateway, "kaipan_gate2_state", &format!(",state=\"{state}\""), |is| is == 1.0)
                .await;
        }
    }

    async fn all_ready(&self) {
        self.all_are("ready").await;
    }

    /// Every gateway works with Redis under a later epoch.
    async fn rebuilt_since(&self, epoch: f64) {
        for gateway in &self.fleet.gateways {
            self.until(gateway, "kaipan_opening_epoch", |now| now > epoch).await;
        }
        self.all_ready().await;
    }

    /// A figure of this opening at a gateway; zero while the gateway does not have it.
    async fn figure(&self, gateway: &Gateway, name: &str) -> f64 {
        self.figure_with(gateway, name, "").await
    }

    /// `more`: the labels after the opening's.
    async fn figure_with(&self, gateway: &Gateway, name: &str, more: &str) -> f64 {
        let sample = format!("{name}{{opening=\"{}\"{more}}}", self.sale.opening);
        gateway.server().figure(&sample).await.unwrap_or_default()
    }

    /// Waits until a figure is as wanted.
    async fn until(&self, gateway: &Gateway, name: &str, wanted: impl Fn(f64) -> bool) {
        self.until_with(gateway, name, "", wanted).await;
    }

    async fn until_with(&self, gateway: &Gateway, name: &str, more: &str, wanted: impl Fn(f64) -> bool) {
        self.until_within(SEEN_WITHIN, gateway, name, more, wanted).await;
    }

    async fn until_within(
        &self,
        within: Duration,
        gateway: &Gateway,
        name: &str,
        more: &str,
        wanted: impl Fn(f64) -> bool,
    ) {
        let deadline = Instant::now() + within;
        loop {
            let value = self.figure_with(gateway, name, more).await;
            if wanted(value) {
                return;
            }
            assert!(Instant::now() < deadline, "{name}{more} is {value} after {within:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everybody leaves; then nothing may be wrong.
    async fn audit(&self, crowd: Crowd) -> Vec<Line> {
        self.audit_after(crowd, Duration::ZERO).await
    }

    /// `deaf`: how long a gateway may have heard nothing; meanwhile it refuses what is free again.
    async fn audit_after(&self, crowd: Crowd, deaf: Duration) -> Vec<Line> {
        let stale_us = STALE_US + BUSY_US + i64::try_from(deaf.as_micros()).unwrap();
        let record = crowd.leave().await;
        let books = Books::read(&self.fleet.home, &self.sale.opening).await;
        assert_eq!(books.faults(), Vec::<String>::new());
        let journal = self.journal().await;
        let quota = HOMES_EACH as usize;
        let faults = History { journal: &journal, record: &record, quota, stale_us }.faults();
        let shown = &faults[..faults.len().min(10)];
        assert!(faults.is_empty(), "{} faults, the first: {shown:#?}", faults.len());
        self.boards_are_true().await;
        let counts = crowd::counts(&record);
        println!("{} entries; {counts:?}", journal.len());
        assert!(counts.get("yes") > Some(&0) && counts.get("TAKEN") > Some(&0), "{counts:?}");
        record
    }

    /// When each gateway compared its clock with the database's, which every heartbeat does.
    async fn clocks_compared_us(&self) -> Vec<i64> {
        let pool = PgPool::connect(self.fleet.home.database_url().unwrap()).await.unwrap();
        let rows: Vec<(i64,)> =
            sqlx::query_as("SELECT clock_at FROM gateway").fetch_all(&pool).await.unwrap();
        pool.close().await;
        rows.into_iter().map(|(us,)| us).collect()
    }

    async fn journal(&self) -> Vec<Written> {
        let pool = PgPool::connect(self.fleet.home.database_url().unwrap()).await.unwrap();
        let ords: Vec<(i64, String)> =
            sqlx::query_as("SELECT ord, code FROM registration WHERE opening_id = $1")
                .bind(&self.sale.opening)
                .fetch_all(&pool)
                .await
                .unwrap();
        let registrations: BTreeMap<i64, String> = ords.into_iter().collect();
        let rows: Vec<(i64, i64, Vec<u8>)> =
            sqlx::query_as("SELECT seq, at, body FROM journal WHERE opening_id = $1 ORDER BY seq")
                .bind(&self.sale.opening)
                .fetch_all(&pool)
                .await
                .unwrap();
        pool.close().await;
        rows.into_iter().map(|(seq, at, body)| written(seq, at, &body, &registrations)).collect()
    }

    /// Whatever a gateway missed, within two seconds it shows what the database holds.
    async fn boards_are_true(&self) {
        let books = Books::read(&self.fleet.home, &self.sale.opening).await;
        let mut truth = vec![b'0'; self.homes];
        for claim in books.claims.iter().filter(|claim| claim.occupying) {
            truth[usize::try_from(claim.unit_ord).unwrap()] = b'1';
        }
        let truth = String::from_utf8(truth).unwrap();
        let seq = self.journal().await.last().map(|entry| entry.seq);
        let alive = self.fleet.gateways.iter().filter(|gateway| gateway.is_alive());
        for gateway in alive {
            let deadline = Instant::now() + Duration::from_secs(2);
            loop {
                let board = self.board(gateway).await;
                if board["status"] == truth.as_str() && board["seq"].as_i64() == seq {
                    break;
                }
                assert!(Instant::now() < deadline, "a gateway shows {board}, the truth is {seq:?} {truth}");
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    async fn board(&self, gateway: &Gateway) -> Value {
        gateway.buyers().get(&self.sale.path("/board")).await.ok()
    }
}
