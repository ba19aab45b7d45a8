//! What ended before a start: claims that lapsed, were given up or released. Buyers see theirs and the console lists
//! them, but no pick is decided by them, so an opening takes picks first and reads its history afterwards.
//!
//! Until that is done a repeated key of an ended claim is answered by gate 3, and a revived claim is read alone
//! (`committer::read_on`). Nothing here is awaited by anybody.

use std::sync::Arc;
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
        // A page is a millisecond of the memory's lock; who taps comes first.
        tokio::task::yield_now().await;
    }
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
            claims.extend(claim_of(row)?.map(Arc::new));
        }
        for claim in self.memory.remember_ended(claims) {
            self.remember(&claim);
        }
        *after = next;
        Ok(rows.len())
    }
}
