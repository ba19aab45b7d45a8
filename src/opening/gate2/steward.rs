//! Looks after the opening's place in Redis: is this epoch loaded there? If not, the one gateway that holds the lease raises
//! the epoch and loads it anew.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::time::{Instant, timeout};

use super::teller::loaded;
use super::{Gate2Reason, Gate2State, Together};
use crate::cluster::{Gate2Error, News, Word};
use crate::domain::time::Micros;
use crate::limits::{HEARTBEAT_MS, LEASE_MS};
use crate::opening::live::Live;
use crate::store::{Priority, StoreError};
use crate::telemetry::names;

const LOOK_PERIOD: Duration = Duration::from_millis(HEARTBEAT_MS);
/// A few looks may fail before the lease is lost.
const RENEW_AFTER: Duration = Duration::from_millis(LEASE_MS.unsigned_abs() / 3);

/// Why a rebuild came to nothing; the next look tries again.
#[derive(Debug, thiserror::Error)]
enum RebuildError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Gate2(#[from] Gate2Error),
    #[error("another gateway raised the epoch")]
    Overtaken,
}

pub async fn run(live: Arc<Live>, gateway: String) {
    let Some(together) = &live.together else { return };
    let mut lease = Lease { gateway, renew_at: None };
    loop {
        live.look_after(together, &mut lease).await;
        // Asked for or not, it is looked at now and then: a flush says nothing.
        let _asked = timeout(LOOK_PERIOD, together.look.notified()).await;
    }
}

/// Who may raise the epoch. Kept by its holder while all is well: two gateways that see two masters would otherwise raise
/// it against each other for as long as that lasts.
struct Lease {
    gateway: String,
    /// Of a lease that is held.
    renew_at: Option<Instant>,
}

impl Live {
    async fn look_after(&self, together: &Together, lease: &mut Lease) {
        let epoch = self.control.load().epoch;
        match together.gate.is_sealed(epoch).await {
            Ok(true) => {
                together.stand(Gate2State::Ready, Gate2Reason::None);
                if lease.renew_at.is_some_and(|at| Instant::now() >= at) {
                    // Lost, or not to be had: then whoever needs it takes it.
                    let _kept = self.take_steward_lease(lease).await;
                }
            }
            Ok(false) => {
                together.stand_lost(&Gate2Error::Unsealed);
                match self.take_steward_lease(lease).await {
                    Ok(true) => self.rebuild(together, epoch).await,
                    // Somebody else does it; the epoch they raised comes with the head.
                    Ok(false) => drop(self.follow().await),
                    Err(error) => {
                        tracing::warn!(opening = %self.facts.id, %error, "no lease to rebuild Redis")
                    }
                }
            }
            Err(error) => together.stand_lost(&error),
        }
    }

    /// Takes or renews it; false while another gateway's runs.
    async fn take_steward_lease(&self, lease: &mut Lease) -> Result<bool, StoreError> {
        let name = format!("gate2/{}", self.facts.id);
        let taken = self.ledger.take_lease(&name, &lease.gateway, Micros::from_ms(LEASE_MS)).await?;
        lease.renew_at = taken.then(|| Instant::now() + RENEW_AFTER);
        Ok(taken)
    }

    async fn rebuild(&self, together: &Together, epoch: i64) {
        together.stand(Gate2State::Rebuilding, Gate2Reason::NotLoaded);
        let begun = Instant::now();
        match self.raise_and_load(together, epoch).await {
            Ok((epoch, words)) => {
                counter!(names::GATE2_REBUILDS, "opening" => self.facts.id.to_string()).increment(1);
                let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(opening = %self.facts.id, epoch, words, took_ms, "Redis is loaded");
                together.stand(Gate2State::Ready, Gate2Reason::None);
            }
            Err(error) => {
                tracing::warn!(opening = %self.facts.id, %error, "Redis could not be loaded; trying again");
                together.stand(Gate2State::Lost, Gate2Reason::NotLoaded);
            }
        }
    }

    /// Raises the epoch and reads what occupies units, of one moment; then writes it, the seal last.
    async fn raise_and_load(&self, together: &Together, epoch: i64) -> Result<(i64, usize), RebuildError> {
        let mut tx = self.ledger.begin(&self.facts.id, Priority::Commit).await?;
        if tx.take_head(epoch).await?.is_none() {
            drop(tx);
            self.refresh_control().await?;
            return Err(RebuildError::Overtaken);
        }
        let head = tx.raise_epoch().await?;
        let rows = tx.occupying_claims().await?;
        tx.commit().await?;
        self.refresh_control().await?;

        let seq = head.next_seq - 1;
        let words: Vec<News> = rows
            .iter()
            .map(|row| {
                let word = match row.registration() {
                    Some(who) => Word::Occupied { owner: who.0 },
                    None => Word::Withheld,
                };
                loaded(seq, row.unit(), word)
            })
            .collect();
        together.gate.rebuild(head.epoch, &words).await?;
        Ok((head.epoch, words.len()))
    }
}
