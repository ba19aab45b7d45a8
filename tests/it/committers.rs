//! Two committers with separate memories on one database: only the database stands between them and a home sold twice.
//!
//! Each round is run as it is, and once with a guard taken out of the database, to prove that the audit would notice.
//!
//! | mutation | how | what turned red |
//! |---|---|---|
//! | unique indexes dropped | `DROP INDEX` here, both databases | "two live claims on unit" |
//! | quota index dropped | `DROP INDEX` here, both databases | "quota exceeded" |
//! | head row not taken | by hand: `take_head` made a plain `SELECT` | `ask_waits_for_a_commit_under_way` on Postgres (told no, and it was a yes) |
//! | no write lock at BEGIN | by hand: `BEGIN IMMEDIATE` made `BEGIN` | the same on SQLite, where the write lock is the queue |
//! | lapse by the gateway's clock | by hand: `LedgerTx::now` made the gateway's wall | `a_step_of_the_gateways_clock_moves_no_deadline`, both databases |
//!
//! The simulator takes out the same guards and more on its twin (`opening::sim`).

use std::sync::Arc;
use std::time::Duration;

use kaipan::domain::ids::{OpeningId, RegOrd, UnitOrd};
use kaipan::domain::time::{Clock, Micros};
use kaipan::opening::answer::{Answer, ClaimState, Key, Refusal};
use kaipan::opening::{Live, Openings};
use kaipan::store::{Db, Exec, Priority};
use kaipan::vault::{KeySource, Vault};
use rstest::rstest;
use sqlx::{Executor, PgPool, SqlitePool};

use crate::harness::{Books, Database, Home, Plan, Sale};

const HOMES: u32 = 30;
const BUYERS: u32 = 20;

/// A published opening, no server running on it.
async fn published(database: Database, homes_each: u32) -> (Home, String) {
    published_with(database, Plan { homes_each, ..Plan::default() }).await
}

async fn published_with(database: Database, plan: Plan) -> (Home, String) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let plan = Plan { homes: HOMES as usize, buyers: BUYERS as usize, starts_in_ms: 4_000, ..plan };
    let sale = Sale::publish(&server, &plan).await;
    sale.started().await;
    assert!(server.stop().await.success());
    (home, sale.opening)
}

async fn open(home: &Home, clock: Clock) -> Db {
    match home.database_url() {
        Some(url) => Db::connect_postgres(url).await.unwrap(),
        None => Db::open_sqlite(&home.data_dir(), clock).await.unwrap(),
    }
}

async fn drop_index(home: &Home, indexes: &[&str]) {
    for index in indexes {
        let sql = sqlx::AssertSqlSafe(format!("DROP INDEX {index}"));
        match home.database_url() {
            Some(url) => drop(PgPool::connect(url).await.unwrap().execute(sql).await.unwrap()),
            None => {
                let file = format!("sqlite://{}", home.data_dir().join("kaipan.db").display());
                SqlitePool::connect(&file).await.unwrap().execute(sql).await.unwrap();
            }
        }
    }
}

/// Every buyer taps at both committers at once, each time for one unit; returns the answers' counts.
async fn race(home: &Home, opening: &str) -> (usize, usize) {
    let vault = Arc::new(Vault::open(&KeySource::File(home.keyring()), Some(&home.data_dir())).unwrap());
    let opening: OpeningId = opening.parse().unwrap();
    let db = open(home, Clock::system()).await;
    let mut memories: Vec<(Openings, Arc<Live>)> = Vec::new();
    for _ in 0..2 {
        let openings = Openings::new(db.clone(), vault.clone(), Clock::system());
        let live = openings.start(&opening).await.unwrap();
        memories.push((openings, live));
    }
    let mut taps = tokio::task::JoinSet::new();
    for who in 0..BUYERS {
        for (at, (_, live)) in memories.iter().enumerate() {
            let live = live.clone();
            taps.spawn(async move {
                let mut told = Vec::new();
                for n in 0..12_u32 {
                    // Two phones of one buyer, each after another home.
                    let unit = UnitOrd((who + n * 7 + at as u32 * 15) % HOMES);
                    let key = Key::parse(&format!("tap-{who:02}-{at}-{n:03}")).unwrap();
                    told.push((who, key.clone(), insist(&live, RegOrd(who), unit, key).await));
                }
                told
            });
        }
    }
    let (mut yes, mut no) = (0, 0);
    while let Some(told) = taps.join_next().await {
        for (who, key, answer) in told.unwrap() {
            match answer {
                Answer::Yes(claim) => {
                    assert_eq!(claim.registration, RegOrd(who), "{}", key.as_str());
                    yes += 1;
                }
                Answer::No(_) => no += 1,
                other => panic!("not an answer: {other:?}"),
            }
        }
    }
    drop(memories);
    db.close().await;
    (yes, no)
}

async fn insist(live: &Live, who: RegOrd, unit: UnitOrd, key: Key) -> Answer {
    for _ in 0..200 {
        match live.pick(who, unit, key.clone()).await {
            Ok(answer @ (Answer::Yes(_) | Answer::No(_))) => return answer,
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    Answer::Unknown
}

/// OP-42, OP-43, MS-4: every tap answered, one owner a home, no quota exceeded, no gap in the journal.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_memories_sell_each_home_once(#[case] database: Database) {
    let (home, opening) = published(database, 3).await;
    let (yes, no) = race(&home, &opening).await;
    assert_eq!(yes, HOMES as usize, "20 buyers with three places each want all 30 homes");
    assert_eq!(yes + no, (BUYERS * 2 * 12) as usize);
    let books = Books::read(&home, &opening).await;
    assert_eq!(books.faults(), Vec::<String>::new());
    assert_eq!(books.claims.iter().filter(|claim| claim.occupying).count(), yes);
}

/// Without its indexes the database lets both have it, and the audit says so.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mutation_unit_indexes_dropped_is_seen(#[case] database: Database) {
    let (home, opening) = published(database, 3).await;
    drop_index(&home, &["claim_one_per_unit", "claim_one_per_property"]).await;
    race(&home, &opening).await;
    let faults = Books::read(&home, &opening).await.faults();
    assert!(faults.iter().any(|fault| fault.contains("two live claims on unit")), "{faults:?}");
}

#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mutation_quota_index_dropped_is_seen(#[case] database: Database) {
    let (home, opening) = published(database, 1).await;
    drop_index(&home, &["quota_place_once"]).await;
    race(&home, &opening).await;
    let books = Books::read(&home, &opening).await;
    let most = (0..BUYERS)
        .map(|who| format!("RC{:05}", who + 1))
        .map(|code| books.claims.iter().filter(|claim| claim.occupying && claim.registration == code).count())
        .max();
    assert!(most > Some(1), "{most:?}: {:?}", books.faults());
}

macro_rules! commit_slowly {
    ($pool:expr, $begin:expr, $opening:expr, $key:expr) => {{
        let mut conn = $pool.acquire().await.unwrap().detach();
        let claim = kaipan::domain::ids::ClaimId::generate();
        sqlx::query($begin).execute(&mut conn).await.unwrap();
        let (seq,): (i64,) = sqlx::query_as(
            "UPDATE opening_head SET next_seq = next_seq + 1 WHERE opening_id = $1 RETURNING next_seq - 1",
        )
        .bind($opening)
        .fetch_one(&mut conn)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO claim (id, org_id, opening_id, unit_ord, property_id, rehearsal, registration_ord,
                request_key, state, occupying, generation, code, deposit_fen, paid_fen, deadline_at, extended,
                created_at, changed_at, seq, changed_seq)
             SELECT $1, org_id, opening_id, ord, property_id, false, 0, $3, 'held', true, 1, 'LATE01', 0, 0,
                4000000000000000, false, 0, 0, $4, $4
             FROM unit WHERE opening_id = $2 AND ord = 0",
        )
        .bind(&claim)
        .bind($opening)
        .bind($key)
        .bind(seq)
        .execute(&mut conn)
        .await
        .unwrap();
        let held = format!(
            r#"{{"kind":"held","claim":"{claim}","unit":0,"registration":0,"key":"{}","code":"LATE01","deposit_fen":0,"deadline_at":4000000000000000}}"#,
            $key
        );
        sqlx::query(
            "INSERT INTO journal (opening_id, seq, org_id, kind, version, at, body)
             SELECT $1, $2, org_id, 'held', 1, 0, $3 FROM opening WHERE id = $1",
        )
        .bind($opening)
        .bind(seq)
        .bind(held.into_bytes())
        .execute(&mut conn)
        .await
        .unwrap();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(600)).await;
            sqlx::query("COMMIT").execute(&mut conn).await.unwrap();
        })
    }};
}

/// OP-82: another committer's transaction has the pick and is not through yet; whoever asks waits behind it, and hears
/// yes. A plain read would have said no to what becomes a yes a moment later.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ask_waits_for_a_commit_under_way(#[case] database: Database) {
    let (home, opening) = published(database, 1).await;
    let key = "a-tap-under-way";
    let vault = Arc::new(Vault::open(&KeySource::File(home.keyring()), Some(&home.data_dir())).unwrap());
    let db = open(&home, Clock::system()).await;
    let openings = Openings::new(db, vault, Clock::system());
    let live = openings.start(&opening.parse().unwrap()).await.unwrap();
    let committing = match home.database_url() {
        Some(url) => commit_slowly!(PgPool::connect(url).await.unwrap(), "BEGIN", &opening, key),
        None => {
            let file = format!("sqlite://{}", home.data_dir().join("kaipan.db").display());
            commit_slowly!(SqlitePool::connect(&file).await.unwrap(), "BEGIN IMMEDIATE", &opening, key)
        }
    };
    let told = live.ask(RegOrd(0), Key::parse(key).unwrap()).await.unwrap();
    committing.await.unwrap();
    assert!(matches!(&told, Answer::Yes(claim) if claim.code == "LATE01"), "{told:?}");
    let books = Books::read(&home, &opening).await;
    assert!(books.claim("RC00001", key).is_some());
}

/// OP-40, OP-60: the gateway's wall clock jumps ten minutes ahead, then back; the hold lapses when the database's time
/// says so, not before, and the gate neither shuts nor opens by it.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_step_of_the_gateways_clock_moves_no_deadline(#[case] database: Database) {
    let (home, opening) = published_with(database, Plan { hold_s: 4, ..Plan::default() }).await;
    let vault = Arc::new(Vault::open(&KeySource::File(home.keyring()), Some(&home.data_dir())).unwrap());
    let clock = Clock::system();
    let openings = Openings::new(open(&home, clock.clone()).await, vault, clock.clone());
    let live = openings.start(&opening.parse().unwrap()).await.unwrap();
    // The heartbeat freezes the opening's clock against the database's.
    tokio::time::sleep(Duration::from_millis(700)).await;

    clock.step_wall(Micros::from_secs(600));
    let answer = live.pick(RegOrd(0), UnitOrd(0), Key::parse("after-the-step").unwrap()).await.unwrap();
    let Answer::Yes(claim) = answer else { panic!("{answer:?}") };
    let state = || live.claim(&claim.id).unwrap().state;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(state(), ClaimState::Held, "lapsed early: the clock's step moved the deadline");
    clock.step_wall(Micros::from_secs(-1_200));
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert_eq!(state(), ClaimState::Lapsed, "the step back kept the hold alive");
}

/// OP-42, OP-85: a tap was sent to one gateway, and sent again to another, which truly says *no*. When the home comes free
/// afterwards, the first sending, which was asleep, must not make that *no* a *yes*.
///
/// Mutation that turned it red: `pick_again` made a plain `pick` (the first sending was granted).
#[tokio::test]
async fn postgres_a_no_to_a_tap_that_was_sent_again_stays_a_no() {
    let (home, opening) = published(Database::Postgres, 1).await;
    let vault = Arc::new(Vault::open(&KeySource::File(home.keyring()), Some(&home.data_dir())).unwrap());
    let db = open(&home, Clock::system()).await;
    let mut gateways: Vec<(Openings, Arc<Live>)> = Vec::new();
    for _ in 0..2 {
        let openings = Openings::new(db.clone(), vault.clone(), Clock::system());
        let live = openings.start(&opening.parse().unwrap()).await.unwrap();
        gateways.push((openings, live));
    }
    let [(_, asleep), (_, awake)] = &gateways[..] else { panic!("two gateways") };
    let (unit, key) = (UnitOrd(0), Key::parse("sent-to-both").unwrap());
    let Answer::Yes(other) = insist(awake, RegOrd(1), unit, Key::parse("somebody-else").unwrap()).await
    else {
        panic!("the home is free")
    };
    let again = awake.pick_again(RegOrd(0), unit, key.clone()).await.unwrap();
    assert_eq!(again, Answer::No(Refusal::Taken { unit }));
    awake.give_up(RegOrd(1), other.id.clone(), other.generation).await.unwrap();
    let free = async {
        // Until the gateway that was asleep has followed: then its memory refuses nothing.
        while asleep.claim(&other.id).is_none_or(|claim| claim.state != ClaimState::GivenUp) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), free).await.expect("followed");
    assert_eq!(insist(asleep, RegOrd(0), unit, key.clone()).await, Answer::No(Refusal::NotRecorded));
    assert_eq!(awake.ask(RegOrd(0), key).await.unwrap(), Answer::No(Refusal::Taken { unit }));
}

/// The first second's groups find their statements read: what a burst runs on any connection was seen there when the opening
/// was armed.
///
/// Mutation that turned it red: `warm` left out of `arm`.
#[tokio::test]
async fn postgres_has_read_the_statements_of_picks_before_the_start() {
    let (home, opening) = published(Database::Postgres, 1).await;
    let vault = Arc::new(Vault::open(&KeySource::File(home.keyring()), Some(&home.data_dir())).unwrap());
    let db = open(&home, Clock::system()).await;
    let openings = Openings::new(db.clone(), vault, Clock::system());
    let live = openings.start(&opening.parse().unwrap()).await.unwrap();
    let armed = async {
        while !live.figures().armed || prepared(&db).await.iter().any(|statements| *statements < 70) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), armed).await.expect("armed and warm");
    let before: i64 = prepared(&db).await.iter().sum();

    let taps = (0..BUYERS).map(|who| {
        let key = Key::parse(&format!("warm-tap-{who:02}")).unwrap();
        insist(&live, RegOrd(who), UnitOrd(who), key)
    });
    let answers = futures_util::future::join_all(taps).await;
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Yes(_))), "{answers:?}");
    let after: i64 = prepared(&db).await.iter().sum();
    // `save_head` is one text, which a row without a group would not need; nothing that grows with a group's size is new.
    assert!(after - before <= 3, "{before} statements were known, {after} are");
}

/// How many statements each connection that commits has read.
async fn prepared(db: &Db) -> Vec<i64> {
    let begun = (0..3).map(|_| db.begin(Priority::Commit));
    let mut counts = Vec::new();
    for mut tx in futures_util::future::try_join_all(begun).await.unwrap() {
        let Exec::Postgres(conn) = tx.exec() else { panic!("Postgres") };
        let count =
            sqlx::query_scalar("SELECT count(*) FROM pg_prepared_statements").fetch_one(conn).await.unwrap();
        counts.push(count);
        tx.rollback().await.unwrap();
    }
    counts
}
