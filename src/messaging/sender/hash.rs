//! What both clouds sign with.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// HMAC takes a key of any length, so there is always one.
pub(super) fn hmac_sha256(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok();
    mac.map(|mac| mac.chain_update(bytes).finalize().into_bytes().to_vec()).unwrap_or_default()
}
