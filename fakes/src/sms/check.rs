//! Hashes, and the parts of an `Authorization` header.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(text.as_bytes()).finalize().into_bytes().to_vec(),
        Err(_) => Vec::new(),
    }
}

/// `ALGORITHM Credential=…,SignedHeaders=…,Signature=…`, with or without a space after the commas.
pub struct Authorization<'a> {
    pub credential: &'a str,
    pub signed_headers: &'a str,
    pub signature: &'a str,
}

impl<'a> Authorization<'a> {
    pub fn read(header: &'a str, algorithm: &str) -> Option<Self> {
        let rest = header.strip_prefix(algorithm)?.strip_prefix(' ')?;
        let mut parts = rest.split(',').map(str::trim);
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let read = Self {
            credential: part("Credential")?,
            signed_headers: part("SignedHeaders")?,
            signature: part("Signature")?,
        };
        parts.next().is_none().then_some(read)
    }
}
