//! Losers refused a second: two gateways beside one, each with as many cores as the other. A loser is refused from memory and
//! costs neither Redis nor Postgres anything, so what limits this is what the note tells: the gateways' cores, or the load's.

use crate::clock::now_ns;
use crate::driver::bench::Bench;
use crate::driver::cluster::Ground;
use crate::driver::fleet::{Fleet, Loop};
use crate::driver::kaipan::Size;
use crate::driver::table::Line;
use crate::failure::{Failure, Outcome};
use crate::load::{Spread, Transport, Wave};
use crate::stats::{Bound, Figure, number};

const CONNECTIONS: u32 = 512;
/// All of them sold before the loop begins.
const UNITS: u32 = 1_000;
const ROUNDS_MAX: u32 = 5;

/// One loop against one or two gateways.
#[derive(Debug)]
pub struct Run {
    pub per_second: f64,
    /// The busiest worker of the load, and the gateways, as a share of their cores.
    pub load_busy: f64,
    pub gateways_busy: f64,
}

/// Sells every unit, and waits until each board shows it: then each gateway's memory knows it.
fn sell_out(fleet: &mut Fleet, seq_of: impl Fn() -> Outcome<i64>, connections: u32) -> Outcome<()> {
    let wave = Wave {
        after_ms: 0,
        within_ms: 1_000,
        taps: UNITS,
        first_unit: 0,
        units: UNITS,
        spread: Spread::Each,
        links: connections,
        counted: true,
    };
    let mut sold = 0;
    // A tap that was told to come again comes again: this is not measured.
    for _ in 0..ROUNDS_MAX {
        sold += fleet.scheduled(&[wave])?.yes();
        if sold == u64::from(UNITS) {
            break;
        }
    }
    let boards = fleet.boards(seq_of()?)?;
    if sold == u64::from(UNITS) && boards.there == u64::from(connections) && boards.digests.len() == 1 {
        return Ok(());
    }
    Err(Failure(format!("{sold} of {UNITS} units are sold, and {} boards show it", boards.there)))
}

pub fn once(bench: &Bench, ground: &Ground, gateways: usize, connections: u32, run_ms: u64) -> Outcome<Run> {
    let cores = bench.cores.for_two_gateways();
    let cores = &cores[..gateways.min(cores.len())];
    let cluster = ground.gateways(bench, cores)?;
    let mut fleet = bench.fleet()?;
    fleet.connect(&cluster.place()?, Transport::WebSocket, connections, 5_000)?;
    sell_out(&mut fleet, || cluster.gateways[0].quiet_seq(), connections)?;
    let (began_ns, began_cpu) = (now_ns(), cluster.cpu_ns()?);
    let run = Loop { warm_ms: 500, run_ms, first_unit: 0, units: UNITS, win_percent: 0 };
    let measured = fleet.closed(run)?.clean("losers")?;
    let (took_ns, took_cpu) = (now_ns() - began_ns, cluster.cpu_ns()? - began_cpu);
    if measured.yes() > 0 {
        return Err(Failure(format!("{} of those who were to lose won", measured.yes())));
    }
    let cores: usize = cores.iter().map(Vec::len).sum();
    let gateways_busy = took_cpu as f64 / (took_ns as f64 * cores as f64);
    cluster.stop()?;
    Ok(Run { per_second: measured.per_second(), load_busy: measured.busy, gateways_busy })
}

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let ground = Ground::prepare(bench, Size { units: UNITS, buyers: CONNECTIONS })?;
    let run_ms = bench.of(4_000, 2_500);
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        one.push(once(bench, &ground, 1, CONNECTIONS, run_ms)?);
        two.push(once(bench, &ground, 2, CONNECTIONS, run_ms)?);
    }
    let of = |runs: &[Run], unit, value: fn(&Run) -> f64| Figure::of(unit, runs.iter().map(value));
    let rate = |runs| of(runs, "/s", |run| run.per_second);
    let percent = |runs, value| number(of(runs, "", value).median() * 100.0);
    let each = bench.cores.for_two_gateways()[0].len();
    let note = format!(
        "cores: {each} a gateway, {} for the load; busy: gateways {} % of theirs, the load's busiest core {} %; with one \
         {} % and {} %",
        bench.cores.load.len(),
        percent(&two, |run| run.gateways_busy),
        percent(&two, |run| run.load_busy),
        percent(&one, |run| run.gateways_busy),
        percent(&one, |run| run.load_busy),
    );
    let what = format!("losers refused by two gateways, {CONNECTIONS} WebSockets");
    let line = Line::beside(what, rate(&two), "one gateway", rate(&one), Bound::AtLeast(1.7));
    Ok(vec![line.four_cores().note(note)])
}
