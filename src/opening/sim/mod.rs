//! The seeded simulator: the opening's own code, one thread, virtual time, the ledger's twin.
//!
//! A seed makes an opening (units, buyers, households, quotas), sends buyers, staff, a cashier and a saboteur at it in
//! random interleavings, crashes gateways between any two effects, loses and delays commits' answers, steps clocks; at
//! the end everything comes to rest and the audit compares what people were told, the claims, the journal, and what
//! memory and board show. The same seed gives the same run to the last byte.
//!
//! `KAIPAN_SIM_SEEDS=200000 cargo nextest run --lib simulator` runs more; `KAIPAN_SIM_SEED=17 …` replays one.

mod actors;
mod audit;
mod world;

use crate::store::sim::Mutation;
use world::Plan;

/// Seeds of one run of the tests; `make soak` raises it.
const SEEDS: u64 = 2_000;

/// A mutated run must be caught within so many seeds.
const SEEDS_TO_CATCH: u64 = 1_000;

/// Runs one seed to its end and audits it.
fn run(seed: u64, gateways: usize, redis: bool, mutation: Mutation) -> Result<audit::Counts, String> {
    crate::domain::ids::seeded::set(Some(seed));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let ended = runtime.block_on(world::run(Plan::new(seed, gateways, redis, mutation)));
    crate::domain::ids::seeded::set(None);
    ended
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("KAIPAN_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("KAIPAN_SIM_SEEDS").unwrap_or(SEEDS),
    }
}

fn run_all(gateways: usize, redis: bool, name: &str) {
    let mut total = audit::Counts::default();
    let range = seeds();
    let runs = range.end - range.start;
    for seed in range {
        match run(seed, gateways, redis, Mutation::None) {
            Ok(counts) => total.add(&counts),
            Err(broken) => {
                panic!("seed {seed}: {broken}\nreplay: KAIPAN_SIM_SEED={seed} cargo nextest run --lib {name}")
            }
        }
    }
    println!("{runs} seeds, {gateways} gateway(s): {total:?}");
    if runs > 100 {
        // A simulator in which nothing goes wrong proves nothing.
        assert!(total.is_busy() && (!redis || total.redis.is_busy()), "{total:?}");
    }
}

/// OP-42, OP-43, OP-60 to OP-62, OP-82: one gateway, everything that may go wrong.
#[test]
fn simulator_one_gateway() {
    run_all(1, false, "simulator_one_gateway");
}

/// The same with two gateways that share nothing but the database: gate 3 alone decides between them.
#[test]
fn simulator_two_gateways() {
    run_all(2, false, "simulator_two_gateways");
}

/// OP-85, OP-82: three gateways with Redis between them, which is flushed, taken away, set back and doubled, loses answers
/// and entries; gateways are killed, the database goes away, clocks are stepped.
#[test]
fn simulator_three_gateways_and_redis() {
    run_all(3, true, "simulator_three_gateways_and_redis");
}

#[test]
fn simulator_replays_a_seed_to_the_last_byte() {
    for (gateways, redis) in [(2, false), (3, true)] {
        let once = run(5, gateways, redis, Mutation::None).unwrap();
        assert_eq!(once, run(5, gateways, redis, Mutation::None).unwrap());
    }
}

/// Each guard, taken out, is missed by the audit in some run. If a line here fails, the simulator has gone blind.
#[test]
fn simulator_sees_every_mutation() {
    let cases = [
        (Mutation::NoUnitIndex, 2, "two live claims"),
        (Mutation::NoHeadRow, 2, ""),
        (Mutation::NoQuotaIndex, 2, "quota"),
        (Mutation::NoTombstones, 2, "no that was a yes"),
        (Mutation::AnswerBeforeCommit, 1, "acknowledged yes"),
        (Mutation::GatewayClock, 1, "deadline"),
        (Mutation::NoEpochCheck, 3, "epoch"),
    ];
    for (mutation, gateways, expected) in cases {
        let redis = gateways == 3;
        let caught = (0..SEEDS_TO_CATCH).find_map(|seed| {
            let broken = run(seed, gateways, redis, mutation).err()?;
            broken.contains(expected).then_some((seed, broken))
        });
        match caught {
            Some((seed, broken)) => println!("{mutation:?} caught by seed {seed}: {broken}"),
            None => panic!("{mutation:?} was not caught in {SEEDS_TO_CATCH} seeds"),
        }
    }
}
