//! When taps fall. The moments are laid out before the start: some in the first second, the rest evenly over two
//! minutes. A buyer who wants to tap again takes the next free moment, so that losers do not come back all at once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::{Rng, RngExt};

/// How long the load lasts after the start, if the plan says nothing else.
pub const WINDOW: Duration = Duration::from_secs(120);
const FIRST_SECOND: Duration = Duration::from_secs(1);

/// Moments after the start, taken one by one.
pub struct Schedule {
    /// Held only to take a moment out; never across an await.
    rest: Mutex<BTreeSet<Duration>>,
    first: Vec<Duration>,
    window: Duration,
}

impl Schedule {
    /// `in_first` moments in the first second, crowded towards its beginning as thumbs are, and `later` ones evenly over
    /// the rest of `window`.
    pub fn new(in_first: usize, later: usize, window: Duration, rng: &mut impl Rng) -> Self {
        let mut first: Vec<Duration> =
            (0..in_first).map(|_| FIRST_SECOND.mul_f64(rng.random::<f64>().powi(2))).collect();
        first.sort_unstable();
        let window = window.max(2 * FIRST_SECOND);
        let span = window - FIRST_SECOND;
        let mut rest = BTreeSet::new();
        while rest.len() < later {
            rest.insert(FIRST_SECOND + span.mul_f64(rng.random::<f64>()));
        }
        Self { rest: Mutex::new(rest), first, window }
    }

    /// The moments of the first second, earliest first.
    pub fn first_second(&self) -> &[Duration] {
        &self.first
    }

    /// How long the load lasts after the start.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// The next free moment at or after `earliest`; none when the load is over.
    pub fn take_after(&self, earliest: Duration) -> Option<Duration> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = *rest.range(earliest..).next()?;
        rest.remove(&moment);
        Some(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn the_first_second_and_the_rest_over_two_minutes() {
        let schedule = Schedule::new(600, 1_200, WINDOW, &mut StdRng::seed_from_u64(1));
        assert_eq!(schedule.first_second().len(), 600);
        assert!(schedule.first_second().iter().all(|at| *at < FIRST_SECOND));
        let rest: Vec<_> = std::iter::from_fn(|| schedule.take_after(Duration::ZERO)).collect();
        assert_eq!(rest.len(), 1_200);
        assert!(rest.iter().all(|at| (FIRST_SECOND..=WINDOW).contains(at)));
        assert!(rest.windows(2).all(|pair| pair[0] < pair[1]));
        let late = rest.iter().filter(|at| **at > WINDOW / 2).count();
        assert!((500..700).contains(&late), "half of the rest in the second minute, not {late}");
    }

    #[test]
    fn a_moment_is_taken_once_and_never_in_the_past() {
        let schedule = Schedule::new(10, 20, WINDOW, &mut StdRng::seed_from_u64(2));
        let half = WINDOW / 2;
        let first = schedule.take_after(half);
        let second = schedule.take_after(half);
        assert!(first.is_some_and(|at| at >= half));
        assert!(first < second, "{first:?} {second:?}");
        assert_eq!(schedule.take_after(WINDOW + FIRST_SECOND), None);
    }
}
