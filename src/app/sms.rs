//! What was not sent stands in the staff log, so that it is seen by whoever was not looking at the outbox page. Entries stay
//! for good, so there are only so many a minute; the page has them all.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::domain::time::Clock;
use crate::identity::staff::{Actor, LogEntry, StaffError, log_staff_action};
use crate::limits::SMS_FAILURES_LOGGED_A_MINUTE;
use crate::messaging::{Delivery, Failed, Outbox};
use crate::store::{Db, Priority};
use crate::vault::Vault;

/// Sends until `stop`; the handle ends when the last message has its result.
pub fn start(
    outbox: Outbox,
    db: Db,
    vault: Arc<Vault>,
    clock: Clock,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let (failed, news) = mpsc::channel(SMS_FAILURES_LOGGED_A_MINUTE);
    let delivery = Delivery::new(outbox, clock.clone(), failed);
    let logging = tokio::spawn(keep_log(news, db, vault, clock));
    tokio::spawn(async move {
        delivery.run(stop).await;
        // Nobody is left to tell it anything: it ends when it has written what it was told.
        let _ = logging.await;
    })
}

async fn keep_log(mut news: mpsc::Receiver<Failed>, db: Db, vault: Arc<Vault>, clock: Clock) {
    let minute = Duration::from_secs(60);
    let (mut since, mut logged) = (clock.mono(), 0);
    while let Some(failed) = news.recv().await {
        if u128::from(clock.mono().since(since).0.unsigned_abs()) >= minute.as_micros() {
            (since, logged) = (clock.mono(), 0);
        }
        if logged >= SMS_FAILURES_LOGGED_A_MINUTE {
            continue;
        }
        logged += 1;
        if let Err(error) = log(&db, &vault, &failed, &clock).await {
            tracing::warn!(%error, "a message that was not sent could not be written into the staff log");
        }
    }
}

async fn log(db: &Db, vault: &Vault, failed: &Failed, clock: &Clock) -> Result<(), StaffError> {
    let mut params = json!({ "phone": failed.to_masked, "sms": failed.reason.as_str() });
    if let Some(detail) = &failed.detail {
        params["detail"] = json!(detail);
    }
    let object = failed.id.to_string();
    let entry = LogEntry { opening: failed.opening.as_ref(), action: "SMS_FAILED", object: &object, params };
    let mut tx = db.begin(Priority::Staff).await?;
    log_staff_action(&mut tx, vault, &Actor::Server, &entry, clock.wall()).await?;
    Ok(tx.commit().await?)
}
