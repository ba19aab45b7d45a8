//! The link while its server comes, goes, stands still, changes its role.

use std::time::Duration;

use redis::AsyncCommands;
use tokio::time::Instant;

use super::server::Redis;
use super::{Board, EPOCH, MINE, SEAL, tap, until};
use crate::cluster::gate2::{Gate2, Gate2Error};
use crate::cluster::link::{Link, LinkError};
use crate::cluster::words::Said;
use crate::limits::{REDIS_ANSWER_TIMEOUT, REDIS_LOOK_PERIOD};

/// Nothing is waited for, so that a call takes no longer than a busy machine needs to fail it.
const AT_ONCE: Duration = Duration::from_millis(100);

fn is_away(failed: &Result<Vec<Said>, Gate2Error>) -> bool {
    matches!(failed, Err(Gate2Error::Link(LinkError::Away(_))))
}

/// OP-85. Mutation that turned it red: the seal compared with nothing but its being there.
#[tokio::test]
async fn redis_started_again_it_is_another_server_and_an_old_seal_is_void() {
    let Board { redis, link, gate, .. } = Board::sealed().await;
    let before = link.health();
    assert!(before.reachable && before.reason.is_empty(), "{before:?}");
    assert_eq!(before.run_id, redis.info("run_id").await);
    let sealed = tap(1, MINE, 9);
    assert_eq!(gate.claim(EPOCH, std::slice::from_ref(&sealed)).await.unwrap(), [Said::Go]);

    assert_eq!(before.master, format!("127.0.0.1:{}", redis.port));
    // Whoever tells of it is woken when it comes, and when it goes.
    let turned = async || tokio::time::timeout(Duration::from_secs(20), link.turned()).await.unwrap();
    turned().await;

    let port = redis.kill();
    turned().await;
    assert!(!link.health().reachable && link.health().master.is_empty(), "{:?}", link.health());
    let redis = Redis::at(port, &[]).unwrap();
    until("Redis is found again", || link.health().reachable).await;

    let after = link.health();
    assert!(after.since > before.since, "{after:?}");
    assert_eq!(after.run_id, redis.info("run_id").await);
    assert_ne!(after.run_id, before.run_id);
    assert!(!gate.is_sealed(EPOCH).await.unwrap(), "it came back empty");

    // What a replica that became the master would have: everything, with the seal of the one before.
    let () = redis.connection().await.set(SEAL, &before.run_id).await.unwrap();
    assert!(!gate.is_sealed(EPOCH).await.unwrap());
    let asked = gate.claim(EPOCH, &[sealed]).await;
    assert!(matches!(asked, Err(Gate2Error::Unsealed)), "{asked:?}");
    gate.rebuild(EPOCH + 1, &[]).await.unwrap();
    assert!(gate.is_sealed(EPOCH + 1).await.unwrap());
}

/// Mutation that turned it red: a connection that was given up stays in use.
#[tokio::test]
async fn redis_gone_every_call_fails_at_once() {
    let Board { redis, link, gate, .. } = Board::sealed().await;
    let port = redis.kill();
    // The first may be the one that finds out.
    let found_out = gate.claim(EPOCH, &[tap(1, MINE, 9)]).await;
    assert!(found_out.is_err(), "{found_out:?}");
    until("the loss is seen", || !link.health().reachable).await;
    for _ in 0..200 {
        let asked = Instant::now();
        let failed = gate.claim(EPOCH, &[tap(1, MINE, 9)]).await;
        assert!(is_away(&failed), "{failed:?}");
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
        tokio::task::yield_now().await;
    }
    assert!(!link.health().reason.is_empty());
    let _redis = Redis::at(port, &[]).unwrap();
    until("Redis is found again", || link.server().is_ok()).await;
}

/// Its port takes connections, nothing answers. Mutations that turned it red: no limit to an answer; a connection that
/// did not answer kept in use.
#[tokio::test]
async fn redis_silent_one_call_waits_for_its_time_and_the_others_fail_at_once() {
    let Board { redis, link, gate, .. } = Board::sealed().await;
    let frozen = redis.freeze().await;
    let asked = Instant::now();
    let silent = gate.claim(EPOCH, &[tap(1, MINE, 9)]).await;
    assert!(matches!(silent, Err(Gate2Error::Link(LinkError::Unknown(_)))), "{silent:?}");
    assert!(asked.elapsed() < REDIS_ANSWER_TIMEOUT * 3, "{:?}", asked.elapsed());

    // Through several tries of the link to connect: each finds a port that answers nothing.
    let frozen_since = Instant::now();
    while frozen_since.elapsed() < REDIS_ANSWER_TIMEOUT * 4 {
        let asked = Instant::now();
        let failed = gate.claim(EPOCH, &[tap(1, MINE, 9)]).await;
        assert!(is_away(&failed), "{failed:?}");
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    frozen.thaw();
    until("Redis is found again", || link.server().is_ok()).await;
    assert!(gate.is_sealed(EPOCH).await.unwrap(), "it is the same server");
}

/// Mutation that turned it red: the role not looked at when connecting.
#[tokio::test]
async fn redis_a_replica_is_refused_until_it_is_the_master() {
    let master = Redis::start();
    let port = master.port.to_string();
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &port]);
    let link = Link::start(&replica.address());
    until("it is looked at", || link.health().reason.contains("replica")).await;
    // Not even for the moment between two looks.
    let looked = Instant::now();
    while looked.elapsed() < REDIS_LOOK_PERIOD * 4 {
        assert!(matches!(link.server(), Err(LinkError::Away(_))));
        assert!(!link.health().reachable);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    until("it is the master", || link.server().is_ok()).await;
    assert!(link.health().reachable);
}

/// Mutations that turned it red: READONLY taken as any refusal; the role not looked at while connected.
#[tokio::test]
async fn redis_a_demoted_master_is_given_up() {
    let Board { redis, link, gate, .. } = Board::sealed().await;
    // Of a master that nobody finds: from a real one it would copy an empty board, and the claim be refused for that.
    let nobody = ["REPLICAOF", "127.0.0.1", "1"];
    redis.command(&nobody).await;
    // A write finds out by itself, before the next look.
    let refused = gate.claim(EPOCH, &[tap(1, MINE, 9)]).await;
    assert!(matches!(refused, Err(Gate2Error::Link(_))), "{refused:?}");
    assert!(link.server().is_err(), "given up at once");

    // And with no write the look does.
    redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    until("it is the master again", || link.server().is_ok()).await;
    redis.command(&nobody).await;
    until("it is given up", || link.server().is_err()).await;
    let gate = Gate2::new(link.clone(), "opening");
    assert!(is_away(&gate.claim(EPOCH, &[tap(1, MINE, 9)]).await));
}

/// Mutation that turned it red: the policy not named.
#[tokio::test]
async fn redis_that_may_drop_what_it_was_told_is_named() {
    let redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let link = redis.link().await;
    let health = link.health();
    assert!(health.reachable, "it is used all the same: the database decides");
    assert_eq!(health.eviction, "allkeys-lru");
    assert!(health.reason.contains("allkeys-lru"), "{health:?}");
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    until("it is set right", || link.health().reason.is_empty()).await;
    assert_eq!(link.health().eviction, "noeviction");
}

/// Mutation that turned it red: `cluster_enabled` not looked at.
#[tokio::test]
async fn redis_a_node_of_a_redis_cluster_is_refused() {
    let redis = Redis::start_with(&["--cluster-enabled", "yes"]);
    let link = Link::start(&redis.address());
    until("it is looked at", || link.health().reason.contains("Cluster")).await;
    assert!(link.server().is_err());
}
