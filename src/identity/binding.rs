//! Binds a database to the keyring that seals it: a server with another keyring is refused at start, in one sentence.

use crate::domain::ids::OrgId;
use crate::domain::time::Micros;
use crate::store::{Db, Exec, Priority, StoreError, execute, fetch_all};
use crate::vault::{KeyFingerprint, Vault, VaultError};

use super::sealed::{bound_name, count_by_key};

#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(
        "{values} values in this database are sealed by key {key}, which the keyring has retired: give the keyring of that time as KAIPAN_KEYRING"
    )]
    Retired { key: u32, values: i64 },
}

/// Call before anything is sealed or opened. The first keyring a database meets is its own; later, keys may be added, and those
/// that nothing needs may go. Whether it changed anything.
pub async fn bind_keyring(db: &Db, vault: &Vault, now: Micros) -> Result<bool, BindingError> {
    // Nearly always there is nothing to add, and then a start writes nothing: a commit waits for the disk.
    let differences = vault.check_binding(&bound(&mut db.read().await?.exec()).await?)?;
    if differences.is_empty() {
        return Ok(false);
    }
    if !differences.retired.is_empty() {
        let by_key = count_by_key(db).await?;
        for key in &differences.retired {
            if let Some(values) = by_key.get(&Some(*key)) {
                return Err(BindingError::Retired { key: *key, values: *values });
            }
        }
    }
    let mut tx = db.begin(Priority::Staff).await?;
    // One server at a time: two that start together on an empty database must not both be the first.
    execute!(tx, "UPDATE org SET name = name WHERE id = $1", OrgId::default_org())?;
    let stored = bound(&mut tx.exec()).await?;
    let now_different = vault.check_binding(&stored)?;
    for key in now_different.retired.into_iter().filter(|key| differences.retired.contains(key)) {
        execute!(tx, "DELETE FROM keyring_binding WHERE name = $1", bound_name(key))?;
    }
    for key in now_different.unbound {
        execute!(
            tx,
            "INSERT INTO keyring_binding (name, org_id, print, bound_at) VALUES ($1, $2, $3, $4)",
            key.name,
            OrgId::default_org(),
            key.print,
            now
        )?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Whether a keyring has sealed something here, or was about to: then no other will do.
pub async fn has_keyring(db: &Db) -> Result<bool, StoreError> {
    Ok(!bound(&mut db.read().await?.exec()).await?.is_empty())
}

/// Refuses another keyring, and adds nothing: for whoever only reads.
pub async fn check_keyring(db: &Db, vault: &Vault) -> Result<(), BindingError> {
    vault.check_binding(&bound(&mut db.read().await?.exec()).await?)?;
    Ok(())
}

async fn bound(on: &mut Exec<'_>) -> Result<Vec<KeyFingerprint>, StoreError> {
    let stored = fetch_all!(on, (String, Vec<u8>), "SELECT name, print FROM keyring_binding ORDER BY name")?;
    Ok(stored.into_iter().map(|(name, print)| KeyFingerprint { name, print }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Keyring;

    const NOW: Micros = Micros::from_secs(1);

    /// Mutation caught: without the check a stranger was refused by a unique index, without a word about keyrings.
    #[tokio::test]
    async fn a_database_keeps_to_its_keyring() {
        let (_folder, db) = crate::store::testing::sqlite().await;
        let mut ring = Keyring::generate().unwrap();
        let vault = Vault::from_keyring(&ring).unwrap();
        assert!(!has_keyring(&db).await.unwrap());
        bind_keyring(&db, &vault, NOW).await.unwrap();
        bind_keyring(&db, &vault, NOW).await.unwrap();
        assert!(has_keyring(&db).await.unwrap());

        let stranger = Vault::from_keyring(&Keyring::generate().unwrap()).unwrap();
        let refusal = bind_keyring(&db, &stranger, NOW).await.unwrap_err().to_string();
        assert!(refusal.contains("another keyring") && refusal.contains("KAIPAN_KEYRING"), "{refusal}");

        ring.rotate().unwrap();
        bind_keyring(&db, &Vault::from_keyring(&ring).unwrap(), NOW).await.unwrap();
        assert!(bind_keyring(&db, &vault, NOW).await.is_err(), "the ring without the new key came back");

        // Without the old key by decision, it goes on.
        ring.retire(1).unwrap();
        let after = Vault::from_keyring(&ring).unwrap();
        assert!(bind_keyring(&db, &after, NOW).await.unwrap(), "it forgets the old key");
        assert!(!bind_keyring(&db, &after, NOW).await.unwrap());
    }
}
