//! How often a buyer may ask for something. Keyed by registration, because a sales hall is one address; the bound on
//! addresses is far looser and only stops floods.
//!
//! Each gateway counts for itself, on purpose: a limit that all share would ask Redis at every tap, and gate 1 answers
//! nearly every tap without a call to anything. Whoever taps at several gateways has the limit of each, so what one buyer
//! can ask of all of them together is the limit times their number; sign-in and log-in, where guessing pays, are limited
//! together (`identity`).

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::gcra::Gcra;
use crate::domain::ids::RegOrd;
use crate::domain::time::Clock;
use crate::http::Problem;
use crate::limits;

fn quota(per_second: u32, burst: u32) -> Quota {
    let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst))
}

pub(super) fn slow_down(wait: std::time::Duration) -> Problem {
    // Rounded up: whoever comes back after exactly this long must not be early.
    Problem::slow_down(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1))
}

/// One opening's limits, by registration: as long as its admission list.
pub struct Rates {
    clock: Clock,
    picks: Gcra,
    asks: Gcra,
    reads: Gcra,
    writes: Gcra,
}

impl Rates {
    /// Of an opening with real buyers, or of a rehearsal: there a few hundred connections tap for ten thousand people,
    /// so the same limits are counted and checked, but stand where none of them is met.
    pub fn of(rehearsal: bool, registrations: usize, clock: Clock) -> Self {
        let by_registration = |per_second, burst| {
            let times = if rehearsal { limits::REHEARSAL_RATES_TIMES } else { 1 };
            Gcra::new(per_second * times, burst * times, registrations)
        };
        Self {
            clock,
            picks: by_registration(limits::PICKS_PER_SECOND, limits::PICKS_BURST),
            asks: by_registration(limits::ASKS_PER_SECOND, limits::ASKS_BURST),
            reads: by_registration(limits::READS_PER_SECOND, limits::READS_BURST),
            writes: by_registration(limits::WRITES_PER_SECOND, limits::WRITES_BURST),
        }
    }

    pub fn pick(&self, who: RegOrd) -> Result<(), Problem> {
        self.check(&self.picks, who)
    }

    pub fn ask(&self, who: RegOrd) -> Result<(), Problem> {
        self.check(&self.asks, who)
    }

    /// Reads that cost the database something.
    pub fn read(&self, who: RegOrd) -> Result<(), Problem> {
        self.check(&self.reads, who)
    }

    /// Favourites, devices, giving up.
    pub fn write(&self, who: RegOrd) -> Result<(), Problem> {
        self.check(&self.writes, who)
    }

    fn check(&self, limiter: &Gcra, who: RegOrd) -> Result<(), Problem> {
        limiter.check(who.0, self.clock.mono()).map_err(slow_down)
    }
}

/// Requests without a session, by address.
pub struct Addresses(DefaultKeyedRateLimiter<IpAddr>);

impl Default for Addresses {
    fn default() -> Self {
        let quota = quota(limits::ADDRESS_REQUESTS_PER_SECOND, limits::ADDRESS_REQUESTS_BURST);
        Self(RateLimiter::keyed(quota))
    }
}

impl Addresses {
    pub fn check(&self, address: IpAddr) -> Result<(), Problem> {
        let checked = self.0.check_key(&address);
        checked.map_err(|until| slow_down(until.wait_time_from(DefaultClock::default().now())))
    }

    /// Forgets addresses that have their whole burst again; called now and then, or the map would grow for ever.
    pub fn forget_idle(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Code;

    #[test]
    fn one_buyers_taps_are_bounded_and_nobody_elses() {
        let rates = Rates::of(false, 3, Clock::system());
        let granted = (0..1_000).take_while(|_| rates.pick(RegOrd(1)).is_ok()).count();
        assert!(
            (limits::PICKS_BURST as usize..limits::PICKS_BURST as usize * 2).contains(&granted),
            "{granted}"
        );
        let refused = rates.pick(RegOrd(1)).unwrap_err();
        assert_eq!(refused.code, Code::SlowDown);
        let wait_ms = refused.params["retry_after_ms"].as_u64().unwrap();
        assert!((1..=1_000).contains(&wait_ms), "{wait_ms}");
        assert!(rates.pick(RegOrd(2)).is_ok());
        assert!(rates.ask(RegOrd(1)).is_ok(), "an ask is never spent by picks");
    }

    /// OP-38: one connection of a load run taps as often as it can. Mutation caught: `rehearsal` not looked at.
    #[test]
    fn a_rehearsals_taps_are_counted_and_not_refused() {
        let rates = Rates::of(true, 2, Clock::system());
        assert!((0..50_000).all(|_| rates.pick(RegOrd(1)).is_ok()));
    }
}
