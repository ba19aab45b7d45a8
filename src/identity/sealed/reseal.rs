//! Seals every value again under the key that seals now: beside a running sale, in small transactions, by one gateway at a
//! time. A process that dies leaves nothing to clean up: what it had not reached is found by the next one.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::places::{Found, Place};
use crate::domain::time::Micros;
use crate::limits::{
    RESEAL_LEASE_MS, RESEAL_LOCK_TIMEOUT_MS, RESEAL_REST, RESEAL_REST_TIMES, RESEAL_SELDOM, RESEAL_SOON,
    RESEAL_VALUES,
};
use crate::store::{Db, Ledger, Priority, StoreError};
use crate::vault::{Vault, VaultError};

const LEASE: &str = "keyring/reseal";

/// What one way through all tables came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pass {
    pub sealed: u64,
    /// Values that do not open, so that they stay as they are.
    pub left: u64,
    /// Another gateway has the lease.
    pub elsewhere: bool,
}

pub(super) struct Resealer {
    pub db: Db,
    pub vault: Arc<Vault>,
    /// This process, in leases.
    pub holder: String,
}

impl Resealer {
    /// Runs until it is dropped. `changed`: another key seals now.
    pub async fn run(self, changed: Arc<Notify>) {
        let (mut wait, mut left) = (RESEAL_SOON, 0);
        loop {
            // Not until then, or as soon as there is something to do.
            let told = timeout(wait, changed.notified()).await.is_ok();
            // The only key sealed all that opens.
            if self.vault.key_ids().len() < 2 {
                wait = RESEAL_SELDOM;
                continue;
            }
            let pass = self.pass().await;
            wait = match &pass {
                // What was being written as the key changed comes after what was looked at.
                Ok(pass) if !told && !pass.elsewhere && pass.sealed == 0 => RESEAL_SELDOM,
                _ => RESEAL_SOON,
            };
            match pass {
                Ok(pass) => {
                    if pass.sealed > 0 {
                        tracing::info!(values = pass.sealed, key = self.vault.sealing_key(), "sealed again");
                    }
                    if pass.left > 0 && pass.left != left {
                        tracing::warn!(values = pass.left, "sealed values do not open, and stay as they are");
                    }
                    left = pass.left;
                }
                Err(error) => tracing::warn!(%error, "sealing again was interrupted; it goes on in a moment"),
            }
        }
    }

    pub(super) async fn pass(&self) -> Result<Pass, StoreError> {
        let ledger = Ledger::from(self.db.clone());
        let header = self.vault.sealing_header();
        let mut pass = Pass::default();
        for place in Place::ALL {
            let mut after = String::new();
            loop {
                let found = {
                    let mut read = self.db.read().await?;
                    Box::pin(place.find(&mut read, &after, &header, RESEAL_VALUES)).await?
                };
                let Some(last) = found.last() else { break };
                after.clone_from(&last.id);
                let begun = Instant::now();
                if !ledger.take_lease(LEASE, &self.holder, Micros::from_ms(RESEAL_LEASE_MS)).await? {
                    return Ok(Pass { elsewhere: true, ..pass });
                }
                self.seal_again(*place, &found, &mut pass).await?;
                // Not a wait for anything: it is nobody's hurry, and whoever sells comes first.
                sleep((begun.elapsed() * RESEAL_REST_TIMES).max(RESEAL_REST)).await;
            }
        }
        Ok(pass)
    }

    async fn seal_again(&self, place: Place, found: &[Found], pass: &mut Pass) -> Result<(), StoreError> {
        // Before the transaction, which picks wait for on SQLite.
        let mut again = Vec::with_capacity(found.len());
        for value in found {
            match self.vault.seal_again(place.field(), &value.id, &value.sealed) {
                Ok(new) => again.push((value, new)),
                Err(VaultError::UnknownKey(_) | VaultError::Unreadable) => pass.left += 1,
                Err(error) => return Err(StoreError::Corrupt(error.to_string())),
            }
        }
        if again.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin(Priority::Bulk).await?;
        tx.give_way_after_ms(RESEAL_LOCK_TIMEOUT_MS).await?;
        let mut sealed = 0;
        for (value, new) in &again {
            sealed += u64::from(Box::pin(place.replace(&mut tx, value, new)).await?);
        }
        tx.commit().await?;
        pass.sealed += sealed;
        Ok(())
    }
}
