//! The rows' machinery on a tiny scale: every server starts, is loaded and answers; figures come out. What they are is
//! not looked at: the binaries are unoptimised and the machine is busy.
//!
//! Needs what `scripts/prepare.sh test` installs: Redis and Postgres. Mutations that turned it red: the reference's board
//! frames with a gap between them, and a bare endpoint that says yes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot start a server has failed")]

use kaipan_bench::driver::bench::{Bench, Kind};
use kaipan_bench::driver::fleet::{Loop, Measured};
use kaipan_bench::driver::kaipan::Size;
use kaipan_bench::driver::machine::Cores;
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
