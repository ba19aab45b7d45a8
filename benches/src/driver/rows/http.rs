//! Picks a second over HTTP in a closed loop, 94 of 100 losing: Kaipan with sessions, keys, thresholds and durable
//! commits beside an endpoint that decides nothing, and beside services that decide in Redis and in Postgres.

use std::collections::BTreeMap;

use crate::driver::bench::{Bench, Kind};
use crate::driver::fleet::{Loop, Measured};
use crate::driver::kaipan::Size;
use crate::driver::table::Line;
use crate::failure::Outcome;
use crate::load::Transport;
use crate::stats::{Bound, Figure, number};

/// As many units as the fastest run takes winners, and more.
pub const SIZE: Size = Size { units: 96_000, buyers: 2_000 };
pub const WIN_PERCENT: u32 = 6;
const SIZES_FULL: &[u32] = &[64, 256, 1_000];
const SIZES_SHORT: &[u32] = &[256, 1_000];

#[derive(Clone)]
pub struct Rate {
    pub per_second: Figure,
    pub p99: Figure,
    /// The busiest worker of the load: near 1 the load was the limit.
    pub busy: Figure,
}

impl Default for Rate {
    fn default() -> Self {
        Self { per_second: Figure::new("/s"), p99: Figure::new("ms"), busy: Figure::new("") }
    }
}

impl Rate {
    pub fn push(&mut self, run: &Measured) {
        self.per_second.push(run.per_second());
        self.p99.push(run.percentile_ms(0.99));
        self.busy.push(run.busy);
    }
}

/// One closed loop against one of them, from a fresh start.
pub fn once(bench: &mut Bench, kind: Kind, transport: Transport, connections: u32) -> Outcome<Measured> {
    let (warm_ms, run_ms) = bench.of((500, 3_500), (500, 2_500));
    let run = Loop { warm_ms, run_ms, first_unit: 0, units: SIZE.units, win_percent: WIN_PERCENT };
    once_of(bench, kind, transport, connections, (SIZE, run))
}

/// The same, of any size and length.
pub fn once_of(
    bench: &mut Bench,
    kind: Kind,
    transport: Transport,
    connections: u32,
    (size, run): (Size, Loop),
) -> Outcome<Measured> {
    let server = bench.cores.server.clone();
    let (_subject, place) = bench.start(kind, size, &server)?;
    let mut fleet = bench.fleet()?;
    fleet.connect(&place, transport, connections, 5_000)?;
    fleet.closed(run)?.clean(kind.name())
}

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let kinds = [Kind::Kaipan, Kind::Axum, Kind::Evalsha, Kind::Update];
    let mut lines = Vec::new();
    for connections in bench.of(SIZES_FULL, SIZES_SHORT) {
        let mut rates: BTreeMap<Kind, Rate> = kinds.into_iter().map(|kind| (kind, Rate::default())).collect();
        for _ in 0..bench.runs {
            for kind in kinds {
                let run = once(bench, kind, Transport::Http, *connections)?;
                if let Some(rate) = rates.get_mut(&kind) {
                    rate.push(&run);
                }
            }
        }
        let ours = rates[&Kind::Kaipan].clone();
        let what = |figure| format!("HTTP, {connections} connections: {figure}");
        let load = format!("load's busiest core {} %", number(ours.busy.median() * 100.0));
        for (kind, least) in [(Kind::Axum, 0.9), (Kind::Evalsha, 1.8), (Kind::Update, 1.8)] {
            let theirs = rates[&kind].per_second.clone();
            let bound = Bound::AtLeast(least);
            let line = Line::beside(what("picks"), ours.per_second.clone(), kind.name(), theirs, bound);
            lines.push(line.note(load.clone()));
            if kind == Kind::Axum {
                let (ours, theirs) = (ours.p99.clone(), rates[&kind].p99.clone());
                lines.push(Line::beside(what("p99"), ours, kind.name(), theirs, Bound::AtMost(1.2)));
            }
        }
    }
    Ok(lines)
}
