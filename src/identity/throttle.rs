//! Slows whoever tries too often: a leaky bucket for each key, in bounded memory.
//!
//! Nobody is locked out for good: a bucket leaks at a steady rate, so there is always a next try, and the answer says
//! when. A try is counted before its outcome is known and given back when it succeeds; counting failures afterwards
//! would let a thousand parallel guesses pass while the first is still being checked.

use std::hash::{BuildHasher, Hash, RandomState};

use dashmap::DashMap;

use crate::domain::time::Micros;
use crate::limits::THROTTLE_KEYS_MAX;

/// `burst` tries at once, then one each `every_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub burst: i64,
    pub every_ms: i64,
}

pub(super) struct Throttle {
    every: i64,
    depth: i64,
    hasher: RandomState,
    /// A hash of the key → when its bucket is empty, in microseconds. Keys come from clients, so their text is not
    /// kept; the hash is seeded, so nobody can aim at another's bucket.
    empty_at: DashMap<u64, i64>,
}

impl Throttle {
    pub(super) fn new(rate: Rate) -> Self {
        let every = Micros::from_ms(rate.every_ms.max(1)).0;
        Self {
            every,
            depth: every.saturating_mul(rate.burst.max(1)),
            hasher: RandomState::new(),
            empty_at: DashMap::new(),
        }
    }

    /// Counts a try, or says how long to wait for the next one.
    pub(super) fn attempt(&self, key: impl Hash, now: Micros) -> Result<(), Micros> {
        let key = self.hasher.hash_one(key);
        if !self.empty_at.contains_key(&key) && self.empty_at.len() >= THROTTLE_KEYS_MAX {
            self.sweep(now);
            if self.empty_at.len() >= THROTTLE_KEYS_MAX {
                // Refusing would turn a flood of keys into a lock-out of everybody; every key here has a coarser
                // bound behind it (the address's bucket, the code's five tries).
                return Ok(());
            }
        }
        let mut empty_at = self.empty_at.entry(key).or_insert(now.0);
        // A wall clock that was stepped back must not leave a bucket fuller than full.
        let filled = (*empty_at - now.0).clamp(0, self.depth).saturating_add(self.every);
        if filled > self.depth {
            return Err(Micros(filled - self.depth));
        }
        *empty_at = now.0.saturating_add(filled);
        Ok(())
    }

    /// Gives a counted try back: it was not a failure.
    pub(super) fn forgive(&self, key: impl Hash) {
        if let Some(mut empty_at) = self.empty_at.get_mut(&self.hasher.hash_one(key)) {
            *empty_at -= self.every;
        }
    }

    /// Forgets keys whose buckets are empty.
    pub(super) fn sweep(&self, now: Micros) {
        self.empty_at.retain(|_, empty_at| *empty_at > now.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = Micros::from_secs(1_000);

    fn throttle() -> Throttle {
        Throttle::new(Rate { burst: 3, every_ms: 10_000 })
    }

    #[test]
    fn a_burst_then_one_at_a_time_and_never_for_good() {
        let throttle = throttle();
        for _ in 0..3 {
            assert_eq!(throttle.attempt("a", NOW), Ok(()));
        }
        assert_eq!(throttle.attempt("a", NOW), Err(Micros::from_secs(10)));
        assert_eq!(throttle.attempt("b", NOW), Ok(()), "another key is not concerned");
        let next = NOW.plus(Micros::from_secs(10));
        assert_eq!(throttle.attempt("a", next), Ok(()), "a refused try did not cost anything");
        assert!(throttle.attempt("a", next).is_err());
    }

    #[test]
    fn success_costs_nothing() {
        let throttle = throttle();
        for _ in 0..100 {
            assert_eq!(throttle.attempt("a", NOW), Ok(()));
            throttle.forgive("a");
        }
    }

    /// Mutation caught: without the clamp, an hour's step back refused everybody for that hour.
    #[test]
    fn a_stepped_clock_does_not_lock_out() {
        let throttle = throttle();
        for _ in 0..3 {
            throttle.attempt("a", NOW.plus(Micros::from_secs(3_600))).unwrap();
        }
        assert_eq!(throttle.attempt("a", NOW), Err(Micros::from_secs(10)));
    }

    #[test]
    fn memory_is_bounded_and_swept() {
        let throttle = throttle();
        for key in 0..THROTTLE_KEYS_MAX + 50 {
            assert_eq!(throttle.attempt(key, NOW), Ok(()));
        }
        assert!(throttle.empty_at.len() <= THROTTLE_KEYS_MAX);
        throttle.sweep(NOW.plus(Micros::from_secs(60)));
        assert_eq!(throttle.empty_at.len(), 0);
    }
}
