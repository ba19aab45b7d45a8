//! Looks and what is wrong in them.

use super::report::*;
use super::rows::*;
use super::trouble::*;
use super::{is_well, judge};
use crate::domain::ids::OpeningId;
use crate::domain::time::{Clock, Micros};
use crate::store::{DatabaseHealth, DatabaseKind, Db, PoolUse, Standby};

const OPENING: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn at(seconds: i64) -> Micros {
    Micros::from_secs(seconds)
}

fn gateway(id: &str) -> Gateway {
    let opening = OpeningReport {
        id: OPENING.to_owned(),
        phase: "live".to_owned(),
        armed: true,
        starts_in_ms: -1_000,
        epoch: 3,
        gate2: Gate2 {
            state: Gate2State::Ready,
            redis: Some("10.0.0.7:6379".to_owned()),
            ..Gate2::default()
        },
        ..OpeningReport::default()
    };
    let redis = RedisReport {
        address: "10.0.0.7:6379".to_owned(),
        reachable: true,
        run_id: Some("one".to_owned()),
        eviction: Some("noeviction".to_owned()),
        replicas: 1,
        sentinels: Some(SentinelsReport { named: 3, reachable: 3, known: 3, refusal: None }),
        ..RedisReport::default()
    };
    let database = DatabaseHealth {
        kind: DatabaseKind::Postgres,
        round_trip_us: Some(400),
        pool: PoolUse { in_use: 2, idle: 1, max: 12 },
        ..DatabaseHealth::default()
    };
    Gateway {
        id: id.to_owned(),
        name: format!("gateway {id}"),
        version: "1.0.0".to_owned(),
        buyers_door: String::new(),
        staff_door: String::new(),
        state: State::Ready,
        started_at: at(100),
        seen_at: at(999),
        alive_until: at(1_002),
        report_version: REPORT_VERSION,
        report: Some(Report { database, redis: vec![redis], openings: vec![opening], ..Report::default() }),
    }
}

/// Two gateways, one live opening, and nothing wrong.
fn seen() -> Seen {
    let opening = OpeningHead {
        id: OPENING.parse().unwrap(),
        name: "首开".to_owned(),
        rehearsal: false,
        phase: "live".to_owned(),
        paused: false,
        epoch: 3,
        last_seq: 40,
        start_at: at(999),
        end_at: at(9_999),
        published_at: Some(at(50)),
    };
    Seen {
        now: at(1_000),
        database: DatabaseHealth { kind: DatabaseKind::Postgres, ..DatabaseHealth::default() },
        gateways: vec![gateway("a"), gateway("b")],
        openings: vec![opening],
    }
}

fn report(seen: &mut Seen) -> &mut Report {
    seen.gateways[0].report.as_mut().unwrap()
}

fn redis(seen: &mut Seen) -> &mut RedisReport {
    &mut report(seen).redis[0]
}

fn sentinels(seen: &mut Seen) -> &mut SentinelsReport {
    redis(seen).sentinels.as_mut().unwrap()
}

fn opening(seen: &mut Seen) -> &mut OpeningReport {
    &mut report(seen).openings[0]
}

type Change = fn(&mut Seen);

/// Every trouble, by what brings it about; nothing else is found then. (`NO_GATEWAY_READY` comes with others.)
#[test]
fn each_trouble_is_found_where_it_is_and_nothing_else() {
    let cases: &[(&str, Severity, Change)] = &[
        ("VERSIONS_DIFFER", Severity::Note, |s| s.gateways[0].version = "1.0.1".to_owned()),
        ("REDIS_SETTINGS_DIFFER", Severity::Act, |s| report(s).redis.clear()),
        ("REDIS_SETTINGS_DIFFER", Severity::Act, |s| {
            report(s).redis[0].address = "10.0.0.8:6379".to_owned();
            report(s).redis[0].run_id = Some("two".to_owned());
        }),
        ("REDIS_DIFFERS", Severity::Act, |s| report(s).redis[0].run_id = Some("two".to_owned())),
        ("STANDBY_MISSING", Severity::Act, |s| report(s).database.standby = Standby::Missing),
        ("STANDBY_MISSING", Severity::Act, |s| s.database.standby = Standby::Missing),
        ("GATEWAY_SILENT", Severity::Act, |s| s.gateways[0].alive_until = at(999)),
        ("GATEWAY_STARTING", Severity::Note, |s| s.gateways[0].state = State::Starting),
        ("GATEWAY_DRAINING", Severity::Note, |s| s.gateways[0].state = State::Draining),
        ("REPORT_UNKNOWN", Severity::Note, |s| s.gateways[0].report = None),
        ("CLOCK_OFF", Severity::Act, |s| report(s).clock.offset_us = Some(-50_001)),
        ("DATABASE_SLOW", Severity::Note, |s| report(s).database.round_trip_us = Some(50_001)),
        ("BACKUP_BEHIND", Severity::Act, |s| report(s).database.backup_behind_ms = Some(1)),
        ("POOL_EXHAUSTED", Severity::Note, |s| report(s).database.pool.in_use = 12),
        ("REDIS_LOST", Severity::Act, |s| {
            report(s).redis[0] =
                RedisReport { reachable: false, for_ms: 1_000, ..report(s).redis[0].clone() };
        }),
        ("REDIS_LOST", Severity::Act, |s| {
            redis(s).reachable = false;
            redis(s).reason = Some("Connection refused".to_owned());
            opening(s).gate2.state = Gate2State::Lost;
            opening(s).gate2.for_ms = 5_000;
        }),
        ("REDIS_EVICTS", Severity::Act, |s| redis(s).eviction = Some("allkeys-lru".to_owned())),
        ("REDIS_NO_REPLICA", Severity::Act, |s| redis(s).replicas = 0),
        ("SENTINELS_FEW", Severity::Act, |s| sentinels(s).reachable = 1),
        ("SENTINELS_FEW", Severity::Act, |s| {
            *sentinels(s) = SentinelsReport { named: 1, ..SentinelsReport::default() };
        }),
        ("SENTINELS_FEW", Severity::Act, |s| sentinels(s).refusal = Some("NOQUORUM".to_owned())),
        ("NOT_SERVED", Severity::Act, |s| report(s).openings.clear()),
        ("NOT_ARMED", Severity::Act, |s| opening(s).armed = false),
        ("CLOCK_REFUSES", Severity::Act, |s| opening(s).clock_refuses = true),
        ("COMMITS_FAIL", Severity::Act, |s| opening(s).commits_fail = true),
        ("JOURNAL_BEHIND", Severity::Act, |s| opening(s).behind_ms = 2_000),
        ("EPOCH_BEHIND", Severity::Note, |s| opening(s).epoch = 2),
        ("GATE2_LOST", Severity::Act, |s| {
            opening(s).gate2 = Gate2 { state: Gate2State::Lost, for_ms: 1_000, ..Gate2::default() };
        }),
        ("GATE2_LOST_HOLDING", Severity::Act, |s| {
            opening(s).gate2 =
                Gate2 { state: Gate2State::Lost, for_ms: 1_000, holds_picks: true, ..Gate2::default() };
        }),
        ("GATE2_REBUILDING", Severity::Note, |s| opening(s).gate2.state = Gate2State::Rebuilding),
    ];
    for (code, severity, change) in cases {
        let mut seen = seen();
        change(&mut seen);
        let found = judge(&seen);
        let codes: Vec<(&str, Severity)> =
            found.iter().map(|f| (f.trouble.code(), f.trouble.severity())).collect();
        assert_eq!(codes, [(*code, *severity)], "{found:?}");
        assert_eq!(is_well(&found), *severity == Severity::Note, "{code}");
        if let Some(gateway) = &found[0].gateway {
            assert_eq!(gateway, "a", "{code}");
        }
        assert_eq!(found[0].opening.is_some(), found[0].opening.as_deref() == Some(OPENING), "{code}");
    }
    assert_eq!(judge(&seen()), []);
}

#[test]
fn what_is_young_or_over_or_gone_is_no_trouble() {
    let cases: &[(&str, Change)] = &[
        ("a gateway that ended politely", |s| {
            s.gateways[0].state = State::Gone;
            s.gateways[0].alive_until = at(1);
            opening(s).commits_fail = true;
        }),
        ("a gateway whose predecessor of its name has not fallen silent yet", |s| {
            s.gateways[1].name = s.gateways[0].name.clone();
            s.gateways[0].seen_at = at(995);
            s.gateways[1].started_at = at(996);
            report(s).openings = s.gateways[1].report.clone().unwrap().openings;
        }),
        ("a gateway that has just started", |s| {
            s.gateways[0].started_at = at(990);
            report(s).openings.clear();
        }),
        ("an opening that was just published", |s| {
            s.openings[0].published_at = Some(at(990));
            report(s).openings.clear();
        }),
        ("an opening that is over", |s| {
            s.openings[0].phase = "closed".to_owned();
            report(s).openings.clear();
        }),
        ("an opening whose clock is frozen ten minutes before its start", |s| {
            *opening(s) = OpeningReport { armed: false, starts_in_ms: 590_000, ..opening(s).clone() };
        }),
        ("a Redis that can not be reached says nothing of two masters", |s| {
            for gateway in &mut s.gateways {
                gateway.report.as_mut().unwrap().redis[0] = RedisReport {
                    address: "10.0.0.7:6379".to_owned(),
                    reachable: true,
                    ..RedisReport::default()
                };
            }
        }),
        ("a Sentinel that is away while a majority answers", |s| sentinels(s).reachable = 2),
        ("a Redis alone, which nobody watches", |s| {
            redis(s).sentinels = None;
            redis(s).replicas = 0;
        }),
        ("a backup that has everything", |s| report(s).database.backup_behind_ms = Some(0)),
        ("one Redis under two names", |s| report(s).redis[0].address = "redis-1:6379".to_owned()),
        ("a Redis that is being connected to", |s| {
            report(s).redis[0].reachable = false;
            opening(s).gate2.state = Gate2State::Lost;
        }),
        ("no Redis at all", |s| {
            for gateway in &mut s.gateways {
                gateway.report.as_mut().unwrap().redis.clear();
            }
            opening(s).gate2 = Gate2::default();
        }),
    ];
    for (what, change) in cases {
        let mut seen = seen();
        change(&mut seen);
        assert_eq!(judge(&seen), [], "{what}");
    }
}

/// One Redis that dies is one thing to look at, whoever works without it: the gateways are named, the openings counted.
/// Mutation that turned it red: `redis::explains` always false (nine troubles).
#[test]
fn a_dead_redis_is_told_once() {
    let mut seen = seen();
    for gateway in &mut seen.gateways {
        let report = gateway.report.as_mut().unwrap();
        report.redis[0] = RedisReport {
            reachable: false,
            for_ms: 20,
            reason: Some("Connection refused".to_owned()),
            ..report.redis[0].clone()
        };
        let lost = Gate2 { state: Gate2State::Lost, for_ms: 4_000, ..report.openings[0].gate2.clone() };
        let lost = Gate2 { picks_per_s_max: Some(2_000), ..lost };
        let one = OpeningReport { gate2: lost, ..report.openings[0].clone() };
        report.openings =
            (0..4).map(|n| OpeningReport { id: format!("{OPENING}{n}"), ..one.clone() }).collect();
        // In another Redis: it has lost that one for reasons of its own.
        report.openings[3].gate2.redis = Some("10.0.0.8:6379".to_owned());
    }
    seen.openings.clear();
    let found = judge(&seen);
    let elsewhere = found.iter().filter(|f| f.trouble.code() == "GATE2_LOST").count();
    assert_eq!((found.len(), elsewhere), (3, 2), "{found:?}");
    assert_eq!(found[0].redis.as_deref(), Some("10.0.0.7:6379"));
    let told = serde_json::json!({
        "gateways": ["gateway a", "gateway b"], "reason": "Connection refused", "for_ms": 20, "openings": 3,
        "holds_picks": false, "picks_per_s_max": 2_000,
    });
    assert_eq!(found[0].trouble.params(), told);
}

/// Mutation that turned it red: `Standing::is_alive` true for a silent gateway.
#[test]
fn nobody_serves_when_all_are_silent_gone_or_starting() {
    let mut seen = seen();
    seen.gateways[0].alive_until = at(999);
    seen.gateways[1].state = State::Gone;
    let codes = |seen: &Seen| judge(seen).iter().map(|f| f.trouble.code()).collect::<Vec<_>>();
    assert_eq!(codes(&seen), ["NO_GATEWAY_READY", "GATEWAY_SILENT"]);
    seen.gateways.clear();
    assert_eq!(codes(&seen), ["NO_GATEWAY_READY"]);
    let mut seen = self::seen();
    for gateway in &mut seen.gateways {
        gateway.name = "the same".to_owned();
    }
    assert_eq!(codes(&seen), ["NAME_SHARED", "NAME_SHARED"]);
}

/// A report of a later program of the same version: more is passed over, less has its default.
#[test]
fn a_report_reads_with_more_and_with_less_in_it() {
    let text = r#"{"connected":7,"of_tomorrow":[1],"redis":[{"address":"a:1","of_tomorrow":1}],"openings":[{"id":"X"}]}"#;
    let report: Report = serde_json::from_str(text).unwrap();
    assert_eq!((report.connected, report.redis[0].address.as_str()), (7, "a:1"));
    assert_eq!(report.openings[0], OpeningReport { id: "X".to_owned(), ..OpeningReport::default() });
    let written = serde_json::to_string(&gateway("a").report).unwrap();
    assert_eq!(serde_json::from_str::<Option<Report>>(&written).unwrap(), gateway("a").report);
}

fn said<'a>(id: &'a str, name: &'a str, state: State, report: &'a Report) -> Said<'a> {
    let (alive_for, up) = (at(3), at(10));
    let (buyers_door, staff_door) = ("127.0.0.1:1", "127.0.0.1:2");
    Said { id, name, buyers_door, staff_door, state, alive_for, up, is_first: false, report }
}

/// A process that listens where one of its name listened has taken its place, however short ago that one spoke; one that
/// lives all the same comes back by its next word.
#[tokio::test]
async fn a_first_word_takes_the_place_of_the_process_before() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_at(at(1_000_000));
    let db = Db::open_sqlite(folder.path(), clock.clone()).await.unwrap();
    let report = Report::default();
    let ids = async || -> Vec<String> {
        look(&db, &clock).await.unwrap().gateways.into_iter().map(|gateway| gateway.id).collect()
    };
    say(&db, &said("1", "hall", State::Ready, &report)).await.unwrap();
    say(&db, &said("2", "office", State::Ready, &report)).await.unwrap();
    let elsewhere = Said { buyers_door: "127.0.0.1:9", ..said("3", "hall", State::Ready, &report) };
    say(&db, &elsewhere).await.unwrap();
    let first = Said { is_first: true, ..said("4", "hall", State::Starting, &report) };
    say(&db, &first).await.unwrap();
    assert_eq!(ids().await, ["3", "4", "2"], "at another door or under another name it is another gateway");
    say(&db, &said("1", "hall", State::Ready, &report)).await.unwrap();
    assert_eq!(ids().await, ["1", "3", "4", "2"]);
}

/// A killed gateway is silent once its time is over; started again under its name, it is no more heard of; a day later
/// its row goes. Mutations that turned it red: the name not compared; only the time looked at, so that of two living ones
/// that bear one name one was hidden.
#[tokio::test]
async fn rows_come_fall_silent_are_followed_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_at(at(1_000_000));
    let db = Db::open_sqlite(folder.path(), clock.clone()).await.unwrap();
    let full = gateway("a").report.unwrap();
    let look_at = async || {
        let seen = look(&db, &clock).await.unwrap();
        let standing = |gateway: &Gateway| (gateway.id.clone(), gateway.standing(seen.now).as_str());
        seen.gateways.iter().map(standing).collect::<Vec<_>>()
    };
    let is =
        |all: &[(&str, &'static str)]| all.iter().map(|(id, s)| ((*id).to_owned(), *s)).collect::<Vec<_>>();

    say(&db, &said("1", "hall", State::Starting, &full)).await.unwrap();
    say(&db, &said("1", "hall", State::Ready, &full)).await.unwrap();
    say(&db, &said("2", "office", State::Ready, &full)).await.unwrap();
    assert_eq!(look_at().await, is(&[("1", "ready"), ("2", "ready")]));
    assert_eq!(look(&db, &clock).await.unwrap().gateways[0].report.as_ref(), Some(&full));

    clock.step_wall(at(2));
    say(&db, &said("2", "office", State::Gone, &full)).await.unwrap();
    clock.step_wall(at(2));
    assert_eq!(look_at().await, is(&[("1", "silent"), ("2", "gone")]));

    // Again under the first one's name, and a second living one of that name: both are seen, the dead one is not.
    clock.step_wall(at(20));
    say(&db, &said("3", "hall", State::Ready, &full)).await.unwrap();
    clock.step_wall(at(1));
    say(&db, &said("4", "hall", State::Ready, &full)).await.unwrap();
    assert_eq!(look_at().await, is(&[("3", "ready"), ("4", "ready"), ("2", "gone")]));

    clock.step_wall(at(24 * 3_600 - 3));
    assert_eq!(forget_old(&db).await.unwrap(), 2, "1 and 2; 3 and 4 spoke less than a day ago");
    assert_eq!(look_at().await, is(&[("4", "silent")]));
}

/// An opening that was never published is nobody's business here.
#[tokio::test]
async fn openings_are_those_that_buyers_can_see() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_at(at(1_000_000));
    let db = Db::open_sqlite(folder.path(), clock.clone()).await.unwrap();
    let id: OpeningId = crate::store::testing::opening(&db, at(1_000_600)).await;
    let seen = look(&db, &clock).await.unwrap();
    assert_eq!(seen.openings.iter().map(|head| &head.id).collect::<Vec<_>>(), [&id]);
    assert_eq!((seen.openings[0].epoch, seen.openings[0].last_seq), (1, 0));
}
