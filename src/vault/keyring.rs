//! The keyring: where it lies, who may read it, how it comes to be.
//!
//! ```json
//! {"version":1,"active":2,"fields":[{"id":1,"key":"…"},{"id":2,"key":"…"}],"index":"…","session":"…"}
//! ```
//!
//! Keys are 32 random bytes in base64. To change the field key, one with a new id is added and made the active one: what
//! older keys sealed still opens. An id that was retired is listed as such and never given again. The index key can't be
//! changed without computing every index again.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::VaultError;
use crate::limits::{KEYRING_BYTES_MAX, KEYRING_KEYS_MAX};

const VERSION: u32 = 1;
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldKeyText {
    id: u32,
    key: String,
}

/// The file's shape. The base64 text is as secret as the bytes, so it is wiped as well.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingText {
    version: u32,
    active: u32,
    fields: Vec<FieldKeyText>,
    index: String,
    session: String,
    /// Ids without their keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<u32>,
}

impl Drop for RingText {
    fn drop(&mut self) {
        self.fields.iter_mut().for_each(|field| field.key.zeroize());
        self.index.zeroize();
        self.session.zeroize();
    }
}

impl ZeroizeOnDrop for RingText {}

/// Keys in memory, wiped when dropped.
pub struct Keyring {
    active: u32,
    fields: Vec<(u32, Zeroizing<[u8; 32]>)>,
    index: Zeroizing<[u8; 32]>,
    session: Zeroizing<[u8; 32]>,
    retired: Vec<u32>,
}

impl Keyring {
    /// A new ring with one field key.
    pub fn generate() -> Result<Self, VaultError> {
        Ok(Self {
            active: 1,
            fields: vec![(1, random_key()?)],
            index: random_key()?,
            session: random_key()?,
            retired: Vec::new(),
        })
    }

    /// Adds a field key and makes it the active one.
    pub fn rotate(&mut self) -> Result<u32, VaultError> {
        let id = self.add()?;
        self.active = id;
        Ok(id)
    }

    /// Adds a field key that only opens, until it is made the active one.
    pub fn add(&mut self) -> Result<u32, VaultError> {
        if self.fields.len() >= KEYRING_KEYS_MAX {
            return Err(VaultError::Malformed("it holds too many keys"));
        }
        let newest = self.fields.iter().map(|(id, _)| id).chain(&self.retired).max().copied().unwrap_or(0);
        let id = newest.checked_add(1).ok_or(VaultError::Malformed("its key ids have run out"))?;
        self.fields.push((id, random_key()?));
        Ok(id)
    }

    /// Makes a key of the ring the active one.
    pub fn activate(&mut self, id: u32) -> Result<(), VaultError> {
        self.known(id)?;
        self.active = id;
        Ok(())
    }

    /// Removes a key for good. Whether something still needs it is the caller's to know.
    pub fn retire(&mut self, id: u32) -> Result<(), VaultError> {
        self.known(id)?;
        if id == self.active {
            return Err(VaultError::KeyActive(id));
        }
        self.fields.retain(|(known, _)| *known != id);
        self.retired.push(id);
        Ok(())
    }

    fn known(&self, id: u32) -> Result<(), VaultError> {
        if self.fields.iter().any(|(known, _)| *known == id) {
            Ok(())
        } else {
            Err(VaultError::NoSuchKey(id))
        }
    }

    pub fn parse(json: &str) -> Result<Self, VaultError> {
        // Serde's message would quote the input, which is the key.
        let text: RingText = serde_json::from_str(json)
            .map_err(|_| VaultError::Malformed("it is not a keyring in JSON of version 1"))?;
        if text.version != VERSION {
            return Err(VaultError::Malformed("its version is unknown to this program"));
        }
        if text.fields.len() > KEYRING_KEYS_MAX {
            return Err(VaultError::Malformed("it holds too many keys"));
        }
        let mut fields: Vec<(u32, Zeroizing<[u8; 32]>)> = Vec::with_capacity(text.fields.len());
        for field in &text.fields {
            if fields.iter().any(|(id, _)| *id == field.id) {
                return Err(VaultError::Malformed("two keys have the same id"));
            }
            fields.push((field.id, decode(&field.key)?));
        }
        if !fields.iter().any(|(id, _)| *id == text.active) {
            return Err(VaultError::Malformed("the active key is not in the ring"));
        }
        if fields.iter().any(|(id, _)| text.retired.contains(id)) {
            return Err(VaultError::Malformed("a key is both there and retired"));
        }
        Ok(Self {
            active: text.active,
            fields,
            index: decode(&text.index)?,
            session: decode(&text.session)?,
            retired: text.retired.clone(),
        })
    }

    pub fn to_json(&self) -> Result<Zeroizing<String>, VaultError> {
        let text = RingText {
            version: VERSION,
            active: self.active,
            fields: self.fields.iter().map(|(id, key)| FieldKeyText { id: *id, key: encode(key) }).collect(),
            index: encode(&self.index),
            session: encode(&self.session),
            retired: self.retired.clone(),
        };
        serde_json::to_string(&text)
            .map(Zeroizing::new)
            .map_err(|_| VaultError::Malformed("it can't be written as JSON"))
    }

    pub(super) fn active_id(&self) -> u32 {
        self.active
    }

    pub(super) fn retired(&self) -> &[u32] {
        &self.retired
    }

    pub(super) fn field_keys(&self) -> impl Iterator<Item = (u32, &[u8; 32])> {
        self.fields.iter().map(|(id, key)| (*id, &**key))
    }

    pub(super) fn index_key(&self) -> &[u8; 32] {
        &self.index
    }

    pub(super) fn session_key(&self) -> &[u8; 32] {
        &self.session
    }

    pub(super) fn read(path: &Path) -> Result<Self, VaultError> {
        let io_error = |source| VaultError::Io { path: path.to_owned(), source };
        let file = fs::File::open(path).map_err(io_error)?;
        // The open file is asked, not the path: what is checked is what is read.
        let mode = file.metadata().map_err(io_error)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(VaultError::LaxPermissions { path: path.to_owned(), mode });
        }
        let mut json = Zeroizing::new(String::new());
        file.take(KEYRING_BYTES_MAX).read_to_string(&mut json).map_err(io_error)?;
        Self::parse(&json)
    }

    /// Writes a new ring beside its place and links it there, so that nobody ever reads half a keyring and two
    /// processes that start together end with one.
    pub(super) fn create(path: &Path) -> Result<(), VaultError> {
        let io_error = |source| VaultError::Io { path: path.to_owned(), source };
        let folder = folder_of(path);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error)?;
        match Self::generate()?.beside(path)?.persist_noclobber(path) {
            Ok(_) => {}
            Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(lost) => return Err(io_error(lost.error)),
        }
        // Data sealed a moment later may outlive a power cut that the folder's entry would not.
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error)
    }

    /// Changes the ring that lies at `path`: whoever reads it meanwhile reads the one before or the one after, a power cut
    /// leaves one of them, and a second change at the same time is refused.
    pub(super) fn change<T>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        // A link stays a link, to the ring that is changed.
        let path = &path.canonicalize().map_err(|source| VaultError::Io { path: path.to_owned(), source })?;
        let io_error = |source| VaultError::Io { path: path.to_owned(), source };
        let folder = fs::File::open(folder_of(path)).map_err(io_error)?;
        folder.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => VaultError::Busy { path: path.to_owned() },
            fs::TryLockError::Error(source) => io_error(source),
        })?;
        let changed = Self::change_locked(path, &folder, change);
        // Closing is not enough: a child that another thread is just starting has the folder open too.
        folder.unlock().map_err(io_error)?;
        changed
    }

    fn change_locked<T>(
        path: &Path,
        folder: &fs::File,
        change: impl FnOnce(&mut Self) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let io_error = |source| VaultError::Io { path: path.to_owned(), source };
        let mut ring = Self::read(path)?;
        let outcome = change(&mut ring)?;
        let file = ring.beside(path)?;
        // Changed by root it is still its owner's, who could not read it otherwise at the next start.
        let (old, new) = (fs::metadata(path), file.as_file().metadata());
        let (old, new) = (old.map_err(io_error)?, new.map_err(io_error)?);
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            fchown(file.as_file(), Some(old.uid()), Some(old.gid())).map_err(io_error)?;
        }
        file.persist(path).map_err(|lost| io_error(lost.error))?;
        folder.sync_all().map_err(io_error)?;
        Ok(outcome)
    }

    /// The ring in a new file in the folder of `path`, on disk, with mode 0600.
    fn beside(&self, path: &Path) -> Result<tempfile::NamedTempFile, VaultError> {
        let io_error = |source| VaultError::Io { path: path.to_owned(), source };
        // Created with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder_of(path)).map_err(io_error)?;
        file.write_all(self.to_json()?.as_bytes()).map_err(io_error)?;
        file.as_file().sync_all().map_err(io_error)?;
        Ok(file)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn random_key() -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let mut key = Zeroizing::new([0_u8; 32]);
    SysRng.try_fill_bytes(key.as_mut_slice()).map_err(|_| VaultError::NoEntropy)?;
    Ok(key)
}

fn encode(key: &[u8; 32]) -> String {
    STANDARD.encode(key)
}

fn decode(text: &str) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let bytes = Zeroizing::new(
        STANDARD.decode(text.trim()).map_err(|_| VaultError::Malformed("a key is not base64"))?,
    );
    let key: [u8; 32] =
        bytes.as_slice().try_into().map_err(|_| VaultError::Malformed("a key is not 32 bytes"))?;
    Ok(Zeroizing::new(key))
}
