//! What the big screen calls "the latest": grants and deals in the order in which they happened.
//!
//! A claim remembers when it was granted, not when it became a deal, so the list follows the opening's events. Nobody
//! runs for it: whoever asks reads what came since the last question. Falling behind, or a restart, starts it anew from
//! the claims.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::wire::ScreenDeal;
use crate::opening::Live;
use crate::opening::answer::{Claim, ClaimState};
use crate::opening::memory::Applied;

/// Deals shown on the big screen.
const LAST_DEALS: usize = 12;

pub struct Deals {
    /// Held for the events of one question, and never over an await.
    inner: Mutex<Inner>,
}

struct Inner {
    events: Receiver<Arc<Applied>>,
    recent: Recent,
}

impl Deals {
    pub fn new(live: &Live) -> Self {
        // Listens first: what happens between the two lines is told twice, not lost.
        let events = live.events();
        let recent = of_claims(live);
        Self { inner: Mutex::new(Inner { events, recent }) }
    }

    /// Newest first.
    pub fn last(&self, live: &Live) -> Vec<ScreenDeal> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match inner.events.try_recv() {
                Ok(applied) => {
                    if let Some(claim) = &applied.claim {
                        inner.recent.note(applied.kind, || deal(live, claim, applied.at.ms()), claim.unit.0);
                    }
                }
                Err(TryRecvError::Lagged(_)) => inner.recent = of_claims(live),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        inner.recent.0.iter().cloned().collect()
    }
}

fn of_claims(live: &Live) -> Recent {
    let mut claims = live.all_claims();
    claims.retain(|claim| matches!(claim.state, ClaimState::Held | ClaimState::Sold));
    claims.sort_by_key(|claim| std::cmp::Reverse(claim.seq));
    Recent(claims.iter().take(LAST_DEALS).map(|claim| deal(live, claim, claim.created_at.ms())).collect())
}

fn deal(live: &Live, claim: &Claim, at_ms: i64) -> ScreenDeal {
    let registration = live.facts.registration(claim.registration);
    ScreenDeal {
        unit: claim.unit.0,
        name_masked: registration.map_or_else(String::new, |registration| registration.name_masked.clone()),
        at_ms,
        state: claim.state.as_str(),
    }
}

/// Newest first, one line a unit.
struct Recent(VecDeque<ScreenDeal>);

impl Recent {
    /// A grant or a deal comes to the front in place of the unit's older line; a hold that ended leaves the wall.
    fn note(&mut self, kind: &str, deal: impl FnOnce() -> ScreenDeal, unit: u32) {
        let shows = matches!(kind, "held" | "revived" | "sold");
        if !shows && !matches!(kind, "lapsed" | "released" | "given_up") {
            return;
        }
        self.0.retain(|known| known.unit != unit);
        if shows {
            self.0.push_front(deal());
            self.0.truncate(LAST_DEALS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(unit: u32, state: &'static str) -> ScreenDeal {
        ScreenDeal { unit, name_masked: String::new(), at_ms: 0, state }
    }

    /// OP-56: deals as they come. Mutation caught: leaving the list in the order of grants kept deals off the wall.
    #[test]
    fn a_deal_comes_to_the_front_and_an_ended_hold_leaves() {
        let mut recent = Recent(VecDeque::new());
        let steps = [
            ("held", 1, "held"),
            ("held", 2, "held"),
            ("held", 3, "held"),
            ("paid", 1, "held"),
            ("sold", 1, "sold"),
            ("extended", 2, "held"),
            ("lapsed", 3, "lapsed"),
        ];
        for (kind, unit, state) in steps {
            recent.note(kind, || line(unit, state), unit);
        }
        let shown: Vec<_> = recent.0.iter().map(|deal| (deal.unit, deal.state)).collect();
        assert_eq!(shown, [(1, "sold"), (2, "held")]);
    }

    #[test]
    fn a_rush_keeps_the_newest_and_no_more() {
        let mut recent = Recent(VecDeque::new());
        for unit in 0..100 {
            recent.note("held", || line(unit, "held"), unit);
        }
        assert_eq!(recent.0.len(), LAST_DEALS);
        assert_eq!(recent.0.front().map(|deal| deal.unit), Some(99));
    }
}
