//! What databases and backups are asked for and may take.

use std::time::Duration;

// --- store ---

/// Prepared statements kept per database connection: those over many rows come in up to nineteen sizes each.
pub const STATEMENT_CACHE: usize = 512;
/// Pages of the write-ahead log (16 MiB) before SQLite writes them back into the database. The same pages change again and
/// again in a burst, and each is written back once.
pub const WAL_PAGES: u32 = 4_000;
/// Pages that SQLite's one writer keeps: the indexes of a large roster, which every part of an import goes through again.
pub const WRITER_CACHE_KIB: u32 = 65_536;
/// Connections that read SQLite while its one writer writes.
pub const SQLITE_READERS: u32 = 4;
/// Connections to Postgres for everything but commits: kept open, and at most.
pub const POSTGRES_CONNECTIONS_MIN: u32 = 2;
pub const POSTGRES_CONNECTIONS_MAX: u32 = 9;
/// Connections that commit picks: an opening's groups go one after the other, and openings seldom sell at the same time.
pub const POSTGRES_COMMITS_MAX: u32 = 3;
/// How long a group may take on its way to Postgres and back before it counts as cut off: longer than the statement_timeout
/// of its session. A machine that is gone without a word is noticed by this.
pub const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for a look at it: longer than the statement_timeout too.
pub const LOOK_TIMEOUT: Duration = Duration::from_secs(12);

// --- backup ---

/// How long a commit waits for the backup before the sale goes on without it: longer than a pick waits for its answer, so
/// that a hiccup of the other machine is a delay and not a gap.
pub const BACKUP_PATIENCE: Duration = Duration::from_secs(2);
/// How long a start waits for the first base. It is copied at the disk's speed, and a dead mount answers never.
pub const BACKUP_START_PATIENCE: Duration = Duration::from_secs(60);
/// How soon a backup that failed is tried again.
pub const BACKUP_RETRY: Duration = Duration::from_millis(500);
/// How often the thread looks whether another base is due.
pub const BACKUP_LOOK_PERIOD: Duration = Duration::from_secs(5);
/// The log's length at which SQLite writes it back, as without a backup.
pub const BACKUP_LOG_BYTES: u64 = WAL_PAGES as u64 * 4_096;
/// The same while the backup is away: then what it lacks is kept, up to here.
pub const BACKUP_LOG_BYTES_BEHIND: u64 = 512 * 1_024 * 1_024;
/// Another base is made after so much log, or so long: a restore reads both.
pub const BACKUP_CHAIN_BYTES: u64 = 1_024 * 1_024 * 1_024;
pub const BACKUP_BASE_EVERY_S: i64 = 24 * 3_600;
pub const BACKUP_BASES_KEPT: usize = 3;
/// How fast a base is copied beside a sale: a quarter of what a slow disk does.
pub const BACKUP_COPY_BYTES_PER_S: u64 = 32 * 1_024 * 1_024;
/// What a restore adds to each opening's epoch.
pub const BACKUP_EPOCHS: i64 = 1_000_000;

const _: () =
    assert!(BACKUP_LOG_BYTES < BACKUP_LOG_BYTES_BEHIND && BACKUP_LOG_BYTES_BEHIND < BACKUP_CHAIN_BYTES);
