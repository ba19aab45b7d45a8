//! Follows the keyring's file while the program runs: a new key is bound to the database before it seals anything, one that
//! was retired is forgotten there when nothing needs it.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::reseal::Resealer;
use crate::domain::time::Clock;
use crate::identity::staff::{Actor, LogEntry, log_staff_action};
use crate::identity::{BindingError, StaffError, bind_keyring};
use crate::limits::KEYRING_LOOK_PERIOD;
use crate::store::{Db, Priority, StoreError, execute, fetch_optional};
use crate::vault::{Stamp, Vault, VaultError};

/// What looks after this process's keys.
pub struct KeyKeeper {
    pub db: Db,
    pub vault: Arc<Vault>,
    pub clock: Clock,
    /// This process, in leases and in its row.
    pub gateway: String,
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Binding(#[from] BindingError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Staff(#[from] StaffError),
    #[error("the keyring could not be read: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Runs until `stop`.
pub async fn keep_keys(keeper: KeyKeeper, stop: CancellationToken) {
    let changed = Arc::new(Notify::new());
    let resealer =
        Resealer { db: keeper.db.clone(), vault: Arc::clone(&keeper.vault), holder: keeper.gateway.clone() };
    tokio::select! {
        () = stop.cancelled() => {}
        () = keeper.follow(&changed) => {}
        () = resealer.run(Arc::clone(&changed)) => {}
    }
}

impl KeyKeeper {
    async fn follow(&self, changed: &Notify) {
        let mut ticks = tokio::time::interval(KEYRING_LOOK_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut complained) = (None, String::new());
        loop {
            ticks.tick().await;
            match self.look(&mut seen, changed).await {
                Ok(()) => complained.clear(),
                Err(error) => {
                    // Once for each thing that is wrong, not once a second.
                    let why = error.to_string();
                    if why != complained {
                        tracing::error!(%why, "the keyring that lies there now is not used; the one of before is");
                        complained = why;
                    }
                }
            }
        }
    }

    async fn look(&self, seen: &mut Option<Stamp>, changed: &Notify) -> Result<(), FollowError> {
        let (vault, last) = (Arc::clone(&self.vault), *seen);
        // It reads a file, which may lie on a slow disk.
        let found = tokio::task::spawn_blocking(move || vault.look(last)).await??;
        if let Some((stamp, candidate)) = found {
            let is_new = bind_keyring(&self.db, &candidate, self.clock.wall()).await?;
            self.vault.adopt(&candidate);
            *seen = Some(stamp);
            changed.notify_one();
            if is_new {
                let (keys, sealing) = (self.vault.key_ids(), self.vault.sealing_key());
                tracing::info!(?keys, sealing, "the keyring changed");
                self.log(json!({ "keys": keys, "sealing": sealing })).await?;
            }
        }
        Ok(self.say().await?)
    }

    async fn log(&self, params: serde_json::Value) -> Result<(), StaffError> {
        let mut tx = self.db.begin(Priority::Staff).await?;
        let entry = LogEntry { opening: None, action: "KEYRING_CHANGED", object: "keyring", params };
        log_staff_action(&mut tx, &self.vault, &Actor::Server, &entry, self.clock.wall()).await?;
        Ok(tx.commit().await?)
    }

    /// Which key this gateway seals with, in its row: none is retired before every gateway seals with another.
    async fn say(&self) -> Result<(), StoreError> {
        let key = i64::from(self.vault.sealing_key());
        let row = fetch_optional!(
            self.db.read().await?,
            (Option<i64>,),
            "SELECT sealing_key FROM gateway WHERE id = $1",
            &self.gateway
        )?;
        // Its row may not be there yet, or no more.
        if row.is_none_or(|(said,)| said == Some(key)) {
            return Ok(());
        }
        let mut tx = self.db.begin(Priority::Staff).await?;
        // As all that is written to this row: a commit that waits for a missing standby keeps it locked, and the gateway
        // would look silent. Lost, it is said again; until then an older key counts as needed.
        tx.may_be_lost().await?;
        execute!(tx, "UPDATE gateway SET sealing_key = $2 WHERE id = $1", &self.gateway, key)?;
        tx.commit().await
    }
}
