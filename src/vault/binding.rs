//! Ties a keyring to the data sealed with it.
//!
//! A database stores the fingerprint of every key that may have sealed something in it. A server that starts with
//! another keyring is then refused in one sentence, instead of selling homes to buyers whose names it can't read.
//! The session key is not bound: replacing it only signs everyone out.

use super::{Keyring, VaultError, derive, finish, keyed};

const FIELD: &str = "field-";

/// One key, known by a one-way print. `name` is `index` or `field-N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFingerprint {
    pub name: String,
    pub print: Vec<u8>,
}

/// How a keyring and what a database has stored differ, where they may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Keys that the database does not name yet.
    pub unbound: Vec<KeyFingerprint>,
    /// Keys that the database still names and the ring has retired.
    pub retired: Vec<u32>,
}

impl Differences {
    pub fn is_empty(&self) -> bool {
        self.unbound.is_empty() && self.retired.is_empty()
    }
}

impl KeyFingerprint {
    /// The name of the field key of this id.
    pub fn field_name(id: u32) -> String {
        format!("{FIELD}{id}")
    }

    fn field_id(&self) -> Option<u32> {
        self.name.strip_prefix(FIELD)?.parse().ok()
    }
}

pub(super) fn fingerprints(ring: &Keyring) -> Result<Vec<KeyFingerprint>, VaultError> {
    let mut all = vec![KeyFingerprint { name: "index".to_owned(), print: print(ring.index_key())? }];
    for (id, key) in ring.field_keys() {
        all.push(KeyFingerprint { name: KeyFingerprint::field_name(id), print: print(key)? });
    }
    Ok(all)
}

pub(super) fn check(
    ours: &[KeyFingerprint],
    retired: &[u32],
    stored: &[KeyFingerprint],
) -> Result<Differences, VaultError> {
    let mut differences = Differences::default();
    for key in stored.iter().filter(|key| !ours.contains(key)) {
        match key.field_id().filter(|id| retired.contains(id)) {
            Some(id) => differences.retired.push(id),
            None => return Err(VaultError::WrongKeyring { key: key.name.clone() }),
        }
    }
    differences.unbound = ours.iter().filter(|key| !stored.contains(key)).cloned().collect();
    Ok(differences)
}

fn print(key: &[u8; 32]) -> Result<Vec<u8>, VaultError> {
    let mut print = finish(&keyed(&*derive(key, "fingerprint")?)?, &[b"fingerprint"]);
    // Half is plenty to tell keyrings apart.
    print.truncate(16);
    Ok(print)
}
