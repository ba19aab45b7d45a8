//! The primary's machine is lost for good, and a standby takes over. What it promises then depends on whether commits waited
//! for it; both are shown, and what a gateway does whose memory knows more than the database that it comes back to.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::crowd::between;
use super::history::{History, STALE_US};
use super::{Hall, SEEN_WITHIN};
use crate::client::{Line, Tap};
use crate::harness::{Books, Cluster, Fleet, Plan, Proxy, Redis, now_us};

/// What a standby is called where commits wait for it.
const NAME: &str = "second";
/// A gateway says this, and only then.
const SET_BACK: &str = "the database was set back";

/// A primary, and a standby that follows it over a wire which the test holds.
struct Pair {
    primary: Cluster,
    standby: Cluster,
    wire: Proxy,
}

impl Pair {
    async fn start(is_waited_for: bool) -> Self {
        let primary = Cluster::start();
        let wire = Proxy::to(primary.port).await;
        let standby = block_in_place(|| primary.standby(wire.port, NAME));
        if is_waited_for {
            primary.wait_for_standby(NAME).await;
        }
        let pair = Self { primary, standby, wire };
        pair.follows(is_waited_for).await;
        pair
    }

    /// The standby follows, and commits wait for it or do not.
    async fn follows(&self, is_waited_for: bool) {
        let seen = "SELECT coalesce(min(sync_state) FILTER (WHERE state = 'streaming'), '') FROM pg_stat_replication";
        let wanted = if is_waited_for { "sync" } else { "async" };
        let deadline = Instant::now() + SEEN_WITHIN;
        while self.primary.ask::<String>(seen).await != wanted {
            assert!(Instant::now() < deadline, "the standby does not follow");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The standby has all that is committed now.
    async fn caught_up(&self) {
        let written =
            self.primary.ask::<i64>("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").await;
        let replayed = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint";
        let deadline = Instant::now() + SEEN_WITHIN;
        while self.standby.ask::<i64>(replayed).await < written {
            assert!(Instant::now() < deadline, "the standby is behind");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The primary is gone with its disk; the standby takes over, and the gateways' addresses lead to it.
    fn fail_over(&mut self, fleet: &mut Fleet) {
        block_in_place(|| {
            self.primary.lose();
            self.standby.promote();
        });
        fleet.move_to(&self.standby);
    }
}

/// OP-82: with a synchronous standby a yes survives the loss of the primary, disk and all: the whole audit is made on the
/// standby's books. The gateways go on by themselves, buyers stay signed in, at a gateway that starts afterwards too.
///
/// Mutation that turned it red: no standby named on the primary, and the wire to it cut 200 answers before its end (homes that
/// buyers had been told were theirs, and gave up, were nobody's: 404).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_primary_lost_with_a_synchronous_standby() {
    let mut pair = Pair::start(true).await;
    let redis = Redis::alone().await;
    let mut hall = Hall::at(Fleet::start_on(&pair.primary, 2, Some(&redis)).await).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("standby").await;
    crowd.answered(400).await;
    let lost_us = now_us();
    pair.fail_over(&mut hall.fleet);
    let moved_us = now_us();
    crowd.answered(600).await;

    // This one knows of sessions what the standby has.
    let third = hall.fleet.add().await;
    hall.set_doors();
    for buyer in &hall.buyers {
        let me = hall.gateway(third).buyers().with_token(&buyer.token).get(&hall.sale.path("/me")).await;
        assert_eq!(me.status, 200, "{me:?}");
    }
    let record = hall.audit(crowd).await;
    for gateway in &hall.fleet.gateways {
        assert!(!gateway.server().said().contains(SET_BACK), "nothing was lost");
    }
    assert!(between(&record, (0, lost_us)) > 200 && between(&record, (moved_us, now_us())) > 200);
    println!(
        "the standby led after {} ms; nobody was told yes for {} ms",
        (moved_us - lost_us) / 1_000,
        without_a_yes_us(&record, lost_us) / 1_000
    );
}

/// The longest time between two yeses that ended after this moment.
fn without_a_yes_us(record: &[Line], after_us: i64) -> i64 {
    let mut told: Vec<i64> = record
        .iter()
        .filter_map(|line| match line {
            Line::Answered { answer, at_us, .. } if answer["answer"] == "yes" => Some(*at_us),
            _ => None,
        })
        .collect();
    told.sort_unstable();
    let ended = told.windows(2).filter(|pair| pair[1] > after_us);
    ended.map(|pair| pair[1] - pair[0]).max().expect("a yes afterwards")
}

/// OP-82: the condition of the promise. Nobody waited for this standby, it had been cut off when the primary died, and yeses are
/// lost: the audit says which. The gateways notice that the database knows less than they do, and start the opening again from
/// it under an epoch of its own: boards, answers, and Redis' stream are the database's.
///
/// Mutations that turned it red: a head row behind memory not noticed (`knows_less` always false; the boards show what is lost);
/// no epoch raised (`leave_behind` does nothing).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_primary_lost_with_a_standby_that_nobody_waited_for() {
    let mut pair = Pair::start(false).await;
    let redis = Redis::alone().await;
    let mut hall = Hall::with(Fleet::start_on(&pair.primary, 2, Some(&redis)).await, few()).await;
    hall.all_ready().await;
    opened(&hall).await;
    let epoch = hall.epoch(0).await;
    let mut record = Vec::new();
    for n in 0..6 {
        assert_eq!(tap(&hall, n % 2, n, n as u64, &mut record).await["answer"], "yes");
    }
    pair.caught_up().await;
    pair.wire.close();
    for n in 6..12 {
        assert_eq!(tap(&hall, n % 2, n, n as u64, &mut record).await["answer"], "yes");
    }
    hall.boards_are_true().await;
    pair.fail_over(&mut hall.fleet);
    hall.rebuilt_since(epoch).await;
    for gateway in &hall.fleet.gateways {
        assert!(gateway.server().said().contains(SET_BACK), "it says so");
    }
    hall.boards_are_true().await;
    lost_are_named(&hall, &record, 6..12).await;
    free_again(&hall, &mut record).await;
}

/// The same, and the other gateway, which had not heard of what was lost, has written beyond it before this one looks: the head
/// row is ahead of its memory, and still its last entry is not the database's.
///
/// Mutation that turned it red: the entry at memory's end not compared (`was_rewritten` always false).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_primary_lost_and_its_standby_written_beyond() {
    let mut pair = Pair::start(false).await;
    let mut hall = Hall::with(Fleet::start_on(&pair.primary, 2, None).await, few()).await;
    opened(&hall).await;
    let epoch = hall.epoch(0).await;
    let mut record = Vec::new();
    for n in 0..6 {
        assert_eq!(tap(&hall, 0, n, n as u64, &mut record).await["answer"], "yes");
    }
    hall.boards_are_true().await;
    pair.caught_up().await;
    pair.wire.close();
    hall.gateway(1).postgres.hold();
    for n in 6..12 {
        assert_eq!(tap(&hall, 0, n, n as u64, &mut record).await["answer"], "yes");
    }
    hall.gateway(0).postgres.close();
    pair.fail_over(&mut hall.fleet);
    hall.gateway(1).postgres.open();
    for n in 0..12 {
        assert_eq!(tap(&hall, 1, n, 20 + n as u64, &mut record).await["answer"], "yes");
    }
    hall.gateway(0).postgres.open();
    hall.until(hall.gateway(0), "kaipan_opening_epoch", |now| now > epoch).await;
    // Its first heartbeat, which prepares statements beforehand, is over; without Redis the next ones follow the journal.
    hall.until(hall.gateway(0), "kaipan_clock_offset_seconds", |offset| offset != 0.0).await;
    hall.boards_are_true().await;
    let set_back = [0, 1].map(|at| hall.gateway(at).server().said().contains(SET_BACK));
    assert_eq!(set_back, [true, false], "only the one that knew more");
    lost_are_named(&hall, &record, 6..12).await;
    free_again(&hall, &mut record).await;
}

/// OP-82: the standby is gone, and commits wait for it: nobody hears a yes that one machine alone has, nobody a no, and nobody is
/// shown the home as sold. When it is back they are through; and also when the operator lets go of it.
///
/// Mutation that turned it red: no standby named on the primary (a yes at once).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_commits_wait_for_a_standby_that_is_gone() {
    let pair = Pair::start(true).await;
    let redis = Redis::alone().await;
    let hall = Hall::calm(Fleet::start_on(&pair.primary, 2, Some(&redis)).await).await;
    hall.all_ready().await;
    let mut record = Vec::new();
    assert_eq!(tap(&hall, 0, 0, 0, &mut record).await["answer"], "yes");
    pair.wire.close();
    let cut = Instant::now();
    // Longer than any limit that a session of ours sets: none of them ends the wait.
    while cut.elapsed() < Duration::from_secs(11) {
        for (gateway, buyer) in [(0, 1), (1, 2)] {
            let said = tap_once(&hall, gateway, buyer, 1).await;
            assert!(said.is_none(), "{said:?}");
            let board = hall.board(hall.gateway(gateway)).await;
            assert_eq!(&board["status"].as_str().unwrap()[..2], "10", "shown before it is safe");
        }
    }
    pair.wire.open();
    let mut codes = Vec::new();
    for (gateway, buyer) in [(0, 1), (1, 2)] {
        let answer = tap(&hall, gateway, buyer, 1, &mut record).await;
        codes.push(answer["code"].as_str().unwrap_or("yes").to_owned());
    }
    codes.sort();
    assert_eq!(codes, ["TAKEN", "yes"]);

    pair.follows(true).await;
    pair.wire.close();
    assert_eq!(tap_once(&hall, 0, 3, 5).await, None);
    pair.primary.wait_for_standby("").await;
    assert_eq!(tap(&hall, 0, 3, 5, &mut record).await["answer"], "yes");
    hall.boards_are_true().await;
}

/// The gate's own entry is in the journal: taps are granted by the clock, up to a heartbeat before it, and here every entry
/// counts.
async fn opened(hall: &Hall) {
    let pool = PgPool::connect(hall.fleet.home.database_url().unwrap()).await.unwrap();
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        let read = sqlx::query_as("SELECT phase FROM opening_head WHERE opening_id = $1");
        let (phase,): (String,) = read.bind(&hall.sale.opening).fetch_one(&pool).await.unwrap();
        if phase == "live" {
            break;
        }
        assert!(Instant::now() < deadline, "{phase} after {SEEN_WITHIN:?}");
        sleep(Duration::from_millis(20)).await;
    }
    pool.close().await;
    hall.boards_are_true().await;
}

/// Homes for two each, and some left.
fn few() -> Plan {
    Plan { homes: 40, buyers: 12, homes_each: 2, ..Plan::default() }
}

/// One tap at a gateway's door, insisted on until it is answered, and recorded.
async fn tap(hall: &Hall, gateway: usize, buyer: usize, unit: u64, record: &mut Vec<Line>) -> Value {
    let tap = Tap { registration: hall.sale.people[buyer].code.clone(), key: key(buyer, unit), unit };
    record.push(Line::Tapped { tap: tap.clone(), at_us: now_us() });
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        if let Some(answer) = tap_once(hall, gateway, buyer, unit).await {
            record.push(Line::Answered { tap, answer: answer.clone(), at_us: now_us() });
            return answer;
        }
        assert!(Instant::now() < deadline, "no answer after {SEEN_WITHIN:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The answer, if it is yes or no.
async fn tap_once(hall: &Hall, gateway: usize, buyer: usize, unit: u64) -> Option<Value> {
    let api = hall.gateway(gateway).buyers().with_token(&hall.buyers[buyer].token);
    let body = json!({"key": key(buyer, unit), "unit": unit});
    let reply = api.post(&hall.sale.path("/picks"), body).await;
    if matches!(reply.status, 429 | 503) {
        return None;
    }
    let answer = reply.ok();
    matches!(answer["answer"].as_str(), Some("yes" | "no")).then_some(answer)
}

fn key(buyer: usize, unit: u64) -> String {
    format!("standby-{buyer}-{unit}")
}

/// The books are sound, and the audit finds these buyers' yeses missing, no other.
async fn lost_are_named(hall: &Hall, record: &[Line], lost: std::ops::Range<usize>) {
    let books = Books::read(&hall.fleet.home, &hall.sale.opening).await;
    assert_eq!(books.faults(), Vec::<String>::new());
    let journal = hall.journal().await;
    let faults = History { journal: &journal, record, quota: 2, stale_us: STALE_US }.faults();
    let is_named = |buyer: usize| {
        let named = format!("key: \"{}\"", key(buyer, buyer as u64));
        faults
            .iter()
            .any(|fault| fault.starts_with("a yes that the journal does not have") && fault.contains(&named))
    };
    assert!(lost.clone().all(is_named) && faults.len() == lost.len(), "{faults:#?}");
}

/// What was lost can be had again, at both gateways, and both show it.
async fn free_again(hall: &Hall, record: &mut Vec<Line>) {
    for (gateway, buyer, unit) in [(0, 6, 7), (1, 7, 6)] {
        let answer = tap(hall, gateway, buyer, unit, record).await;
        assert_eq!(answer["answer"], "yes", "{answer}");
    }
    hall.boards_are_true().await;
}
