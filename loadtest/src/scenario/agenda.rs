//! What everybody does and when, decided before the first byte is sent: an open model. Whether the server keeps up changes
//! nothing in it; a tap that could not leave in time keeps its moment, and its latency counts from there.
//!
//! The same seed makes the same agenda.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::plan::{Plan, Scenario};
use super::settings::Arrivals;
use crate::taste::Taste;

/// Microseconds after the start T; before it, negative.
pub type AtUs = i64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Connect,
    Leave,
    Tap { unit: u32, step: u16 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub at_us: AtUs,
    pub buyer: u32,
    pub act: Act,
}

/// A rate that is held for a while; only `ramp` has more than one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    pub per_s: f64,
    pub from_us: AtUs,
    pub to_us: AtUs,
}

#[derive(Debug, Clone, Default)]
pub struct Agenda {
    /// In order of time.
    pub dues: Vec<Due>,
    pub steps: Vec<Step>,
    /// The last moment of a tap or a connection.
    pub ends_us: AtUs,
}

/// Connections begin `lead` before T.
pub fn agenda(plan: &Plan, homes: &Taste, lead: Duration) -> Agenda {
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let mut made = Agenda::default();
    if plan.scenario != Scenario::Storm {
        let each_us = 1e6 / plan.connect_per_s;
        for buyer in 0..plan.buyers {
            let at_us = -us(lead) + (f64::from(buyer) * each_us) as AtUs;
            made.dues.push(Due { at_us, buyer, act: Act::Connect });
        }
    }
    match plan.scenario {
        Scenario::Burst => burst(plan, homes, &mut rng, &mut made),
        Scenario::Ramp => {
            let (mut per_s, mut from_us) = (plan.from_per_s, 0);
            while per_s <= plan.to_per_s {
                let to_us = from_us + us(plan.step_for);
                made.steps.push(Step { per_s, from_us, to_us });
                (per_s, from_us) = (per_s + plan.step_per_s, to_us);
            }
            arrivals(plan, homes, &mut rng, &mut made);
        }
        Scenario::Soak => {
            made.steps.push(Step { per_s: plan.per_s, from_us: 0, to_us: us(plan.run_for) });
            arrivals(plan, homes, &mut rng, &mut made);
        }
        Scenario::Board => board(plan, homes, &mut made),
        Scenario::Storm => storm(plan, &mut rng, &mut made),
        // Its people decide for themselves.
        Scenario::Mixed => {}
    }
    made.dues.sort_by_key(|due| due.at_us);
    made.ends_us = made.dues.last().map_or(0, |due| due.at_us.max(0));
    made
}

/// Everybody taps once, at T or evenly by chance over `within`.
fn burst(plan: &Plan, homes: &Taste, rng: &mut StdRng, made: &mut Agenda) {
    let within = us(plan.within);
    for buyer in 0..plan.buyers {
        let at_us = if within == 0 { 0 } else { rng.random_range(0..within) };
        let Some(unit) = homes.draw(rng) else { return };
        made.dues.push(Due { at_us, buyer, act: Act::Tap { unit, step: 0 } });
    }
}

/// Taps at the rate of each step; buyers take turns, so that none is slowed for tapping too often.
fn arrivals(plan: &Plan, homes: &Taste, rng: &mut StdRng, made: &mut Agenda) {
    let mut turns: Vec<u32> = (0..plan.buyers).collect();
    turns.shuffle(rng);
    let mut turns = turns.iter().copied().cycle();
    for (number, step) in made.steps.iter().enumerate() {
        let step_number = u16::try_from(number).unwrap_or(u16::MAX);
        let gap_us = 1e6 / step.per_s;
        let mut at = step.from_us as f64;
        loop {
            at += match plan.arrivals {
                Arrivals::Even => gap_us,
                // The gap between two independent arrivals.
                Arrivals::Poisson => -gap_us * (1.0 - rng.random::<f64>()).ln(),
            };
            if at as AtUs >= step.to_us || made.dues.len() >= super::plan::DUES_MAX {
                break;
            }
            let (Some(buyer), Some(unit)) = (turns.next(), homes.draw(rng)) else { return };
            made.dues.push(Due { at_us: at as AtUs, buyer, act: Act::Tap { unit, step: step_number } });
        }
    }
}

/// One change after the other, each of another unit by another buyer, while everybody looks on.
fn board(plan: &Plan, homes: &Taste, made: &mut Agenda) {
    let every = us(plan.every).max(1);
    let units = homes.all();
    for ((number, buyer), unit) in (0..us(plan.run_for) / every).zip(0..plan.buyers).zip(units) {
        made.dues.push(Due { at_us: number * every, buyer, act: Act::Tap { unit, step: 0 } });
    }
}

/// Everybody comes within a moment and goes again, wave after wave; after the last one everybody stays.
fn storm(plan: &Plan, rng: &mut StdRng, made: &mut Agenda) {
    let (within, period) = (us(plan.within).max(1), us(plan.every));
    for wave in 0..i64::from(plan.waves) {
        for buyer in 0..plan.buyers {
            let at_us = wave * period + rng.random_range(0..within);
            made.dues.push(Due { at_us, buyer, act: Act::Connect });
            if wave + 1 < i64::from(plan.waves) {
                // Everybody has gone before the next wave comes.
                let leaves = wave * period + period - within + rng.random_range(0..within) * 3 / 4;
                made.dues.push(Due { at_us: leaves.max(at_us), buyer, act: Act::Leave });
            }
        }
    }
}

pub fn us(duration: Duration) -> AtUs {
    AtUs::try_from(duration.as_micros()).unwrap_or(AtUs::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::settings::{Settings, Time};
    use crate::wire::{Kind, Unit};

    fn homes(count: u32) -> Taste {
        let unit = |unit| Unit { unit, kind: Kind::Home, floor: None, facing: None };
        Taste::of(&(0..count).map(unit).collect::<Vec<_>>(), Kind::Home, &mut StdRng::seed_from_u64(1))
    }

    fn made(scenario: Scenario, change: impl Fn(&mut Settings)) -> Agenda {
        let mut settings = Settings {
            buyers_url: Some("http://127.0.0.1:1".to_owned()),
            opening: Some("O".to_owned()),
            buyers: Some(100),
            seed: Some(7),
            ..Settings::default()
        };
        change(&mut settings);
        agenda(&settings.plan(scenario).unwrap(), &homes(40), Duration::from_secs(5))
    }

    fn taps(agenda: &Agenda) -> Vec<Due> {
        agenda.dues.iter().copied().filter(|due| matches!(due.act, Act::Tap { .. })).collect()
    }

    fn ms(ms: u64) -> Option<Time> {
        Some(Time(Duration::from_millis(ms)))
    }

    #[test]
    fn a_burst_is_one_tap_each_within_its_span_and_the_seed_makes_it_again() {
        let burst = made(Scenario::Burst, |settings| settings.within = ms(100));
        let tapping = taps(&burst);
        let mut buyers: Vec<u32> = tapping.iter().map(|due| due.buyer).collect();
        buyers.sort_unstable();
        assert_eq!(buyers, (0..100).collect::<Vec<_>>());
        assert!(tapping.iter().all(|due| (0..100_000).contains(&due.at_us)));
        assert!(burst.dues.is_sorted_by_key(|due| due.at_us));
        assert_eq!(burst.dues[0], Due { at_us: -5_000_000, buyer: 0, act: Act::Connect });
        assert_eq!(burst.dues, made(Scenario::Burst, |settings| settings.within = ms(100)).dues);
        let other = made(Scenario::Burst, |settings| settings.seed = Some(8));
        assert_ne!(burst.dues, other.dues);
        let at_once = made(Scenario::Burst, |settings| settings.within = ms(0));
        assert!(taps(&at_once).iter().all(|due| due.at_us == 0));
    }

    /// Mutation that turned it red: the gap taken as `gap × random`, which is twice the rate.
    #[test]
    fn arrivals_keep_the_rate_and_buyers_take_turns() {
        for how in [Arrivals::Poisson, Arrivals::Even] {
            let soak = made(Scenario::Soak, |settings| {
                (settings.per_s, settings.run_for, settings.arrivals) = (Some(500.0), ms(20_000), Some(how));
            });
            let tapping = taps(&soak);
            // Five standard deviations of ten thousand.
            assert!((9_500..=10_500).contains(&tapping.len()), "{how:?}: {}", tapping.len());
            let gaps: Vec<i64> = tapping.windows(2).map(|two| two[1].at_us - two[0].at_us).collect();
            let short = gaps.iter().filter(|gap| **gap < 1_000).count();
            assert_eq!(short > 1_000, how == Arrivals::Poisson, "{short} gaps of less than half the mean");
            let once_around: std::collections::HashSet<u32> =
                tapping[..100].iter().map(|due| due.buyer).collect();
            assert_eq!(once_around.len(), 100);
        }
        let ramp = made(Scenario::Ramp, |settings| {
            (settings.from_per_s, settings.to_per_s, settings.step_per_s) =
                (Some(100.0), Some(300.0), Some(100.0));
            (settings.step_for, settings.arrivals) = (ms(2_000), Some(Arrivals::Even));
        });
        assert_eq!(ramp.steps.iter().map(|step| step.per_s).collect::<Vec<_>>(), [100.0, 200.0, 300.0]);
        let in_step = |wanted: u16| {
            taps(&ramp)
                .iter()
                .filter(|due| matches!(due.act, Act::Tap { step, .. } if step == wanted))
                .count()
        };
        for (step, expected) in [(0, 199_usize), (1, 399), (2, 599)] {
            assert!(in_step(step).abs_diff(expected) <= 1, "step {step}: {}", in_step(step));
        }
    }

    #[test]
    fn a_wave_has_gone_before_the_next_one_comes_and_the_last_stays() {
        let storm = made(Scenario::Storm, |settings| {
            (settings.waves, settings.within, settings.every) = (Some(3), ms(500), ms(2_000));
        });
        let mut here = [false; 100];
        for due in &storm.dues {
            let buyer = &mut here[due.buyer as usize];
            assert_eq!(*buyer, due.act == Act::Leave, "{due:?}");
            *buyer = due.act == Act::Connect;
        }
        assert!(here.iter().all(|here| *here));
        assert_eq!(storm.dues.iter().filter(|due| due.act == Act::Connect).count(), 300);
    }

    #[test]
    fn a_board_changes_another_home_each_time_by_another_buyer() {
        let board =
            made(Scenario::Board, |settings| (settings.every, settings.run_for) = (ms(250), ms(5_000)));
        let tapping = taps(&board);
        let units: std::collections::HashSet<_> =
            tapping.iter().map(|due| format!("{:?}", due.act)).collect();
        assert_eq!((tapping.len(), units.len()), (20, 20));
        assert_eq!((tapping[3].at_us, tapping[3].buyer), (750_000, 3));
    }
}
