//! What ended before a start: claims that lapsed, were given up or released. Buyers see theirs and the console lists
//! them, but no pick is decided by them, so an opening takes picks first and reads its history afterwards.
//!
//! Until that is done gate 1 refuses nothing by itself: a key that memory does not know may be that of an ended claim,
//! and gate 3 answers it as recorded. A revived claim is read alone (`committer::read_on`). Nothing here is awaited by
//! anybody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::live::Live;
use super::script::claim_of;
use crate::limits::ENDED_CLAIMS_PAGE;
use crate::store::StoreError;

const TRY_AGAIN: Duration = Duration::from_secs(1);
const TELL: Duration = Duration::from_secs(1);

pub(super) async fn run(live: Arc<Live>) {
    let begun = Instant::now();
    let (mut after, mut read, mut told) = (String::new(), 0, begun);
    loop {
        match live.read_history(&mut after).await {
            Ok(0) => break,
            Ok(claims) => read += claims,
            Err(error) => {
                tracing::warn!(opening = %live.facts.id, %error, "ended claims could not be read; trying again");
                sleep(TRY_AGAIN).await;
            }
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            tracing::info!(opening = %live.facts.id, read, "still reading claims that ended");
        }
        // A page holds the memory's lock; who taps comes first.
        tokio::task::yield_now().await;
    }
    live.history_is_read.store(true, Ordering::Release);
    if begun.elapsed() >= TELL {
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(opening = %live.facts.id, read, took_ms, "claims that ended are read");
    }
}

impl Live {
    /// One page; returns its length.
    async fn read_history(&self, after: &mut String) -> Result<usize, StoreError> {
        let rows = self.ledger.ended_claims(&self.facts.id, after, ENDED_CLAIMS_PAGE).await?;
        let Some(last) = rows.last() else { return Ok(0) };
        let next = last.id.as_str().to_owned();
        let mut claims = Vec::with_capacity(rows.len());
        for row in &rows {
            match claim_of(row) {
                Ok(claim) => claims.extend(claim.map(Arc::new)),
                // Left out and told of: waiting for it would leave every refusal to the database for the whole sale.
                Err(error) => {
                    tracing::error!(opening = %self.facts.id, %error, "an ended claim does not read")
                }
            }
        }
        for claim in self.memory.remember_ended(claims) {
            self.remember(&claim);
        }
        *after = next;
        Ok(rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{RegOrd, UnitOrd};
    use crate::opening::answer::{Answer, ClaimState, Key};
    use crate::opening::testing;
    use crate::opening::tried::Tried;
    use crate::store::testing as store_testing;

    /// OP-42: a repeated tap whose claim ended before the start hears the yes that was said, also while history is
    /// still being read and the home is somebody else's by now.
    ///
    /// Mutation that turned it red: gate 1 refusing before history is read (it said TAKEN).
    #[tokio::test]
    async fn a_yes_is_not_taken_back_by_a_start_that_has_not_read_its_history() {
        let (_folder, db) = store_testing::sqlite().await;
        let before = testing::running(&db, 2).await;
        let (unit, key) = (UnitOrd(0), Key::parse("tap-00000001").unwrap());
        let granted = before.live.pick(RegOrd(0), unit, key.clone()).await;
        let Ok(Answer::Yes(claim)) = granted else { panic!("{granted:?}") };
        before.live.give_up(RegOrd(0), claim.id.clone(), claim.generation).await.unwrap();
        let other = Key::parse("tap-00000002").unwrap();
        let taken = before.live.pick(RegOrd(1), unit, other).await;
        assert!(matches!(taken, Ok(Answer::Yes(_))), "{taken:?}");

        let facts = before.live.facts.clone();
        drop(before);
        let after = testing::restarted(&db, facts).await;
        // Nothing was awaited since the start, so that on this one thread history has not begun.
        let tried = after.live.try_pick(RegOrd(0), unit, &key);
        assert!(!after.live.history_is_read.load(Ordering::Acquire));
        let Tried::Waiting(waiting) = tried else { panic!("decided without the database") };
        let Ok(Answer::Yes(again)) = after.live.decided(waiting).await else { panic!("as recorded") };
        assert_eq!((&again.id, again.state), (&claim.id, ClaimState::GivenUp));
    }
}
