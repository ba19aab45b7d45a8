//! The pools, transactions that say truthfully how they ended, and reads.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, PgConnection, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::acknowledged::Acknowledged;
use super::backup::{Backup, BackupTo, BehindSince};
use super::postgres::PgDb;
use super::queue::{Turn, WriterQueue};
use super::{Priority, StoreError};
use crate::domain::time::{Clock, Micros};
use crate::limits;
use crate::telemetry::stage;

/// How long a connection to SQLite may take to come by: its opening waits for the disk: a machine that is busy starting everything else takes seconds. What
/// takes long says so meanwhile (`telemetry::stage`).
const SQLITE_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The database of this process. Cheap to clone.
#[derive(Clone)]
pub enum Db {
    Sqlite(SqliteDb),
    Postgres(PgDb),
}

#[derive(Clone)]
pub struct SqliteDb {
    pub(super) readers: SqlitePool,
    /// One connection, so one writer thread; `queue` says who gets it next.
    writer: SqlitePool,
    queue: WriterQueue,
    clock: Clock,
    backup: Option<Backup>,
    acknowledged: Acknowledged,
}

/// A connection to run a query on; what the macros dispatch over.
pub enum Exec<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A transaction that may write. Dropped without [`Tx::commit`], it is rolled back.
#[must_use]
pub enum Tx {
    Sqlite { tx: Transaction<'static, Sqlite>, db: SqliteDb, turn: Turn },
    Postgres { tx: Transaction<'static, Postgres>, acknowledged: Acknowledged },
}

/// A connection for reads outside a transaction.
pub enum Reader {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Db {
    /// Opens (and creates) the SQLite database in `folder` and migrates it. The caller holds the folder's lock.
    /// `clock` is SQLite's database time; the caller's own, but for tests that set them apart.
    pub async fn open_sqlite(folder: &Path, clock: Clock) -> Result<Self, StoreError> {
        Self::open_sqlite_with(folder, clock, None).await
    }

    /// The same; from then on everything that is committed is in the backup before [`Tx::commit`] says so.
    pub async fn open_sqlite_with(
        folder: &Path,
        clock: Clock,
        backup: Option<&BackupTo>,
    ) -> Result<Self, StoreError> {
        let file = folder.join("kaipan.db");
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .statement_cache_capacity(limits::STATEMENT_CACHE);
        let writer = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .acquire_timeout(SQLITE_ACQUIRE_TIMEOUT)
            // It is a thread of this process: there is no line to it that could have broken.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(
                options
                    .clone()
                    .pragma("cache_size", format!("-{}", limits::WRITER_CACHE_KIB))
                    // With a backup SQLite is asked to, when what it would overwrite is shipped.
                    .pragma(
                        "wal_autocheckpoint",
                        if backup.is_some() { 0 } else { limits::WAL_PAGES }.to_string(),
                    )
                    // A log that began again is cut to this, so that its file's length says how long it has grown since.
                    .pragma("journal_size_limit", backup.map_or(-1, BackupTo::log_bytes_kept).to_string())
                    // What a statement of many rows may have to take back is kept in memory, not in a file.
                    .pragma("temp_store", "memory"),
            );
        // After a crash this reads the write-ahead log again.
        let writer = stage("opening the database", writer).await?;
        stage("migrating the database", MIGRATIONS.run(&writer)).await.map_err(schema_error)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(limits::SQLITE_READERS)
            .acquire_timeout(SQLITE_ACQUIRE_TIMEOUT)
            .connect_with(options.read_only(true));
        let readers = stage("opening the database for reading", readers).await?;
        let backup = match backup {
            Some(to) => {
                let start = Backup::start(to, file, writer.clone(), clock.clone());
                Some(stage("bringing the backup up to date", start).await?)
            }
            None => None,
        };
        Ok(Self::Sqlite(SqliteDb {
            readers,
            writer,
            queue: WriterQueue::default(),
            clock,
            backup,
            acknowledged: Acknowledged::default(),
        }))
    }

    /// Connects to Postgres and migrates it.
    pub async fn connect_postgres(url: &str) -> Result<Self, StoreError> {
        let db = stage("connecting to the database", PgDb::connect(url)).await?;
        let mut unhurried = db.unhurried().await?;
        stage("migrating the database", MIGRATIONS.run(&mut unhurried)).await.map_err(schema_error)?;
        unhurried.close().await?;
        Ok(Self::Postgres(db))
    }

    /// Begins a transaction that may write, in its turn.
    pub async fn begin(&self, priority: Priority) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite(db) => {
                let turn = db.queue.turn(priority).await;
                let tx = db.writer.begin_with("BEGIN IMMEDIATE").await?;
                Ok(Tx::Sqlite { tx, db: db.clone(), turn })
            }
            Self::Postgres(db) => Ok(db.begin(priority).await?),
        }
    }

    /// A connection for reads; each statement sees what is committed when it runs.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        match self {
            Self::Sqlite(db) => Ok(Reader::Sqlite(db.readers.acquire().await?)),
            Self::Postgres(db) => Ok(Reader::Postgres(db.pool.acquire().await?)),
        }
    }

    /// Since when something that was acknowledged may be missing in the backup. The outer `None`: there is no backup of
    /// this program's making.
    pub fn backup(&self) -> Option<BehindSince> {
        match self {
            Self::Sqlite(db) => db.backup.as_ref().map(Backup::behind_since),
            Self::Postgres(_) => None,
        }
    }

    /// When this process' last commit was acknowledged.
    pub fn acknowledged(&self) -> &Acknowledged {
        match self {
            Self::Sqlite(db) => &db.acknowledged,
            Self::Postgres(db) => &db.acknowledged,
        }
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// The database's time. Postgres answers for itself; SQLite's is the clock it was opened with.
    pub async fn now(&self) -> Result<Micros, StoreError> {
        match self {
            Self::Sqlite(db) => Ok(db.clock.wall()),
            Self::Postgres(db) => postgres_now(&mut *db.pool.acquire().await?).await,
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite(db) => {
                db.readers.close().await;
                match &db.backup {
                    // Its log stays, for the next start to go on with.
                    Some(backup) => backup.stop().await,
                    None => db.writer.close().await,
                }
            }
            Self::Postgres(db) => db.close().await,
        }
    }
}

pub(super) async fn postgres_now(conn: &mut PgConnection) -> Result<Micros, StoreError> {
    // Not through the macros: SQLite has no such function, and needs none.
    let now: i64 =
        sqlx::query_scalar("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")
            .fetch_one(conn)
            .await?;
    Ok(Micros(now))
}

/// The newest migration of this program.
pub(super) fn schema_known() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

fn schema_error(error: sqlx::migrate::MigrateError) -> StoreError {
    match error {
        sqlx::migrate::MigrateError::VersionMissing(found) => {
            StoreError::SchemaUnknown { found, known: schema_known() }
        }
        other => StoreError::Migrate(other),
    }
}

impl Exec<'_> {
    /// The same connection for one more query, so that the macros take an `&mut Exec` as they take a `Tx`.
    pub fn exec(&mut self) -> Exec<'_> {
        match self {
            Self::Sqlite(conn) => Exec::Sqlite(conn),
            Self::Postgres(conn) => Exec::Postgres(conn),
        }
    }
}

impl Tx {
    pub fn exec(&mut self) -> Exec<'_> {
        match self {
            Self::Sqlite { tx, .. } => Exec::Sqlite(tx),
            Self::Postgres { tx, .. } => Exec::Postgres(tx),
        }
    }

    /// Commits. An error before the commit was sent is a plain [`StoreError::Sql`] of an earlier call; an error here
    /// leaves the outcome unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { tx, db, turn } => {
                tx.commit().await.map_err(StoreError::CommitUnknown)?;
                db.acknowledged.now();
                match db.backup {
                    // Before anybody hears of it.
                    Some(backup) => backup.committed(turn).await,
                    None => drop(turn),
                }
                Ok(())
            }
            Self::Postgres { tx, acknowledged } => {
                tx.commit().await.map_err(StoreError::CommitUnknown)?;
                acknowledged.now();
                Ok(())
            }
        }
    }

    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { tx, turn, .. } => {
                let done = tx.rollback().await;
                drop(turn);
                Ok(done?)
            }
            Self::Postgres { tx, .. } => Ok(tx.rollback().await?),
        }
    }

    /// What this transaction does need not survive the machine: its commit waits neither for Postgres's disk nor for a
    /// standby. SQLite has no such word, and its commits are whole as ever.
    pub async fn may_be_lost(&mut self) -> Result<(), StoreError> {
        if let Self::Postgres { tx, .. } = self {
            // Not through the macros: SQLite has no such setting.
            sqlx::query("SET LOCAL synchronous_commit TO OFF").execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// Postgres: rather than wait longer than this for a row that another transaction holds, a statement fails. SQLite's one
    /// writer waits for nobody.
    pub async fn give_way_after_ms(&mut self, ms: u32) -> Result<(), StoreError> {
        if let Self::Postgres { tx, .. } = self {
            // Not through the macros: SQLite has no such setting, and a setting takes no parameter.
            let limit = sqlx::query("SELECT set_config('lock_timeout', $1, true)").bind(format!("{ms}ms"));
            limit.execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// The database's time, inside this transaction.
    pub async fn now(&mut self) -> Result<Micros, StoreError> {
        match self {
            Self::Sqlite { db, .. } => Ok(db.clock.wall()),
            Self::Postgres { tx, .. } => postgres_now(tx).await,
        }
    }

    /// SQLite's clock, for times that must not follow a step of the wall; Postgres has its own.
    pub fn sqlite_clock(&self) -> Option<&Clock> {
        match self {
            Self::Sqlite { db, .. } => Some(&db.clock),
            Self::Postgres { .. } => None,
        }
    }
}

impl Reader {
    pub fn exec(&mut self) -> Exec<'_> {
        match self {
            Self::Sqlite(conn) => Exec::Sqlite(conn),
            Self::Postgres(conn) => Exec::Postgres(conn),
        }
    }
}
