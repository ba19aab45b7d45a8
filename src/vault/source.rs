//! Where the keys come from: a file, the environment, or a program that fetches them. A file alone can be changed here, and
//! is read again when it changes.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use super::{Keyring, VaultError};
use crate::config::lies_within;
use crate::limits::{KEYRING_BYTES_MAX, KEYRING_COMMAND_TIMEOUT};

const FILE_NAME: &str = "keys.json";

/// Where the keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// `keys.json` in the user's configuration folder (`~/.config/kaipan` on Linux).
    UserConfig,
    /// `KAIPAN_KEYRING`: a file elsewhere.
    File(PathBuf),
    /// `KAIPAN_KEYS`: the keyring's JSON itself, as a secret store would inject it.
    Inline(Zeroizing<String>),
    /// `KAIPAN_KEYRING_COMMAND`: a program and its arguments; what it prints is the keyring's JSON.
    Command(String),
}

/// A version of a file: another one has another inode, another time or another length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
    bytes: u64,
}

impl KeySource {
    /// `file` as a flag or a setting names it; the others are read through `get`, so that tests need not touch the
    /// process's environment. Two answers to the question where the keys are would be a guess.
    pub fn choose(file: Option<&Path>, get: impl Fn(&str) -> Option<String>) -> Result<Self, VaultError> {
        let set = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let inline = set("KAIPAN_KEYS").map(|json| Self::Inline(Zeroizing::new(json)));
        let command = set("KAIPAN_KEYRING_COMMAND").map(Self::Command);
        let file = file.filter(|path| !path.as_os_str().is_empty()).map(|path| Self::File(path.to_owned()));
        let mut named = [file, inline, command].into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(_), Some(_)) => Err(VaultError::TwoSources),
            (source, _) => Ok(source.unwrap_or(Self::UserConfig)),
        }
    }

    /// `None`: the keys are in no file of ours.
    fn path(&self) -> Result<Option<PathBuf>, VaultError> {
        match self {
            KeySource::Inline(_) | KeySource::Command(_) => Ok(None),
            KeySource::File(path) => Ok(Some(path.clone())),
            KeySource::UserConfig => directories::ProjectDirs::from("", "", "kaipan")
                .map(|dirs| Some(dirs.config_dir().join(FILE_NAME)))
                .ok_or(VaultError::NoConfigFolder),
        }
    }

    /// `data_dir` is where it must not be.
    pub(super) fn load(&self, data_dir: Option<&Path>) -> Result<Keyring, VaultError> {
        match self {
            KeySource::Inline(json) => return Keyring::parse(json),
            KeySource::Command(command) => return fetch(command, KEYRING_COMMAND_TIMEOUT),
            KeySource::File(_) | KeySource::UserConfig => {}
        }
        let path = self.file()?;
        if let Some(data_dir) = data_dir
            && lies_within(&path, data_dir)
        {
            return Err(VaultError::InDataFolder { path });
        }
        match Keyring::read(&path) {
            Err(VaultError::Io { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                Err(VaultError::NoKeyring { path })
            }
            outcome => outcome,
        }
    }

    pub(super) fn load_or_create(&self, data_dir: Option<&Path>) -> Result<Keyring, VaultError> {
        match self.load(data_dir) {
            Err(VaultError::NoKeyring { path }) => {
                Keyring::create(&path)?;
                // Another process may have won the race to create it: whoever lost reads the winner's.
                Keyring::read(&path)
            }
            outcome => outcome,
        }
    }

    /// Changes the keyring's file.
    pub fn change<T>(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        Keyring::change(&self.file()?, change)
    }

    /// Which version of the file lies there now. `None`: there is no file that could change.
    pub(super) fn stamp(&self) -> Result<Option<Stamp>, VaultError> {
        let Some(path) = self.path()? else { return Ok(None) };
        let found = fs::metadata(&path).map_err(|source| VaultError::Io { path, source })?;
        Ok(Some(Stamp {
            inode: found.ino(),
            seconds: found.mtime(),
            nanoseconds: found.mtime_nsec(),
            bytes: found.len(),
        }))
    }

    fn file(&self) -> Result<PathBuf, VaultError> {
        self.path()?.ok_or(VaultError::NotAFile)
    }
}

/// Runs the program that has the keys, for a bounded time and a bounded answer. Neither what it prints nor what it complains
/// of is repeated anywhere: either may hold a key.
pub(super) fn fetch(command: &str, limit: Duration) -> Result<Keyring, VaultError> {
    let failed = |why: String| VaultError::Command { why };
    let mut words = command.split_whitespace();
    let program = words.next().ok_or_else(|| failed("is empty".to_owned()))?;
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Its own group, so that what it started ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("can't be run: {error}")))?;
    let group = Pid::from_child(&child);
    let output = child.stdout.take();
    let (sender, answer) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut json = Zeroizing::new(Vec::with_capacity(KEYRING_BYTES_MAX as usize + 1));
        let read = output.map(|output| output.take(KEYRING_BYTES_MAX + 1).read_to_end(&mut json));
        // The pipe is closed now: one that has more to say can not.
        let status = child.wait();
        // Whoever asked may have given up.
        drop(sender.send((read, json, status)));
    });
    let Ok((read, json, status)) = answer.recv_timeout(limit) else {
        // Nobody has waited for it yet, so the group is still its own. That it has just ended is no error of ours.
        let _ = kill_process_group(group, Signal::KILL);
        return Err(failed(format!("gave no answer within {} s", limit.as_secs())));
    };
    if !matches!(read, Some(Ok(_))) {
        return Err(failed("printed what can't be read".to_owned()));
    }
    if json.len() as u64 > KEYRING_BYTES_MAX {
        return Err(failed(format!("printed more than {KEYRING_BYTES_MAX} bytes, which is no keyring")));
    }
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(failed(format!("ended with {}", ending(status)))),
        Err(error) => return Err(failed(format!("can't be waited for: {error}"))),
    }
    let json = std::str::from_utf8(&json).map_err(|_| VaultError::Malformed("it is not text"))?;
    Keyring::parse(json)
}

fn ending(status: ExitStatus) -> String {
    status.code().map_or_else(|| "a signal".to_owned(), |code| format!("status {code}"))
}
