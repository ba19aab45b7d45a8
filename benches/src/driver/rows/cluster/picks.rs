//! Picks a second over HTTP in the closed loop of the row `http`, 94 of 100 losing: two gateways beside a service that decides
//! in the same Redis, and one that decides in the same Postgres.

use crate::driver::bench::{Bench, Kind};
use crate::driver::cluster::Ground;
use crate::driver::fleet::{Loop, Measured};
use crate::driver::kaipan::Size;
use crate::driver::peers;
use crate::driver::rows::http::{Rate, WIN_PERCENT};
use crate::driver::table::Line;
use crate::failure::{Failure, Outcome};
use crate::load::{Place, Transport};
use crate::stats::{Bound, number};

/// As many units as the fastest run takes winners, and more.
const SIZE: Size = Size { units: 48_000, buyers: 2_000 };
const SIZES_FULL: &[u32] = &[64, 256, 1_000];
const SIZES_SHORT: &[u32] = &[256];
/// A small opening of one server, to see what its answers look like.
const SAMPLE: Size = Size { units: 100, buyers: 10 };

/// One closed loop against one of them, on stores that the last one has left.
pub fn once(
    bench: &mut Bench,
    ground: &Ground,
    kind: Kind,
    connections: u32,
    run: Loop,
) -> Outcome<Measured> {
    let (work, cores) = (bench.work().to_owned(), bench.cores.server.clone());
    let stores = &ground.stores;
    let peer = match kind {
        Kind::Kaipan => {
            let cluster = ground.gateways(bench, &bench.cores.for_two_gateways())?;
            let measured = looped(bench, &cluster.place()?, kind, connections, run)?;
            cluster.stop()?;
            return Ok(measured);
        }
        Kind::Evalsha => peers::evalsha_on(&work, &cores, &bench.headers(SAMPLE)?, &stores.redis)?,
        Kind::Update => {
            peers::update_on(&work, &cores, &bench.headers(SAMPLE)?, run.units, &stores.postgres)?
        }
        Kind::Axum | Kind::Reference => return Err(Failure::new("this one has no store")),
    };
    looped(bench, &peer.place(&ground.place()), kind, connections, run)
}

fn looped(bench: &Bench, place: &Place, kind: Kind, connections: u32, run: Loop) -> Outcome<Measured> {
    let mut fleet = bench.fleet()?;
    fleet.connect(place, Transport::Http, connections, 5_000)?;
    fleet.closed(run)?.clean(kind.name())
}

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let ground = Ground::prepare(bench, SIZE)?;
    let (warm_ms, run_ms) = bench.of((500, 3_500), (500, 2_500));
    let run = Loop { warm_ms, run_ms, first_unit: 0, units: SIZE.units, win_percent: WIN_PERCENT };
    let mut lines = Vec::new();
    for connections in bench.of(SIZES_FULL, SIZES_SHORT) {
        let [mut ours, mut evalsha, mut update] = [Rate::default(), Rate::default(), Rate::default()];
        for _ in 0..bench.runs {
            ours.push(&once(bench, &ground, Kind::Kaipan, *connections, run)?);
            evalsha.push(&once(bench, &ground, Kind::Evalsha, *connections, run)?);
            update.push(&once(bench, &ground, Kind::Update, *connections, run)?);
        }
        let what = |figure| format!("two gateways, HTTP, {connections} connections: {figure}");
        let load = format!("load's busiest core {} %", number(ours.busy.median() * 100.0));
        for (kind, theirs) in [(Kind::Evalsha, evalsha), (Kind::Update, update)] {
            let (picks, p99) = (ours.per_second.clone(), ours.p99.clone());
            let line =
                Line::beside(what("picks"), picks, kind.name(), theirs.per_second, Bound::AtLeast(1.5));
            lines.push(line.four_cores().note(load.clone()));
            lines.push(Line::told(what("p99"), p99, kind.name(), theirs.p99));
        }
    }
    Ok(lines)
}
