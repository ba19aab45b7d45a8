//! Picks, quotas, money and pauses over two gateways, with Redis between them and without (OP-85, OP-43).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::time::timeout;

use super::{FOLLOWED, Two, at, soon};
use crate::harness::{Books, Buyer, Link, Plan, Sale, staff};

async fn is_sound(two: &Two, sale: &Sale) {
    assert_eq!(Books::read(&two.home, &sale.opening).await.faults(), Vec::<String>::new());
}

/// Whether a frame shows this unit to everybody.
fn shows(frame: &Value, unit: u64) -> bool {
    let pairs = frame["u"].as_array().map(Vec::as_slice).unwrap_or_default();
    frame["t"] == "board" && pairs.chunks(2).any(|pair| pair[0] == unit && pair[1] != 0)
}

/// OP-43: what concerns one buyer is told where the buyer listens before everybody there sees it.
///
/// Mutation that turned it red: the board published before entries are told to those who listen.
#[rstest]
#[case::postgres(false)]
#[case::postgres_and_redis(true)]
#[tokio::test]
async fn a_yes_at_one_is_told_to_the_other_device_before_its_board_shows_it(#[case] with_redis: bool) {
    let two = Two::start(with_redis).await;
    let sale = two.live_sale(&Plan { homes: 30, homes_each: 30, ..Plan::default() }).await;
    let buyer = sale.buyer(0).await;
    let mut elsewhere = two.link_at_b(&sale, &buyer.token).await;
    elsewhere.frame("snapshot").await;
    for unit in 0..30 {
        let yes = buyer.pick(&format!("told-elsewhere-{unit}"), unit).await;
        assert_eq!(yes["answer"], "yes", "{yes}");
        let mut told = false;
        loop {
            let frame = elsewhere.next().await.unwrap();
            assert_ne!(frame["t"], "snapshot", "no gap was made");
            told |= frame["t"] == "claim" && frame["claim"] == yes["claim"];
            if shows(&frame, unit) {
                break;
            }
        }
        assert!(told, "the board showed unit {unit} first");
    }
    is_sound(&two, &sale).await;
}

/// OP-82: a tap whose answer did not arrive is repeated, or asked about, wherever the phone comes in again. It is the same
/// tap: one claim, one answer, however soon after the other and at the same moment.
///
/// Three things see to it, and it took all three out to turn this red: recorded keys looked for in gate 3, an occupant's key
/// compared there, and the keys of followed entries remembered.
#[rstest]
#[case::postgres(false)]
#[case::postgres_and_redis(true)]
#[tokio::test]
async fn a_tap_repeated_at_the_other_is_the_same_tap(#[case] with_redis: bool) {
    let two = Two::start(with_redis).await;
    let sale = two.live_sale(&Plan { homes: 40, homes_each: 40, ..Plan::default() }).await;
    let here = sale.buyer(0).await;
    let there = here.at(&two.b);
    for unit in 0..40 {
        let key = format!("the-same-tap-{unit}");
        let (one, other) = match unit % 3 {
            0 => tokio::join!(here.pick(&key, unit), there.pick(&key, unit)),
            1 => (here.pick(&key, unit).await, there.pick(&key, unit).await),
            _ => (there.pick(&key, unit).await, here.ask(&key).await),
        };
        assert_eq!(one["answer"], "yes", "{one}");
        assert_eq!(one, other, "unit {unit}");
    }
    let reused = json!({"key": "the-same-tap-39", "unit": 1});
    there.api.post(&sale.path("/picks"), reused).await.refused(409, "KEY_REUSED");
    assert_eq!(Books::read(&two.home, &sale.opening).await.claims.len(), 40);
    is_sound(&two, &sale).await;
}

/// OP-82: a key is one tap at one home. Used for two homes at two gateways, at the same moment or before the other has heard of it, it
/// gets one of them; the other pick is refused as a reused key and leaves its home to everybody.
///
/// Mutations that turned it red: the claim of whatever unit taken for the answer (`about`); a key that stays with the unit of the
/// pick that lost (`Keys::settle`); that pick's word left in Redis, which then keeps others from its home for two seconds.
#[rstest]
#[case::postgres(false)]
#[case::postgres_and_redis(true)]
#[tokio::test]
async fn op_82_a_key_for_two_homes_at_two_gateways_gets_one(#[case] with_redis: bool) {
    const ROUNDS: u64 = 20;
    let two = Two::start(with_redis).await;
    let sale = two
        .live_sale(&Plan { homes: 2 * ROUNDS as usize, homes_each: 2 * ROUNDS as u32, ..Plan::default() })
        .await;
    let here = sale.buyer(0).await;
    let there = here.at(&two.b);
    let in_progress = AtomicU64::new(0);
    // The claim's unit, or that the key was used.
    let pick = async |buyer: &Buyer, key: &str, unit: u64| loop {
        let reply = buyer.api.post(&sale.path("/picks"), json!({"key": key, "unit": unit})).await;
        if reply.status == 409 {
            reply.refused(409, "KEY_REUSED");
            return None;
        }
        let answer = reply.ok();
        match answer["answer"].as_str() {
            Some("yes") => return Some(answer["claim"]["unit"].as_u64().unwrap()),
            Some("in_progress") => drop(in_progress.fetch_add(1, Ordering::Relaxed)),
            _ => panic!("{answer}"),
        }
    };
    for round in 0..ROUNDS {
        let (key, one, other) = (format!("one-key-two-homes-{round}"), 2 * round, 2 * round + 1);
        let got = match round % 2 {
            0 => <[_; 2]>::from(tokio::join!(pick(&here, &key, one), pick(&there, &key, other))),
            _ => [pick(&here, &key, one).await, pick(&there, &key, other).await],
        };
        let (won, lost) = match got {
            [Some(unit), None] if unit == one => (one, other),
            [None, Some(unit)] if unit == other => (other, one),
            _ => panic!("round {round}: {got:?}"),
        };
        for buyer in [&here, &there] {
            assert_eq!(buyer.ask(&key).await["claim"]["unit"], won);
            assert_eq!(pick(buyer, &key, won).await, Some(won), "round {round}: the same tap");
            assert_eq!(pick(buyer, &key, lost).await, None, "round {round}");
        }
        // The home that it did not get is free at both.
        let next = if round % 4 < 2 { &here } else { &there };
        assert_eq!(pick(next, &format!("another-key-{round}"), lost).await, Some(lost));
    }
    assert_eq!(Books::read(&two.home, &sale.opening).await.claims.len() as u64, 2 * ROUNDS);
    // One or another on a busy machine.
    assert!(in_progress.load(Ordering::Relaxed) < ROUNDS / 4, "{in_progress:?}");
    is_sound(&two, &sale).await;
}

/// OP-85: what stands in Redis and never was in the journal (somebody wrote there, a database came back without its last
/// commits) costs a pick a second, and no buyer a home.
///
/// Mutation that turned it red: a pick waits for news for as long as it takes.
#[tokio::test]
async fn postgres_and_redis_a_word_of_an_entry_that_never_was_keeps_nobody_from_a_home() {
    let two = Two::start(true).await;
    let sale = two.live_sale(&Plan { homes_each: 3, ..Plan::default() }).await;
    let redis = &two.redis.as_ref().unwrap().first;
    let sealed = format!("kp:{{{}}}:*:seal", sale.opening);
    soon("Redis is loaded", async || !redis.call::<Vec<String>>(&["KEYS", &sealed]).await.is_empty()).await;
    let seal = redis.call::<Vec<String>>(&["KEYS", &sealed]).await.remove(0);
    let units = seal.replace(":seal", ":units");
    let words = ["o999999:1", "w999999", "not a word"];
    for (unit, word) in words.iter().enumerate() {
        redis.call::<i64>(&["HSET", &units, &unit.to_string(), word]).await;
    }
    let buyer = sale.buyer(0).await.at(&two.b);
    for (unit, word) in (0..).zip(words) {
        let key = format!("despite-that-word-{unit}");
        let answer = timeout(FOLLOWED * 2, buyer.pick(&key, unit)).await;
        assert_eq!(
            answer.unwrap_or_else(|_| panic!("no answer behind {word:?}"))["answer"],
            "yes",
            "{word:?}"
        );
    }
    is_sound(&two, &sale).await;
}

/// The one place of a registration, and of a household, is gone at both at once: whoever has not followed asks gate 3.
///
/// Mutation that turned it red: the unique index on quota places dropped.
#[rstest]
#[case::postgres(false)]
#[case::postgres_and_redis(true)]
#[tokio::test]
async fn a_quota_used_at_one_is_used_at_the_other_at_once(#[case] with_redis: bool) {
    let two = Two::start(with_redis).await;
    let plan = Plan { homes: 90, buyers: 22, household_of_two: true, ..Plan::default() };
    let sale = two.live_sale(&plan).await;
    let mut unit = 0;
    let mut next = || {
        unit += 2;
        (unit - 2, unit - 1)
    };
    let no = |answer: &Value, holder: &str| {
        assert_eq!((&answer["answer"], &answer["code"]), (&json!("no"), &json!("QUOTA_USED")), "{answer}");
        assert_eq!(answer["params"]["holder"], holder, "{answer}");
    };
    let once = |answers: [&Value; 2], holder: &str| {
        let yes = answers.iter().filter(|answer| answer["answer"] == "yes").count();
        assert_eq!(yes, 1, "{answers:?}");
        answers.into_iter().filter(|answer| answer["answer"] != "yes").for_each(|answer| no(answer, holder));
    };

    // Two of one household, at the same moment.
    let (one, other) = (sale.buyer(0).await, sale.buyer(1).await.at(&two.b));
    let (first, second) = next();
    let (here, there) =
        tokio::join!(one.pick("one-of-us-here", first), other.pick("one-of-us-there", second));
    once([&here, &there], "household");

    for n in 2..22 {
        let here = sale.buyer(n).await;
        let there = here.at(&two.b);
        let (first, second) = next();
        if n % 2 == 0 {
            let (here, there) =
                tokio::join!(here.pick("both-at-once-a", first), there.pick("both-at-once-b", second));
            once([&here, &there], "registration");
        } else {
            let yes = here.pick("the-only-place", first).await;
            assert_eq!(yes["answer"], "yes", "{yes}");
            no(&there.pick("one-too-many", second).await, "registration");
        }
    }
    is_sound(&two, &sale).await;
}

/// What the journal has, in its order.
async fn journal(two: &Two, sale: &Sale) -> Vec<(i64, String)> {
    let pool = PgPool::connect(two.home.database_url().unwrap()).await.unwrap();
    let entries = sqlx::query_as("SELECT seq, kind FROM journal WHERE opening_id = $1 ORDER BY seq")
        .bind(&sale.opening)
        .fetch_all(&pool)
        .await
        .unwrap();
    pool.close().await;
    entries
}

/// Taps one unit after another until it has been told of the pause several times.
async fn tap_on(buyer: &Buyer, units: &AtomicU64, paused: &AtomicBool) -> (u64, u64) {
    let (mut yes, mut refused) = (0, 0);
    while refused < 10 {
        let unit = units.fetch_add(1, Ordering::Relaxed);
        // Looked at before the tap: what is tapped after the pause was confirmed is never granted.
        let is_paused = paused.load(Ordering::SeqCst);
        let answer = buyer.pick(&format!("while-pausing-{unit}"), unit).await;
        match (answer["answer"].as_str(), answer["code"].as_str()) {
            (Some("yes"), _) if !is_paused => yes += 1,
            (Some("no"), Some("PAUSED")) => refused += 1,
            _ => panic!("paused {is_paused}: {answer}"),
        }
    }
    (yes, refused)
}

/// Gate 3 decides, so that the moment of the pause is a place in the journal and not a time on somebody's clock.
///
/// Mutation that turned it red: the pause not looked at in gate 3, which leaves it to what each gateway has followed.
#[rstest]
#[case::postgres(false)]
#[case::postgres_and_redis(true)]
#[tokio::test]
async fn a_pause_at_one_stops_picks_at_the_other(#[case] with_redis: bool) {
    let two = Two::start(with_redis).await;
    let sale = two.live_sale(&Plan { homes: 2_000, homes_each: 90, buyers: 12, ..Plan::default() }).await;
    let mut tapping = Vec::new();
    for n in 0..12 {
        tapping.push(sale.buyer(n).await.at(&two.b));
    }
    let (units, paused) = (AtomicU64::new(0), AtomicBool::new(false));
    let pausing = async {
        soon("many are granted", async || units.load(Ordering::Relaxed) > 100).await;
        sale.admin.post(&sale.path("/pause"), json!({"reason": "核对"})).await.ok();
        paused.store(true, Ordering::SeqCst);
    };
    let (outcomes, ()) =
        tokio::join!(join_all(tapping.iter().map(|buyer| tap_on(buyer, &units, &paused))), pausing);
    let granted: u64 = outcomes.iter().map(|(yes, _)| yes).sum();
    assert!(granted > 50, "{outcomes:?}");

    // Resumed at the other, picked at the first.
    at(&two.b, &sale.admin).post(&sale.path("/resume"), json!({})).await.ok();
    let here = tapping[0].at(&two.a);
    soon("picks go on", async || {
        let unit = units.fetch_add(1, Ordering::Relaxed);
        here.pick(&format!("after-the-pause-{unit}"), unit).await["answer"] == "yes"
    })
    .await;

    let journal = journal(&two, &sale).await;
    let seq_of = |kind: &str| journal.iter().find(|(_, found)| found == kind).map(|(seq, _)| *seq).unwrap();
    let (paused, resumed) = (seq_of("paused"), seq_of("resumed"));
    let meanwhile: Vec<_> = journal.iter().filter(|(seq, _)| (paused + 1..resumed).contains(seq)).collect();
    assert_eq!(meanwhile, Vec::<&(i64, String)>::new(), "between the pause and its end");
    is_sound(&two, &sale).await;
}

async fn told(link: &mut Link, claim: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    let frame = link
        .wait_for(|frame| {
            frame["t"] == "claim" && frame["claim"]["id"] == claim["id"] && wanted(&frame["claim"])
        })
        .await;
    frame.unwrap()["claim"].clone()
}

/// OP-60: holds of one gateway, money and control at the other.
///
/// Mutation that turned it red: a claim that memory does not know yet taken for none.
#[rstest]
#[case::postgres(false)]
#[case::postgres_and_redis(true)]
#[tokio::test]
async fn money_and_control_at_one_reach_the_holds_of_the_other(#[case] with_redis: bool) {
    let two = Two::start(with_redis).await;
    let mut sale = two.live_sale(&Plan { homes_each: 3, ..Plan::default() }).await;
    let cashier = staff(&two.a, &sale.admin, "cashier", "cashier").await;
    let buyer = sale.buyer(0).await.at(&two.b);
    sale.enter_by(two.b.buyers_port);
    let mut listening = two.link_at_b(&sale, &buyer.token).await;
    let mut claims = Vec::new();
    for unit in [1, 2] {
        let yes = buyer.pick(&format!("held-at-the-other-{unit}"), unit).await;
        assert_eq!(yes["answer"], "yes", "{yes}");
        claims.push(yes["claim"].clone());
    }
    let action =
        |claim: &Value, what: &str| sale.path(&format!("/holds/{}/{what}", claim["id"].as_str().unwrap()));

    // Paid at A, a deal at B.
    let payment = json!({
        "generation": claims[0]["generation"], "method": "pos", "reference": "POS-1", "amount_fen": 5_000_000,
    });
    let paid = cashier.post(&action(&claims[0], "payments"), payment.clone()).await.ok();
    assert_eq!(paid["hold"]["state"], "sold");
    told(&mut listening, &claims[0], |claim| claim["state"] == "sold").await;
    let again = at(&two.b, &cashier).post(&action(&claims[0], "payments"), payment).await.ok();
    assert_eq!(again["payment"]["id"], paid["payment"]["id"], "one reference is one payment at both");
    sale.board_shows("021000000000").await;

    // Extended at A, once for both; released at B, free at A.
    let with = |claim: &Value| json!({"generation": claim["generation"], "reason": "银行排队"});
    let extended = sale.admin.post(&action(&claims[1], "extend"), with(&claims[1])).await.ok();
    let seen = told(&mut listening, &claims[1], |claim| claim["extended"] == true).await;
    assert_eq!(seen["deadline_ms"], extended["deadline_ms"]);
    let there = at(&two.b, &sale.admin);
    there.post(&action(&claims[1], "extend"), with(&extended)).await.refused(409, "ALREADY_EXTENDED");
    there.post(&action(&claims[1], "release"), with(&extended)).await.ok();
    told(&mut listening, &claims[1], |claim| claim["state"] == "released").await;
    sale.board_shows("020000000000").await;
    let next = sale.buyer(1).await.at(&two.a);
    soon("the released home is free at A", async || {
        next.pick(&format!("free-again-{}", crate::harness::now_ms()), 2).await["answer"] == "yes"
    })
    .await;
    is_sound(&two, &sale).await;
}
