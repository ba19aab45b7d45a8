//! Keeps the memory of devices level with the database: all of it at start, afterwards what other servers changed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::ids::{OpeningId, RegOrd};
use crate::limits::DEVICE_POLL_MS;
use crate::store::fetch_all;

use super::state::{DeviceRow, state_of};
use super::{BuyerError, Buyers};

/// Versions read in one query. One version is one registration, so this bounds the rows as well.
const STEP: i64 = 1_000;

impl Buyers {
    /// Follows other servers' changes until `stop`. On SQLite there are none, and this returns at once.
    pub async fn follow(&self, stop: CancellationToken) {
        if self.inner.db.is_sqlite() {
            return;
        }
        let mut tick = tokio::time::interval(Duration::from_millis(DEVICE_POLL_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            if let Err(error) = self.catch_up().await {
                tracing::warn!(%error, "devices changed on other servers could not be read; trying again");
            }
        }
    }

    /// Reads every change since the last time; at start, everything.
    pub async fn catch_up(&self) -> Result<(), BuyerError> {
        let mut read = self.inner.db.read().await?;
        // Openings that were put away take no sign-ins and no picks; their devices need no memory.
        let heads = fetch_all!(
            read,
            (OpeningId, i64),
            "SELECT d.opening_id, d.version FROM device_head d JOIN opening_head h ON h.opening_id = d.opening_id
             WHERE h.phase IN ('published', 'armed', 'live', 'closed')"
        )?;
        drop(read);
        for (opening, head) in heads {
            let mut from = self.inner.devices.followed(&opening);
            while from < head {
                let to = head.min(from.saturating_add(STEP));
                self.read_versions(&opening, from, to).await?;
                self.inner.devices.set_followed(&opening, to);
                from = to;
            }
        }
        Ok(())
    }

    /// A registration that changes again meanwhile has a version beyond `to`, and is read with a later step.
    ///
    /// `opening_id || ''`: with the opening known on both sides, a Postgres that has no statistics yet goes through all of
    /// the opening's sessions for each device.
    async fn read_versions(&self, opening: &OpeningId, from: i64, to: i64) -> Result<(), BuyerError> {
        let mut read = self.inner.db.read().await?;
        let rows = fetch_all!(
            read,
            DeviceRow,
            "SELECT p.registration_ord, p.session_id, p.requested_by, p.requested_at, p.version,
                    s.id, s.label_sealed, s.generation, s.expires_at
             FROM picking_device p LEFT JOIN buyer_session s
                 ON s.opening_id = p.opening_id || '' AND s.registration_ord = p.registration_ord AND s.revoked_at IS NULL
             WHERE p.opening_id = $1 AND p.version > $2 AND p.version <= $3
             ORDER BY p.version, s.created_at, s.id",
            opening,
            from,
            to
        )?;
        for of_one in rows.chunk_by(|a, b| a.version == b.version) {
            let Some(ord) = of_one.first().and_then(|row| u32::try_from(row.registration_ord).ok()) else {
                return Err(BuyerError::Corrupt);
            };
            self.inner.devices.apply(opening, RegOrd(ord), state_of(&self.inner.vault, of_one)?);
        }
        Ok(())
    }
}
