//! Ties a keyring to the data sealed with it.
//!
//! A database stores the fingerprint of every key that may have sealed something in it. A server that starts with
//! another keyring is then refused in one sentence, instead of selling homes to buyers whose names it can't read.
//! The session key is not bound: replacing it only signs everyone out.

use super::{Keyring, VaultError, derive, finish, keyed};

/// One key, known by a one-way print. `name` is `index` or `field-N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFingerprint {
    pub name: String,
    pub print: Vec<u8>,
}

pub(super) fn fingerprints(ring: &Keyring) -> Result<Vec<KeyFingerprint>, VaultError> {
    let mut all = vec![KeyFingerprint { name: "index".to_owned(), print: print(ring.index_key())? }];
    for (id, key) in ring.field_keys() {
        all.push(KeyFingerprint { name: format!("field-{id}"), print: print(key)? });
    }
    Ok(all)
}

pub(super) fn check(
    ours: &[KeyFingerprint],
    stored: &[KeyFingerprint],
) -> Result<Vec<KeyFingerprint>, VaultError> {
    if let Some(foreign) = stored.iter().find(|key| !ours.contains(key)) {
        return Err(VaultError::WrongKeyring { key: foreign.name.clone() });
    }
    Ok(ours.iter().filter(|key| !stored.contains(key)).cloned().collect())
}

fn print(key: &[u8; 32]) -> Result<Vec<u8>, VaultError> {
    let mut print = finish(&keyed(&*derive(key, "fingerprint")?)?, &[b"fingerprint"]);
    // Half is plenty to tell keyrings apart.
    print.truncate(16);
    Ok(print)
}
