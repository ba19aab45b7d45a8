//! Readers that stall: what a thousand phones that fell asleep over their socket cost those that are awake.

use std::time::Duration;

use crate::clock::pause;
use crate::driver::bench::Bench;
use crate::driver::fleet::{Fleet, Measured};
use crate::driver::kaipan::Size;
use crate::driver::machine::resident_bytes;
use crate::driver::table::Line;
use crate::failure::Outcome;
use crate::load::{Spread, Transport, Wave};
use crate::stats::{Bound, Figure};

const AWAKE: u32 = 2_000;
const ASLEEP: u32 = 1_000;
/// Large, so that the boards that the sleepers asked for fill every buffer of the kernel.
const SIZE: Size = Size { units: 20_000, buyers: AWAKE + ASLEEP };
/// 20 KB each: together more than the kernel holds for a reader (`SOCKET_SEND_BUFFER_BYTES`).
const BOARDS: u32 = 60;
/// What a sleeper may cost at most: the goal of the row.
const KIB_A_SLEEPER_MAX: f64 = 280.0;
const TAPS: u32 = 6_000;
const FOR_MS: u64 = 3_000;

/// Two thousand taps a second by those who are awake, the board changing twenty times a second.
fn taps(fleet: &mut Fleet, first_unit: u32) -> Outcome<Measured> {
    let wave = Wave {
        after_ms: 0,
        within_ms: FOR_MS,
        taps: TAPS,
        first_unit,
        units: 1_000,
        spread: Spread::Skewed,
        links: AWAKE,
        counted: true,
    };
    let (taps, units) = (60, 60);
    let steady =
        Wave { taps, units, first_unit: first_unit + 1_000, spread: Spread::Each, counted: false, ..wave };
    fleet.scheduled(&[wave, steady])?.clean("taps beside stalled readers")
}

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let (mut before, mut after, mut memory) = (Figure::new("ms"), Figure::new("ms"), Figure::new("KiB"));
    for _ in 0..bench.runs {
        let (kaipan, place) = bench.start_to_weigh(SIZE)?;
        let mut fleet = bench.fleet()?;
        fleet.connect(&place, Transport::WebSocket, AWAKE, 5_000)?;
        fleet.connect(&place.after(AWAKE), Transport::WebSocket, ASLEEP, 5_000)?;
        before.push(taps(&mut fleet, 0)?.percentile_ms(0.99));
        let resident = resident_bytes(kaipan.process_id())?;
        fleet.stall(ASLEEP, BOARDS)?;
        pause(Duration::from_secs(1));
        let grown = resident_bytes(kaipan.process_id())?.saturating_sub(resident);
        memory.push(grown as f64 / f64::from(ASLEEP) / 1_024.0);
        after.push(taps(&mut fleet, 2_000)?.percentile_ms(0.99));
    }
    let bounded = format!("bounded: ≤ {KIB_A_SLEEPER_MAX} KiB");
    Ok(vec![
        Line::beside(
            "1,000 readers that stall: the others' p99",
            after,
            "none stalled",
            before,
            Bound::AtMost(1.2),
        ),
        Line::alone("… memory for each of them", memory, &bounded, Some(Bound::AtMost(KIB_A_SLEEPER_MAX))),
    ])
}
