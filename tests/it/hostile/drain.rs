//! SIGTERM in the middle of a burst: what was answered stands in the books, everybody is told to reconnect, and after
//! the restart every open tap has its answer.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;

use crate::burst::{BUYERS, Hall, count};
use crate::client::{Burster, Line, answers};
use crate::harness::{Database, Plan};

/// OP-82. Mutation that turned it red: the hub does not tell its sockets to leave, so that they break off without 1001.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn op_82_a_drain_under_fire_loses_no_answer_and_sends_everybody_back(#[case] database: Database) {
    const TAPS: usize = 15;
    const ROUNDS: u64 = 3;
    const HOMES_A_ROUND: u64 = 600;
    let homes = usize::try_from(ROUNDS * HOMES_A_ROUND).unwrap();
    let plan = Plan { homes, buyers: BUYERS, homes_each: 10, starts_in_ms: 15_000, ..Plan::default() };
    let (hall, mut server) = Hall::open(database, plan).await;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut whole_record = Vec::new();
    for round in 0..ROUNDS {
        let units = round * HOMES_A_ROUND..(round + 1) * HOMES_A_ROUND;
        let burst = hall.burst(&format!("drain{round}"), TAPS, units, &mut rng);
        let mut client = Burster::start(&burst).await;
        client.answered(rng.random_range(BUYERS..BUYERS * TAPS / 2)).await;
        // Ends by itself, in its own time, with success.
        assert!(server.stop().await.success(), "round {round}");
        server = hall.home.serve().await;
        let record = client.finish().await;
        let left: BTreeSet<Option<u16>> = record
            .iter()
            .filter_map(|line| match line {
                Line::Left { close_code, .. } => Some(*close_code),
                Line::Tapped { .. } | Line::Answered { .. } | Line::GaveUp { .. } => None,
            })
            .collect();
        let told = record.iter().filter(|line| matches!(line, Line::Left { .. })).count();
        println!("round {round}: {told} sockets left with {left:?}, {} yes", count(&answers(&record), "yes"));
        assert_eq!(left, BTreeSet::from([Some(1001)]), "round {round}: seed {seed}");
        assert!(told >= BUYERS / 2, "round {round}: the drain came after the burst: {told}");
        whole_record.extend(record);
        assert_eq!(hall.faults(&whole_record).await, Vec::<String>::new(), "seed {seed}, round {round}");
    }
    let answers = answers(&whole_record);
    assert_eq!(answers.len(), BUYERS * TAPS * usize::try_from(ROUNDS).unwrap(), "every tap has its answer");
    assert!(count(&answers, "yes") > 0 && count(&answers, "no") > 0);
}
