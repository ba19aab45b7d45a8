//! The closed loop: which unit the next tap wants, and when the loop is over.

use super::taps::{Dice, Tap};

pub struct Closed {
    pub start_ns: u64,
    /// Taps are counted from here …
    from_ns: u64,
    /// … to here.
    pub until_ns: u64,
    first_unit: u32,
    units: u32,
    win_percent: u32,
    taken: u32,
    dice: Dice,
}

impl Closed {
    pub fn new(start_ns: u64, warm_and_run_ms: (u64, u64), units: (u32, u32), win_percent: u32) -> Self {
        let (first_unit, units) = units;
        let from_ns = start_ns + warm_and_run_ms.0 * 1_000_000;
        let until_ns = from_ns + warm_and_run_ms.1 * 1_000_000;
        let dice = Dice::new(start_ns);
        Self { start_ns, from_ns, until_ns, first_unit, units, win_percent, taken: 0, dice }
    }

    /// A unit that is free for `win_percent` of the taps, else one that was wanted before; any of them where nobody is to win.
    fn unit(&mut self) -> u32 {
        if self.win_percent == 0 {
            return self.first_unit + self.dice.below(self.units);
        }
        let wins = self.taken == 0 || self.dice.below(100) < self.win_percent;
        if wins && self.taken < self.units {
            self.taken += 1;
            return self.first_unit + self.taken - 1;
        }
        self.first_unit + self.dice.below(self.taken)
    }

    /// Whether the free units lasted.
    pub fn lasted(&self) -> bool {
        self.win_percent == 0 || self.taken < self.units
    }

    pub fn tap(&mut self, link: u32, now_ns: u64) -> Tap {
        let counted = (self.from_ns..self.until_ns).contains(&now_ns);
        Tap { due_ns: now_ns, unit: self.unit(), link, counted, done: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation that turned it red: losing taps drawn from all units, most of which nobody had taken.
    #[test]
    fn the_wanted_share_of_taps_wants_a_free_unit() {
        let mut closed = Closed::new(0, (5, 5), (100, 1_000), 6);
        let mut wanted = std::collections::BTreeSet::new();
        let wins = (0..10_000).filter(|_| wanted.insert(closed.unit())).count();
        assert!((450..750).contains(&wins), "{wins}");
        assert!(closed.lasted() && wanted.iter().all(|unit| (100..1_100).contains(unit)));
        wanted.extend((0..20_000).map(|_| closed.unit()));
        assert_eq!((wanted.len(), closed.lasted()), (1_000, false));
        let mut lost = Closed::new(0, (5, 5), (100, 1_000), 0);
        let wanted: std::collections::BTreeSet<u32> = (0..20_000).map(|_| lost.unit()).collect();
        assert_eq!(
            (wanted.len(), lost.lasted()),
            (1_000, true),
            "where nobody is to win all are wanted alike"
        );
        let counted = [4, 5, 9, 10].map(|ms: u64| closed.tap(0, ms * 1_000_000).counted);
        assert_eq!(counted, [false, true, true, false]);
    }
}
