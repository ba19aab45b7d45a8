//! What happens to Redis. Whatever it says or does not say, Postgres decides.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::Hall;
use super::crowd::between;
use crate::harness::{Database, Fleet, Home, Redis, now_us};

/// OP-85: all that Redis holds vanishes while everybody taps. It is written anew under another epoch.
/// Mutation that turned it red: neither claim.lua nor the steward looks at the seal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_redis_flushed_in_mid_run() {
    let redis = Redis::alone().await;
    let hall = Hall::open(2, Some(&redis)).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("flushed").await;
    for _ in 0..3 {
        crowd.answered(300).await;
        let epoch = hall.epoch(0).await;
        let flushed_us = now_us();
        redis.first.call::<()>(&["FLUSHALL"]).await;
        hall.rebuilt_since(epoch).await;
        println!("rebuilt within {} ms", (now_us() - flushed_us) / 1_000);
    }
    crowd.answered(300).await;
    hall.audit(crowd).await;
}

/// OP-85: Redis dies by SIGKILL and comes back with nothing, another process at the same address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_redis_restarted_empty() {
    let mut redis = Redis::alone().await;
    let hall = Hall::open(2, Some(&redis)).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("restarted").await;
    for _ in 0..2 {
        crowd.answered(300).await;
        let epoch = hall.epoch(0).await;
        redis.first.kill();
        hall.all_are("lost").await;
        let lost_us = now_us();
        crowd.answered(200).await;
        println!("200 answers without Redis in {} ms", (now_us() - lost_us) / 1_000);
        redis.restart_empty().await;
        hall.rebuilt_since(epoch).await;
    }
    crowd.answered(300).await;
    hall.audit(crowd).await;
}

/// OP-85: the replica stops hearing of what the master is told; the master dies; the Sentinel makes the replica the master.
/// What it lost are homes that are sold, and it still says that they are free.
/// Mutation that turned it red: a seal counts whichever server it names; the replica has a copy of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_redis_fails_over_to_a_replica_that_lost_writes() {
    let redis = Redis::watched().await;
    let hall = Hall::open(2, Some(&redis)).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("failover").await;
    crowd.answered(300).await;
    let epoch = hall.epoch(0).await;
    let stream = hall.key(0, "stream").await;
    redis.cut_replication().await;
    crowd.answered(400).await;
    let (told, kept) = (redis.first.told_to(&stream).await, redis.replica().told_to(&stream).await);
    assert!(kept + 50 < told, "the replica has lost what came after {kept} of {told}");
    redis.first.kill();
    redis.failed_over().await;
    hall.rebuilt_since(epoch).await;
    crowd.answered(300).await;
    hall.audit(crowd).await;
}

/// OP-85: an operator's failover while all is well: the old master becomes a replica of the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_redis_fails_over_politely() {
    let redis = Redis::watched().await;
    let hall = Hall::open(2, Some(&redis)).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("polite").await;
    crowd.answered(300).await;
    let epoch = hall.epoch(0).await;
    redis.fail_over_politely().await;
    hall.rebuilt_since(epoch).await;
    crowd.answered(300).await;
    hall.audit(crowd).await;
}

/// OP-85: the replica is promoted while the master lives, and one gateway is led to each. They do not raise the epoch against
/// each other: one works with its Redis, the other without.
/// Mutation that turned it red: the steward does not ask for its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_two_redis_masters_at_once() {
    let redis = Redis::pair().await;
    let hall = Hall::open(2, Some(&redis)).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("masters").await;
    crowd.answered(300).await;
    let epoch = hall.epoch(0).await;
    redis.promote_by_hand().await;
    hall.gateway(1).redis().lead_to(redis.replica().port);
    crowd.answered(300).await;
    // Time to see that another server answers, and for many leases to run out.
    let at_war = hall.until(hall.gateway(0), "kaipan_opening_epoch", |now| now > epoch + 1.0);
    assert!(
        timeout(Duration::from_secs(8), at_war).await.is_err(),
        "they raise the epoch against each other"
    );
    crowd.answered(300).await;
    // One master again, the one that was promoted.
    hall.gateway(0).redis().lead_to(redis.replica().port);
    redis.first.kill();
    hall.all_ready().await;
    crowd.answered(300).await;
    hall.audit(crowd).await;
}

/// OP-85: Redis dies and does not come back. Picks go from gate 1 to gate 3, boards follow the journal.
/// Mutation that turned it red: the unique indexes dropped ("two live claims"): gate 3 is all there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_redis_gone_for_good() {
    let redis = Redis::alone().await;
    let hall = Hall::open(2, Some(&redis)).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("gone").await;
    crowd.answered(300).await;
    redis.first.kill();
    hall.all_are("lost").await;
    let gone_us = now_us();
    crowd.answered(1_000).await;
    let record = hall.audit(crowd).await;
    assert!(between(&record, (gone_us, now_us())) > 800);
}

/// OP-85: Redis is set back, by whatever means: its words are those of a while ago, the seal is right, and nobody notices.
/// Old words contradict what memory has read in the journal, and are not believed.
/// Mutation that turned it red: claim.lua believes a word whatever its sequence: "taken by nobody" where the gateway refuses
/// by it, and no answer at all where it waits for the journal to say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_redis_set_back_under_the_same_seal() {
    let redis = Redis::alone().await;
    let hall = Hall::open(2, Some(&redis)).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("back").await;
    let epoch = hall.epoch(0).await;
    let units = hall.key(0, "units").await;
    let kept = "a-while-ago";
    for _ in 0..3 {
        crowd.answered(200).await;
        assert_eq!(redis.first.call::<i64>(&["COPY", &units, kept, "REPLACE"]).await, 1);
        crowd.answered(300).await;
        assert_eq!(redis.first.call::<i64>(&["COPY", kept, &units, "REPLACE"]).await, 1);
    }
    crowd.answered(300).await;
    assert_eq!(hall.epoch(0).await, epoch, "nobody noticed");
    hall.audit(crowd).await;
}

/// OP-85: without Redis the operator wants picks to wait. A home that memory knows to be taken is refused at once; a free one is
/// nobody's until Redis is back.
/// Mutation that turned it red: the setting is not looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_redis_gone_and_picks_wait() {
    let mut redis = Redis::alone().await;
    let mut home = Home::new(Database::Postgres).await;
    home.settings.push(("KAIPAN_REDIS_LOST", "hold"));
    let hall = Hall::calm(Fleet::at(home, 2, Some(&redis)).await).await;
    hall.all_ready().await;
    let [first, second, ..] = &hall.buyers[..] else { panic!("buyers") };
    assert_eq!(first.pick("before-it-went", 1).await["answer"], "yes");
    redis.first.kill();
    hall.all_are("lost").await;
    let tap = async |unit: u64| {
        let body = json!({"key": format!("while-gone-{unit}"), "unit": unit});
        second.api.post(&hall.sale.path("/picks"), body).await.ok()
    };
    assert_eq!(tap(1).await["code"], "TAKEN");
    for _ in 0..3 {
        assert_eq!(tap(2).await["answer"], "in_progress");
    }
    redis.restart_empty().await;
    hall.all_ready().await;
    assert_eq!(second.pick("while-gone-2", 2).await["answer"], "yes");
    hall.boards_are_true().await;
}
