//! What is sealed in the database, and under which key: counted, moved to a new key beside a running sale, and kept so while
//! keyrings change (CO-4).
//!
//! ```text
//!   kaipan keys rotate ──► the keyring's file ──► every gateway: binds the new key, seals with it   (`follow`)
//!                                                 one gateway: seals every value again              (`reseal`)
//!   kaipan keys retire ──► the keyring's file ──► every gateway: forgets the key that nothing needs (`follow`)
//! ```

mod follow;
mod places;
mod reseal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::domain::ids::OrgId;
use crate::domain::time::Micros;
use crate::store::{Db, StoreError, fetch_all, fetch_one};
use crate::vault::{KeyFingerprint, Vault};

pub use follow::{KeyKeeper, keep_keys};
pub use places::Place;

/// How many values each key has sealed. `None`: what no version of this program wrote.
pub type ByKey = BTreeMap<Option<u32>, i64>;

pub async fn count_by_key(db: &Db) -> Result<ByKey, StoreError> {
    let mut read = db.read().await?;
    let mut found = ByKey::new();
    for place in Place::ALL {
        for (header, count) in Box::pin(place.count(&mut read)).await? {
            *found.entry(Vault::key_of(&header)).or_default() += count;
        }
    }
    Ok(found)
}

/// Since when the database knows each field key.
pub async fn bound_since(db: &Db) -> Result<BTreeMap<String, Micros>, StoreError> {
    let mut read = db.read().await?;
    let rows =
        fetch_all!(read, (String, Micros), "SELECT name, bound_at FROM keyring_binding ORDER BY name")?;
    Ok(rows.into_iter().collect())
}

/// Gateways that live, by what people call them, and which key each says it seals with.
pub async fn sealing_keys(db: &Db) -> Result<Vec<(String, Option<i64>)>, StoreError> {
    let now = db.now().await?;
    let mut read = db.read().await?;
    fetch_all!(
        read,
        (String, Option<i64>),
        "SELECT name, sealing_key FROM gateway WHERE state NOT IN ('', 'gone') AND alive_until >= $1 ORDER BY name, id",
        now
    )
}

/// Why a key can not be retired.
#[derive(Debug, thiserror::Error)]
pub enum StillNeeded {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "{values} values are still sealed by key {key}: a running server seals them again, `kaipan keys list` says how many are left"
    )]
    Values { key: u32, values: i64 },
    #[error(
        "the gateway {gateway} seals with key {with}, and not with key {current} yet: give it this keyring"
    )]
    Gateway { gateway: String, with: i64, current: u32 },
    #[error("the gateway {gateway} has not said which key it seals with: wait for a moment")]
    GatewaySilent { gateway: String },
    #[error("an import is under way, which seals with the key that it began with: wait for its end")]
    Import,
}

/// Refuses while anything was sealed by `key`, or may be in a moment.
pub async fn check_unneeded(db: &Db, vault: &Vault, key: u32) -> Result<(), StillNeeded> {
    let current = vault.sealing_key();
    for (gateway, with) in sealing_keys(db).await? {
        match with {
            None => return Err(StillNeeded::GatewaySilent { gateway }),
            Some(with) if with != i64::from(current) => {
                return Err(StillNeeded::Gateway { gateway, with, current });
            }
            Some(_) => {}
        }
    }
    let now = db.now().await?;
    let mut read = db.read().await?;
    let (imports,) = fetch_one!(
        read,
        (i64,),
        "SELECT COUNT(*) FROM opening WHERE org_id = $1 AND staged_by IS NOT NULL AND staged_until > $2",
        OrgId::default_org(),
        now
    )?;
    if imports > 0 {
        return Err(StillNeeded::Import);
    }
    drop(read);
    // Last: what was sealed until the gateways said that they no longer do is counted.
    match count_by_key(db).await?.get(&Some(key)) {
        Some(values) if *values > 0 => Err(StillNeeded::Values { key, values: *values }),
        _ => Ok(()),
    }
}

/// The name under which a database knows a field key.
pub fn bound_name(key: u32) -> String {
    KeyFingerprint::field_name(key)
}
