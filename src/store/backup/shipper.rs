//! Copies what SQLite appended to its log into the backup folder. Everything here may block.
//!
//! A *chain* is a base and the segments of the log that follow it without a gap. A start goes on with the chain that it
//! finds if the log on this machine is the one that the chain ends in (after a crash it is); otherwise it begins another.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::base::{self, Pace};
use super::folder::{BaseNote, FORM, Folder, Listing, SegmentEnd, SegmentNote, create};
use super::wal::{HEADER_BYTES, Header, Position};
use super::{BackupError, Bounds};
use crate::config::lies_within;
use crate::domain::time::{Clock, Micros};
use crate::store::{FolderKind, FolderLock};

/// The database that is backed up.
#[derive(Debug, Clone)]
pub struct Source {
    pub file: PathBuf,
    pub log: PathBuf,
    /// Its own number; see [`BaseNote::database`].
    pub database: i64,
    pub schema: i64,
}

/// What others tell the shipper while it works.
pub struct Signals {
    /// The program ends.
    pub stop: Arc<AtomicBool>,
    /// The log is written back unshipped: its next round does not go on where the last segment ends.
    pub lost: Arc<AtomicBool>,
}

pub struct Shipper {
    source: Source,
    folder: Folder,
    bounds: Bounds,
    clock: Clock,
    run: String,
    signals: Signals,
    /// `None`: the folder has to be looked at (again).
    lock: Option<FolderLock>,
    /// Opened once: SQLite keeps the file as long as a connection is open.
    log: Option<File>,
    chain: Chain,
    segment: Option<Segment>,
    renewal: Option<JoinHandle<io::Result<BaseNote>>>,
}

/// What the segments stand on.
enum Chain {
    /// Nothing yet: another base is needed.
    Broken,
    /// A base that has no note yet: what its file lacks is in the log alone, until that is shipped.
    Begun(BaseNote),
    /// A base, how much log followed it, and when it was made by the monotonic clock.
    Stands { base: u64, followed_bytes: u64, made_at: Micros },
}

struct Segment {
    number: u64,
    file: File,
    position: Position,
}

impl Shipper {
    pub fn new(source: Source, folder: PathBuf, bounds: Bounds, clock: Clock, signals: Signals) -> Self {
        Self {
            source,
            folder: Folder::new(folder),
            bounds,
            clock,
            run: ulid::Ulid::generate().to_string(),
            signals,
            lock: None,
            log: None,
            chain: Chain::Broken,
            segment: None,
            renewal: None,
        }
    }

    /// Refuses a folder that is not there, that another server uses or that holds another database's backup; goes on
    /// with the chain in it if that is the one of this log.
    pub fn enter(&mut self) -> Result<(), BackupError> {
        self.lock = None;
        self.segment = None;
        self.chain = Chain::Broken;
        let folder = self.folder.path().to_owned();
        let failed = |error| BackupError::Folder { folder: folder.clone(), error };
        match fs::metadata(&folder) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(BackupError::NoFolder { folder }),
            Err(error) if is_nothing(&error) => return Err(BackupError::NoFolder { folder }),
            Err(error) => return Err(failed(error)),
        }
        let data = self.source.file.parent().unwrap_or(&self.source.file);
        if lies_within(&folder, data) {
            return Err(BackupError::InDataFolder { folder, data: data.to_owned() });
        }
        let lock = FolderLock::take(FolderKind::Backup, &folder, "the backup of a server")?;
        let listing = self.folder.list().map_err(failed)?;
        if let Some(found) = listing.databases().find(|found| *found != self.source.database) {
            return Err(BackupError::AnotherDatabase { folder, found, ours: self.source.database });
        }
        self.resume(&listing).map_err(failed)?;
        self.lock = Some(lock);
        Ok(())
    }

    /// The next ship begins with another base: something was written back from the log before it was shipped.
    pub fn break_chain(&mut self) {
        self.chain = Chain::Broken;
    }

    /// True if the next ship copies the database file first, which must stand still meanwhile.
    pub fn needs_base(&self) -> bool {
        self.lock.is_none() || matches!(self.chain, Chain::Broken)
    }

    /// After a crash the log is still the one whose beginning lies in the last segment.
    fn resume(&mut self, listing: &Listing) -> io::Result<()> {
        let Some(last) = listing.segments.last().filter(|last| last.number == listing.last_number) else {
            return Ok(());
        };
        let Some(base) = listing.base_of(last.number) else { return Ok(()) };
        let file = OpenOptions::new().read(true).write(true).open(self.folder.segment(last.number))?;
        // A file without a whole header is what a crash left of the first write to it.
        let Some(header) = Header::read(&file).unwrap_or_default() else { return Ok(()) };
        // A torn end is of a commit that was not acknowledged.
        let position = Position::start(header).read_on(&file, None, |_| Ok(()))?;
        let log = match File::open(&self.source.log) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if !position.stands_in(&log).unwrap_or(false) {
            return Ok(());
        }
        let sizes = (base.number..=last.number).map(|number| fs::metadata(self.folder.segment(number)));
        let followed_bytes = sizes.map(|size| size.map_or(0, |size| size.len())).sum();
        let age_us = self.clock.wall().ms().saturating_sub(base.created_at_ms).max(0).saturating_mul(1_000);
        let made_at = Micros(self.clock.mono().0.saturating_sub(age_us));
        self.chain = Chain::Stands { base: base.number, followed_bytes, made_at };
        self.segment = Some(Segment { number: last.number, file, position });
        tracing::info!(segment = last.number, bytes = position.bytes, "the backup goes on where it ended");
        Ok(())
    }

    /// Ships what was committed and is not in the backup yet, and says how long SQLite's log is. After an error the next
    /// call goes on, and if it has to, with another base.
    pub fn ship(&mut self) -> Result<u64, BackupError> {
        if self.lock.is_none() {
            self.enter()?;
        }
        let failed = |folder: &Folder, error| BackupError::Folder { folder: folder.path().to_owned(), error };
        self.ship_to_folder().map_err(|error| failed(&self.folder, error))
    }

    fn ship_to_folder(&mut self) -> io::Result<u64> {
        if let Chain::Broken = self.chain {
            self.segment = None;
            let number = self.folder.list()?.last_number + 1;
            let note = self.base_note(number);
            tracing::info!(number, "copying the database to the backup");
            self.chain =
                Chain::Begun(copy_base(&self.source, &self.folder, note, Pace::AtOnce, &self.signals.stop)?);
        }
        let log_bytes = self.append()?;
        if let Chain::Begun(note) = &self.chain {
            let number = note.number;
            self.folder.write_base_note(note)?;
            let followed_bytes = log_bytes;
            self.chain = Chain::Stands { base: number, followed_bytes, made_at: self.clock.mono() };
            self.folder.forget_old(self.bounds.bases_kept)?;
            tracing::info!(number, "the backup has a new base");
        }
        Ok(log_bytes)
    }

    /// Brings the segment to the end of the log.
    fn append(&mut self) -> io::Result<u64> {
        self.check_segment_is_there()?;
        let header = match self.read_header() {
            // What a crash left of a log's first bytes: SQLite takes it for an empty log too.
            Err(error) if error.kind() == io::ErrorKind::InvalidData && self.segment.is_none() => None,
            read => read?,
        };
        let Some(header) = header else {
            return match self.segment {
                None => Ok(0),
                Some(_) => Err(self.broken("somebody else emptied the database's log")),
            };
        };
        match self.segment.as_ref().map(|segment| (segment.number, segment.position)) {
            Some((_, position)) if position.header == header => {}
            Some(_) if self.signals.lost.load(Ordering::SeqCst) => {
                return Err(self.broken("the database's log was written back unshipped"));
            }
            Some((number, position)) if header.comes_after(&position.header) => {
                let end = SegmentEnd::at(number, &position);
                self.begin_segment(number + 1, Some(end), header)?;
            }
            Some(_) => return Err(self.broken("somebody else wrote to the database's log")),
            None => {
                let number = match &self.chain {
                    Chain::Begun(note) => note.number,
                    Chain::Stands { base, .. } => *base,
                    Chain::Broken => return Err(io::ErrorKind::InvalidInput.into()),
                };
                self.begin_segment(number, None, header)?;
            }
        }
        let (Some(segment), Some(log)) = (&mut self.segment, &self.log) else { return Ok(0) };
        let mut at = segment.position.bytes;
        let end = segment.position.read_on(log, None, |bytes| {
            segment.file.write_all_at(bytes, at)?;
            at += bytes.len() as u64;
            Ok(())
        })?;
        if end != segment.position {
            // Should this fail, the same bytes are written again: after a failed sync the kernel may have dropped them.
            segment.file.sync_data()?;
            if let Chain::Stands { followed_bytes, .. } = &mut self.chain {
                *followed_bytes += end.bytes - segment.position.bytes;
            }
            segment.position = end;
        }
        Ok(end.bytes)
    }

    fn read_header(&mut self) -> io::Result<Option<Header>> {
        if self.log.is_none() {
            self.log = match File::open(&self.source.log) {
                Ok(log) => Some(log),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        self.log.as_ref().map_or(Ok(None), Header::read)
    }

    fn broken(&mut self, why: &str) -> io::Error {
        self.break_chain();
        io::Error::new(io::ErrorKind::InvalidData, format!("{why}: another base is needed"))
    }

    /// An open file takes bytes also when nobody can find it any more: removed, replaced, or under another mount.
    fn check_segment_is_there(&mut self) -> io::Result<()> {
        let Some(segment) = &self.segment else { return Ok(()) };
        let (held, named) = (segment.file.metadata(), fs::metadata(self.folder.segment(segment.number)));
        let gone = match (held, named) {
            (Ok(held), Ok(named)) if (held.dev(), held.ino()) == (named.dev(), named.ino()) => return Ok(()),
            (Ok(_), Ok(_)) => "it is another file now".to_owned(),
            (Err(error), _) | (_, Err(error)) => error.to_string(),
        };
        // The folder is looked at again, as at a start.
        self.lock = None;
        let sentence = format!("segment {} of the backup is gone: {gone}", segment.number);
        Err(io::Error::new(io::ErrorKind::NotFound, sentence))
    }

    fn begin_segment(&mut self, number: u64, follows: Option<SegmentEnd>, header: Header) -> io::Result<()> {
        // Ours is what an earlier try left; anybody else's is a server that ships to the same folder.
        if let Some(note) = self.folder.read_segment_note(number)?
            && note.run != self.run
        {
            let sentence = format!("segment {number} is another server's: two ship to the same folder");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, sentence));
        }
        let (database, run) = (self.source.database, self.run.clone());
        let created_at_ms = self.clock.wall().ms();
        let note = SegmentNote { form: FORM, number, database, run, follows, created_at_ms };
        self.folder.write_segment_note(&note)?;
        let file = create(&self.folder.segment(number))?;
        file.write_all_at(&header.bytes, 0)?;
        file.sync_all()?;
        self.folder.sync()?;
        debug_assert_eq!(Position::start(header).bytes, HEADER_BYTES);
        self.segment = Some(Segment { number, file, position: Position::start(header) });
        Ok(())
    }

    fn base_note(&self, number: u64) -> BaseNote {
        BaseNote {
            form: FORM,
            number,
            database: self.source.database,
            schema: self.source.schema,
            bytes: 0,
            sha256: String::new(),
            created_at_ms: self.clock.wall().ms(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    // --- another base beside a sale ---

    /// True if the chain is long or old enough for another base. Everything must be shipped.
    pub fn wants_renewal(&self) -> bool {
        let (Chain::Stands { base, followed_bytes, made_at }, Some(segment)) = (&self.chain, &self.segment)
        else {
            return false;
        };
        let old = self.clock.mono().since(*made_at) >= self.bounds.base_every;
        // A base in the same segment would spare a restore nothing.
        self.renewal.is_none()
            && segment.number > *base
            && (old || *followed_bytes >= self.bounds.chain_bytes_max)
    }

    /// Begins to copy the database file, which must stand still until [`Shipper::renewed`] says something.
    pub fn renew(&mut self) -> io::Result<()> {
        let Some(segment) = &self.segment else { return Ok(()) };
        let (source, folder, stop) =
            (self.source.clone(), self.folder.clone(), Arc::clone(&self.signals.stop));
        let (note, pace) = (self.base_note(segment.number), Pace::BytesPerS(self.bounds.copy_bytes_per_s));
        let copy = move || copy_base(&source, &folder, note, pace, &stop);
        self.renewal = Some(std::thread::Builder::new().name("backup base".to_owned()).spawn(copy)?);
        Ok(())
    }

    /// How the copy ended, once it has.
    pub fn renewed(&mut self) -> Option<io::Result<()>> {
        let copied = self.renewal.take_if(|copy| copy.is_finished())?.join();
        let copied = copied.unwrap_or_else(|_| Err(io::Error::other("the copying thread panicked")));
        Some(copied.and_then(|note| {
            self.folder.write_base_note(&note)?;
            if let Chain::Stands { .. } = self.chain {
                let (base, made_at) = (note.number, self.clock.mono());
                self.chain = Chain::Stands { base, followed_bytes: 0, made_at };
            }
            self.folder.forget_old(self.bounds.bases_kept)
        }))
    }
}

/// There is nothing at this path.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn copy_base(
    source: &Source,
    folder: &Folder,
    note: BaseNote,
    pace: Pace,
    stop: &AtomicBool,
) -> io::Result<BaseNote> {
    let copied = base::copy(&source.file, &folder.base(note.number), pace, stop)?;
    folder.sync()?;
    Ok(BaseNote { bytes: copied.bytes, sha256: copied.sha256, ..note })
}
