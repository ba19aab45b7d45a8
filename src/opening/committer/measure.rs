//! How long a group of picks takes, from the transaction's begin to the last answer. Not a test: run it by hand.
//!
//!     cargo test --release --lib measure_commit -- --ignored --nocapture
//!
//! `KAIPAN_MEASURE_POSTGRES=postgres://…` measures on that (empty) database instead of SQLite in a temporary folder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Batch, Live};
use crate::domain::ids::{RegOrd, UnitOrd};
use crate::domain::kind::UnitKind;
use crate::opening::answer::{Answer, Key};
use crate::opening::job::Pick;
use crate::opening::keys::{First, Known};
use crate::opening::testing;
use crate::store::{Db, testing as store_testing};

const UNITS: u32 = 12_000;

/// Picks that won gate 1, as the committer finds them in its queue, and who waits for their answers.
fn won(live: &Live, from: u32, size: u32) -> (Batch, Vec<tokio::sync::oneshot::Receiver<Answer>>) {
    let mut batch = Batch::default();
    let mut waiting = Vec::new();
    for ord in from..from + size {
        let (who, unit) = (RegOrd(ord), UnitOrd(ord));
        let key = Key::parse(&format!("tap-{ord:08}-01ARZ3NDEKTSV4RRFFQ")).unwrap();
        let Known::Fresh(receiver) = live.keys.begin(who, &key, unit, || First::Open) else {
            panic!("fresh")
        };
        waiting.push(receiver);
        let holders = live.facts.holder_indexes(who, UnitKind::Home);
        match live.inventory.pick(unit.0, who.0, UnitKind::Home.class(), holders.as_slice()) {
            inventory::Pick::Won(ticket) => live.memory.keep_ticket(who, key.clone(), ticket),
            _ => panic!("won"),
        }
        batch.picks.push(Pick { who, unit, key, arrived: live.now() });
    }
    (batch, waiting)
}

/// What this process has used of the cores: a busy machine stretches every other clock.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a measurement, run by hand"]
async fn measure_commit() {
    for (size, rounds) in [(1, 200), (10, 100), (100, 50), (1_000, 10), (2_000, 5)] {
        let (_folder, db) = match std::env::var("KAIPAN_MEASURE_POSTGRES") {
            Ok(url) => (None, Db::connect_postgres(&url).await.unwrap()),
            Err(_) => {
                let (folder, db) = store_testing::sqlite().await;
                (Some(folder), db)
            }
        };
        let running = testing::running(&db, UNITS).await;
        let live: &Arc<Live> = &running.live;
        let hubs: Vec<_> = (0..3).map(|_| live.events()).collect();
        let mut told = Vec::new();
        for mut hub in hubs {
            told.push(tokio::spawn(async move {
                let mut lost = 0;
                loop {
                    match hub.recv().await {
                        Ok(_) => {}
                        Err(tokio::sync::broadcast::error::RecvError::Lagged(n)) => lost += n,
                        Err(_) => return lost,
                    }
                }
            }));
        }
        let mut times: Vec<(Duration, Duration, Duration)> = Vec::new();
        for round in 0..rounds {
            let (batch, waiting) = won(live, round * size, size);
            let (begun, used) = (Instant::now(), cpu());
            let (group, order) = live.attempt(&batch).await.unwrap().unwrap();
            let (committed, cpu_committed) = (begun.elapsed(), cpu() - used);
            let begun = Instant::now();
            live.deliver(batch, group).await;
            drop(order);
            times.push((committed, begun.elapsed(), cpu_committed));
            for mut answer in waiting {
                assert!(matches!(answer.try_recv(), Ok(Answer::Yes(_))));
            }
        }
        let first = times[0];
        times.sort();
        let (commit, deliver, _) = times[times.len() / 2];
        let mut cpus: Vec<Duration> = times.iter().map(|(_, _, cpu)| *cpu).collect();
        cpus.sort();
        let (least, used) = (times[0].0, cpus[cpus.len() / 2]);
        let per = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(size);
        println!(
            "group of {size:>5}: commit, µs a pick: first {:>8.2}, median {:>8.2}, least {:>8.2}, of the cores {:>8.2}; \
             deliver {:>6.2}",
            per(first.0),
            per(commit),
            per(least),
            per(used),
            per(deliver),
        );
        drop(running);
        db.close().await;
    }
}
