//! Where SQLite is backed up, and what is risky about that place.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Data, Warning};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupAt {
    pub folder: PathBuf,
    /// Commits wait while the backup can not be written.
    pub strict: bool,
    /// `None`: the bound of `limits`.
    pub log_bytes: Option<u64>,
}

pub(super) fn warnings(data: &Data) -> Vec<Warning> {
    let Some(backup) = &data.backup else { return Vec::new() };
    if data.database_url.is_some() {
        return vec![Warning::BackupOfPostgres];
    }
    let same = device(&data.dir).is_some_and(|disk| device(&backup.folder) == Some(disk));
    same.then(|| Warning::BackupOnSameDisk { folder: backup.folder.clone() }).into_iter().collect()
}

/// The file system that a folder is on; that of its nearest parent, where the folder is yet to be made.
fn device(folder: &Path) -> Option<u64> {
    let folder = std::path::absolute(folder).ok()?;
    folder.ancestors().find_map(|folder| fs::metadata(folder).ok()).map(|found| found.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(dir: &Path, folder: &Path, database_url: Option<&str>) -> Data {
        let backup = BackupAt { folder: folder.to_owned(), strict: false, log_bytes: None };
        let database_url = database_url.map(str::to_owned);
        Data { dir: dir.to_owned(), database_url, keyring: None, backup: Some(backup) }
    }

    /// Linux has two file systems that are always there: where tests write, and `/proc`.
    #[test]
    fn a_backup_on_the_same_file_system_is_warned_of() {
        let here = tempfile::tempdir().unwrap();
        let (dir, same) = (here.path().join("data"), here.path().join("backup"));
        let warned = warnings(&data(&dir, &same, None));
        assert_eq!(warned, [Warning::BackupOnSameDisk { folder: same.clone() }]);
        assert_eq!(warnings(&data(&dir, Path::new("/proc"), None)), []);
        let ignored = warnings(&data(&dir, &same, Some("postgres://localhost/kaipan")));
        assert_eq!(ignored, [Warning::BackupOfPostgres]);
    }
}
