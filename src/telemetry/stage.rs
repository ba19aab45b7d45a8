//! A start must never be silent: whatever takes longer than a second says so while it lasts, and how long it took.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// What is quicker than this is not mentioned.
const SLOW: Duration = Duration::from_secs(1);
/// The next word about the same stage.
const AGAIN: Duration = Duration::from_secs(5);

/// Waits for `stage`, and logs while it takes long. `what` continues "still …".
pub async fn stage<F: Future>(what: &str, stage: F) -> F::Output {
    let begun = Instant::now();
    let mut stage = pin!(stage);
    let mut patience = SLOW;
    loop {
        match timeout(patience, &mut stage).await {
            Ok(done) => {
                let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                if begun.elapsed() >= SLOW {
                    tracing::info!(took_ms, "done {what}");
                } else {
                    tracing::debug!(took_ms, "done {what}");
                }
                return done;
            }
            Err(_) => tracing::info!(since_s = begun.elapsed().as_secs(), "still {what}"),
        }
        patience = AGAIN;
    }
}
