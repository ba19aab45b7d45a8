//! A rate limit for each of a known number of somebodies: the generic cell rate algorithm, one word each.
//!
//! The word is the moment at which the next request would be due if all came at the steady rate. A request may be early by
//! the burst, and moves the word on by one interval. Ordinals are dense, so that the words stand in an array: nothing is
//! hashed, nothing grows, and two people never share a lock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::time::Micros;

pub struct Gcra {
    interval_us: i64,
    /// How early a request may be.
    early_us: i64,
    due_us: Box<[AtomicI64]>,
}

impl Gcra {
    pub fn new(per_second: u32, burst: u32, somebodies: usize) -> Self {
        let interval_us = (1_000_000 / i64::from(per_second.max(1))).max(1);
        Self {
            interval_us,
            early_us: interval_us.saturating_mul(i64::from(burst.max(1)) - 1),
            due_us: (0..somebodies).map(|_| AtomicI64::new(i64::MIN)).collect(),
        }
    }

    /// Counts a request at `now`, a monotonic reading, or says how long it comes too early. Who is not on the list waits
    /// a second and finds out elsewhere that they are not.
    pub fn check(&self, who: u32, now: Micros) -> Result<(), Duration> {
        let word = usize::try_from(who).ok().and_then(|who| self.due_us.get(who));
        let word = word.ok_or(Duration::from_secs(1))?;
        // Relaxed: the word is all there is, and guards nothing else.
        let counted = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due_us| {
            let early_us = due_us.saturating_sub(now.0);
            (early_us <= self.early_us).then(|| due_us.max(now.0).saturating_add(self.interval_us))
        });
        match counted {
            Ok(_) => Ok(()),
            Err(due_us) => {
                let too_early_us = due_us.saturating_sub(now.0).saturating_sub(self.early_us);
                Err(Duration::from_micros(u64::try_from(too_early_us).unwrap_or(0)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Micros {
        Micros::from_ms(ms)
    }

    /// Mutations that turned it red: the burst one longer, and a word that stays behind while nobody asks (which saves
    /// up more than a burst).
    #[test]
    fn a_burst_then_the_rate_and_the_burst_again_after_a_rest() {
        let limit = Gcra::new(20, 100, 2);
        let granted = |who, ms| (0..1_000).take_while(|_| limit.check(who, at(ms)).is_ok()).count();
        assert_eq!(granted(1, 1_000), 100);
        assert_eq!(limit.check(1, at(1_000)), Err(Duration::from_millis(50)));
        assert_eq!(limit.check(1, at(1_020)), Err(Duration::from_millis(30)));
        assert_eq!(granted(1, 1_050), 1);
        assert_eq!(granted(1, 2_050), 20);
        assert_eq!(granted(0, 2_050), 100, "nobody else's");
        assert_eq!(granted(1, 100_000), 100, "a rest saves up one burst and no more");
        assert!(limit.check(2, at(0)).is_err(), "not on the list");
    }

    proptest! {
        /// In no window is more granted than a burst and what the rate adds, and who waits as told is not refused.
        #[test]
        fn no_window_has_more_than_its_share(
            (per_second, burst) in (1_u32..1_000, 1_u32..50),
            gaps_us in prop::collection::vec(0_i64..200_000, 1..300),
        ) {
            let limit = Gcra::new(per_second, burst, 1);
            let interval_us = 1_000_000 / i64::from(per_second);
            let (mut now, mut granted) = (Micros(0), Vec::new());
            for gap_us in gaps_us {
                now = now.plus(Micros(gap_us));
                match limit.check(0, now) {
                    Ok(()) => granted.push(now),
                    Err(wait) => {
                        now = now.plus(Micros(i64::try_from(wait.as_micros()).unwrap()));
                        prop_assert_eq!(limit.check(0, now), Ok(()));
                        granted.push(now);
                    }
                }
            }
            for (from, first) in granted.iter().enumerate() {
                for (upto, last) in granted.iter().enumerate().skip(from) {
                    let share = i64::from(burst) + last.since(*first).0 / interval_us;
                    prop_assert!(i64::try_from(upto - from + 1).unwrap() <= share);
                }
            }
        }
    }
}
