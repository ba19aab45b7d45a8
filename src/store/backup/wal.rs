//! SQLite's write-ahead log, read as SQLite itself reads it after a crash: frame by frame, each with a checksum over all
//! before it, up to the last one that ends a transaction. What is beyond that was never committed.
//!
//! The format is a published one (sqlite.org/fileformat2.html, "The Write-Ahead Log"). Restoring does not rest on this
//! file: there SQLite recovers its own log, and its count of frames is compared with ours.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

pub const HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// Big enough for nearly every commit; a transaction of more pages makes the buffer grow to its size.
const READ_BYTES: usize = 1024 * 1024;

/// The log's header. A log that begins again from its start has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub bytes: [u8; HEADER_BYTES as usize],
    page_bytes: usize,
    /// How often the log began again.
    round: u32,
    salts: [u32; 2],
    big_endian: bool,
    sum: Sum,
}

/// The running checksum.
pub type Sum = [u32; 2];

/// A place in a log: behind the last frame of a transaction, or behind the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub header: Header,
    pub bytes: u64,
    pub sum: Sum,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
}

impl Header {
    /// `None`: not the header of a log, or not a whole one.
    pub fn parse(bytes: [u8; HEADER_BYTES as usize]) -> Option<Self> {
        let big_endian = match word(&bytes, 0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        let page_bytes = usize::try_from(word(&bytes, 8)).ok()?;
        let sum = summed([0, 0], bytes.get(..24)?, big_endian);
        let intact = sum == [word(&bytes, 24), word(&bytes, 28)]
            && page_bytes.is_power_of_two()
            && (512..=65_536).contains(&page_bytes);
        let (round, salts) = (word(&bytes, 12), [word(&bytes, 16), word(&bytes, 20)]);
        intact.then_some(Self { bytes, page_bytes, round, salts, big_endian, sum })
    }

    /// `None`: the file is shorter than a header. A header that does not read is an error: it is being written.
    pub fn read(log: &File) -> io::Result<Option<Self>> {
        if log.metadata()?.len() < HEADER_BYTES {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_BYTES as usize];
        log.read_exact_at(&mut bytes, 0)?;
        let torn =
            || io::Error::new(io::ErrorKind::InvalidData, "the write-ahead log's header does not read");
        Self::parse(bytes).map(Some).ok_or_else(torn)
    }

    /// True if the log began again exactly once since `before`: SQLite counts the rounds, and adds one to the first salt.
    pub fn comes_after(&self, before: &Self) -> bool {
        self.round == before.round.wrapping_add(1)
            && self.salts.first().copied() == before.salts.first().map(|salt| salt.wrapping_add(1))
    }

    fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.page_bytes
    }
}

impl Position {
    /// Behind the header, where the first frame stands.
    pub fn start(header: Header) -> Self {
        Self { header, bytes: HEADER_BYTES, sum: header.sum }
    }

    pub fn frames(&self) -> u64 {
        (self.bytes - HEADER_BYTES) / self.header.frame_bytes() as u64
    }

    /// True if the log in this file had the same frames up to here: each checksum covers all that is before it.
    pub fn stands_in(&self, log: &File) -> io::Result<bool> {
        if Header::read(log)? != Some(self.header) {
            return Ok(false);
        }
        if self.bytes == HEADER_BYTES {
            return Ok(true);
        }
        let mut sum = [0; 8];
        match log.read_exact_at(&mut sum, self.bytes - self.header.frame_bytes() as u64 + 16) {
            Ok(()) => Ok(self.sum == [word(&sum, 0), word(&sum, 4)]),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives what was committed after this position to `take`, in order and whole transactions at a time, and says where
    /// that ends: at `until`, if such an end is given and is one.
    pub fn read_on(
        self,
        log: &File,
        until: Option<u64>,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut here = self;
        let mut buffer = vec![0; READ_BYTES.max(2 * here.header.frame_bytes())];
        loop {
            let wanted = until.map_or(u64::MAX, |until| until.saturating_sub(here.bytes));
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(buffer.len());
            let got = read_at_most(log, buffer.get_mut(..wanted).unwrap_or_default(), here.bytes)?;
            let read = buffer.get(..got).unwrap_or_default();
            let end = here.committed_in(read);
            let taken = usize::try_from(end.bytes - here.bytes).unwrap_or(0);
            if taken > 0 {
                take(read.get(..taken).unwrap_or_default())?;
                here = end;
            } else if got < buffer.len() {
                return Ok(here);
            } else {
                // One transaction does not fit.
                buffer.resize(buffer.len() * 2, 0);
            }
        }
    }

    /// The end of the last whole transaction in these bytes, which stand behind this position.
    fn committed_in(&self, bytes: &[u8]) -> Self {
        let (mut here, mut committed) = (*self, *self);
        for frame in bytes.chunks_exact(self.header.frame_bytes()) {
            let (head, page) = frame.split_at(FRAME_HEADER_BYTES);
            let sum = summed(here.sum, head.get(..8).unwrap_or_default(), self.header.big_endian);
            let sum = summed(sum, page, self.header.big_endian);
            let ours = self.header.salts == [word(head, 8), word(head, 12)];
            if !ours || sum != [word(head, 16), word(head, 20)] {
                break;
            }
            here = Self { bytes: here.bytes + frame.len() as u64, sum, ..here };
            // The last frame of a transaction says how many pages the database has after it.
            if word(head, 4) > 0 {
                committed = here;
            }
        }
        committed
    }
}

fn read_at_most(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + filled as u64) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// SQLite's checksum goes on over `bytes`, whose length is a multiple of eight.
fn summed(from: Sum, bytes: &[u8], big_endian: bool) -> Sum {
    let [mut a, mut b] = from;
    for pair in bytes.chunks_exact(8) {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = pair else { break };
        let (first, second) = ([*b0, *b1, *b2, *b3], [*b4, *b5, *b6, *b7]);
        let read = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        a = a.wrapping_add(read(first)).wrapping_add(b);
        b = b.wrapping_add(read(second)).wrapping_add(a);
    }
    [a, b]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
    use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, SqliteConnection};

    use super::*;

    async fn database(folder: &std::path::Path) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("a.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("wal_autocheckpoint", "0");
        let mut conn = options.connect().await.unwrap();
        conn.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)").await.unwrap();
        conn
    }

    async fn insert(conn: &mut SqliteConnection, rows: u32) {
        let text = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             INSERT INTO t (text) SELECT hex(randomblob(500)) FROM n"
        );
        conn.execute(AssertSqlSafe(text)).await.unwrap();
    }

    fn all(log: &File) -> (Position, Vec<u8>) {
        let start = Position::start(Header::read(log).unwrap().unwrap());
        let mut taken = start.header.bytes.to_vec();
        let take = |bytes: &[u8]| {
            taken.extend_from_slice(bytes);
            Ok(())
        };
        let end = start.read_on(log, None, take).unwrap();
        (end, taken)
    }

    /// SQLite's own count of frames is the judge. Mutations that turned it red: the page left out of the checksum, an open
    /// transaction's frames taken, any other header taken for the next round. (The salts alone could be left out: the
    /// checksum begins with the header.)
    #[tokio::test]
    async fn what_is_read_is_what_sqlite_committed_in_this_round() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = database(folder.path()).await;
        let log = File::open(folder.path().join("a.db-wal")).unwrap();
        // 3,000 rows are more than one buffer in one transaction.
        for rows in [1, 3_000, 10] {
            insert(&mut conn, rows).await;
        }
        let (first, bytes) = all(&log);
        assert_eq!(bytes, fs::read(folder.path().join("a.db-wal")).unwrap());
        let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
        let (_, frames, back): (i64, i64, i64) =
            sqlx::query_as(checkpoint).fetch_one(&mut conn).await.unwrap();
        assert_eq!((first.frames(), frames), (frames.unsigned_abs(), back));

        // The log begins again, over the frames of its first round.
        insert(&mut conn, 20).await;
        let (second, bytes) = all(&log);
        assert!(second.header.comes_after(&first.header) && !first.header.comes_after(&second.header));
        assert!(!first.stands_in(&log).unwrap() && second.stands_in(&log).unwrap());
        let frames: (i64, i64, i64) = sqlx::query_as(checkpoint).fetch_one(&mut conn).await.unwrap();
        assert_eq!(second.frames(), frames.1.unsigned_abs());
        assert!((bytes.len() as u64) < log.metadata().unwrap().len(), "old frames stand behind the new ones");

        // A transaction that spills into the log and is then undone is not there.
        conn.execute("PRAGMA cache_size = 2; BEGIN").await.unwrap();
        insert(&mut conn, 500).await;
        let (open, _) = all(&log);
        assert_eq!(open.frames(), 0, "one transaction, still open, in the log's next round");
        conn.execute("ROLLBACK").await.unwrap();
        insert(&mut conn, 1).await;
        let (third, _) = all(&log);
        assert!(third.header.comes_after(&second.header) && third.frames() > 0);
        conn.close().await.unwrap();
    }

    /// A log cut or damaged anywhere is read up to the transaction before.
    #[tokio::test]
    async fn a_torn_log_ends_with_its_last_whole_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = database(folder.path()).await;
        let path = folder.path().join("a.db-wal");
        let mut ends = vec![all(&File::open(&path).unwrap()).0.bytes];
        for _ in 0..5 {
            insert(&mut conn, 8).await;
            ends.push(all(&File::open(&path).unwrap()).0.bytes);
        }
        let whole = fs::read(&path).unwrap();
        let copy = folder.path().join("copy");
        for cut in (0..whole.len()).step_by(997) {
            fs::write(&copy, &whole[..cut]).unwrap();
            let copy = File::open(&copy).unwrap();
            let Some(header) = Header::read(&copy).unwrap() else { continue };
            let (end, _) = all(&copy);
            let expected = ends.iter().rev().find(|end| **end <= cut as u64);
            assert_eq!(end.bytes, expected.copied().unwrap_or(Position::start(header).bytes), "cut at {cut}");
        }
        let mut damaged = whole.clone();
        damaged[usize::try_from(ends[3]).unwrap() - 100] ^= 1;
        fs::write(&copy, &damaged).unwrap();
        assert_eq!(all(&File::open(&copy).unwrap()).0.bytes, ends[2]);
        // Up to an end that is asked for, and no further.
        fs::write(&copy, &whole).unwrap();
        let log = File::open(&copy).unwrap();
        let start = Position::start(Header::read(&log).unwrap().unwrap());
        assert_eq!(start.read_on(&log, Some(ends[2]), |_| Ok(())).unwrap().bytes, ends[2]);
        conn.close().await.unwrap();
    }
}
