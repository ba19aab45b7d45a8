//! Opens one installation's data, the same way for every command that touches it: the folder's lock, the keys, the
//! database, and the bond between those two.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{BackupAt, Data};
use crate::domain::time::Clock;
use crate::identity::staff::begin_chain;
use crate::identity::{BindingError, StaffError, bind_keyring, check_keyring, has_keyring};
use crate::opening::prepare;
use crate::store::{BackupTo, Bounds, Db, FolderKind, FolderLock, FolderLockError, StoreError};
use crate::telemetry::stage;
use crate::vault::{KeySource, Keyring, Vault, VaultError};

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Folder(#[from] FolderLockError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(
        "{data} already holds data, and the keyring {} does not exist: give the one that the data was sealed with as \
         KAIPAN_KEYRING or --keyring; a new one would open nothing of it",
        keyring.display()
    )]
    NoKeyring { data: String, keyring: PathBuf },
    #[error(transparent)]
    Binding(#[from] BindingError),
    #[error("the staff log can not be chained: {0}")]
    Log(#[from] StaffError),
}

/// The data, open. SQLite's folder stays locked as long as this lives.
pub struct OpenData {
    pub db: Db,
    pub vault: Arc<Vault>,
    _lock: Option<FolderLock>,
}

impl OpenData {
    /// Refuses, in one sentence: a folder in use, a keyring that others can read or that lies beside the data, a
    /// database that another keyring sealed. A keyring is made for fresh data, never for some that there is. `holder` is what a process that finds the folder locked is told.
    pub async fn open(data: &Data, clock: Clock, holder: &str) -> Result<Self, OpenError> {
        // Before anything else: a second server on the same SQLite must not even open it.
        let lock = match data.database_url {
            None => Some(FolderLock::take(FolderKind::Data, &data.dir, holder)?),
            Some(_) => None,
        };
        let keys = keys(data)?;
        // What is wrong with a keyring is said before the database is touched. That there is none can be right.
        let vault = match Vault::open(&keys, Some(&data.dir)) {
            Err(VaultError::NoKeyring { .. }) => None,
            opened => Some(opened?),
        };
        let now = clock.wall();
        let db = match &data.database_url {
            Some(url) => Db::connect_postgres(url).await?,
            None => {
                let backup = data.backup.as_ref().map(backup_to);
                Db::open_sqlite_with(&data.dir, clock, backup.as_ref()).await?
            }
        };
        let vault = match vault {
            Some(vault) => vault,
            // Looked for once more: another gateway that started in the same moment may have made it just now.
            None if has_keyring(&db).await? => match Vault::open(&keys, Some(&data.dir)) {
                Err(VaultError::NoKeyring { path }) => {
                    return Err(OpenError::NoKeyring { data: described(data), keyring: path });
                }
                opened => opened?,
            },
            None => Vault::open_or_create(&keys, Some(&data.dir))?,
        };
        let vault = Arc::new(vault);
        stage("comparing the keyring with the database", bind_keyring(&db, &vault, now)).await?;
        stage("chaining the staff log", begin_chain(&db, &vault, now)).await?;
        stage("marking imports that were cut off", prepare::bury_cut_off(&db)).await?;
        Ok(Self { db, vault, _lock: lock })
    }
}

/// As a sentence names it. A database's address holds a password.
fn described(data: &Data) -> String {
    match data.database_url {
        Some(_) => "the database".to_owned(),
        None => format!("the data folder {}", data.dir.display()),
    }
}

fn keys(data: &Data) -> Result<KeySource, VaultError> {
    KeySource::choose(data.keyring.as_deref(), |name| std::env::var(name).ok())
}

/// Changes the keyring's file; servers that run with it notice by themselves.
pub fn change_keyring<T>(
    data: &Data,
    change: impl FnOnce(&mut Keyring) -> Result<T, VaultError>,
) -> Result<T, VaultError> {
    keys(data)?.change(change)
}

fn backup_to(at: &BackupAt) -> BackupTo {
    let bounds = Bounds::default();
    let bounds = Bounds { log_bytes: at.log_bytes.unwrap_or(bounds.log_bytes), ..bounds };
    BackupTo { folder: at.folder.clone(), strict: at.strict, bounds }
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("there is no database in {0}")]
    NoDatabase(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Binding(#[from] BindingError),
}

/// The database for a command that only reads, beside a running server or not: it takes no lock and makes nothing,
/// neither a folder nor a database, and needs no key.
pub async fn open_to_read(data: &Data) -> Result<Db, ReadError> {
    Ok(match &data.database_url {
        Some(url) => Db::connect_postgres(url).await?,
        None if data.dir.join("kaipan.db").is_file() => Db::open_sqlite(&data.dir, Clock::system()).await?,
        None => return Err(ReadError::NoDatabase(data.dir.display().to_string())),
    })
}

/// The same with the keys that sealed it: those that are there, and they must be this database's.
pub async fn open_to_audit(data: &Data) -> Result<(Db, Vault), ReadError> {
    let vault = Vault::open(&keys(data)?, Some(&data.dir))?;
    let db = open_to_read(data).await?;
    check_keyring(&db, &vault).await?;
    Ok((db, vault))
}
