//! Time on the wires, and clocks that are wrong.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::Hall;
use crate::client::Line;
use crate::harness::{Fleet, Redis, now_us};

/// OP-82, OP-85: every wire between gateways and servers takes 30 to 80 ms each way. Everybody is answered, later; slow is
/// not lost. Found that giving up, a claim at a time, held the head row for half a minute over such a wire.
/// Mutation that turned it red: a Redis that does not answer within 50 ms counts as lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_every_link_slow() {
    const DELAYS_MS: [(u64, u64); 2] = [(30, 80), (80, 30)];
    let redis = Redis::alone().await;
    let hall = Hall::open(2, Some(&redis)).await;
    let mut crowd = hall.crowd("slow").await;
    crowd.answered(200).await;
    for (at, (to_postgres_ms, to_redis_ms)) in DELAYS_MS.into_iter().enumerate() {
        hall.gateway(at).postgres.delay(Duration::from_millis(to_postgres_ms));
        hall.gateway(at).redis().delay(Duration::from_millis(to_redis_ms));
    }
    let slow_us = now_us();
    crowd.answered(300).await;
    // Slow is not lost: gate 2 is still asked.
    hall.all_ready().await;
    let record = hall.audit_after(crowd, Duration::from_secs(2)).await;
    // A yes is a transaction of several trips: the delays were there.
    let quickest_us = yes_after(&record, slow_us).min().expect("a yes over slow links");
    assert!(quickest_us > 2 * 30_000, "a yes after {quickest_us} us");
}

/// How long each yes took that was tapped after a moment.
fn yes_after(record: &[Line], after_us: i64) -> impl Iterator<Item = i64> {
    let mut sent = std::collections::BTreeMap::new();
    record.iter().filter_map(move |line| match line {
        Line::Tapped { tap, at_us } => {
            sent.insert(tap, *at_us);
            None
        }
        Line::Answered { tap, answer, at_us } => {
            let sent_us = sent.remove(tap).filter(|us| *us > after_us)?;
            (answer["answer"] == "yes").then_some(at_us - sent_us)
        }
        Line::Left { .. } | Line::GaveUp { .. } => None,
    })
}

/// OP-40, OP-85: the wall clock of one of two gateways is ten minutes slow, then ten minutes fast, all through a sale. Nobody
/// is told that it has not begun or is over, and no hold gets a deadline by it.
/// Mutation that turned it red: `OpeningClock::now` reads the wall, and nobody buys at that gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_postgres_one_gateways_clock_off_by_ten_minutes() {
    const OFF_S: i64 = 600;
    let redis = Redis::alone().await;
    let mut fleet = Fleet::start(1, Some(&redis)).await;
    let mut command = fleet.home.command_of(&std::env::current_exe().unwrap());
    command.args(["--exact", "hostile::clock::server_process", "--ignored", "--nocapture"]);
    command.stdin(Stdio::piped()).env("STEPPED_BY", (-OFF_S).to_string());
    let off = fleet.add_by(command).await;
    let mut steps = fleet.gateways[off].server_mut().stdin();
    let hall = Hall::at(fleet).await;
    let mut crowd = hall.crowd("clock").await;
    let mut step = async |by_s: i64| steps.write_all(format!("{by_s}\n").as_bytes()).await.unwrap();
    for by_s in [2 * OFF_S, -2 * OFF_S, OFF_S] {
        let before = hall.figure(hall.gateway(off), "kaipan_yes_total").await;
        crowd.answered(400).await;
        assert!(hall.figure(hall.gateway(off), "kaipan_yes_total").await > before, "it sells");
        step(by_s).await;
    }
    crowd.answered(200).await;
    let record = hall.audit(crowd).await;
    let hold_ms =
        hall.sale.onlooker().get(&hall.sale.path("")).await.ok()["hold_s"].as_i64().unwrap() * 1_000;
    for line in &record {
        let Line::Answered { answer, at_us, .. } = line else { continue };
        if let Some(deadline_ms) = answer["claim"]["deadline_ms"].as_i64() {
            let off_ms = deadline_ms - hold_ms - at_us / 1_000;
            assert!(off_ms.abs() < 60_000, "a deadline that is {off_ms} ms off: {}", json!(answer));
        }
    }
}
