//! From waves to taps: who taps what at which moment, fixed before the first one leaves.

use super::command::{Spread, Wave};
use super::taps::{Dice, Tap};

/// The taps of all waves in the order in which they leave.
pub fn schedule(start_ns: u64, waves: &[Wave]) -> Vec<Tap> {
    let mut taps = Vec::new();
    for wave in waves {
        let mut dice = Dice::new(start_ns ^ wave.after_ms);
        for n in 0..wave.taps {
            let offset_ns = wave.within_ms * 1_000_000 * u64::from(n) / u64::from(wave.taps.max(1));
            let unit = match wave.spread {
                Spread::Each => n % wave.units.max(1),
                Spread::Skewed => dice.skewed(wave.units),
            };
            taps.push(Tap {
                due_ns: start_ns + wave.after_ms * 1_000_000 + offset_ns,
                unit: wave.first_unit + unit,
                link: n % wave.links.max(1),
                counted: wave.counted,
                done: false,
            });
        }
    }
    taps.sort_by_key(|tap| tap.due_ns);
    taps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_leave_in_order_and_stay_within_their_wave() {
        let wave = Wave {
            after_ms: 10,
            within_ms: 100,
            taps: 50,
            first_unit: 1_000,
            units: 20,
            spread: Spread::Each,
            links: 7,
            counted: true,
        };
        let steady = Wave { after_ms: 0, within_ms: 200, spread: Spread::Skewed, counted: false, ..wave };
        let taps = schedule(1_000_000_000, &[wave, steady]);
        assert_eq!(taps.len(), 100);
        assert!(taps.is_sorted_by_key(|tap| tap.due_ns));
        let burst: Vec<&Tap> = taps.iter().filter(|tap| tap.counted).collect();
        assert_eq!((burst[0].due_ns, burst[0].unit, burst[0].link), (1_010_000_000, 1_000, 0));
        assert!(burst.iter().all(|tap| (1_010_000_000..1_110_000_000).contains(&tap.due_ns)));
        assert!(taps.iter().all(|tap| (1_000..1_020).contains(&tap.unit) && tap.link < 7));
    }
}
