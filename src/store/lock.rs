//! One writing process a data folder. Two servers can bind one port silently (SO_REUSEPORT) and each would keep its own
//! memory of a SQLite file; the operating system's lock ends with its process, so a crash leaves nothing to clean up.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FILE_NAME: &str = "kaipan.lock";
/// What the holder wrote about itself is shown to people; a longer text is not ours.
const HOLDER_BYTES_MAX: u64 = 200;

/// Held as long as this lives.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum FolderLockError {
    #[error("{kind} {} is in use by {holder}; stop that one first, or name another folder", folder.display())]
    InUse { kind: FolderKind, folder: PathBuf, holder: String },
    #[error("{kind} {} can not be used: {source}", folder.display())]
    Io { kind: FolderKind, folder: PathBuf, source: io::Error },
}

/// What people call the folder that is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderKind {
    Data,
    Backup,
}

impl fmt::Display for FolderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "the data folder",
            Self::Backup => "the backup folder",
        })
    }
}

impl FolderLock {
    /// Creates the folder (for its owner only) if there is none, and takes its lock without waiting. `holder` says who
    /// we are to whoever is refused later.
    pub fn take(kind: FolderKind, folder: &Path, holder: &str) -> Result<Self, FolderLockError> {
        let failed = |source| FolderLockError::Io { kind, folder: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join(FILE_NAME))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                write_holder(&mut file, holder).map_err(failed)?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&mut file);
                Err(FolderLockError::InUse { kind, folder: folder.to_owned(), holder })
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

fn write_holder(file: &mut File, holder: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{holder} (process {})", std::process::id())
}

fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(HOLDER_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) if !text.is_empty() => text,
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation that turned it red: `try_lock` left out.
    #[test]
    fn a_second_holder_is_refused_and_told_who_holds_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let held = FolderLock::take(FolderKind::Data, &folder, "kaipan serve").unwrap();
        let error = FolderLock::take(FolderKind::Backup, &folder, "kaipan import").unwrap_err().to_string();
        assert!(error.contains(&format!("kaipan serve (process {})", std::process::id())), "{error}");
        assert!(error.starts_with("the backup folder "), "{error}");
        drop(held);
        FolderLock::take(FolderKind::Data, &folder, "kaipan import").unwrap();
    }
}
