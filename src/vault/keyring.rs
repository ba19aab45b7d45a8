//! The keyring: where it lies, who may read it, how it comes to be.
//!
//! ```json
//! {"version":1,"active":2,"fields":[{"id":1,"key":"…"},{"id":2,"key":"…"}],"index":"…","session":"…"}
//! ```
//!
//! Keys are 32 random bytes in base64. To change the field key, add one with a new id and make it active: what older
//! keys sealed still opens. The index key can't be changed without computing every index again.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::VaultError;
use crate::config::lies_within;
use crate::limits::{KEYRING_BYTES_MAX, KEYRING_KEYS_MAX};

const VERSION: u32 = 1;
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
}

impl KeySource {
    /// Reads the two settings through `get`, so that tests need not touch the process's environment.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        if let Some(json) = set("KAIPAN_KEYS") {
            return Self::Inline(Zeroizing::new(json));
        }
        set("KAIPAN_KEYRING").map_or(Self::UserConfig, |path| Self::File(path.into()))
    }

    fn path(&self) -> Result<Option<PathBuf>, VaultError> {
        match self {
            KeySource::Inline(_) => Ok(None),
            KeySource::File(path) => Ok(Some(path.clone())),
            KeySource::UserConfig => directories::ProjectDirs::from("", "", "kaipan")
                .map(|dirs| Some(dirs.config_dir().join(FILE_NAME)))
                .ok_or(VaultError::NoConfigFolder),
        }
    }
}

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
}

impl Keyring {
    /// A new ring with one field key.
    pub fn generate() -> Result<Self, VaultError> {
        Ok(Self { active: 1, fields: vec![(1, random_key()?)], index: random_key()?, session: random_key()? })
    }

    /// Adds a field key and makes it the active one.
    pub fn rotate(&mut self) -> Result<u32, VaultError> {
        if self.fields.len() >= KEYRING_KEYS_MAX {
            return Err(VaultError::Malformed("it holds too many keys"));
        }
        let newest = self.fields.iter().map(|(id, _)| *id).max().unwrap_or(0);
        let id = newest.checked_add(1).ok_or(VaultError::Malformed("its key ids have run out"))?;
        self.fields.push((id, random_key()?));
        self.active = id;
        Ok(id)
    }

    /// `data_dir` is where it must not be.
    pub(super) fn load(source: &KeySource, data_dir: Option<&Path>) -> Result<Self, VaultError> {
        let Some(path) = source.path()? else {
            let KeySource::Inline(json) = source else { return Err(VaultError::NoConfigFolder) };
            return Self::parse(json);
        };
        if let Some(data_dir) = data_dir
            && lies_within(&path, data_dir)
        {
            return Err(VaultError::InDataFolder { path });
        }
        match Self::read(&path) {
            Err(VaultError::Io { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                Err(VaultError::NoKeyring { path })
            }
            outcome => outcome,
        }
    }

    pub(super) fn load_or_create(source: &KeySource, data_dir: Option<&Path>) -> Result<Self, VaultError> {
        match Self::load(source, data_dir) {
            Err(VaultError::NoKeyring { path }) => {
                Self::create(&path)?;
                // Another process may have won the race to create it: whoever lost reads the winner's.
                Self::read(&path)
            }
            outcome => outcome,
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
        Ok(Self { active: text.active, fields, index: decode(&text.index)?, session: decode(&text.session)? })
    }

    pub fn to_json(&self) -> Result<Zeroizing<String>, VaultError> {
        let text = RingText {
            version: VERSION,
            active: self.active,
            fields: self.fields.iter().map(|(id, key)| FieldKeyText { id: *id, key: encode(key) }).collect(),
            index: encode(&self.index),
            session: encode(&self.session),
        };
        serde_json::to_string(&text)
            .map(Zeroizing::new)
            .map_err(|_| VaultError::Malformed("it can't be written as JSON"))
    }

    pub(super) fn active_id(&self) -> u32 {
        self.active
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

    fn read(path: &Path) -> Result<Self, VaultError> {
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
    fn create(path: &Path) -> Result<(), VaultError> {
        let io_error = |source| VaultError::Io { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error)?;
        // Created with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io_error)?;
        file.write_all(Self::generate()?.to_json()?.as_bytes()).map_err(io_error)?;
        file.as_file().sync_all().map_err(io_error)?;
        match file.persist_noclobber(path) {
            Ok(_) => {}
            Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(lost) => return Err(io_error(lost.error)),
        }
        // Data sealed a moment later may outlive a power cut that the folder's entry would not.
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error)
    }
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
