//! From a backup folder to a database: the newest base that is intact, then every segment after it, each laid beside the
//! database as its log and recovered by SQLite itself, as after a crash.
//!
//! Nothing is left out in silence: where segments are missing or damaged, the restore is refused until somebody accepts
//! the loss in so many words.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::base::{self, Pace};
use super::folder::{BaseNote, Folder, Listing, SegmentNote, create};
use super::wal::{Header, Position};
use crate::store::{FolderKind, FolderLock, FolderLockError, StoreError, checked};

/// The database's name while it is not whole: no server starts on it.
const PART: &str = "restoring.db";
const WHOLE: &str = "kaipan.db";

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Folder(#[from] FolderLockError),
    #[error("{} has a database already: a restore needs a folder without one", .0.display())]
    NotEmpty(PathBuf),
    #[error("there is no backup in {}: no base-*.json", .0.display())]
    NoBackup(PathBuf),
    #[error("there is no backup of Postgres in {}: no finished base-*", .0.display())]
    NoPostgresBackup(PathBuf),
    #[error("{} is there already: a restore makes a new cluster", .0.display())]
    ClusterExists(PathBuf),
    #[error("{} can not stand in Postgres' restore_command: use a plain path", .0.display())]
    OddPath(PathBuf),
    #[error("no base in {} is intact: {why}", folder.display())]
    NoBase { folder: PathBuf, why: String },
    #[error(
        "the backup can be restored up to segment {up_to} and not beyond: {why}. With --accept-loss that is done, and \
         what came later is lost"
    )]
    Gap { up_to: u64, why: String },
    #[error(
        "SQLite reads {theirs} frames in segment {segment} where {ours} were counted: this is a fault, report it"
    )]
    Frames { segment: u64, ours: u64, theirs: i64 },
    #[error("what was restored is not sound: {0}")]
    Unsound(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RestoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    pub base: u64,
    pub base_made_at_ms: i64,
    pub base_by: String,
    pub segments: u64,
    /// The last segment that anything was taken from, and when it was last written to, as the backup's file system says.
    pub last_segment: Option<u64>,
    pub last_written_ms: Option<i64>,
    pub bytes: u64,
    /// Why what came later was left out, if anything was.
    pub lost: Option<String>,
    /// What the newest segment has beyond its last whole commit, if anything: it looks the same whether a commit was in flight
    /// when the machine died (nobody was told of it) or the file is damaged.
    pub unread: Option<String>,
    pub openings: Vec<checked::OpeningFound>,
    pub took: Duration,
}

fn at(path: &Path) -> impl Fn(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |error| RestoreError::Io { path: path.clone(), error }
}

/// Restores into `data_dir`, which is made if there is none and must have no database. `raise_epochs`: what is added to
/// each opening's epoch.
pub async fn restore(
    from: &Path,
    data_dir: &Path,
    accept_loss: bool,
    raise_epochs: i64,
) -> Result<Restored, RestoreError> {
    let begun = Instant::now();
    let folder = Folder::new(from.to_owned());
    let listing = folder.list().map_err(at(from))?;
    if listing.bases.is_empty() {
        return Err(RestoreError::NoBackup(from.to_owned()));
    }
    let _lock = FolderLock::take(FolderKind::Data, data_dir, "kaipan restore")?;
    for name in [WHOLE, "kaipan.db-wal"] {
        if data_dir.join(name).exists() {
            return Err(RestoreError::NotEmpty(data_dir.to_owned()));
        }
    }
    let part = data_dir.join(PART);
    // What a restore that was cut off left: its log must not be taken for this one's.
    remove_part(data_dir).map_err(at(&part))?;
    let base = copy_base(&folder, &listing, &part)?;
    let (chain, lost) = chain(&folder, &listing, base.number)?;
    if let (Some(why), false) = (&lost, accept_loss) {
        remove_part(data_dir).map_err(at(&part))?;
        let up_to = chain.last().map_or(base.number, |link| link.number);
        return Err(RestoreError::Gap { up_to, why: why.clone() });
    }
    for link in &chain {
        recover(&folder, link, &part).await?;
    }
    let openings = finish(&part, raise_epochs).await?;
    fs::rename(&part, data_dir.join(WHOLE)).map_err(at(&part))?;
    File::open(data_dir).and_then(|folder| folder.sync_all()).map_err(at(data_dir))?;

    let last = chain.last();
    let written = last.and_then(|link| fs::metadata(folder.segment(link.number)).ok()?.modified().ok());
    let written = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Ok(Restored {
        base: base.number,
        base_made_at_ms: base.created_at_ms,
        base_by: base.program.clone(),
        segments: chain.len() as u64,
        last_segment: last.map(|link| link.number),
        last_written_ms: written.and_then(|at| i64::try_from(at.as_millis()).ok()),
        bytes: base.bytes + chain.iter().map(|link| link.end.bytes).sum::<u64>(),
        lost,
        unread: unread(&folder, &listing, &chain),
        openings,
        took: begun.elapsed(),
    })
}

/// The newest base whose file is what its note says. An older one gives the same database: the segments after it are kept
/// as long as it is.
fn copy_base<'a>(folder: &Folder, listing: &'a Listing, to: &Path) -> Result<&'a BaseNote, RestoreError> {
    let mut why = String::new();
    for base in listing.bases.iter().rev() {
        let from = folder.base(base.number);
        match base::copy(&from, to, Pace::AtOnce, &AtomicBool::new(false)) {
            Ok(copied) if copied.sha256 == base.sha256 => return Ok(base),
            Ok(_) => why = format!("{} is not what its note says", from.display()),
            Err(error) => why = format!("{}: {error}", from.display()),
        }
        tracing::warn!(base = base.number, why, "a base is damaged; the one before it is tried");
    }
    Err(RestoreError::NoBase { folder: folder.path().to_owned(), why })
}

/// A segment and how far it goes.
struct Link {
    number: u64,
    end: Position,
}

/// The segments that follow a base without a gap, and what stands in the way of those that came later.
fn chain(folder: &Folder, listing: &Listing, base: u64) -> Result<(Vec<Link>, Option<String>), RestoreError> {
    let mut chain: Vec<Link> = Vec::new();
    let segments: Vec<&SegmentNote> = listing.segments.iter().filter(|note| note.number >= base).collect();
    for (at_segment, note) in segments.iter().enumerate() {
        let number = note.number;
        let expected = base + chain.len() as u64;
        if number != expected {
            return Ok((chain, Some(format!("segment {expected} is missing"))));
        }
        if let Some(before) = chain.last() {
            let (bytes, sum) = (before.end.bytes, before.end.sum);
            match note.follows {
                Some(follows) if (follows.bytes, follows.sum) == (bytes, sum) => {}
                Some(_) => {
                    let why = format!("segment {} is not whole", before.number);
                    // Of a damaged segment nothing is taken for granted but its intact beginning.
                    return Ok((chain, Some(why)));
                }
                None => {
                    let why = format!(
                        "the backup was behind when segment {number} began, and its base was not finished"
                    );
                    return Ok((chain, Some(why)));
                }
            }
        }
        // A server that was replaced may have gone on writing: what its successor did not follow is not part of it.
        let next = segments.get(at_segment + 1).and_then(|next| next.follows);
        let until = next.filter(|follows| follows.number == number).map(|follows| follows.bytes);
        match read(folder, number, until) {
            Ok(Some(end)) => chain.push(Link { number, end }),
            // The very last thing that happened: its first commit was not acknowledged.
            Ok(None) if at_segment + 1 == segments.len() => {}
            Ok(None) => return Ok((chain, Some(format!("segment {number} has no log in it")))),
            Err(error) => return Ok((chain, Some(format!("segment {number}: {error}")))),
        }
    }
    Ok((chain, None))
}

fn unread(folder: &Folder, listing: &Listing, chain: &[Link]) -> Option<String> {
    let newest = listing.segments.iter().map(|note| note.number).max()?;
    let read = chain.iter().find(|link| link.number == newest).map_or(0, |link| link.end.bytes);
    match fs::metadata(folder.segment(newest)) {
        Ok(file) if file.len() <= read => None,
        Ok(file) => Some(format!("{} bytes at the end of segment {newest}", file.len() - read)),
        Err(_) => Some(format!("segment {newest}, which is announced and not there")),
    }
}

/// How far a segment goes; `None`: it has not even a header.
fn read(folder: &Folder, number: u64, until: Option<u64>) -> io::Result<Option<Position>> {
    let file = match File::open(folder.segment(number)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match Header::read(&file) {
        Ok(Some(header)) => Position::start(header).read_on(&file, until, |_| Ok(())).map(Some),
        Ok(None) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lays a segment beside the database as its log, and has SQLite recover it and write it back.
async fn recover(folder: &Folder, link: &Link, part: &Path) -> Result<(), RestoreError> {
    let segment = folder.segment(link.number);
    let mut log = part.to_owned().into_os_string();
    log.push("-wal");
    let log = PathBuf::from(log);
    let lay = || -> io::Result<()> {
        let (from, to) = (File::open(&segment)?, create(&log)?);
        to.write_all_at(&link.end.header.bytes, 0)?;
        let start = Position::start(link.end.header);
        let mut written = start.bytes;
        start.read_on(&from, Some(link.end.bytes), |bytes| {
            to.write_all_at(bytes, written)?;
            written += bytes.len() as u64;
            Ok(())
        })?;
        Ok(())
    };
    lay().map_err(at(&segment))?;
    let mut conn = open(part).await?;
    let (_, theirs, back) = checkpoint(&mut conn, "PRAGMA wal_checkpoint(PASSIVE)").await?;
    let ours = link.end.frames();
    if theirs.unsigned_abs() != ours || back != theirs {
        return Err(RestoreError::Frames { segment: link.number, ours, theirs });
    }
    conn.close().await?;
    Ok(())
}

async fn open(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("wal_autocheckpoint", "0")
        .connect()
        .await
}

async fn checkpoint(conn: &mut SqliteConnection, sql: &'static str) -> Result<(i64, i64, i64), sqlx::Error> {
    sqlx::query_as(sql).fetch_one(conn).await
}

/// Looks whether it is sound, and raises the epochs.
async fn finish(part: &Path, raise_epochs: i64) -> Result<Vec<checked::OpeningFound>, RestoreError> {
    let mut conn = open(part).await?;
    let schema: i64 =
        sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&mut conn).await?;
    checked::known_schema(schema)?;
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut conn).await?;
    if found != ["ok"] {
        return Err(RestoreError::Unsound(found.join("; ")));
    }
    let foreign = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut conn).await?;
    if !foreign.is_empty() {
        return Err(RestoreError::Unsound(format!(
            "{} rows refer to rows that are not there",
            foreign.len()
        )));
    }
    let openings = checked::openings(&mut crate::store::Exec::Sqlite(&mut conn)).await?;
    if let Some(fault) = openings.iter().find_map(checked::OpeningFound::fault) {
        return Err(RestoreError::Unsound(fault));
    }
    checked::raise_epochs(&mut crate::store::Exec::Sqlite(&mut conn), raise_epochs).await?;
    let (busy, _, _) = checkpoint(&mut conn, "PRAGMA wal_checkpoint(TRUNCATE)").await?;
    conn.close().await?;
    if busy != 0 {
        return Err(RestoreError::Unsound("somebody else has the restored database open".to_owned()));
    }
    Ok(openings)
}

fn remove_part(data_dir: &Path) -> io::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        match fs::remove_file(data_dir.join(format!("{PART}{ending}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
