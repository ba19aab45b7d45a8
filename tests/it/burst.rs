//! Many buyers at once from another process: two hundred over WebSocket, and a server that is killed among them.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;
use serde_json::Value;

use crate::client::{Burst, Burster, Line, Tap, Tapper, answers};
use crate::harness::{Books, Buyer, Database, Home, Plan, Sale, Server};

pub const BUYERS: usize = 200;

/// A published opening, its start past, and everyone signed in.
pub struct Hall {
    pub home: Home,
    pub sale: Sale,
    pub buyers: Vec<Buyer>,
}

impl Hall {
    pub async fn open(database: Database, plan: Plan) -> (Self, Server) {
        Self::open_in(Home::new(database).await, plan).await
    }

    /// The same in an installation with settings of its own.
    pub async fn open_in(home: Home, plan: Plan) -> (Self, Server) {
        let server = home.serve().await;
        let sale = Sale::publish(&server, &plan).await;
        let mut buyers = Vec::new();
        for n in 0..plan.buyers {
            buyers.push(sale.buyer(n).await);
        }
        sale.started().await;
        (Self { home, sale, buyers }, server)
    }

    /// Everybody taps `taps` units drawn from `units`.
    pub fn burst(&self, name: &str, taps: usize, units: std::ops::Range<u64>, rng: &mut StdRng) -> Burst {
        let tapper = |(buyer, person): (&Buyer, _)| {
            let registration = person;
            let tap = |n| Tap {
                registration: String::clone(registration),
                key: format!("{name}-{registration}-{n}"),
                unit: rng.random_range(units.clone()),
            };
            Tapper {
                registration: registration.clone(),
                token: buyer.token.clone(),
                taps: (0..taps).map(tap).collect(),
            }
        };
        let registrations = self.sale.people.iter().map(|person| &person.code);
        Burst {
            ports: vec![self.home.buyers_port],
            opening: self.sale.opening.clone(),
            record: self.home.file(&format!("{name}.jsonl")),
            buyers: self.buyers.iter().zip(registrations).map(tapper).collect(),
        }
    }

    /// What the client process saw against what the database holds.
    pub async fn faults(&self, record: &[Line]) -> Vec<String> {
        let books = Books::read(&self.home, &self.sale.opening).await;
        let mut faults = books.faults();
        let answers = answers(record);
        let mut winners: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        for line in record {
            let Line::Tapped { tap, .. } = line else { continue };
            let claim = books.claim(&tap.registration, &tap.key);
            match answers.get(tap) {
                None => faults.push(format!("unanswered: {tap:?}")),
                Some(answer) if answer["answer"] == "yes" => {
                    winners.entry(tap.unit).or_default().push(&tap.registration);
                    match claim {
                        None => faults.push(format!("a yes was lost: {tap:?}")),
                        Some(row) => {
                            let seen_deadline_us =
                                answer["claim"]["deadline_ms"].as_i64().map(|ms| ms * 1000);
                            let kept_deadline_us = row.deadline_at.map(|us| us - us % 1000);
                            if row.unit_ord.cast_unsigned() != tap.unit
                                || seen_deadline_us != kept_deadline_us
                            {
                                faults
                                    .push(format!("the yes to {tap:?} said {answer}, the database {row:?}"));
                            }
                        }
                    }
                }
                Some(answer) if answer["answer"] == "no" => {
                    if let Some(row) = claim {
                        faults.push(format!("a no to {tap:?} ({answer}) has a claim: {row:?}"));
                    }
                }
                Some(answer) => faults.push(format!("no answer at all: {tap:?}: {answer}")),
            }
        }
        for (unit, winners) in winners.into_iter().filter(|(_, winners)| winners.len() > 1) {
            faults.push(format!("unit {unit} was promised to {winners:?}"));
        }
        faults
    }
}

pub fn count(answers: &BTreeMap<Tap, Value>, what: &str) -> usize {
    answers.values().filter(|answer| answer["answer"] == what).count()
}

/// MS-4, OP-5: everyone wants one of forty homes.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_buyers_have_one_winner_a_unit_and_every_tap_answered(#[case] database: Database) {
    const HOMES: u64 = 40;
    let (hall, _server) =
        Hall::open(database, Plan { homes: 40, buyers: BUYERS, starts_in_ms: 5_000, ..Plan::default() })
            .await;
    // Twenty taps of two hundred buyers on forty homes leave none untapped, short of one chance in 10^43.
    let burst = hall.burst("rush", 20, 0..HOMES, &mut StdRng::seed_from_u64(4));
    let record = Burster::start(&burst).await.finish().await;
    assert_eq!(hall.faults(&record).await, Vec::<String>::new());
    let answers = answers(&record);
    assert_eq!(answers.len(), BUYERS * 20, "every tap has its answer");
    assert_eq!(count(&answers, "yes"), HOMES as usize, "every home has its winner");
}

/// Ten rounds of a burst of 2,000 picks, each cut by SIGKILL at a moment that the seed chooses. `KAIPAN_KILL_ROUNDS`
/// and `KAIPAN_KILL_SEED` set both.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_lost_no_yes(#[case] database: Database) {
    const TAPS: usize = 10;
    const HOMES_A_ROUND: u64 = 600;
    let setting = |name, or| std::env::var(name).map_or(or, |value| value.parse().expect("a number"));
    let rounds: u64 = setting("KAIPAN_KILL_ROUNDS", 10);
    let seed: u64 = setting("KAIPAN_KILL_SEED", rand::random());
    println!("KAIPAN_KILL_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);

    let homes = usize::try_from(rounds * HOMES_A_ROUND).unwrap();
    // A round sells about three homes a buyer: with 26 some run out of quota in the last round.
    let plan = Plan { homes, buyers: BUYERS, homes_each: 26, starts_in_ms: 15_000, ..Plan::default() };
    let (hall, mut server) = Hall::open(database, plan).await;
    let mut whole_record = Vec::new();
    for round in 0..rounds {
        let units = round * HOMES_A_ROUND..(round + 1) * HOMES_A_ROUND;
        let burst = hall.burst(&format!("round{round}"), TAPS, units, &mut rng);
        let mut client = Burster::start(&burst).await;
        client.answered(rng.random_range(1..BUYERS * TAPS * 9 / 10)).await;
        server.kill().await;
        server = hall.home.serve().await;
        let record = client.finish().await;
        println!(
            "round {round}: {} answers, {} yes",
            answers(&record).len(),
            count(&answers(&record), "yes")
        );
        whole_record.extend(record);
        // The record of all rounds: what an earlier kill spared must outlive the later ones too.
        assert_eq!(
            hall.faults(&whole_record).await,
            Vec::<String>::new(),
            "KAIPAN_KILL_SEED={seed}, round {round}"
        );
    }
    let answers = answers(&whole_record);
    assert_eq!(answers.len(), BUYERS * TAPS * usize::try_from(rounds).unwrap());
    assert!(count(&answers, "yes") > 0 && count(&answers, "no") > 0);
}
