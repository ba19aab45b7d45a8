//! 10,000 buyers who connect within a second and wait: whether the kernel had to turn anybody away, what each of them
//! costs, and whether that stays so when they leave and come back ten times.

use std::time::Duration;

use crate::clock::pause;
use crate::driver::bench::Bench;
use crate::driver::kaipan::Size;
use crate::driver::machine::{Connects, resident_bytes};
use crate::driver::table::Line;
use crate::failure::Outcome;
use crate::load::Transport;
use crate::stats::{Bound, Figure};

const BUYERS: u32 = 10_000;
pub const SIZE: Size = Size { units: 1_000, buyers: BUYERS };
const ROUNDS: usize = 10;
/// What a server does right after everybody came or left is over by then.
const SETTLE: Duration = Duration::from_millis(1_500);

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let (kaipan, place) = bench.start_to_weigh(SIZE)?;
    let mut fleet = bench.fleet()?;
    let rss = || resident_bytes(kaipan.process_id()).map(|bytes| bytes as f64);
    // The least that the server ever needed with nobody there.
    let mut empty = rss()?;
    let (mut connected, mut refused) = (Figure::new("s"), Figure::new(""));
    let mut each = Vec::new();
    for round in 0..ROUNDS {
        let counters = Connects::read()?;
        let took = fleet.connect(&place, Transport::WebSocket, BUYERS, BUYERS)?;
        let Connects { listen_overflows, syn_retransmissions } = Connects::read()?.since(counters);
        connected.push(took.as_secs_f64());
        refused.push((listen_overflows + syn_retransmissions) as f64);
        pause(SETTLE);
        each.push(rss()?);
        if round + 1 < ROUNDS {
            fleet.leave()?;
            pause(SETTLE);
            empty = empty.min(rss()?);
        }
    }
    let each: Vec<f64> = each.iter().map(|full| (full - empty) / f64::from(BUYERS) / 1_024.0).collect();
    // The first round also pays for what every later one uses again.
    let second = each.get(1).copied().unwrap_or(f64::NAN);
    let last = each.last().copied().unwrap_or(f64::NAN);
    let growth = Figure::of("KiB a round", [(last - second) / (ROUNDS - 2) as f64]);
    Ok(vec![
        Line::alone(
            "10,000 connects in a second: overflows and SYN retransmissions, a round",
            refused,
            "none",
            Some(Bound::AtMost(0.0)),
        ),
        Line::alone("… until each of them has its board", connected, "–", None),
        Line::alone(
            "memory of an idle buyer's connection, ten rounds",
            Figure::of("KiB", each),
            "≤ 12 KiB; goal 4 KiB",
            Some(Bound::AtMost(4.0)),
        ),
        Line::alone(
            "… growth from round to round",
            growth,
            "flat: ≤ 1 % of 4 KiB",
            Some(Bound::AtMost(0.04)),
        ),
    ])
}
