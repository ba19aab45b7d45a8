//! Field encryption, blind indexes and the keys behind them.
//!
//! A name, a phone or a document number is stored as [`Vault::seal`]'s bytes and found again by [`Vault::index`]'s.
//! The database therefore holds nothing that can be read, nor anything that can be tried out, without the keyring,
//! and the keyring never lies in the data folder: a stolen copy of that folder, or a backup of it, says nothing.
//!
//! ```text
//!   keyring ─┬─ field keys (one active, older ones only open) ──► AES-256-GCM, bound to table.column and row
//!            ├─ index key ──► one HMAC-SHA-256 key per purpose ─► blind indexes, the chain of the staff log
//!            └─ session key ────────────────────────────────────► session tokens, sign-in codes
//! ```
//!
//! What this module must not know: the database, HTTP, who may read what. It maps bytes to bytes.

mod binding;
mod keyring;
mod seal;
mod source;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

pub use binding::{Differences, KeyFingerprint};
pub use keyring::Keyring;
use seal::FieldKeys;
pub use source::{KeySource, Stamp};

/// A column whose values are sealed. Its context is part of what is authenticated, so a ciphertext copied into
/// another column, or another row, does not open there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    RegistrationName,
    RegistrationPhone,
    RegistrationDocument,
    RegistrationCoBuyers,
    RegistrationProxy,
    RegistrationRemarks,
    ImportRefusedValue,
    OutboxRecipient,
    OutboxParams,
    StaffName,
    StaffLogParams,
    StaffSessionOrigin,
    StaffSecondFactor,
    BuyerSessionLabel,
    WechatToken,
    WechatOpenid,
    WechatSignInOpenid,
}

impl Field {
    /// `table.column`. Stored data depends on it: a renamed column keeps its old context here.
    pub const fn context(self) -> &'static str {
        match self {
            Field::RegistrationName => "registration.name",
            Field::RegistrationPhone => "registration.phone",
            Field::RegistrationDocument => "registration.document",
            Field::RegistrationCoBuyers => "registration.co_buyers",
            Field::RegistrationProxy => "registration.proxy",
            Field::RegistrationRemarks => "registration.remarks",
            Field::ImportRefusedValue => "import_refusal.value",
            Field::OutboxRecipient => "outbox.recipient",
            Field::OutboxParams => "outbox.params",
            Field::StaffName => "staff.name",
            Field::StaffLogParams => "staff_log.params",
            Field::StaffSessionOrigin => "staff_session.origin",
            Field::StaffSecondFactor => "staff_second_factor.secret",
            Field::BuyerSessionLabel => "buyer_session.label",
            Field::WechatToken => "wechat_token.value",
            Field::WechatOpenid => "wechat_account.openid",
            Field::WechatSignInOpenid => "wechat_sign_in.openid",
        }
    }
}

/// What a blind index is for. Each purpose has its own key: equal values under two purposes have unrelated indexes,
/// so that a column of phone tails can't be matched against one of document numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    Phone,
    PhoneTail,
    Document,
    Name,
    /// A person's openid at one account.
    Openid,
}

/// A short-lived secret that is stored only as a keyed hash. Six digits hashed without a key would be found by trying
/// the million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Secret {
    SignInCode,
    StaffSession,
    RecoveryCode,
    /// A sign-in by WeChat: what the browser keeps, and what WeChat carries.
    WechatSignIn,
    /// Who tried too often, as gateways tell each other.
    Bucket,
}

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("no configuration folder for this user: set HOME, or KAIPAN_KEYRING to the keyring's file")]
    NoConfigFolder,
    #[error("the keyring {path} does not exist")]
    NoKeyring { path: PathBuf },
    #[error("the keyring {path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`")]
    LaxPermissions { path: PathBuf, mode: u32 },
    #[error(
        "the keyring {path} lies in the data folder, where a copy of the data would carry its keys along: move it out"
    )]
    InDataFolder { path: PathBuf },
    #[error(
        "KAIPAN_KEYRING (or --keyring), KAIPAN_KEYS and KAIPAN_KEYRING_COMMAND each say where the keys are: set one of them"
    )]
    TwoSources,
    #[error("the program of KAIPAN_KEYRING_COMMAND {why}")]
    Command { why: String },
    #[error(
        "the keys come from KAIPAN_KEYS or KAIPAN_KEYRING_COMMAND: they are changed where these get them, in a file with --keyring"
    )]
    NotAFile,
    #[error("another command is changing the keyring {path}")]
    Busy { path: PathBuf },
    #[error("key {0} is not in the keyring")]
    NoSuchKey(u32),
    #[error("key {0} is the one that seals: rotate first")]
    KeyActive(u32),
    #[error("the keyring can't be used: {0}")]
    Malformed(&'static str),
    #[error("the keyring {path} can't be read or written: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error(
        "this database was sealed with another keyring (its key `{key}` is not in this one): give the one it was created with as KAIPAN_KEYRING"
    )]
    WrongKeyring { key: String },
    #[error("the operating system gives no random bytes")]
    NoEntropy,
    #[error("a sealed value names key {0}, which is not in the keyring")]
    UnknownKey(u32),
    #[error("a sealed value does not open: cut, altered, or moved from another row or column")]
    Unreadable,
    #[error("a value of {0} bytes is too long to seal")]
    TooLong(usize),
}

impl VaultError {
    pub const fn code(&self) -> &'static str {
        match self {
            VaultError::NoConfigFolder => "KEYRING_NO_CONFIG_FOLDER",
            VaultError::NoKeyring { .. } => "KEYRING_MISSING",
            VaultError::LaxPermissions { .. } => "KEYRING_LAX_PERMISSIONS",
            VaultError::InDataFolder { .. } => "KEYRING_IN_DATA_FOLDER",
            VaultError::TwoSources => "KEYRING_TWO_SOURCES",
            VaultError::Command { .. } => "KEYRING_COMMAND",
            VaultError::NotAFile => "KEYRING_NOT_A_FILE",
            VaultError::Busy { .. } => "KEYRING_BUSY",
            VaultError::NoSuchKey(_) => "KEY_UNKNOWN",
            VaultError::KeyActive(_) => "KEY_ACTIVE",
            VaultError::Malformed(_) => "KEYRING_MALFORMED",
            VaultError::Io { .. } => "KEYRING_IO",
            VaultError::WrongKeyring { .. } => "KEYRING_WRONG",
            VaultError::NoEntropy => "NO_ENTROPY",
            VaultError::UnknownKey(_) => "SEALED_KEY_UNKNOWN",
            VaultError::Unreadable => "SEALED_UNREADABLE",
            VaultError::TooLong(_) => "SEALED_TOO_LONG",
        }
    }
}

type HmacSha256 = Hmac<Sha256>;

/// What of a vault follows its keyring while the program runs.
struct Keys {
    fields: FieldKeys,
    fingerprints: Vec<KeyFingerprint>,
    retired: Vec<u32>,
}

impl Keys {
    fn new(ring: &Keyring) -> Result<Self, VaultError> {
        Ok(Self {
            fields: FieldKeys::new(ring)?,
            fingerprints: binding::fingerprints(ring)?,
            retired: ring.retired().to_vec(),
        })
    }
}

/// Keys ready for use. Share it as an `Arc`; after [`Vault::open`] only the field keys change.
pub struct Vault {
    keys: ArcSwap<Keys>,
    /// Where they came from, to look there again, and which version of it was last read for a key that was missing.
    source: Option<KeySource>,
    read_for_missing: Mutex<Option<Stamp>>,
    /// HMAC states with the key already absorbed: an index costs two blocks, not four.
    phone: HmacSha256,
    phone_tail: HmacSha256,
    document: HmacSha256,
    name: HmacSha256,
    openid: HmacSha256,
    chain: HmacSha256,
    sign_in_code: HmacSha256,
    staff_session: HmacSha256,
    recovery_code: HmacSha256,
    wechat_sign_in: HmacSha256,
    bucket: HmacSha256,
    session_token_key: Zeroizing<[u8; 32]>,
}

impl Vault {
    /// Opens the keyring. `data_dir` is where it must not be.
    pub fn open(source: &KeySource, data_dir: Option<&Path>) -> Result<Self, VaultError> {
        Ok(Self { source: Some(source.clone()), ..Self::from_keyring(&source.load(data_dir)?)? })
    }

    /// The same, and makes the file if there is none: for data that nothing was sealed in yet.
    pub fn open_or_create(source: &KeySource, data_dir: Option<&Path>) -> Result<Self, VaultError> {
        Ok(Self { source: Some(source.clone()), ..Self::from_keyring(&source.load_or_create(data_dir)?)? })
    }

    pub fn from_keyring(ring: &Keyring) -> Result<Self, VaultError> {
        let index = |label| keyed(&*derive(ring.index_key(), label)?);
        let session = |label| keyed(&*derive(ring.session_key(), label)?);
        Ok(Self {
            keys: ArcSwap::from_pointee(Keys::new(ring)?),
            source: None,
            read_for_missing: Mutex::new(None),
            phone: index("index phone")?,
            phone_tail: index("index phone tail")?,
            document: index("index document")?,
            name: index("index name")?,
            openid: index("index openid")?,
            chain: index("staff log chain")?,
            sign_in_code: session("sign-in code")?,
            staff_session: session("staff session")?,
            recovery_code: session("recovery code")?,
            wechat_sign_in: session("wechat sign-in")?,
            bucket: session("bucket")?,
            session_token_key: derive(ring.session_key(), "session token")?,
        })
    }

    /// Encrypts one value of one row under the active key. The same text never gives the same bytes twice.
    pub fn seal(&self, field: Field, row_id: &str, text: &str) -> Result<Vec<u8>, VaultError> {
        self.keys.load().fields.seal(field, row_id, text.as_bytes())
    }

    /// The text that was sealed for this field of this row, or an error; never other text, never a panic.
    pub fn open_text(&self, field: Field, row_id: &str, sealed: &[u8]) -> Result<String, VaultError> {
        let text = self.open_bytes(field, row_id, sealed)?;
        std::str::from_utf8(&text).map(str::to_owned).map_err(|_| VaultError::Unreadable)
    }

    /// The same value under the active key, for the same field of the same row.
    pub fn seal_again(&self, field: Field, row_id: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let text = self.open_bytes(field, row_id, sealed)?;
        self.keys.load().fields.seal(field, row_id, &text)
    }

    fn open_bytes(
        &self,
        field: Field,
        row_id: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        match self.keys.load().fields.open(field, row_id, sealed) {
            Err(VaultError::UnknownKey(id)) if self.read_for(id) => {
                self.keys.load().fields.open(field, row_id, sealed)
            }
            outcome => outcome,
        }
    }

    /// Another gateway that has read a changed keyring a moment earlier may seal with its new key already: what it sealed
    /// must open here at once. So the file is read again, if it is another than last time, and its new keys open from now
    /// on. Which one seals is changed by [`Vault::adopt`] alone.
    fn read_for(&self, id: u32) -> bool {
        let mut last = self.read_for_missing.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = self.keys.load();
        if keys.fields.ids().any(|known| known == id) {
            // Somebody else needed it too and was first.
            return true;
        }
        let Some(source) = &self.source else { return false };
        let Ok(Some(stamp)) = source.stamp() else { return false };
        if *last == Some(stamp) {
            return false;
        }
        *last = Some(stamp);
        let Ok(found) = source.load(None).and_then(|ring| Keys::new(&ring)) else { return false };
        // Another installation's ring, or one whose key of the same id is another, has nothing that opens here.
        let same = |key: &KeyFingerprint| {
            found.fingerprints.iter().all(|other| other.name != key.name || other.print == key.print)
        };
        if !keys.fingerprints.iter().all(same) {
            return false;
        }
        let fields = keys.fields.opening_also(&found.fields);
        let opens = fields.ids().any(|known| known == id);
        let (fingerprints, retired) = (keys.fingerprints.clone(), keys.retired.clone());
        self.keys.store(Arc::new(Keys { fields, fingerprints, retired }));
        opens
    }

    /// The keyring as it lies there now, if it is another version than `last`. It is nobody's until [`Vault::adopt`].
    pub fn look(&self, last: Option<Stamp>) -> Result<Option<(Stamp, Vault)>, VaultError> {
        let Some(source) = &self.source else { return Ok(None) };
        let Some(stamp) = source.stamp()?.filter(|stamp| Some(*stamp) != last) else { return Ok(None) };
        Ok(Some((stamp, Self::from_keyring(&source.load(None)?)?)))
    }

    /// From now on the field keys are those of `other`, which the caller has bound to the database. The other keys are
    /// the same there, or for the next start.
    pub fn adopt(&self, other: &Vault) {
        // The lock keeps whoever adds a key at this moment from putting the old ones back.
        let _last = self.read_for_missing.lock().unwrap_or_else(PoisonError::into_inner);
        self.keys.store(other.keys.load_full());
    }

    /// Which key seals.
    pub fn sealing_key(&self) -> u32 {
        self.keys.load().fields.active_id()
    }

    /// Every key that opens.
    pub fn key_ids(&self) -> Vec<u32> {
        self.keys.load().fields.ids().collect()
    }

    /// How every value begins that the active key sealed.
    pub fn sealing_header(&self) -> [u8; 5] {
        self.keys.load().fields.header()
    }

    /// Which key sealed a value, as its beginning says.
    pub fn key_of(sealed: &[u8]) -> Option<u32> {
        seal::key_of(sealed)
    }

    /// The blind index of a value: 32 bytes, equal for equal values. Normalise first (digits of a phone without
    /// country code, a document in upper case): the index of another spelling is another index.
    pub fn index(&self, purpose: Purpose, value: &str) -> Vec<u8> {
        let state = match purpose {
            Purpose::Phone => &self.phone,
            Purpose::PhoneTail => &self.phone_tail,
            Purpose::Document => &self.document,
            Purpose::Name => &self.name,
            Purpose::Openid => &self.openid,
        };
        finish(state, &[value.as_bytes()])
    }

    /// The hash of a row of the staff log. Keyed by what outlives every rotation: a row's hash never changes.
    pub fn chain_hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        finish(&self.chain, parts)
    }

    /// The keyed hash under which a short-lived secret is stored; `context` ties it to its row.
    pub fn hash_secret(&self, secret: Secret, context: &str, value: &[u8]) -> Vec<u8> {
        let state = match secret {
            Secret::SignInCode => &self.sign_in_code,
            Secret::StaffSession => &self.staff_session,
            Secret::RecoveryCode => &self.recovery_code,
            Secret::WechatSignIn => &self.wechat_sign_in,
            Secret::Bucket => &self.bucket,
        };
        finish(state, &[context.as_bytes(), value])
    }

    /// The key of buyers' session tokens; the token's format belongs to `http`.
    pub fn session_token_key(&self) -> &[u8; 32] {
        &self.session_token_key
    }

    /// What identifies this keyring's keys without revealing them, to be stored with the data they seal.
    pub fn fingerprints(&self) -> Vec<KeyFingerprint> {
        self.keys.load().fingerprints.clone()
    }

    /// Compares with what a database has stored. Every key it names must be here, or be retired.
    pub fn check_binding(&self, stored: &[KeyFingerprint]) -> Result<Differences, VaultError> {
        let keys = self.keys.load();
        binding::check(&keys.fingerprints, &keys.retired, stored)
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys must not reach a log through a struct that derives Debug around this one.
        f.debug_struct("Vault").field("fingerprints", &self.fingerprints()).finish_non_exhaustive()
    }
}

fn keyed(key: &[u8; 32]) -> Result<HmacSha256, VaultError> {
    HmacSha256::new_from_slice(key).map_err(|_| VaultError::Malformed("a key has the wrong length"))
}

/// A key of its own for each use, from one that is stored: HKDF's expand step with one block.
fn derive(key: &[u8; 32], label: &str) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let mut mac = keyed(key)?;
    mac.update(b"kaipan.v1 ");
    mac.update(label.as_bytes());
    mac.update(&[1]);
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

/// Parts are length-prefixed, so that no two different lists of parts hash alike.
fn finish(state: &HmacSha256, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = state.clone();
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}
