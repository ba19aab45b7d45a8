//! A burst of 10,000 at two gateways, beside a single server: how long a pick takes that goes through all three gates, that is
//! every yes; how often Redis was called for it; and how many picks Postgres commits at once.

use std::collections::BTreeMap;

use crate::driver::bench::Bench;
use crate::driver::cluster::{Cluster, Ground};
use crate::driver::figures::Figures;
use crate::driver::fleet::{Fleet, Measured};
use crate::driver::kaipan::Size;
use crate::driver::table::Line;
use crate::failure::{Failure, Outcome, While};
use crate::frames::digest;
use crate::load::{Spread, Transport, Wave};
use crate::stats::{Bound, Figure, number};

const BUYERS: u32 = 10_000;
const BURST: u32 = 1_000;
/// Odd, so that the taps for a unit, one every so many, come to both gateways.
const SALE: u32 = 1_001;
pub const UNITS: u32 = BURST + SALE;
const GATEWAYS: u32 = 2;

/// What a wave of taps made the servers do, by their own figures.
#[derive(Debug, Default)]
pub struct Work {
    /// Calls of Redis, by script.
    pub calls: BTreeMap<String, f64>,
    pub picks_committed: f64,
    pub transactions: f64,
    pub refused_otherwise: f64,
}

impl Work {
    fn between(before: &Figures, after: &Figures) -> Self {
        let rose = |name, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
        let was = before.by("kaipan_gate2_calls_total", "script");
        let calls = after.by("kaipan_gate2_calls_total", "script").into_iter();
        let calls = calls.map(|(script, count)| {
            let less = was.get(&script).copied().unwrap_or_default();
            (script, count - less)
        });
        Self {
            calls: calls.collect(),
            picks_committed: rose("kaipan_commit_jobs_sum", &[]),
            transactions: rose("kaipan_commit_jobs_count", &[]),
            refused_otherwise: rose("kaipan_refusals_total", &[])
                - rose("kaipan_refusals_total", &[("code", "TAKEN")]),
        }
    }

    pub fn claims(&self) -> f64 {
        self.calls.get("claim").copied().unwrap_or_default()
    }

    pub fn picks_a_transaction(&self) -> f64 {
        self.picks_committed / self.transactions
    }
}

/// One burst within 100 ms and one instant against one of them.
#[derive(Debug)]
pub struct Run {
    pub yes_p99: f64,
    pub all_p99: f64,
    /// How late the load itself was.
    pub late: f64,
    pub burst: Work,
    pub instant: Work,
}

/// Sends one wave from a board that stands still to the next, and says what it made the servers do.
fn wave(cluster: &Cluster, fleet: &mut Fleet, wave: Wave, what: &str) -> Outcome<(Measured, Work)> {
    let before = cluster.figures()?;
    let measured = fleet.scheduled(&[wave])?.clean(what)?;
    let seq = cluster.gateways[0].quiet_seq()?;
    let after = cluster.figures()?;
    let boards = fleet.boards(seq)?;
    let truth = cluster.gateways[0].board_of_database(UNITS as usize)?;
    if boards.digests == [(digest(truth.as_bytes()), u64::from(wave.links))] {
        return Ok((measured, Work::between(&before, &after)));
    }
    Err(Failure(format!("{what}: not all boards show what the database holds")))
}

/// Fails unless each server got its part of so many taps: a burst at one of two gateways would be a figure of something else.
fn shared_out(cluster: &Cluster, taps: u32) -> Outcome<()> {
    let least = 0.9 * f64::from(taps) / cluster.gateways.len() as f64;
    for gateway in &cluster.gateways {
        let picks = gateway.figures()?.sum("kaipan_picks_total", &[]);
        if picks < least {
            return Err(Failure(format!("a server got {picks} of {taps} taps, which is not its part")));
        }
    }
    Ok(())
}

pub fn once(bench: &Bench, cluster: Cluster, buyers: u32) -> Outcome<Run> {
    let mut fleet = bench.fleet()?;
    fleet.connect(&cluster.place()?, Transport::WebSocket, buyers, 5_000)?;
    let burst = Wave {
        after_ms: 0,
        within_ms: 100,
        taps: buyers,
        first_unit: 0,
        units: BURST,
        spread: Spread::Skewed,
        links: buyers,
        counted: true,
    };
    let instant = Wave { within_ms: 0, first_unit: BURST, units: SALE, spread: Spread::Each, ..burst };
    let (measured, burst) = wave(&cluster, &mut fleet, burst, "the burst")?;
    let (sold, instant) = wave(&cluster, &mut fleet, instant, "the instant")?;
    if sold.yes() != u64::from(SALE.min(buyers)) {
        return Err(Failure(format!("of {SALE} units {} were sold in one instant", sold.yes())));
    }
    shared_out(&cluster, 2 * buyers)?;
    cluster.stop()?;
    Ok(Run {
        yes_p99: measured.yes_percentile_ms(0.99),
        all_p99: measured.percentile_ms(0.99),
        late: measured.late_ms,
        burst,
        instant,
    })
}

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let size = Size { units: UNITS, buyers: BUYERS };
    let ground = Ground::prepare(bench, size)?;
    let (mut ours, mut single, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        let cores = bench.cores.for_two_gateways();
        let two = ground.gateways(bench, &cores)?;
        ours.push(once(bench, two, BUYERS).during("two gateways")?);
        let one = Cluster { gateways: vec![bench.single(size)?] };
        single.push(once(bench, one, BUYERS).during("the single server")?);
        alone.push(once(bench, ground.alone(bench)?, BUYERS).during("one gateway on Postgres")?);
    }
    Ok(lines(&ours, &single, &alone))
}

fn lines(ours: &[Run], single: &[Run], alone: &[Run]) -> Vec<Line> {
    let of = |runs: &[Run], unit, value: fn(&Run) -> f64| Figure::of(unit, runs.iter().map(value));
    let ms = |runs, value| of(runs, "ms", value);
    let (on_sqlite, on_postgres) = ("the single server, SQLite", "one gateway on Postgres");
    let late = |runs| number(ms(runs, |run| run.late).median());
    let late = format!("the load at most {} ms late, {} ms, {} ms", late(ours), late(single), late(alone));
    let yes = |peer, theirs| {
        let what = "10,000 taps within 100 ms at two gateways, a pick through three gates: p99";
        let value = |run: &Run| run.yes_p99;
        Line::beside(what, ms(ours, value), peer, ms(theirs, value), Bound::AtMost(3.0)).four_cores()
    };
    let all = |peer, theirs| {
        let value = |run: &Run| run.all_p99;
        Line::told("… of all answers: p99", ms(ours, value), peer, ms(theirs, value))
    };
    // The strictest of the runs: a tap that was refused otherwise may have called Redis.
    let otherwise = ours.iter().map(|run| run.burst.refused_otherwise).fold(f64::INFINITY, f64::min);
    let most = f64::from(BURST * GATEWAYS) + otherwise;
    let calls = |script: &str| {
        let counts = ours.iter().map(|run| run.burst.calls.get(script).copied().unwrap_or_default());
        format!("{script} {}", number(Figure::of("", counts).median()))
    };
    let mut scripts: Vec<&str> =
        ours.iter().flat_map(|run| run.burst.calls.keys()).map(String::as_str).collect();
    scripts.sort_unstable();
    scripts.dedup();
    let by_script: Vec<String> = scripts.into_iter().map(calls).collect();
    let bounded = format!("≤ units × gateways + refusals other than `TAKEN` = {}", number(most));
    let claims = of(ours, "calls", |run| run.burst.claims());
    let together = |what, value| {
        Line::alone(what, of(ours, "picks", value), "≥ 8 when they queue", Some(Bound::AtLeast(8.0)))
            .four_cores()
    };
    vec![
        yes(on_sqlite, single).note(late),
        yes(on_postgres, alone),
        all(on_sqlite, single),
        all(on_postgres, alone),
        Line::alone("… calls of Redis by picks in the burst", claims, &bounded, Some(Bound::AtMost(most)))
            .four_cores()
            .note(format!("all scripts: {}", by_script.join(", "))),
        together("… picks a transaction of Postgres, in the burst", |run| run.burst.picks_a_transaction()),
        together("… and when 10,000 tap at one instant", |run| run.instant.picks_a_transaction()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutations that turned it red: figures before the wave not taken off; `TAKEN` counted among the other refusals.
    #[test]
    fn a_waves_work_is_what_its_figures_rose_by() {
        let page = |claim: u32, jobs: u32, taken: u32, mine: u32| {
            let text = format!(
                "kaipan_gate2_calls_total{{script=\"claim\"}} {claim}\nkaipan_gate2_calls_total{{script=\"tell\"}} 4\n\
                 kaipan_commit_jobs_sum {jobs}\nkaipan_commit_jobs_count {claim}\n\
                 kaipan_refusals_total{{code=\"TAKEN\"}} {taken}\nkaipan_refusals_total{{code=\"ALREADY_YOURS\"}} {mine}\n"
            );
            Figures::of(&text).unwrap()
        };
        let work = Work::between(&page(10, 100, 1_000, 1), &page(30, 600, 9_000, 4));
        assert_eq!((work.claims(), work.calls["tell"], work.refused_otherwise), (20.0, 0.0, 3.0));
        assert_eq!((work.transactions, work.picks_a_transaction()), (20.0, 25.0));
        assert!(Work::default().picks_a_transaction().is_nan(), "without a transaction no goal is met");
    }
}
