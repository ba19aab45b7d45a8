//! Cleaning that keeps memory and tables bounded, off the hot path and in small transactions.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::time::Clock;
use crate::limits::{PURGE_ROWS, SEEN_FLUSH_S};
use crate::messaging::Outbox;

use super::{Buyers, Staff};

/// Runs until `stop`. A round that fails is logged and tried again with the next.
pub async fn keep_up(buyers: Buyers, staff: Staff, outbox: Outbox, clock: Clock, stop: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(SEEN_FLUSH_S));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        round(&buyers, &staff, &outbox, &clock).await;
    }
}

async fn round(buyers: &Buyers, staff: &Staff, outbox: &Outbox, clock: &Clock) {
    let now = clock.wall();
    buyers.sweep_throttles(now);
    if let Err(error) = buyers.flush_seen().await {
        tracing::warn!(%error, "last use of sessions could not be written");
    }
    if let Err(error) = staff.sweep(now).await {
        tracing::warn!(%error, "ended staff sessions could not be removed");
    }
    while more(buyers.purge_codes(now).await, "codes") {}
    while more(buyers.purge_wechat_sign_ins(now).await, "sign-ins by WeChat") {}
    while more(outbox.purge(now).await, "messages") {}
}

/// Whether there may be more to remove.
fn more<E: std::fmt::Display>(outcome: Result<u64, E>, what: &'static str) -> bool {
    match outcome {
        Ok(gone) => i64::try_from(gone).is_ok_and(|gone| gone == PURGE_ROWS),
        Err(error) => {
            tracing::warn!(%error, what, "old rows could not be removed");
            false
        }
    }
}
