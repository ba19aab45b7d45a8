//! What happens to the database, or on the way to it.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Hall;
use super::crowd::between;
use crate::harness::{Cluster, Fate, Fleet, Redis, now_us};

/// OP-82: the line to Postgres breaks inside COMMIT, before the server hears it. The group was not committed, and is
/// committed by the next attempt: nobody is told anything in between.
/// Mutation that turned it red: keys are settled before the commit, and buyers hold claims that nobody knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_cut_inside_a_commit_that_was_not_applied() {
    cut_in_mid_commit(Fate::Unheard).await;
}

/// OP-82: the line breaks after the server has heard COMMIT. The group is committed, its gateway can not know, and finds
/// it: nobody's yes is lost, and nobody gets two homes for one tap.
/// Mutation that turned it red: a commit that failed is told as a no ("a no that was a yes").
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_cut_inside_a_commit_that_was_applied() {
    cut_in_mid_commit(Fate::Unanswered).await;
}

async fn cut_in_mid_commit(fate: Fate) {
    let redis = Redis::alone().await;
    let hall = Hall::open(2, Some(&redis)).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("cut").await;
    for round in 0..6 {
        crowd.answered(200).await;
        let gateway = hall.gateway(round % 2);
        let failed = hall.figure(gateway, "kaipan_commit_failures_total").await;
        let mut caught = gateway.postgres.catch(fate);
        caught.sprung().await;
        // The gateway saw it, too.
        hall.until(gateway, "kaipan_commit_failures_total", |now| now > failed).await;
    }
    crowd.answered(400).await;
    hall.audit(crowd).await;
}

/// OP-82: Postgres dies by SIGKILL and comes back. Meanwhile nobody gets an answer that needs it; afterwards everybody
/// gets theirs, and every yes from before is still there.
/// Mutation that turned it red: Postgres with `synchronous_commit=off`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_killed_and_restarted() {
    let mut cluster = Cluster::start();
    let redis = Redis::alone().await;
    let hall = Hall::at(Fleet::start_on(&cluster, 2, Some(&redis)).await).await;
    let mut crowd = hall.crowd("killed").await;
    for _ in 0..2 {
        crowd.answered(400).await;
        cluster.kill();
        let dead_us = now_us();
        tokio::task::block_in_place(|| cluster.restart());
        println!("dead for {} ms", (now_us() - dead_us) / 1_000);
        for at in 0..2 {
            hall.until(hall.gateway(at), "kaipan_commit_failures_total", |failed| failed > 0.0).await;
        }
    }
    crowd.answered(400).await;
    let record = hall.audit(crowd).await;
    assert!(between(&record, (0, now_us())) > 1_000);
}

/// OP-82: for one gateway the machine of Postgres is gone without a word, in the middle of a commit: what is under way gets
/// neither an answer nor an end, and only new connections reach what took its place. Its buyers are told to ask again, not no;
/// after the gateway's own limit of time it sells, and shows the truth.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_gone_without_a_word() {
    /// Limits of a commit and of a connection, and what a busy machine adds.
    const BACK_WITHIN: Duration = Duration::from_secs(40);
    let redis = Redis::alone().await;
    let hall = Hall::open(2, Some(&redis)).await;
    hall.all_ready().await;
    let mut crowd = hall.crowd("silent").await;
    crowd.answered(300).await;
    let gateway = hall.gateway(0);
    let mut caught = gateway.postgres.catch(Fate::Held);
    caught.sprung().await;
    // Whatever the gateway asks four times a second is under way as well.
    gateway.postgres.hold();
    sleep(Duration::from_millis(600)).await;
    gateway.postgres.lose();
    gateway.postgres.open();
    let sold = hall.figure(gateway, "kaipan_yes_total").await;
    let lost_us = now_us();
    hall.until_within(BACK_WITHIN, gateway, "kaipan_yes_total", "", |now| now > sold).await;
    println!("sold again after {} ms", (now_us() - lost_us) / 1_000);
    crowd.answered(300).await;
    // So does what looks after deadlines and phases.
    let back_us = now_us();
    let looks = async {
        while hall.clocks_compared_us().await.iter().any(|us| *us < back_us) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(BACK_WITHIN, looks).await.expect("every gateway's heartbeat");
    hall.audit_after(crowd, BACK_WITHIN).await;
}
