//! The stream that tells gateways of each other's commits loses something. What it lost is in the journal.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Hall;
use crate::harness::{Fleet, Redis};

/// A gateway hears of a commit by comparing itself with the head row, every 250 ms; the machine may be busy.
const HEARD_WITHIN: Duration = Duration::from_millis(1_000);

/// OP-85: a gateway commits and dies before it has told Redis. The stream's last message was never sent, which no follower can
/// see as a gap; yet the other gateway shows the home as taken, and Redis was well all the time.
/// Mutation that turned it red: the heartbeat does not compare itself with the head row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_the_streams_last_message_lost() {
    let redis = Redis::alone().await;
    let mut hall = Hall::calm(Fleet::start(2, Some(&redis)).await).await;
    hall.all_ready().await;
    hall.gateway(0).redis().hold();
    let yes = hall.buyers[0].pick("never-told", 3).await;
    let committed = Instant::now();
    hall.fleet.gateways[0].kill().await;
    assert_eq!(yes["answer"], "yes", "{yes}");
    let seq = yes["claim"]["seq"].as_i64().unwrap();
    let other = hall.gateway(1);
    while hall.board(other).await["status"].as_str().unwrap().as_bytes()[3] != b'1' {
        assert!(committed.elapsed() < HEARD_WITHIN, "not shown after {HEARD_WITHIN:?}");
        sleep(Duration::from_millis(5)).await;
    }
    hall.boards_are_true().await;
    // The gateway that heard of it from the database tells Redis; it can not have been told by it.
    assert_eq!(hall.figure_with(other, "kaipan_gate2_state", ",state=\"ready\"").await, 1.0);
    redis.first.told(&hall.key(1, "stream").await, seq).await;
}

/// OP-85: a message is missing in the middle of the stream, and the gateway that sees what comes after it can not ask the
/// database. It takes nothing beyond the gap; afterwards it has both.
/// Mutation that turned it red: `Memory::apply` takes whatever comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_a_gap_in_the_stream() {
    let redis = Redis::alone().await;
    let hall = Hall::calm(Fleet::start(2, Some(&redis)).await).await;
    hall.all_ready().await;
    let [first, second, ..] = &hall.buyers[..] else { panic!("buyers") };
    let deaf = hall.gateway(1);
    deaf.postgres.hold();
    deaf.redis().close();
    let lost = first.pick("lost-in-between", 3).await["claim"]["seq"].as_i64().unwrap();
    let after = second.pick("after-the-gap", 5).await["claim"]["seq"].as_i64().unwrap();
    let stream = hall.key(0, "stream").await;
    redis.first.told(&stream, after).await;
    assert_eq!(redis.first.call::<i64>(&["XDEL", &stream, &format!("{lost}-0")]).await, 1);
    deaf.redis().open();
    // Both gateways wait for the stream's next message: this one has been given what comes after the gap.
    redis.first.until("CLIENT", &["LIST"], |clients| clients.matches("cmd=xread").count() == 2).await;
    let shown = hall.board(deaf).await;
    assert_eq!(shown["status"], "0".repeat(hall.homes), "beyond the gap: {shown}");
    deaf.postgres.open();
    hall.boards_are_true().await;
}
