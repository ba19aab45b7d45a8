//! The hall: 10,000 WebSockets at once, each with its board, and what happens to them one after the other: a single
//! change, a burst within 100 ms under a board that changes all the time, and one instant in which everything is sold.

use std::time::Duration;

use crate::clock::pause;
use crate::driver::bench::{Bench, Kind, Subject};
use crate::driver::fleet::Fleet;
use crate::driver::kaipan::{Kaipan, Size};
use crate::driver::table::Line;
use crate::failure::{Failure, Outcome, While};
use crate::frames::digest;
use crate::load::{Boards, Spread, Transport, Wave};
use crate::stats::{Bound, Figure, number};

const BUYERS: u32 = 10_000;
/// Changes whose fan-out is timed one by one.
const SINGLES: u32 = 5;
/// Changes during the burst: twenty a second for three seconds.
const STEADY: u32 = 60;
const BURST: u32 = 1_000;
const SALE: u32 = 1_000;
const UNITS: u32 = SINGLES + STEADY + BURST + SALE;
/// Kaipan gathers changes for this long (`docs/protocol.md` promises about 50 ms).
const TICK_MS: f64 = 50.0;

/// One run of everything against one of them, in milliseconds.
#[derive(Debug)]
pub struct Run {
    /// The median of the single changes, from the tap to the last board.
    pub change_last: f64,
    pub burst_p99: f64,
    pub burst_slowest: f64,
    /// How late the load itself was.
    pub burst_late: f64,
    pub instant_last: f64,
    /// From the last yes of the sell-out to the last board that shows it.
    pub boards_equal: f64,
}

/// A crowd of so many, each with a socket.
struct Crowd(u32);

impl Crowd {
    fn wave(&self, taps: u32, (first_unit, units): (u32, u32), spread: Spread) -> Wave {
        let links = self.0;
        Wave { after_ms: 0, within_ms: 0, taps, first_unit, units, spread, links, counted: true }
    }

    /// Waits until the boards stand still, and fails unless each shows the same.
    fn settle(&self, fleet: &mut Fleet, seq: i64) -> Outcome<Boards> {
        let boards = fleet.boards(seq)?;
        if boards.there == u64::from(self.0) && boards.digests.len() == 1 {
            return Ok(boards);
        }
        let Boards { readers, there, digests, .. } = boards;
        Err(Failure(format!("of {readers} boards {there} came to {seq}; {} different ones", digests.len())))
    }
}

/// The sequence at which all is told. The reference counts what it sold, as its clients can.
fn seq_of(subject: &Subject, sold: u64) -> Outcome<i64> {
    match subject {
        Subject::Kaipan(kaipan) => kaipan.quiet_seq(),
        Subject::Peer(_) => Ok(i64::try_from(sold).unwrap_or(i64::MAX)),
    }
}

/// Everything, once, against one of them.
pub fn once(bench: &mut Bench, kind: Kind, buyers: u32) -> Outcome<Run> {
    let crowd = Crowd(buyers);
    let server = bench.cores.server.clone();
    let (subject, place) = bench.start(kind, Size { units: UNITS, buyers }, &server)?;
    let mut fleet = bench.fleet()?;
    fleet.connect(&place, Transport::WebSocket, buyers, 5_000)?;
    let mut sold = 0;
    let mut changes = Figure::new("ms");
    for unit in 0..SINGLES {
        let one = fleet.scheduled(&[crowd.wave(1, (unit, 1), Spread::Each)])?.clean("one change")?;
        sold += one.yes();
        let boards = crowd.settle(&mut fleet, seq_of(&subject, sold)?)?;
        changes.push(boards.last_ns.saturating_sub(one.first_ns) as f64 / 1e6);
    }
    // From before the burst until after it, by buyers who are not counted.
    let steady =
        Wave { within_ms: 3_000, counted: false, ..crowd.wave(STEADY, (SINGLES, STEADY), Spread::Each) };
    let burst = Wave {
        after_ms: 1_000,
        within_ms: 100,
        ..crowd.wave(buyers, (SINGLES + STEADY, BURST), Spread::Skewed)
    };
    let burst = fleet.scheduled(&[steady, burst])?.clean("the burst")?;
    pause(Duration::from_millis(500));
    let instant = fleet.scheduled(&[crowd.wave(buyers, (SINGLES + STEADY + BURST, SALE), Spread::Each)])?;
    let instant = instant.clean("the instant")?;
    let wanted = SALE.min(buyers);
    if instant.yes() != u64::from(wanted) {
        return Err(Failure(format!("of {wanted} units {} were sold in one instant", instant.yes())));
    }
    sold += u64::from(STEADY) + burst.yes() + instant.yes();
    let boards = crowd.settle(&mut fleet, seq_of(&subject, sold)?)?;
    if let Subject::Kaipan(kaipan) = &subject {
        equal_to_the_database(kaipan, &boards, buyers)?;
    }
    Ok(Run {
        change_last: changes.median(),
        burst_p99: burst.percentile_ms(0.99),
        burst_slowest: burst.percentile_ms(1.0),
        burst_late: burst.late_ms,
        instant_last: instant.last_ms(),
        boards_equal: boards.last_ns.saturating_sub(instant.last_yes_ns) as f64 / 1e6,
    })
}

/// The one board that all sockets show is the one that the database's claims make.
fn equal_to_the_database(kaipan: &Kaipan, boards: &Boards, buyers: u32) -> Outcome<()> {
    let truth = kaipan.board_of_database(UNITS as usize)?;
    if boards.digests == [(digest(truth.as_bytes()), u64::from(buyers))] {
        return Ok(());
    }
    Err(Failure::new("the boards do not show what the database holds"))
}

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        ours.push(once(bench, Kind::Kaipan, BUYERS).during(Kind::Kaipan.name())?);
        theirs.push(once(bench, Kind::Reference, BUYERS).during(Kind::Reference.name())?);
    }
    let of = |runs: &[Run], value: fn(&Run) -> f64| Figure::of("ms", runs.iter().map(value));
    let both = |what: &str, value: fn(&Run) -> f64, most: f64| {
        Line::beside(what, of(&ours, value), Kind::Reference.name(), of(&theirs, value), Bound::AtMost(most))
    };
    let equal_within = TICK_MS + 1.5 * of(&theirs, |run| run.change_last).median();
    let slowest = of(&ours, |run| run.burst_slowest);
    let late = |runs| number(of(runs, |run| run.burst_late).median());
    let late = format!("the load at most {} ms late, with the reference {} ms", late(&ours), late(&theirs));
    Ok(vec![
        both("10,000 taps within 100 ms, board changing: p99", |run| run.burst_p99, 1.4).note(late),
        Line::alone("… slowest of them", slowest, "≤ 100 ms on 4 cores", Some(Bound::AtMost(100.0)))
            .four_cores(),
        both("10,000 taps at one instant: last answer", |run| run.instant_last, 1.5),
        both("one change to 10,000 boards: last one", |run| run.change_last, 1.3),
        Line::alone(
            "last yes of a sell-out to 10,000 boards equal to the database",
            of(&ours, |run| run.boards_equal),
            &format!("≤ tick + 1.5 × the reference's fan-out = {equal_within:.1} ms"),
            Some(Bound::AtMost(equal_within)),
        ),
        Line::told(
            "… the same in the reference, without a database",
            of(&ours, |run| run.boards_equal),
            Kind::Reference.name(),
            of(&theirs, |run| run.boards_equal),
        ),
    ])
}
