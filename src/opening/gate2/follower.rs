//! Follows the stream: what other gateways committed, a moment after they did. The database repairs whatever is missing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::cluster::Noted;
use crate::domain::time::Micros;
use crate::limits::{HEARTBEAT_MS, PICK_WAIT_MS};
use crate::opening::event::Recorded;
use crate::opening::live::Live;
use crate::store::{Entry, StoreError};

const TRY_AGAIN: Duration = Duration::from_millis(HEARTBEAT_MS);
const STUCK: Duration = Duration::from_millis(PICK_WAIT_MS / 20);

pub async fn run(live: Arc<Live>) {
    let Some(together) = &live.together else { return };
    loop {
        if let Ok(mut follower) = together.gate.follower().await {
            loop {
                let (epoch, after) = (live.control.load().epoch, live.memory.applied());
                let Ok(entries) = together.gate.next(&mut follower, epoch, after).await else { break };
                let came = !entries.is_empty();
                live.take_from_stream(entries).await;
                if came && live.memory.applied() == after {
                    // A gap, and the database does not fill it now: the stream would bring the same again at once.
                    sleep(STUCK).await;
                }
            }
        }
        sleep(TRY_AGAIN).await;
    }
}

/// Reads the database at once when somebody waits for what the stream has not brought.
pub async fn catch_up(live: Arc<Live>) {
    let Some(together) = &live.together else { return };
    loop {
        together.behind.notified().await;
        if let Err(error) = live.follow().await {
            tracing::warn!(opening = %live.facts.id, %error, "could not catch up with the journal");
        }
        sleep(STUCK).await;
    }
}

impl Live {
    /// Entries as the stream brought them. Only those that come next are taken; at a gap the database is read.
    async fn take_from_stream(&self, entries: Vec<(i64, Noted)>) {
        let Some(last) = entries.last().map(|(seq, _)| *seq) else { return };
        let recorded: Result<Vec<Recorded>, StoreError> = entries.into_iter().map(recorded).collect();
        let recorded = match recorded {
            Ok(recorded) => recorded,
            Err(error) => {
                tracing::error!(opening = %self.facts.id, %error, "the stream does not read; reading the database");
                Vec::new()
            }
        };
        self.take_on(&recorded, last).await;
    }
}

fn recorded((seq, noted): (i64, Noted)) -> Result<Recorded, StoreError> {
    let Noted { kind, version, at, body } = noted;
    Recorded::from_entry(&Entry { seq, kind, version, at: Micros(at), body })
}
