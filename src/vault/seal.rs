//! AES-256-GCM over one field of one row.
//!
//! ```text
//!   byte   0        1..5         5..17     17..
//!          version  key id (BE)  nonce     ciphertext and 16-byte tag
//! ```
//!
//! Authenticated but not stored: the header, `table.column` and the row's id. The nonce is random: at the 2³² values
//! that one key may seal this way the chance of a repeat is still below 2⁻³², and a database of that size would have
//! changed keys long before.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};

use zeroize::Zeroizing;

use super::{Field, Keyring, VaultError};
use crate::limits::SEALED_TEXT_BYTES_MAX;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 5;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

pub(super) struct FieldKeys {
    active_id: u32,
    active: Aes256Gcm,
    /// Every key of the ring, the active one included: a handful, so a scan beats a map.
    all: Vec<(u32, Aes256Gcm)>,
}

impl FieldKeys {
    pub(super) fn new(ring: &Keyring) -> Result<Self, VaultError> {
        let mut all = Vec::new();
        for (id, key) in ring.field_keys() {
            let cipher = Aes256Gcm::new_from_slice(key.as_slice())
                .map_err(|_| VaultError::Malformed("a field key has the wrong length"))?;
            all.push((id, cipher));
        }
        let active_id = ring.active_id();
        let active = all.iter().find(|(id, _)| *id == active_id).map(|(_, cipher)| cipher.clone());
        let active = active.ok_or(VaultError::Malformed("the active key is not in the ring"))?;
        Ok(Self { active_id, active, all })
    }

    pub(super) fn active_id(&self) -> u32 {
        self.active_id
    }

    /// How every value begins that the active key sealed.
    pub(super) fn header(&self) -> [u8; HEADER_BYTES] {
        let [a, b, c, d] = self.active_id.to_be_bytes();
        [VERSION, a, b, c, d]
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.all.iter().map(|(id, _)| *id)
    }

    /// These keys open, and what was active stays so.
    pub(super) fn opening_also(&self, other: &Self) -> Self {
        let new = other.all.iter().filter(|(id, _)| self.ids().all(|known| known != *id));
        let all = self.all.iter().chain(new).cloned().collect();
        Self { active_id: self.active_id, active: self.active.clone(), all }
    }

    pub(super) fn seal(&self, field: Field, row_id: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        if plain.len() > SEALED_TEXT_BYTES_MAX {
            return Err(VaultError::TooLong(plain.len()));
        }
        let mut out = Vec::with_capacity(HEADER_BYTES + NONCE_BYTES + plain.len() + TAG_BYTES);
        out.extend_from_slice(&self.header());
        let mut nonce = [0_u8; NONCE_BYTES];
        // The thread's generator: ChaCha, seeded and reseeded by the operating system. A roster of 10,000 rows asks
        // for tens of thousands of nonces, too many for a system call each.
        rand::fill(&mut nonce);
        let aad = associated_data(&out, field, row_id);
        let body = self
            .active
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &aad })
            .map_err(|_| VaultError::TooLong(plain.len()))?;
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&body);
        Ok(out)
    }

    pub(super) fn open(
        &self,
        field: Field,
        row_id: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (header, rest) = sealed.split_first_chunk::<HEADER_BYTES>().ok_or(VaultError::Unreadable)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::Unreadable)?;
        let [version, id @ ..] = *header;
        if version != VERSION {
            return Err(VaultError::Unreadable);
        }
        let id = u32::from_be_bytes(id);
        let cipher = self.all.iter().find(|(known, _)| *known == id).map(|(_, cipher)| cipher);
        let cipher = cipher.ok_or(VaultError::UnknownKey(id))?;
        let aad = associated_data(header, field, row_id);
        cipher
            .decrypt(&Nonce::from(*nonce), Payload { msg: body, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| VaultError::Unreadable)
    }
}

/// Which key sealed it, as its first bytes say; nothing is opened.
pub(super) fn key_of(sealed: &[u8]) -> Option<u32> {
    let (header, _) = sealed.split_first_chunk::<HEADER_BYTES>()?;
    let [version, id @ ..] = *header;
    (version == VERSION).then(|| u32::from_be_bytes(id))
}

/// The context can't contain a zero byte, so the separator makes the concatenation unambiguous.
fn associated_data(header: &[u8], field: Field, row_id: &str) -> Vec<u8> {
    let context = field.context().as_bytes();
    let mut aad = Vec::with_capacity(header.len() + context.len() + 1 + row_id.len());
    aad.extend_from_slice(header);
    aad.extend_from_slice(context);
    aad.push(0);
    aad.extend_from_slice(row_id.as_bytes());
    aad
}
