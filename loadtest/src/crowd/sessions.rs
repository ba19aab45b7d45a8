//! The simulated buyers' session tokens, one JSON object a line, readable by the owner only. A phone keeps its session
//! when its owner closes the page; so does the crowd when it is stopped and started.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Line {
    registration: String,
    token: String,
}

pub struct Sessions {
    before: HashMap<String, String>,
    /// One write call a line; never held across an await.
    file: Mutex<File>,
}

impl Sessions {
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // A line that was not finished is a buyer who signs in again.
        let before = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Line>(line).ok())
            .map(|line| (line.registration, line.token))
            .collect();
        Ok(Self { before, file: Mutex::new(file) })
    }

    pub fn get(&self, registration: &str) -> Option<String> {
        self.before.get(registration).cloned()
    }

    pub fn keep(&self, registration: &str, token: &str) {
        let line = Line { registration: registration.to_owned(), token: token.to_owned() };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
        });
        if let Err(error) = written {
            // Only a later restart misses it: then this buyer signs in again.
            tracing::warn!(%error, "a session could not be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn sessions_survive_a_stop_and_only_the_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.jsonl");
        Sessions::open(&path).unwrap().keep("RC00001", "token");
        assert_eq!(Sessions::open(&path).unwrap().get("RC00001").as_deref(), Some("token"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
