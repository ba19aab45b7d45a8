//! A base: the database file as it lies there. While it is copied nothing is written back from the log, so the file
//! stands still; whatever is newer stands in the log's segments from this base's number on.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::folder::create;

const CHUNK_BYTES: usize = 1024 * 1024;
/// The longest nap between two chunks, so that a process that ends is not waited for.
const NAP_MAX: Duration = Duration::from_millis(200);

/// How fast a base is copied.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// Nobody is served until it is there, or nothing is safe until it is.
    AtOnce,
    /// Beside a sale: so many bytes a second.
    BytesPerS(u64),
}

/// What was copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Copied {
    pub bytes: u64,
    pub sha256: String,
}

/// Copies and writes to the disk. `stop` ends it with an error of the kind `Interrupted`.
pub fn copy(from: &Path, to: &Path, pace: Pace, stop: &AtomicBool) -> io::Result<Copied> {
    let mut from = File::open(from)?;
    let mut to = create(to)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let (mut bytes, begun) = (0, Instant::now());
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the program ends"));
        }
        let got = from.read(&mut buffer)?;
        let read = buffer.get(..got).unwrap_or_default();
        if read.is_empty() {
            break;
        }
        hash.update(read);
        to.write_all(read)?;
        bytes += got as u64;
        if let Pace::BytesPerS(rate) = pace {
            let due = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
            std::thread::park_timeout(due.saturating_sub(begun.elapsed()).min(NAP_MAX));
        }
    }
    to.sync_all()?;
    Ok(Copied { bytes, sha256: hex::encode(hash.finalize()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_knows_its_sum_and_stops_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::write(&from, vec![7; CHUNK_BYTES + 5]).unwrap();
        let copied = copy(&from, &to, Pace::AtOnce, &AtomicBool::new(false)).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), std::fs::read(&from).unwrap());
        let sha256 = hex::encode(Sha256::digest(std::fs::read(&from).unwrap()));
        assert_eq!(copied, Copied { bytes: CHUNK_BYTES as u64 + 5, sha256 });
        let stopped = copy(&from, &to, Pace::BytesPerS(1), &AtomicBool::new(true)).unwrap_err();
        assert_eq!(stopped.kind(), io::ErrorKind::Interrupted);
    }
}
