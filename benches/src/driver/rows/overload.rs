//! Three times the capacity: the server on one core, the load on all others, taps that arrive whether or not the server
//! keeps up. What counts is what is still answered, and that those who are not are told when to come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::{now_ns, pause};
use crate::driver::bench::{Bench, Kind};
use crate::driver::fleet::{Loop, Measured};
use crate::driver::kaipan::Size;
use crate::driver::table::Line;
use crate::failure::Outcome;
use crate::http::Client;
use crate::load::{Spread, Transport, Wave};
use crate::stats::{Bound, Figure, number};

const SIZE: Size = Size { units: 48_000, buyers: 2_000 };
const CONNECTIONS: u32 = 1_000;
const TIMES: f64 = 3.0;

/// One run: the peak of a closed loop, then three times as much for a while.
struct Run {
    peak: f64,
    offered: f64,
    goodput: f64,
    measured: Measured,
    health: Health,
}

/// How `/healthz` answered meanwhile.
#[derive(Default)]
struct Health {
    slowest_ms: f64,
    unanswered: u32,
}

fn watch(address: SocketAddr, over: &AtomicBool) -> Health {
    let mut health = Health::default();
    while !over.load(Ordering::Relaxed) {
        let began_ns = now_ns();
        let reply = Client::connect(address).and_then(|mut client| client.get("/healthz"));
        if !reply.is_ok_and(|reply| reply.status == 200) {
            health.unanswered += 1;
        }
        health.slowest_ms = health.slowest_ms.max((now_ns() - began_ns) as f64 / 1e6);
        pause(Duration::from_millis(100));
    }
    health
}

fn once(bench: &mut Bench) -> Outcome<Run> {
    let cores = bench.cores.one_for_the_server();
    let (_subject, place) = bench.start(Kind::Kaipan, SIZE, &cores.server)?;
    let mut fleet = bench.fleet_on(&cores.load)?;
    fleet.connect(&place, Transport::Http, CONNECTIONS, 5_000)?;
    let for_ms = bench.of(4_000, 2_500);
    let half = SIZE.units / 2;
    let closed = Loop { warm_ms: 500, run_ms: 2_000, first_unit: 0, units: half, win_percent: 6 };
    let peak = fleet.closed(closed)?.clean("the peak")?.per_second();
    let taps = (peak * TIMES * for_ms as f64 / 1_000.0) as u32;
    // So few units that nine in ten lose, as in the closed loop.
    let wave = Wave {
        after_ms: 0,
        within_ms: for_ms,
        taps,
        first_unit: half,
        units: (taps / 16).clamp(1, half),
        spread: Spread::Skewed,
        links: CONNECTIONS,
        counted: true,
    };
    let over = Arc::new(AtomicBool::new(false));
    let watched = std::thread::spawn({
        let (over, address) = (Arc::clone(&over), place.address(0));
        move || watch(address, &over)
    });
    let measured = fleet.scheduled(&[wave]);
    over.store(true, Ordering::Relaxed);
    let health = watched.join().unwrap_or_default();
    let measured = measured?;
    let per_second = |count: u64| count as f64 * 1_000.0 / for_ms as f64;
    Ok(Run {
        peak,
        offered: per_second(measured.sent),
        goodput: per_second(measured.in_time),
        measured,
        health,
    })
}

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let runs: Vec<Run> = (0..bench.runs).map(|_| once(bench)).collect::<Outcome<_>>()?;
    let of = |unit, value: fn(&Run) -> f64| Figure::of(unit, runs.iter().map(value));
    let offered = of("× peak", |run| run.offered / run.peak).median();
    let refused: u64 = runs.iter().map(|run| run.measured.refused()).sum();
    let unanswered: u64 = runs.iter().map(|run| run.measured.unanswered).sum();
    let late = of("ms", |run| run.measured.late_ms).median();
    let note = format!(
        "offered {} × the peak, at most {} ms late; refused {refused}, unanswered {unanswered} in all runs",
        number(offered),
        number(late)
    );
    let (goodput, peak) = (of("/s", |run| run.goodput), of("/s", |run| run.peak));
    let what = "three times the capacity, server on 1 core: goodput";
    let goodput = Line::beside(what, goodput, "its peak", peak, Bound::AtLeast(0.9));
    let silent = of("", |run| (run.measured.refused() - run.measured.told_when) as f64);
    let unhealthy = of("", |run| f64::from(run.health.unanswered));
    let none = Some(Bound::AtMost(0.0));
    Ok(vec![
        goodput.four_cores().note(note),
        Line::alone("… refusals that name no time", silent, "none", none).four_cores(),
        Line::alone("… `/healthz` not answered", unhealthy, "none", none).four_cores(),
        Line::alone("… slowest answer of `/healthz`", of("ms", |run| run.health.slowest_ms), "–", None),
    ])
}
