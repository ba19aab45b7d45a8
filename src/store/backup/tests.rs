//! The backup under a database of its own: bases made beside commits, logs written back, folders that go and come.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::time::{Instant, sleep};

use super::{BackupTo, Bounds, restore};
use crate::domain::time::{Clock, Micros};
use crate::store::{Db, Priority, execute, fetch_one};

struct Home {
    data: tempfile::TempDir,
    backup: tempfile::TempDir,
    db: Db,
    rows: i64,
}

impl Home {
    async fn new(bounds: Bounds) -> Self {
        let (data, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let to = BackupTo { folder: backup.path().to_owned(), strict: false, bounds };
        let db = Db::open_sqlite_with(data.path(), Clock::system(), Some(&to)).await.unwrap();
        Self { data, backup, db, rows: 1 }
    }

    /// One transaction, of some three pages.
    async fn commit(&mut self) {
        let mut tx = self.db.begin(Priority::Commit).await.unwrap();
        let (id, name) = (format!("{:026}", self.rows), "x".repeat(9_000));
        execute!(tx, "INSERT INTO org (id, name, created_at) VALUES ($1, $2, 0)", id, name).unwrap();
        tx.commit().await.unwrap();
        self.rows += 1;
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn is_behind(&self) -> bool {
        self.db.backup().unwrap().is_some()
    }

    /// The numbers of complete bases.
    fn bases(&self) -> Vec<u64> {
        super::folder::Folder::new(self.backup.path().to_owned())
            .list()
            .map(|listing| listing.bases.iter().map(|base| base.number).collect())
            .unwrap_or_default()
    }

    /// What a restore finds, and from which base.
    async fn restored(&self) -> (u64, i64) {
        let into = tempfile::tempdir().unwrap();
        let restored = restore(self.backup.path(), into.path(), false, 0).await.unwrap();
        let db = Db::open_sqlite(into.path(), Clock::system()).await.unwrap();
        let mut read = db.read().await.unwrap();
        let (rows,) = fetch_one!(read, (i64,), "SELECT COUNT(*) FROM org").unwrap();
        drop(read);
        db.close().await;
        (restored.base, rows)
    }
}

fn small() -> Bounds {
    Bounds { log_bytes: 64 * 1_024, copy_bytes_per_s: 1 << 30, ..Bounds::default() }
}

async fn other_connection(data: &Path) -> sqlx::SqliteConnection {
    sqlx::SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(data.join("kaipan.db")))
        .await
        .unwrap()
}

/// Another base whenever the log began again; three are kept, and each leads to the last commit. Mutations that turned it
/// red: `forget_old` left out (380 bases); a base numbered after the segment to come; the log's next round taken for the
/// same segment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bases_are_made_beside_commits_and_each_leads_to_the_last() {
    let mut home = Home::new(Bounds { base_every: Micros(0), ..small() }).await;
    let first = home.bases();
    let deadline = Instant::now() + Duration::from_secs(60);
    while home.bases().len() < 3 || home.bases().first() == first.first() {
        home.commit().await;
        assert!(Instant::now() < deadline, "{:?}", home.bases());
    }
    home.commit().await;
    home.db.close().await;
    let bases = home.bases();
    assert_eq!((bases.len(), home.is_behind()), (3, false), "{bases:?}");
    let oldest = fs::read_dir(home.backup.path()).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_prefix("wal-")?.split('.').next()?.parse::<u64>().ok()
    });
    assert_eq!(oldest.min(), bases.first().copied(), "segments before the oldest base are gone");
    // The newest is taken, and when that is damaged the one before it.
    for base in bases.iter().rev() {
        assert_eq!(home.restored().await, (*base, home.rows));
        let file = home.backup.path().join(format!("base-{base:08}.db"));
        let mut bytes = fs::read(&file).unwrap();
        bytes[5_000] ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    let into = tempfile::tempdir().unwrap();
    let refused = restore(home.backup.path(), into.path(), false, 0).await.unwrap_err().to_string();
    assert!(refused.contains("no base") && refused.contains("is not what its note says"), "{refused}");
}

/// The disk under the sale is not filled because another machine is away: beyond its bound the log is written back
/// unshipped, and the backup begins again when it can. Mutation that turned it red: `lost` not told to the shipper.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_written_back_unshipped_costs_another_base_and_no_row() {
    let mut home = Home::new(Bounds { log_bytes_behind: 256 * 1_024, ..small() }).await;
    home.commit().await;
    let (first, aside) = (home.bases(), home.backup.path().with_extension("away"));
    fs::rename(home.backup.path(), &aside).unwrap();
    // Until the log has begun again, once: then its header alone does not tell that anything is missing.
    let (mut before, mut log) = (0, 0);
    while log >= before {
        assert!(log < 600 * 1_024, "{log} bytes: it was to be written back");
        home.commit().await;
        before = log;
        log = fs::metadata(home.data.path().join("kaipan.db-wal")).unwrap().len();
    }
    assert!(home.is_behind());
    fs::rename(&aside, home.backup.path()).unwrap();
    home.until("catches up", |home| !home.is_behind()).await;
    assert_ne!(home.bases(), first);
    assert_eq!(home.restored().await.1, home.rows);
    home.commit().await;
    assert_eq!(home.restored().await.1, home.rows);
    home.db.close().await;
}

/// Somebody empties the log from a shell. Nothing is lost by it, and the next commits find it out. Mutation that turned it
/// red: a log with another header taken for the next round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_somebody_else_emptied_costs_another_base_and_no_row() {
    let mut home = Home::new(small()).await;
    let first = home.bases();
    home.commit().await;
    let mut shell = other_connection(home.data.path()).await;
    for _ in 0..2 {
        // Busy while the server itself writes the log back.
        let mut busy = 1;
        while busy != 0 {
            (busy, _, _) = sqlx::query_as::<_, (i64, i64, i64)>("PRAGMA wal_checkpoint(TRUNCATE)")
                .fetch_one(&mut shell)
                .await
                .unwrap();
        }
        // A round that no backup saw.
        sqlx::query("UPDATE org SET created_at = created_at + 1").execute(&mut shell).await.unwrap();
    }
    home.commit().await;
    home.until("catches up", |home| !home.is_behind() && home.bases() != first).await;
    home.commit().await;
    assert_eq!(home.restored().await.1, home.rows);
    shell.close().await.unwrap();
    home.db.close().await;
}

/// The same while the shipper is at work: it must not take the log's next round for the one that it was shipping.
/// Mutations that turned it red: `lost` told to nobody; told after the last commit's round, and looked at by none (the
/// backup then stays behind until the next commit).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_written_back_under_the_shipper_costs_no_row() {
    let bounds = Bounds { patience: Duration::ZERO, log_bytes: 4_096, log_bytes_behind: 8_192, ..small() };
    let mut home = Home::new(bounds).await;
    for _ in 0..15 {
        for _ in 0..20 {
            home.commit().await;
        }
        home.until("catches up", |home| !home.is_behind()).await;
        assert_eq!(home.restored().await.1, home.rows);
    }
    home.db.close().await;
}

/// A backup that is always too slow: every commit goes on without it, and it is never far behind nor ever wrong.
/// Mutation that turned it red: the log's next round taken for the same segment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_too_slow_is_overtaken_and_catches_up() {
    let mut home = Home::new(Bounds { patience: Duration::ZERO, ..small() }).await;
    for round in 0..20 {
        for _ in 0..=round {
            home.commit().await;
        }
        home.until("catches up", |home| !home.is_behind()).await;
        if round % 5 == 4 {
            assert_eq!(home.restored().await.1, home.rows);
        }
    }
    home.db.close().await;
}
