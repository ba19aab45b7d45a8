//! What lies in a backup folder. A person with `cp` and `sqlite3` can restore from it without this program:
//!
//! ```text
//! base-00000007.db     the database file at some moment of the log's segment 7
//! base-00000007.json   what it is and its SHA-256; written last, so that a base without it is not one
//! wal-00000007         the log of that moment, from its beginning: exactly what SQLite wrote, cut after a transaction
//! wal-00000007.json    where segment 6 ended, so that a missing one is noticed
//! wal-00000008 …       the log after it began again
//! ```
//!
//! Any base and all segments from its number on give the same database.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::wal::{Position, Sum};

/// Of the notes; another form gets another number.
pub const FORM: u32 = 1;
/// A note is some hundred bytes.
const NOTE_BYTES_MAX: u64 = 64 * 1024;

/// What a base is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseNote {
    pub form: u32,
    pub number: u64,
    /// The database's own number, the same in every copy of it.
    pub database: i64,
    /// The last migration that it has.
    pub schema: i64,
    pub bytes: u64,
    pub sha256: String,
    pub created_at_ms: i64,
    pub program: String,
}

/// What a segment of the log is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentNote {
    pub form: u32,
    pub number: u64,
    pub database: i64,
    /// The run of the program that began it.
    pub run: String,
    /// `None`: a chain begins, with the base of the same number.
    pub follows: Option<SegmentEnd>,
    pub created_at_ms: i64,
}

/// How the segment before ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEnd {
    pub number: u64,
    pub bytes: u64,
    pub sum: Sum,
}

impl SegmentEnd {
    pub fn at(number: u64, position: &Position) -> Self {
        Self { number, bytes: position.bytes, sum: position.sum }
    }
}

/// A backup folder. It is never made by the program: a folder that is missing is a mount that is missing.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// What is there, by number.
#[derive(Debug, Default)]
pub struct Listing {
    /// Complete bases, oldest first.
    pub bases: Vec<BaseNote>,
    /// Segments, oldest first, whether or not a base leads to them.
    pub segments: Vec<SegmentNote>,
    /// The largest number in any name.
    pub last_number: u64,
}

impl Listing {
    /// The databases that are backed up here: one, unless somebody mixed up folders.
    pub fn databases(&self) -> impl Iterator<Item = i64> {
        let bases = self.bases.iter().map(|base| base.database);
        bases.chain(self.segments.iter().map(|segment| segment.database))
    }

    pub fn segment(&self, number: u64) -> Option<&SegmentNote> {
        self.segments.iter().find(|segment| segment.number == number)
    }

    /// The newest base from which the segments lead to this one without a gap.
    pub fn base_of(&self, segment: u64) -> Option<&BaseNote> {
        self.bases.iter().rev().find(|base| {
            base.number <= segment
                && (base.number + 1..=segment).all(|number| {
                    let follows = self.segment(number).and_then(|segment| segment.follows);
                    follows.is_some_and(|before| before.number + 1 == number)
                })
        })
    }
}

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn base(&self, number: u64) -> PathBuf {
        self.0.join(format!("base-{number:08}.db"))
    }

    pub fn segment(&self, number: u64) -> PathBuf {
        self.0.join(format!("wal-{number:08}"))
    }

    fn base_note(&self, number: u64) -> PathBuf {
        self.0.join(format!("base-{number:08}.json"))
    }

    fn segment_note(&self, number: u64) -> PathBuf {
        self.0.join(format!("wal-{number:08}.json"))
    }

    pub fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let Some((kind, number, is_note)) = name.to_str().and_then(parsed) else { continue };
            listing.last_number = listing.last_number.max(number);
            match kind {
                "base" if is_note => listing.bases.push(read_note(&self.base_note(number))?),
                "wal" if is_note => listing.segments.push(read_note(&self.segment_note(number))?),
                _ => {}
            }
        }
        listing.bases.sort_by_key(|base| base.number);
        listing.segments.sort_by_key(|segment| segment.number);
        Ok(listing)
    }

    pub fn write_base_note(&self, note: &BaseNote) -> io::Result<()> {
        self.write_note(&self.base_note(note.number), note)
    }

    /// `None`: there is no such segment.
    pub fn read_segment_note(&self, number: u64) -> io::Result<Option<SegmentNote>> {
        match read_note(&self.segment_note(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    pub fn write_segment_note(&self, note: &SegmentNote) -> io::Result<()> {
        self.write_note(&self.segment_note(note.number), note)
    }

    /// The whole note or none is there afterwards, also after a power cut.
    fn write_note(&self, path: &Path, note: &impl Serialize) -> io::Result<()> {
        let part = path.with_extension("part");
        let mut file = create(&part)?;
        file.write_all(&serde_json::to_vec_pretty(note)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        self.sync()
    }

    /// Names in a folder are on its disk only after this.
    pub fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    /// Removes all but the newest `keep` bases, and the segments that no base is left for.
    pub fn forget_old(&self, keep: usize) -> io::Result<()> {
        let listing = self.list()?;
        let spare = listing.bases.len().saturating_sub(keep.max(1));
        let Some(oldest) = listing.bases.get(spare).map(|base| base.number) else { return Ok(()) };
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let Some((kind, number, is_note)) = name.to_str().and_then(parsed) else { continue };
            if number >= oldest {
                continue;
            }
            // The note goes first: what is left of the rest, should this be cut off, is nothing that anybody reads.
            match (kind, is_note) {
                ("base", _) => {
                    remove(&self.base_note(number))?;
                    remove(&self.base(number))?;
                }
                (_, _) => {
                    remove(&self.segment_note(number))?;
                    remove(&self.segment(number))?;
                }
            }
        }
        Ok(())
    }
}

/// Kind, number and whether it is the note, of a name that is ours.
fn parsed(name: &str) -> Option<(&'static str, u64, bool)> {
    let (kind, rest) = match name.strip_prefix("base-") {
        Some(rest) => ("base", rest),
        None => ("wal", name.strip_prefix("wal-")?),
    };
    let (digits, ending) = rest.split_at_checked(8)?;
    let is_note = match (kind, ending) {
        (_, ".json") => true,
        ("base", ".db" | ".part") | ("wal", "" | ".part") => false,
        _ => return None,
    };
    Some((kind, digits.parse().ok()?, is_note))
}

fn read_note<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let wrong = |why: String| {
        let sentence = format!("{} is not a note of a backup: {why}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, sentence)
    };
    if fs::metadata(path)?.len() > NOTE_BYTES_MAX {
        return Err(wrong("it is too long".to_owned()));
    }
    let text = fs::read(path)?;
    let form: serde_json::Value = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    match form.get("form").and_then(serde_json::Value::as_u64) {
        Some(form) if form == u64::from(FORM) => {}
        _ => return Err(wrong("another version of this program wrote it".to_owned())),
    }
    serde_json::from_value(form).map_err(|error| wrong(error.to_string()))
}

/// An empty file for its owner only: a backup is as confidential as the database.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(number: u64) -> BaseNote {
        let (sha256, program) = (String::new(), String::new());
        BaseNote { form: FORM, number, database: 5, schema: 4, bytes: 9, sha256, created_at_ms: 1, program }
    }

    fn segment(number: u64) -> SegmentNote {
        let run = "run".to_owned();
        SegmentNote { form: FORM, number, database: 5, run, follows: None, created_at_ms: 1 }
    }

    /// A base that was cut off before its note is not listed, and its number is not used again.
    #[test]
    fn what_has_no_note_is_no_base_and_old_ones_go_with_their_segments() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::new(temp.path().to_owned());
        for number in 3..=9 {
            fs::write(folder.segment(number), b"log").unwrap();
            folder.write_segment_note(&segment(number)).unwrap();
        }
        for number in [3, 5, 6, 8] {
            fs::write(folder.base(number), b"database").unwrap();
            folder.write_base_note(&base(number)).unwrap();
        }
        fs::write(folder.base(10), b"datab").unwrap();
        fs::write(temp.path().join("notes of the office.txt"), b"keep").unwrap();
        let numbers = |listing: &Listing| {
            let bases: Vec<u64> = listing.bases.iter().map(|base| base.number).collect();
            (bases, listing.segments.iter().map(|segment| segment.number).collect::<Vec<_>>())
        };
        let listing = folder.list().unwrap();
        assert_eq!((numbers(&listing), listing.last_number), ((vec![3, 5, 6, 8], (3..=9).collect()), 10));

        folder.forget_old(3).unwrap();
        assert_eq!(numbers(&folder.list().unwrap()), (vec![5, 6, 8], (5..=9).collect()));
        assert!(!folder.base(3).exists() && !folder.segment(4).exists());
        folder.forget_old(3).unwrap();
        folder.forget_old(0).unwrap();
        assert_eq!(numbers(&folder.list().unwrap()).0, [8], "the last one is never removed");
        assert!(temp.path().join("notes of the office.txt").exists());
    }

    #[test]
    fn a_note_of_another_form_is_refused_in_words() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::new(temp.path().to_owned());
        folder.write_base_note(&BaseNote { form: 2, ..base(1) }).unwrap();
        let refused = folder.list().unwrap_err().to_string();
        assert!(refused.contains("another version"), "{refused}");
    }
}
