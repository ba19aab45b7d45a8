//! The folder of a demo. "Start again" removes what a demo puts there and nothing else, and only where a demo's own
//! marker lies: the folder may be one that the user named.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::DemoError;

const MARKER: &str = "demo.json";
/// What the demo, the server and the crowd write.
const FILES: [&str; 7] = [
    "kaipan.db",
    "kaipan.db-wal",
    "kaipan.db-shm",
    "crowd.jsonl",
    "crowd-sessions.jsonl",
    "truth.json",
    MARKER,
];
const LOGS: [&str; 3] = ["serve.log", "crowd.log", "audit.log"];

/// What a demo must remember to be resumed. No person: newcomers are registration codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    pub version: u32,
    pub opening: String,
    pub name: String,
    pub project_name: String,
    pub start_ms: i64,
    pub end_ms: i64,
    pub units: usize,
    pub registrations: usize,
    pub newcomers: Vec<String>,
    /// The same crowd wants the same again after a stop.
    pub seed: u64,
}

impl Marker {
    pub const VERSION: u32 = 1;
}

#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder if need be. One that holds somebody's real data is refused.
    pub fn open(path: &Path) -> Result<Self, DemoError> {
        let what = format!("the data folder {}", path.display());
        let private = || DirBuilder::new().recursive(true).mode(0o700).create(path.join("logs"));
        private().map_err(DemoError::because(&what))?;
        let path = path.canonicalize().map_err(DemoError::because(&what))?;
        if path.join("kaipan.db").exists() && !path.join(MARKER).exists() {
            return Err(DemoError(format!(
                "{} holds an installation that is not a demo: choose another folder with --data-dir",
                path.display()
            )));
        }
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn record(&self) -> PathBuf {
        self.path.join("crowd.jsonl")
    }

    pub fn sessions(&self) -> PathBuf {
        self.path.join("crowd-sessions.jsonl")
    }

    pub fn server_log(&self) -> PathBuf {
        self.path.join("logs").join("serve.log")
    }

    /// The demo that is here, if its loading was finished.
    pub fn marker(&self) -> Result<Option<Marker>, DemoError> {
        let path = self.path.join(MARKER);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DemoError(format!("{}: {error}", path.display()))),
        };
        // A marker without an opening is one whose loading did not end: the demo is loaded anew.
        Ok(serde_json::from_slice::<Marker>(&text).ok().filter(|marker| marker.version == Marker::VERSION))
    }

    /// Claims the folder for a demo before anything is loaded into it.
    pub fn claim(&self) -> Result<(), DemoError> {
        self.write(b"{}")
    }

    /// Remembers a demo that is loaded.
    pub fn keep(&self, marker: &Marker) -> Result<(), DemoError> {
        let text = serde_json::to_vec_pretty(marker).map_err(io::Error::from);
        self.write(&text.map_err(DemoError::because(MARKER))?)
    }

    /// Removes the demo that is here.
    pub fn clear(&self) -> Result<(), DemoError> {
        if !self.path.join(MARKER).exists() {
            return Ok(());
        }
        // The marker goes last: until then the folder is known for a demo's.
        let logs = LOGS.iter().map(|name| self.path.join("logs").join(name));
        for path in logs.chain(FILES.iter().map(|name| self.path.join(name))) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(DemoError(format!("{} cannot be removed: {error}", path.display())));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&self, text: &[u8]) -> Result<(), DemoError> {
        let path = self.path.join(MARKER);
        let part = path.with_extension("part");
        let what = path.display().to_string();
        fs::write(&part, text).and_then(|()| fs::rename(&part, &path)).map_err(DemoError::because(&what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker {
            version: Marker::VERSION,
            opening: "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            name: "首开".to_owned(),
            project_name: "云栖里花园".to_owned(),
            start_ms: 1,
            end_ms: 2,
            units: 726,
            registrations: 10_000,
            newcomers: vec!["RC00001".to_owned()],
            seed: 3,
        }
    }

    #[test]
    fn start_again_removes_the_demo_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        folder.claim().unwrap();
        assert_eq!(folder.marker().unwrap(), None, "claimed, not loaded");
        folder.keep(&marker()).unwrap();
        fs::write(folder.record(), "x").unwrap();
        fs::write(temp.path().join("kaipan.db"), "x").unwrap();
        fs::write(temp.path().join("thesis.txt"), "mine").unwrap();
        assert_eq!(Folder::open(temp.path()).unwrap().marker().unwrap(), Some(marker()));

        folder.clear().unwrap();
        assert!(!folder.record().exists() && !temp.path().join("kaipan.db").exists());
        assert!(temp.path().join("thesis.txt").exists());
        assert_eq!(folder.marker().unwrap(), None);
    }

    #[test]
    fn an_installation_that_is_not_a_demo_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("kaipan.db"), "real").unwrap();
        let error = Folder::open(temp.path()).unwrap_err().to_string();
        assert!(error.contains("not a demo"), "{error}");
    }
}
