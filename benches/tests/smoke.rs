//! The rows' machinery on a tiny scale: every server starts, is loaded and answers; figures come out. What they are is
//! not looked at: the binaries are unoptimised and the machine is busy.
//!
//! Needs what `scripts/prepare.sh test` installs: Redis and Postgres. Mutations that turned it red: the reference's board
//! frames with a gap between them, and a bare endpoint that says yes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot start a server has failed")]

use kaipan_bench::driver::bench::{Bench, Kind};
use kaipan_bench::driver::cluster::{Cluster, Ground, Stores};
use kaipan_bench::driver::fleet::{Loop, Measured};
use kaipan_bench::driver::kaipan::Size;
use kaipan_bench::driver::machine::Cores;
use kaipan_bench::driver::rows::cluster::{gates, losers, picks as cluster_picks, rebuild};
use kaipan_bench::driver::rows::hall;
use kaipan_bench::driver::rows::http::once_of;
use kaipan_bench::driver::{self, Options};
use kaipan_bench::frames::Said;
use kaipan_bench::load::Transport;

const SIZE: Size = Size { units: 4_000, buyers: 100 };

fn bench(out: &tempfile::TempDir) -> Bench {
    driver::raise_files().unwrap();
    let options = Options {
        full: false,
        rows: Vec::new(),
        runs: Some(1),
        cores: Some(2),
        out: out.path().to_owned(),
        markdown: None,
    };
    Bench::new(&options, Cores::halves(options.cores).unwrap()).unwrap()
}

fn picks(bench: &mut Bench, kind: Kind, transport: Transport) -> Measured {
    // So short that a fast server, optimised or not, does not run out of free units.
    let run = Loop { warm_ms: 0, run_ms: 500, first_unit: 0, units: SIZE.units, win_percent: 6 };
    let measured = once_of(bench, kind, transport, 16, (SIZE, run)).unwrap();
    assert!(measured.answers() > 20, "{kind:?}: {:?}", measured.said);
    assert_eq!(measured.latencies_us.len() as u64, measured.answers());
    measured
}

#[test]
fn every_server_answers_the_same_picks() {
    let out = tempfile::tempdir().unwrap();
    let mut bench = bench(&out);
    let taken = |measured: &Measured| measured.said[Said::Taken.place()];
    let bare = picks(&mut bench, Kind::Axum, Transport::Http);
    assert_eq!((bare.yes(), taken(&bare)), (0, bare.answers()), "the bare endpoint sells nothing");
    for (kind, transport) in [
        (Kind::Kaipan, Transport::Http),
        (Kind::Evalsha, Transport::Http),
        (Kind::Update, Transport::Http),
        (Kind::Kaipan, Transport::WebSocket),
        (Kind::Reference, Transport::WebSocket),
    ] {
        let measured = picks(&mut bench, kind, transport);
        let share = measured.yes() as f64 / measured.answers() as f64;
        assert!((0.005..0.3).contains(&share) && taken(&measured) > 0, "{kind:?}: {:?}", measured.said);
    }
}

/// OP-41: all boards show the same, and the same as the database; `hall::once` fails otherwise.
#[test]
fn a_hall_of_a_hundred_sees_every_change() {
    let out = tempfile::tempdir().unwrap();
    let mut bench = bench(&out);
    for kind in [Kind::Kaipan, Kind::Reference] {
        let run = hall::once(&mut bench, kind, 100).unwrap();
        let all = [run.change_last, run.burst_p99, run.burst_slowest, run.instant_last, run.boards_equal];
        assert!(all.iter().all(|ms| (0.0..20_000.0).contains(ms)), "{kind:?}: {run:?}");
        assert!(run.change_last > 0.0 && run.burst_slowest >= run.burst_p99, "{kind:?}: {run:?}");
    }
}

/// OP-85: two gateways and a single server at the same burst: all boards as the database has them and a part of the taps at each,
/// `gates::once` fails otherwise; their figures say what was done. Mutations that turned it red: the load sent to one gateway
/// alone; the figures of one gateway taken for both.
#[test]
fn two_gateways_share_a_burst_and_tell_what_it_cost() {
    let out = tempfile::tempdir().unwrap();
    let mut bench = bench(&out);
    let size = Size { units: gates::UNITS, buyers: 100 };
    let ground = Ground::prepare(&bench, size).unwrap();
    let cores = bench.cores.for_two_gateways();
    let two = ground.gateways(&bench, &cores).unwrap();
    let run = gates::once(&bench, two, size.buyers).unwrap();
    assert!(run.yes_p99 > 0.0 && run.yes_p99 <= 20_000.0, "{run:?}");
    assert_eq!(run.instant.picks_committed, 100.0, "a unit for each tap: {run:?}");
    assert!(run.burst.claims() >= 2.0 && run.burst.transactions >= 2.0, "both gateways: {run:?}");
    let single = Cluster { gateways: vec![bench.single(size).unwrap()] };
    for alone in [ground.alone(&bench).unwrap(), single] {
        let run = gates::once(&bench, alone, size.buyers).unwrap();
        assert_eq!(
            (run.instant.picks_committed, run.instant.claims()),
            (100.0, 0.0),
            "nobody to share with: {run:?}"
        );
    }
}

#[test]
fn a_cluster_refuses_losers_and_picks_beside_services_on_its_stores() {
    let out = tempfile::tempdir().unwrap();
    let mut bench = bench(&out);
    let ground = Ground::prepare(&bench, SIZE).unwrap();
    for gateways in [1, 2] {
        let run = losers::once(&bench, &ground, gateways, 16, 300).unwrap();
        assert!(run.per_second > 20.0 && run.gateways_busy > 0.0, "{run:?}");
    }
    let run = Loop { warm_ms: 0, run_ms: 500, first_unit: 0, units: SIZE.units, win_percent: 6 };
    for kind in [Kind::Kaipan, Kind::Evalsha, Kind::Update] {
        let measured = cluster_picks::once(&mut bench, &ground, kind, 16, run).unwrap();
        assert!(measured.yes() > 0 && measured.answers() > 20, "{kind:?}: {:?}", measured.said);
    }
}

/// OP-85: an emptied Redis is loaded again under a newer epoch at both gateways.
#[test]
fn a_rebuild_is_timed_from_the_flush_to_both_gateways() {
    let out = tempfile::tempdir().unwrap();
    let bench = bench(&out);
    let stores = Stores::start(&bench).unwrap();
    let cluster = rebuild::gateways(&bench, &stores, [50, 100, 500]).unwrap();
    let took_ms = rebuild::once(&cluster, &stores).unwrap();
    assert!((1.0..20_000.0).contains(&took_ms), "{took_ms}");
    let rebuilt = cluster.figures().unwrap().sum("kaipan_gate2_rebuilds_total", &[]);
    assert!(rebuilt >= 2.0, "at the start and after the flush: {rebuilt}");
}
