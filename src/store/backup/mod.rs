//! Continuous backup of SQLite: everything that is acknowledged lies on another machine before it is acknowledged.
//!
//! ```text
//! writer's turn: COMMIT ──► fsync of kaipan.db-wal ──► ship: what was appended ──► fsync in the backup ──► the answer
//!                                                        │ failed, or silent for BACKUP_PATIENCE
//!                                                        ▼
//!                                            goes on, and says loudly that it does (or waits: strict)
//! ```
//!
//! SQLite writes nothing back from its log by itself here: it would overwrite frames that no backup has. It is asked to,
//! between two writers' turns, when the log is long enough and shipped. Why it is done so: `docs/decisions/0011-backup.md`.

mod base;
mod folder;
mod postgres;
mod restore;
mod shipper;
#[cfg(test)]
mod tests;
mod wal;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::oneshot;

use super::queue::Turn;
use super::{FolderLockError, StoreError};
use crate::domain::time::{Clock, Micros};
use crate::limits;
pub use postgres::lay_out_postgres;
pub use restore::{RestoreError, Restored, restore};
use shipper::{Shipper, Source};
use worker::Worker;

/// Where SQLite is backed up, and what becomes of commits while it can not be.
#[derive(Debug, Clone)]
pub struct BackupTo {
    pub folder: PathBuf,
    /// Commits wait for the backup instead of going on without it.
    pub strict: bool,
    pub bounds: Bounds,
}

impl BackupTo {
    pub(super) fn log_bytes_kept(&self) -> i64 {
        i64::try_from(self.bounds.log_bytes).unwrap_or(i64::MAX)
    }
}

/// The bounds of `limits`, smaller in tests.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long the log may be before SQLite is asked to write it back, and its length while the backup is away.
    pub log_bytes: u64,
    pub log_bytes_behind: u64,
    /// When another base is made: the log since the last one, and its age.
    pub chain_bytes_max: u64,
    pub base_every: Micros,
    pub bases_kept: usize,
    pub copy_bytes_per_s: u64,
    /// How long a commit waits for the backup.
    pub patience: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            log_bytes: limits::BACKUP_LOG_BYTES,
            log_bytes_behind: limits::BACKUP_LOG_BYTES_BEHIND,
            chain_bytes_max: limits::BACKUP_CHAIN_BYTES,
            base_every: Micros::from_secs(limits::BACKUP_BASE_EVERY_S),
            bases_kept: limits::BACKUP_BASES_KEPT,
            copy_bytes_per_s: limits::BACKUP_COPY_BYTES_PER_S,
            patience: limits::BACKUP_PATIENCE,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("the backup folder {} can not be used: {error}", folder.display())]
    Folder { folder: PathBuf, error: std::io::Error },
    /// The program makes none: a folder that is missing is a mount that is missing, or a name that was mistyped, and
    /// what is made in its place is on the very disk that it is to protect from.
    #[error(
        "there is no backup folder {}: mount the other machine's disk, make the folder there if it is new, or serve \
         without --backup-dir",
        folder.display()
    )]
    NoFolder { folder: PathBuf },
    #[error(
        "the backup folder {} lies in the data folder {}: what deletes or replaces that one takes the backup along. Name \
         a folder on another machine's disk",
        folder.display(),
        data.display()
    )]
    InDataFolder { folder: PathBuf, data: PathBuf },
    #[error(transparent)]
    InUse(#[from] FolderLockError),
    #[error(
        "the backup folder {} holds the backup of another database (number {found}, this one is {ours}). On a new \
         machine: `kaipan restore` first; otherwise name another folder",
        folder.display()
    )]
    AnotherDatabase { folder: PathBuf, found: i64, ours: i64 },
}

impl BackupError {
    /// At a start no waiting mends it: the settings are wrong.
    fn is_final(&self) -> bool {
        match self {
            Self::NoFolder { .. } | Self::InDataFolder { .. } | Self::AnotherDatabase { .. } => true,
            Self::InUse(FolderLockError::InUse { .. }) => true,
            Self::InUse(FolderLockError::Io { .. }) | Self::Folder { .. } => false,
        }
    }
}

/// Since when something acknowledged may be missing in the backup; `None`: nothing is.
pub type BehindSince = Option<Micros>;

/// A running backup. Cheap to clone.
#[derive(Clone)]
pub struct Backup {
    worker: Arc<Worker>,
    /// The one writing connection, for writing back.
    writer: SqlitePool,
}

impl Backup {
    /// Brings the backup up to date, so that the promise holds from the first answer on. Where that fails: an error if
    /// commits are to wait for the backup or if waiting mends nothing; otherwise it is tried again behind the server.
    pub(super) async fn start(
        to: &BackupTo,
        database_file: PathBuf,
        writer: SqlitePool,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let database = own_number(&writer).await?;
        let schema: i64 =
            sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&writer).await?;
        let mut log = database_file.clone().into_os_string();
        log.push("-wal");
        let log = PathBuf::from(log);
        let source = Source { file: database_file, log: log.clone(), database, schema };
        let (worker, mut started) = Worker::start(to, clock, log, |signals, clock| {
            Shipper::new(source, to.folder.clone(), to.bounds, clock, signals)
        })?;
        // The last connection that closes writes SQLite's log back and removes it; then the backup would need another base
        // at every start. So this one is never closed, and a start finds the log as after a crash.
        std::mem::forget(writer.clone());
        let backup = Self { worker, writer };
        let begun = match to.strict {
            true => (&mut started).await.ok(),
            false => match tokio::time::timeout(limits::BACKUP_START_PATIENCE, &mut started).await {
                Ok(begun) => begun.ok(),
                Err(_) => {
                    backup.worker.give_up_waiting(0);
                    None
                }
            },
        };
        match begun {
            Some(Err(error)) if to.strict || error.is_final() => {
                backup.stop().await;
                Err(StoreError::Backup(error))
            }
            // What failed is in the log already, and is tried again.
            _ => Ok(backup),
        }
    }

    /// Waits until what was just committed is in the backup, and hands the turn on. To be called in the writer's turn.
    pub(super) async fn committed(&self, turn: Turn) {
        if let Some((number, shipped)) = self.worker.commit() {
            self.wait(number, shipped).await;
        }
        if let Some(done) = self.worker.write_back() {
            // The answer does not wait for it, the next writer does.
            let backup = self.clone();
            tokio::spawn(async move {
                if let Err(error) = backup.write_back().await {
                    tracing::warn!(%error, "SQLite's log could not be written back; it is tried again");
                }
                drop((done, turn));
            });
        }
    }

    async fn wait(&self, number: u64, shipped: oneshot::Receiver<()>) {
        match self.worker.patience() {
            Some(patience) => {
                if tokio::time::timeout(patience, shipped).await.is_err() {
                    self.worker.give_up_waiting(number);
                }
            }
            // Strict. The sender leaves only by shipping, or with the process.
            None => drop(shipped.await),
        }
    }

    /// Passive: nobody is waited for. If it could write everything back, SQLite begins its log again with the next commit.
    async fn write_back(&self) -> Result<(), sqlx::Error> {
        let (_, frames, back): (i64, i64, i64) =
            sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&self.writer).await?;
        tracing::debug!(frames, back, "wrote SQLite's log back");
        Ok(())
    }

    pub fn behind_since(&self) -> BehindSince {
        self.worker.behind_since()
    }

    /// Ends the thread. Everything acknowledged was shipped when it was.
    pub(super) async fn stop(&self) {
        let worker = Arc::clone(&self.worker);
        // A thread that hangs in a dead mount must not keep the process.
        let ended = tokio::task::spawn_blocking(move || worker.stop());
        drop(tokio::time::timeout(limits::BACKUP_PATIENCE, ended).await);
    }
}

/// A number that the database keeps in its own header, so that every copy has it: a fresh database on a new machine must
/// not be taken for the one whose backup the folder holds, and push that out of it.
async fn own_number(writer: &SqlitePool) -> Result<i64, sqlx::Error> {
    let number: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(writer).await?;
    if number != 0 {
        return Ok(number);
    }
    let number = i64::from(rand::random_range(1..=i32::MAX));
    // A pragma takes no parameters; this one is a number of ours.
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {number}"))).execute(writer).await?;
    Ok(number)
}
