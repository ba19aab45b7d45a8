//! What a pick costs, beside the bare atomic operations it needs and beside the maps one would write first,
//! all in one run, so that the ratios do not depend on the machine or on the hour.
//!
//! ```text
//! cargo bench -p kaipan-inventory                       every case, a minute or two
//! cargo bench -p kaipan-inventory -- --quick            the same, less exact, half a minute
//! cargo bench -p kaipan-inventory -- lost               one scenario
//! ```
//!
//! Three scenarios, each at 1, 2 and 4 threads. The figure is the time that one pick takes *one thread* while
//! all of them pick; what does not get slower with more threads scales. After criterion's own report a table
//! gives the ratios.
//!
//! - **lost**: every unit is gone; 10,000 taps, skewed, over 1,000 units. The case of nine taps in ten.
//! - **won**: every tap wins, each thread among units of its own.
//! - **opening**: 10,000 skewed taps over 1,000 free units, shared out among the threads: the rush itself.
#![allow(clippy::unwrap_used, reason = "a bench that cannot set itself up has nothing to measure")]

mod baselines;

use std::collections::BTreeMap;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use baselines::{Bare, Contender, Locked, Sharded, Words};
use criterion::Criterion;

const UNITS: u32 = 1_000;
const TAPS: u32 = 10_000;
const THREADS: [usize; 3] = [1, 2, 4];

#[derive(Clone, Copy)]
struct Tap {
    unit: u32,
    owner: u32,
}

struct Scenario {
    name: &'static str,
    units: u32,
    /// Nothing is free when the taps begin.
    sold_out: bool,
    /// The taps of each thread.
    taps: fn(threads: usize) -> Vec<Vec<Tap>>,
}

const SCENARIOS: [Scenario; 3] = [
    Scenario { name: "lost", units: UNITS, sold_out: true, taps: shared_out },
    Scenario { name: "won", units: TAPS, sold_out: false, taps: all_different },
    Scenario { name: "opening", units: UNITS, sold_out: false, taps: shared_out },
];

/// Everybody taps once, mostly at the same units: the cube of a random number sends half of the taps to the
/// best tenth. The same taps in every run.
fn shared_out(threads: usize) -> Vec<Vec<Tap>> {
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut taps = vec![Vec::new(); threads];
    for owner in 0..TAPS {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let chance = (dice >> 11) as f64 / (1_u64 << 53) as f64;
        let unit = (f64::from(UNITS) * chance.powi(3)) as u32;
        taps[owner as usize % threads].push(Tap { unit, owner });
    }
    taps
}

/// Each thread has a stretch of units and owners to itself.
fn all_different(threads: usize) -> Vec<Vec<Tap>> {
    let each = TAPS / threads as u32;
    let stretch =
        |first: u32| (first..first + each).map(|number| Tap { unit: number, owner: number }).collect();
    (0..threads as u32).map(|thread| stretch(thread * each)).collect()
}

/// Lets all threads through at the same moment. It spins, because waking a sleeper takes longer than the
/// thousand picks that are to be timed; it yields in between, because there may be fewer cores than threads.
#[derive(Default)]
struct Start {
    arrived: AtomicUsize,
}

impl Start {
    fn wait(&self, threads: usize) {
        let ticket = self.arrived.fetch_add(1, Ordering::AcqRel);
        let all = (ticket / threads + 1) * threads;
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < all {
            spins += 1;
            if spins.is_multiple_of(1_000) { thread::yield_now() } else { spin_loop() }
        }
    }
}

/// Nanoseconds a pick in each round of each thread. A round is all taps once; what was won is undone before
/// the next, off the clock and while nobody is on it.
fn measure<C: Contender>(contender: &C, taps: &[Vec<Tap>], rounds: u64) -> Vec<f64> {
    let start = Start::default();
    let threads = taps.len();
    let run = |taps: &[Tap]| {
        let mut won = Vec::with_capacity(taps.len());
        let mut times = Vec::new();
        for _ in 0..rounds {
            start.wait(threads);
            let begin = Instant::now();
            for &Tap { unit, owner } in taps {
                won.extend(black_box(contender.pick(unit, owner)));
            }
            times.push(begin.elapsed().as_nanos() as f64 / taps.len() as f64);
            start.wait(threads);
            won.drain(..).for_each(|won| contender.undo(won));
        }
        times
    };
    thread::scope(|scope| {
        let crowd: Vec<_> = taps.iter().map(|taps| scope.spawn(|| run(taps))).collect();
        crowd.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// The rounds of each scenario, threads and contender, for the table at the end.
type Table = BTreeMap<(usize, usize, usize), (&'static str, Vec<f64>)>;
static TABLE: Mutex<Table> = Mutex::new(Table::new());

fn bench<C: Contender>(criterion: &mut Criterion, scenario: usize, threads: usize, column: usize) {
    let Scenario { name, units, sold_out, taps } = &SCENARIOS[scenario];
    let contender = C::new(*units, TAPS);
    if *sold_out {
        (0..*units).for_each(|unit| contender.occupy(unit));
    }
    let taps = taps(threads);
    let id = format!("{name}/{threads} threads/{}", C::NAME);
    criterion.bench_function(&id, |bencher| {
        bencher.iter_custom(|picks| {
            let times = measure(&contender, &taps, picks.div_ceil(taps[0].len() as u64));
            let mean_ns = times.iter().sum::<f64>() / times.len() as f64;
            let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
            table.entry((scenario, threads, column)).or_insert((C::NAME, Vec::new())).1.extend(times);
            Duration::from_secs_f64(mean_ns * picks as f64 / 1e9)
        });
    });
}

fn print_ratios() {
    let mut bare = f64::NAN;
    let mut heading = None;
    for ((scenario, threads, _), (name, times)) in &mut *TABLE.lock().unwrap_or_else(PoisonError::into_inner)
    {
        if heading.replace((*scenario, *threads)) != Some((*scenario, *threads)) {
            println!("\n{}, {threads} threads        ns a pick   × bare", SCENARIOS[*scenario].name);
            bare = f64::NAN;
        }
        // The median of the rounds: a neighbour on the machine spoils single rounds, not half of them.
        times.sort_by(f64::total_cmp);
        let time = times[times.len() / 2];
        if *name == Bare::NAME {
            bare = time;
        }
        println!("  {name:<20} {time:>12.1} {:>8.1}", time / bare);
    }
}

fn main() {
    let mut criterion = Criterion::default()
        // Short, because undoing what was won takes as long again, off the clock; `--measurement-time 3` for
        // a report to keep.
        .sample_size(20)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(300))
        .configure_from_args();
    for scenario in 0..SCENARIOS.len() {
        for threads in THREADS {
            bench::<Bare>(&mut criterion, scenario, threads, 0);
            bench::<Words>(&mut criterion, scenario, threads, 1);
            bench::<Locked>(&mut criterion, scenario, threads, 2);
            bench::<Sharded>(&mut criterion, scenario, threads, 3);
        }
    }
    criterion.final_summary();
    print_ratios();
}
