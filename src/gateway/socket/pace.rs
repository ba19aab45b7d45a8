//! How many frames one socket may say: a burst, then so many a second.

use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::rates::slow_down;
use crate::http::Problem;
use crate::limits::{FRAMES_BURST, FRAMES_PER_SECOND, FRAMES_REFUSED_MAX, REHEARSAL_RATES_TIMES};

/// What each socket of an opening may say.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    each: Duration,
    burst: Duration,
}

impl Allowance {
    /// As [`crate::gateway::rates::Rates::of`].
    pub fn of(rehearsal: bool) -> Self {
        let times = if rehearsal { REHEARSAL_RATES_TIMES } else { 1 };
        let each = Duration::from_secs(1) / (FRAMES_PER_SECOND * times);
        Self { each, burst: each * (FRAMES_BURST * times) }
    }
}

/// What one socket said. One moment is all of it: when its allowance would be whole again (the generic cell rate
/// algorithm).
#[derive(Default)]
pub struct Pace {
    whole_at: Option<Instant>,
    /// Frames in a row that came too early.
    refused: u16,
}

impl Pace {
    /// Counts a frame, or says how long it comes too early.
    pub fn check(&mut self, allowed: Allowance, now: Instant) -> Result<(), Problem> {
        let whole_at = self.whole_at.map_or(now, |at| at.max(now)) + allowed.each;
        let ahead = whole_at.duration_since(now);
        if ahead > allowed.burst {
            self.refused = self.refused.saturating_add(1);
            return Err(slow_down(ahead.saturating_sub(allowed.burst)));
        }
        self.whole_at = Some(whole_at);
        self.refused = 0;
        Ok(())
    }

    /// Who goes on and on is not answered one by one: the smallest frame is six bytes and its refusal ten times that.
    pub fn is_flooded(&self) -> bool {
        self.refused > FRAMES_REFUSED_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_so_much_a_second() {
        let allowed = Allowance::of(false);
        let mut pace = Pace::default();
        let start = Instant::now();
        let granted = |pace: &mut Pace, at: Instant| {
            u32::try_from((0..10_000).take_while(|_| pace.check(allowed, at).is_ok()).count()).unwrap()
        };
        assert_eq!(granted(&mut pace, start), FRAMES_BURST);
        let wait_ms = pace.check(allowed, start).unwrap_err().params["retry_after_ms"].as_u64().unwrap();
        assert!((1..=21).contains(&wait_ms), "{wait_ms}");
        let later = start + Duration::from_secs(1);
        assert_eq!(granted(&mut pace, later), FRAMES_PER_SECOND);
        assert_eq!(granted(&mut pace, later + Duration::from_secs(3_600)), FRAMES_BURST);
    }

    /// OP-38: one connection of a load run taps as often as it can. Mutation caught: `rehearsal` not looked at.
    #[test]
    fn a_rehearsals_frames_are_counted_and_not_refused() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!((0..50_000).all(|_| pace.check(Allowance::of(true), now).is_ok()));
    }

    /// Mutation that turned it red: refusals that are not counted.
    #[test]
    fn who_goes_on_after_many_refusals_is_a_flood_and_who_waits_is_not() {
        let allowed = Allowance::of(false);
        let (mut pace, start) = (Pace::default(), Instant::now());
        let refused =
            (0..FRAMES_BURST + u32::from(FRAMES_REFUSED_MAX)).filter(|_| pace.check(allowed, start).is_err());
        assert_eq!((refused.count(), pace.is_flooded()), (usize::from(FRAMES_REFUSED_MAX), false));
        assert!(pace.check(allowed, start).is_err() && pace.is_flooded());
        assert!(pace.check(allowed, start + Duration::from_secs(60)).is_ok() && !pace.is_flooded());
    }
}
