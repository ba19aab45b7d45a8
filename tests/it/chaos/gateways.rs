//! Gateways come, leave politely, die, and sleep, and buyers see the truth at the next one.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Hall;
use super::crowd::between;
use crate::client::Line;
use crate::harness::{Cluster, Fate, Fleet, Gateway, Link, Plan, Redis, Sale, now_us};

/// OP-85: in the middle of an opening a gateway is added, one is drained, one is killed and comes back. Whoever was at one
/// that left is answered at the next.
/// Mutation that turned it red: a gateway that joins does not read who has what (it sells nothing: gate 3 refuses it all).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_a_gateway_is_added_one_drained_one_killed() {
    let redis = Redis::alone().await;
    let mut hall = Hall::open(2, Some(&redis)).await;
    let mut crowd = hall.crowd("changing").await;
    crowd.answered(300).await;

    let third = hall.fleet.add().await;
    hall.set_doors();
    hall.fleet.gateways[0].drain().await;
    crowd.answered(300).await;
    // Those of the first went on to the second, and to the third from there when it dies.
    hall.fleet.gateways[1].kill().await;
    let (alone_us, before) = (now_us(), hall.figure(hall.gateway(third), "kaipan_picks_total").await);
    crowd.answered(600).await;
    let alone_until_us = now_us();
    // Each of the two hundred asked about one tap first.
    assert!(hall.figure(hall.gateway(third), "kaipan_picks_total").await >= before + 200.0);
    hall.fleet.restart(1).await;
    crowd.answered(300).await;

    let record = hall.audit(crowd).await;
    assert!(between(&record, (alone_us, alone_until_us)) >= 100, "the new one served them alone");
    let left: BTreeSet<Option<u16>> = record
        .iter()
        .filter_map(|line| match line {
            Line::Left { close_code, .. } => Some(*close_code),
            Line::Tapped { .. } | Line::Answered { .. } | Line::GaveUp { .. } => None,
        })
        .collect();
    assert_eq!(
        left,
        BTreeSet::from([None, Some(1001)]),
        "told to go by the drained one, cut off by the killed one"
    );
}

/// OP-85: a buyer picks at one gateway, and their other device hears of it at another.
/// Mutation that turned it red: entries from the stream are applied without telling whose claims they change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_another_device_at_another_gateway_is_told() {
    let redis = Redis::alone().await;
    let fleet = Fleet::start(2, Some(&redis)).await;
    let sale = Sale::publish(fleet.gateways[0].server(), &Plan { homes_each: 2, ..Plan::default() }).await;
    let (picks, views) = (sale.buyer(0).await, sale.buyer_with(0, "tablet").await);
    sale.started().await;
    let doors = fleet.doors();
    let mut phone = Link::open(doors[0], &sale.opening, Some(&picks.token)).await.unwrap();
    let mut tablet = Link::open(doors[1], &sale.opening, Some(&views.token)).await.unwrap();
    assert_eq!(phone.frame("hello").await["device"], "picks");
    assert_eq!(tablet.frame("hello").await["device"], "viewer");
    for (key, unit) in [("told-elsewhere-1", 3), ("told-elsewhere-2", 4)] {
        phone.pick(key, unit).await.unwrap();
        let yes = phone.answer(key, unit).await.unwrap();
        assert_eq!(yes["answer"], "yes", "{yes}");
        let told = tablet.frame("claim").await;
        assert_eq!(told["claim"], yes["claim"]);
    }
}

/// OP-82, OP-85: SIGKILL to each process in turn while everybody taps: both gateways, Redis' master, its Sentinel,
/// Postgres. What died comes back where it would in a sale: the gateways and Postgres.
/// Found that a gateway whose Redis had died looked for it without ever waiting, and hung. Mutation that turned it red: that
/// one (`stand_lost` wakes the steward).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_every_process_killed_in_turn() {
    let mut cluster = Cluster::start();
    let redis = Redis::watched().await;
    let mut hall = Hall::at(Fleet::start_on(&cluster, 2, Some(&redis)).await).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("each").await;
    for gateway in 0..2 {
        crowd.answered(200).await;
        hall.fleet.gateways[gateway].kill().await;
        crowd.answered(200).await;
        hall.fleet.restart(gateway).await;
    }
    crowd.answered(200).await;
    let epoch = hall.epoch(0).await;
    redis.first.kill();
    redis.failed_over().await;
    hall.rebuilt_since(epoch).await;
    crowd.answered(200).await;
    redis.sentinel().kill();
    crowd.answered(200).await;
    tokio::task::block_in_place(|| {
        cluster.kill();
        cluster.restart();
    });
    crowd.answered(400).await;
    hall.audit(crowd).await;
}

/// OP-82: a gateway falls asleep (SIGSTOP) between BEGIN and COMMIT of a group of picks, holding the head row. Postgres ends
/// its transaction after a second; meanwhile Redis is emptied, and the other gateway raises the epoch. When it wakes up its
/// COMMIT reaches nobody, and its next attempt names an epoch that is over: refused, read again, decided again.
/// Mutation that turned it red: `take_head` does not look at the epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_a_gateway_asleep_in_its_commit_over_an_epoch_change() {
    let redis = Redis::alone().await;
    let hall = Hall::open(2, Some(&redis)).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("asleep").await;
    let refused = |gateway: &Gateway| gateway.server().said().matches("this epoch is over").count();
    for round in 0..3 {
        crowd.answered(200).await;
        let (sleeper, other) = (hall.gateway(round % 2), hall.gateway(1 - round % 2));
        let epoch = hall.figure(other, "kaipan_opening_epoch").await;
        let failed = hall.figure(sleeper, "kaipan_commit_failures_total").await;
        let before = refused(sleeper);
        let mut caught = sleeper.postgres.catch(Fate::Held);
        caught.sprung().await;
        sleeper.server().freeze();
        redis.first.call::<()>(&["FLUSHALL"]).await;
        hall.until(other, "kaipan_opening_epoch", |now| now > epoch).await;
        caught.release();
        // Slow to hear of the new epoch by itself: its next attempt is made under the old one.
        sleeper.postgres.delay(Duration::from_millis(60));
        sleeper.server().thaw();
        // It saw its commit fail, was refused, and works under the new epoch.
        hall.until(sleeper, "kaipan_commit_failures_total", |now| now > failed).await;
        hall.rebuilt_since(epoch).await;
        sleeper.postgres.delay(Duration::ZERO);
        assert!(refused(sleeper) > before, "its attempt under the old epoch was refused");
        crowd.answered(200).await;
    }
    // What a sleeper refuses from memory is as old as its sleep: less than a lease and a rebuild.
    hall.audit_after(crowd, Duration::from_secs(5)).await;
}
