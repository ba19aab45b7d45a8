//! From 1,000 to 19,000 connections on one server: what each one costs in memory, and what telling it of a change costs in
//! CPU. A cost that grows with the number of neighbours would show here, and in the plot.

use std::time::Duration;

use crate::clock::pause;
use crate::driver::bench::Bench;
use crate::driver::fleet::Fleet;
use crate::driver::kaipan::Size;
use crate::driver::machine::{cpu_ns, resident_bytes};
use crate::driver::table::Line;
use crate::failure::Outcome;
use crate::load::{Spread, Transport, Wave};
use crate::plot::{Series, plot};
use crate::stats::{Bound, Figure};

const STEPS_FULL: &[u32] = &[1_000, 4_000, 7_000, 10_000, 13_000, 16_000, 19_000];
const STEPS_SHORT: &[u32] = &[1_000, 10_000, 19_000];
/// Twenty a second.
const CHANGES: u32 = 80;
const FOR_MS: u64 = 4_000;
const SIZE: Size = Size { units: 1_000, buyers: 19_000 };

/// Cost a connection at one step.
struct Cost {
    connections: u32,
    /// Of each since the first step, where it is not a number.
    memory_kib: f64,
    change_us: f64,
}

fn once(bench: &mut Bench) -> Outcome<Vec<Cost>> {
    let (kaipan, place) = bench.start_to_weigh(SIZE)?;
    let mut fleet = bench.fleet()?;
    let process = kaipan.process_id();
    let mut costs = Vec::new();
    // Connections and resident memory at the first step: a start leaves holes in the heap, which the first ones fill.
    let mut first = None;
    // What the changes cost without anybody to tell but those who make them.
    let mut connections = CHANGES;
    fleet.connect(&place, Transport::WebSocket, connections, 5_000)?;
    let untold_ns = changes(&mut fleet, process, 0)?;
    for (number, step) in (1..).zip(bench.of(STEPS_FULL, STEPS_SHORT)) {
        fleet.connect(&place.after(connections), Transport::WebSocket, step - connections, 5_000)?;
        connections = *step;
        pause(Duration::from_millis(1_500));
        let resident = resident_bytes(process)? as f64;
        let (before, less) = *first.get_or_insert((connections, resident));
        let memory_kib = (resident - less) / f64::from(connections - before) / 1_024.0;
        let told_ns = changes(&mut fleet, process, number * CHANGES)?.saturating_sub(untold_ns);
        let change_us = told_ns as f64 / 1_000.0 / f64::from(CHANGES * connections);
        costs.push(Cost { connections, memory_kib, change_us });
    }
    Ok(costs)
}

/// Makes the board change for a while; the CPU time that this took.
fn changes(fleet: &mut Fleet, process: u32, first_unit: u32) -> Outcome<u64> {
    let before = cpu_ns(process)?;
    let wave = Wave {
        after_ms: 0,
        within_ms: FOR_MS,
        taps: CHANGES,
        first_unit,
        units: CHANGES,
        spread: Spread::Each,
        links: CHANGES,
        counted: true,
    };
    fleet.scheduled(&[wave])?.clean("changes")?;
    pause(Duration::from_millis(300));
    Ok(cpu_ns(process)? - before)
}

/// How far the costs of the steps lie apart, in percent of their middle.
fn apart(values: &Figure) -> Figure {
    Figure::of("%", [(values.most() - values.least()) / values.median() * 100.0])
}

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let runs = bench.of(bench.runs, 1);
    let runs: Vec<Vec<Cost>> = (0..runs).map(|_| once(bench)).collect::<Outcome<_>>()?;
    let steps = runs.first().map_or(0, Vec::len);
    let of = |unit, value: fn(&Cost) -> f64| {
        let step = |at: usize| Figure::of(unit, runs.iter().map(|run| value(&run[at]))).median();
        Figure::of(unit, (0..steps).map(step))
    };
    let (mut memory, change) = (of("KiB", |cost| cost.memory_kib), of("µs", |cost| cost.change_us));
    let connections = of("", |cost| f64::from(cost.connections));
    let series = |name, figure: &Figure| {
        let points = connections.runs.iter().copied().zip(figure.runs.iter().copied());
        let points = points.filter(|(_, value)| value.is_finite()).collect();
        Series { name, points }
    };
    let all =
        [series("memory of a connection, KiB", &memory), series("CPU of telling it a change, µs", &change)];
    bench.keep("growth.svg", plot("connections", &all).as_bytes())?;
    let within = Some(Bound::AtMost(20.0));
    memory.runs.retain(|value| value.is_finite());
    let (memory_apart, change_apart) = (apart(&memory), apart(&change));
    Ok(vec![
        Line::alone(
            "1,000 to 19,000 connections: memory of each after the first 1,000, over the steps",
            memory,
            "–",
            None,
        ),
        Line::alone("… least to most", memory_apart, "within 20 %", within),
        Line::alone("… CPU of telling each a change, over the steps", change, "–", None),
        Line::alone("… least to most", change_apart, "within 20 %", within),
    ])
}
