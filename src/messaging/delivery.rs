//! The task that sends what is queued: some messages at once, each by one gateway, none after it expired.
//!
//! It has its own time: whoever asked for a code was answered before, so a provider that is slow or dead delays nothing but
//! its own messages. It tries again only what was certainly not sent and may be taken later ([`Failure::again`]), a little
//! later each time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::rows::{self, Claimed, Outcome};
use super::sender::{Failure, Sms};
use super::state::{Reason, State};
use super::{MessagingError, Outbox};
use crate::domain::ids::{OpeningId, RowId};
use crate::domain::time::{Clock, Micros};
use crate::limits::{
    SMS_ATTEMPTS_MAX, SMS_IN_FLIGHT, SMS_LOOK_PERIOD, SMS_PAUSE, SMS_RETRY_S, SMS_RETRY_S_MAX, SMS_USEFUL_S,
};

/// A message that was given up, for whoever keeps a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub id: RowId,
    pub opening: Option<OpeningId>,
    pub to_masked: String,
    pub reason: Reason,
    pub detail: Option<String>,
}

/// Sends for one gateway.
pub struct Delivery {
    outbox: Outbox,
    clock: Clock,
    /// This process, in claims.
    holder: Arc<str>,
    /// Full: nobody is told, and the outbox page still shows it.
    failed: mpsc::Sender<Failed>,
}

impl Delivery {
    pub fn new(outbox: Outbox, clock: Clock, failed: mpsc::Sender<Failed>) -> Self {
        let holder = RowId::generate().to_string().into();
        Self { outbox, clock, holder, failed }
    }

    /// Runs until `stop`, and then until what is on its way has arrived or is given up.
    pub async fn run(self, stop: CancellationToken) {
        if !self.outbox.sender.sends() {
            return;
        }
        let this = Arc::new(self);
        let mut ticks = interval(SMS_LOOK_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut on_their_way: JoinSet<bool> = JoinSet::new();
        let mut resumes = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(reached) = on_their_way.join_next() => {
                    if !reached.unwrap_or(true) {
                        resumes = Instant::now() + SMS_PAUSE;
                    }
                }
                _ = ticks.tick() => {
                    let free = SMS_IN_FLIGHT.saturating_sub(on_their_way.len());
                    if free == 0 || Instant::now() < resumes {
                        continue;
                    }
                    for claimed in this.take_due(free).await {
                        let this = Arc::clone(&this);
                        on_their_way.spawn(async move { this.deliver(claimed).await });
                    }
                }
            }
        }
        while on_their_way.join_next().await.is_some() {}
    }

    async fn take_due(&self, most: usize) -> Vec<Claimed> {
        match rows::take_due(&self.outbox.db, &self.holder, most).await {
            Ok(due) => {
                for (row, reason) in due.given_up {
                    let sealed = (row.recipient_sealed.as_slice(), row.params_sealed.as_slice());
                    self.tell(&row.id, row.opening_id, sealed, reason, None);
                }
                due.claimed
            }
            Err(error) => {
                tracing::warn!(%error, "messages that are due could not be read; it is tried again");
                Vec::new()
            }
        }
    }

    /// Whether the provider could be reached.
    async fn deliver(&self, claimed: Claimed) -> bool {
        let sent = match self.send(&claimed).await {
            Ok(sent) => sent,
            Err(error) => {
                // It does not open, now or later.
                tracing::error!(%error, message = %claimed.id, "a message can not be read");
                Err(Failure { reason: Reason::Refused, detail: None, again: false })
            }
        };
        let reached = !matches!(&sent, Err(failure) if failure.reason == Reason::Unreachable);
        if let Err(error) = self.settle(claimed, sent).await {
            tracing::warn!(%error, "how a message was sent could not be written; it is not sent again");
        }
        reached
    }

    async fn send(&self, claimed: &Claimed) -> Result<Result<(), Failure>, MessagingError> {
        let (phone, message) =
            self.outbox.open(&claimed.id, &claimed.recipient_sealed, &claimed.params_sealed)?;
        let minutes = message.minutes().to_string();
        let sms = Sms { phone: &phone, message: &message, minutes, now: self.clock.wall() };
        Ok(self.outbox.sender.send(&sms).await)
    }

    async fn settle(&self, claimed: Claimed, sent: Result<(), Failure>) -> Result<(), MessagingError> {
        let now = self.outbox.db.now().await?;
        let failure = sent.err();
        let later = failure.as_ref().filter(|failure| failure.again);
        let due_at = later.and_then(|_| next_attempt(claimed.attempts, now, claimed.expires_at));
        let state = match (&failure, due_at) {
            (None, _) => State::Sent,
            (Some(_), Some(_)) => State::Queued,
            (Some(_), None) => State::Failed,
        };
        let outcome = Outcome {
            state,
            due_at,
            reason: failure.as_ref().map(|failure| failure.reason),
            detail: failure.as_ref().and_then(|failure| failure.detail.as_deref()),
            settled_at: (state != State::Queued).then_some(now),
        };
        let ours = rows::settle(&self.outbox.db, &claimed.id, &self.holder, &outcome).await?;
        if let (true, State::Failed, Some(failure)) = (ours, state, failure) {
            let sealed = (claimed.recipient_sealed.as_slice(), claimed.params_sealed.as_slice());
            self.tell(&claimed.id, claimed.opening_id, sealed, failure.reason, failure.detail);
        }
        Ok(())
    }

    fn tell(
        &self,
        id: &RowId,
        opening: Option<OpeningId>,
        (recipient, params): (&[u8], &[u8]),
        reason: Reason,
        detail: Option<String>,
    ) {
        // A newer one is on its way: nothing is wrong.
        if reason == Reason::Replaced {
            return;
        }
        let to_masked = self.outbox.open(id, recipient, params).map(|(to, _)| to.masked());
        let to_masked = to_masked.unwrap_or_default();
        tracing::warn!(to = %to_masked, reason = reason.as_str(), detail, "a message was not sent");
        let failed = Failed { id: id.clone(), opening, to_masked, reason, detail };
        let _ = self.failed.try_send(failed);
    }
}

/// When a message is tried again after so many attempts; `None`: not any more.
fn next_attempt(attempts: i64, now: Micros, expires_at: Micros) -> Option<Micros> {
    if attempts >= SMS_ATTEMPTS_MAX {
        return None;
    }
    let doubled = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    let wait_s = (SMS_RETRY_S << doubled).min(SMS_RETRY_S_MAX);
    let at = now.plus(Micros::from_secs(wait_s));
    (at.plus(Micros::from_secs(SMS_USEFUL_S)) < expires_at).then_some(at)
}

/// The drain waits for what is on its way no longer than for anything else.
const _: () = assert!(
    crate::limits::SMS_ANSWER_TIMEOUT.as_millis() < Duration::from_secs(10).as_millis()
        && crate::limits::DRAIN_TIMEOUT.as_secs() >= 10
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_ends_before_the_code_does() {
        let (now, expires_at) = (Micros::from_secs(1_000), Micros::from_secs(1_300));
        let wait = |attempts| next_attempt(attempts, now, expires_at).map(|at| at.since(now).ms() / 1_000);
        assert_eq!([1, 2, 3, 4, 5, 6].map(wait), [2, 4, 8, 16, 30, 30].map(Some));
        assert_eq!(wait(SMS_ATTEMPTS_MAX), None);
        let late = Micros::from_secs(1_284);
        assert_eq!(next_attempt(1, late, expires_at), None, "it would arrive when it is worth nothing");
    }
}
