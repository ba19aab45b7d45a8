//! The crowd's own append-only record: one JSON object a line, a tap before it is sent, an answer when it is received.
//! The last line of a run is made from it and the server's truth, so nothing in it comes from the server's storage.
//!
//! It names registrations, never phones or people.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::wire::Answer;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at_ms: i64,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "snake_case")]
pub enum What {
    /// The crowd started, or started again, on this record.
    Run {
        opening: String,
        buyers: usize,
        simulated: bool,
    },
    /// Written before the pick is sent.
    Tap {
        registration: String,
        key: String,
        unit: u32,
    },
    /// An answer that is one.
    Yes {
        registration: String,
        key: String,
        claim: String,
        unit: u32,
    },
    No {
        registration: String,
        key: String,
        code: String,
    },
    /// Not an answer: kept to show how often the truth had to be asked for.
    NotYet {
        key: String,
        why: NotYet,
    },
    /// A payment that the server acknowledged, and what became of the hold.
    Paid {
        claim: String,
        reference: String,
        state: String,
    },
    /// A hold given up, acknowledged.
    GaveUp {
        registration: String,
        claim: String,
    },
    /// What buyers' boards showed when nothing changed any more, a line for all boards that showed the same; `board` is
    /// whose it was, for one of them.
    Boards {
        board: String,
        boards: u64,
        seq: i64,
        /// One digit a unit, as the protocol has it.
        status: String,
    },
    /// Every tap has its answer, or the crowd has stopped trying.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotYet {
    InProgress,
    Unknown,
    SlowDown,
    Error,
    Silence,
    LinkLost,
}

impl What {
    /// The line of an answer, if it is a yes or a no.
    pub fn answered(registration: &str, answer: &Answer) -> Option<Self> {
        let registration = registration.to_owned();
        match answer {
            Answer::Yes { key, claim } => {
                Some(Self::Yes { registration, key: key.clone(), claim: claim.id.clone(), unit: claim.unit })
            }
            Answer::No { key, code } => Some(Self::No { registration, key: key.clone(), code: code.clone() }),
            Answer::InProgress { .. } | Answer::Unknown { .. } => None,
        }
    }
}

/// The open record.
pub struct Record {
    /// One write call a line, so that lines of two buyers never mix; never held across an await.
    file: Mutex<File>,
}

impl Record {
    /// Opens for appending and gives what is there already.
    ///
    /// A last line without its end is cut off: it was being written when the crowd was killed, so a tap in it was
    /// never sent and an answer in it will be asked for again.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<Entry>)> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        text.truncate(whole);
        Ok((Self { file: Mutex::new(file) }, parse(text.as_slice())?))
    }

    /// Appends one line; on return the operating system has it, whatever becomes of this process.
    pub fn write(&self, what: What) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Entry { at_ms: crate::now_ms(), what })?;
        line.push(b'\n');
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
    }
}

/// Reads a whole record; a line that is not an entry is an error that names it.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    parse(BufReader::new(File::open(path)?))
}

fn parse(text: impl BufRead) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let entry = serde_json::from_str(&line?).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("line {} of the record: {error}", number + 1))
        })?;
        entries.push(entry);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(n: u32) -> What {
        What::Tap { registration: "RC00001".to_owned(), key: format!("key-0000{n}"), unit: n }
    }

    #[test]
    fn what_is_written_is_read_and_a_torn_line_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crowd.jsonl");
        let (record, before) = Record::open(&path).unwrap();
        assert!(before.is_empty());
        record.write(tap(1)).unwrap();
        record
            .write(What::No { registration: "RC00001".into(), key: "key-00001".into(), code: "TAKEN".into() })
            .unwrap();
        drop(record);
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"at_ms\":1,\"e\":\"ta")
            .unwrap();

        let (record, before) = Record::open(&path).unwrap();
        assert_eq!(before.len(), 2);
        assert_eq!(before[0].what, tap(1));
        record.write(tap(2)).unwrap();
        assert_eq!(read(&path).unwrap()[2].what, tap(2));
    }

    #[test]
    fn a_bad_line_in_the_middle_is_an_error_with_its_number() {
        let error = parse(&b"{\"at_ms\":1,\"e\":\"end\"}\nnonsense\n"[..]).unwrap_err();
        assert!(error.to_string().starts_with("line 2 of the record"), "{error}");
    }
}
