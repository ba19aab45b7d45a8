//! Passwords: argon2id, hashed away from the loops that serve people, a bounded number at a time.
//!
//! Each hash takes 19 MiB and keeps a core busy. Without the bound, many log-in attempts at once would take the memory
//! and the cores from the buyers.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::limits::{
    ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES, BUSY_RETRY_MS, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN,
    PASSWORD_HASHES_AT_ONCE, PASSWORD_HASHES_QUEUED,
};

use super::StaffError;

/// Letters and digits that nobody confuses when reading them aloud.
const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GENERATED_GROUPS: usize = 4;
const GROUP_CHARS: usize = 5;

pub(super) struct Passwords {
    /// Who may be here at all: hashing or waiting.
    admitted: Semaphore,
    /// Who hashes now.
    hashing: Arc<Semaphore>,
    /// Compared with when the login is unknown, so that it takes as long as a known one.
    decoy: String,
}

impl Passwords {
    pub(super) async fn new() -> Result<Self, StaffError> {
        let mut passwords = Self {
            admitted: Semaphore::new(PASSWORD_HASHES_AT_ONCE + PASSWORD_HASHES_QUEUED),
            hashing: Arc::new(Semaphore::new(PASSWORD_HASHES_AT_ONCE)),
            decoy: String::new(),
        };
        passwords.decoy = passwords.hash(generate()).await?;
        Ok(passwords)
    }

    /// The PHC text of a new hash.
    pub(super) async fn hash(&self, password: Zeroizing<String>) -> Result<String, StaffError> {
        self.run(move || {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params()?);
            let hash = argon2.hash_password(password.as_bytes()).map_err(|_| StaffError::Hashing)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether `password` is the one behind `hash`. Without a hash it takes as long and says no.
    pub(super) async fn verify(
        &self,
        password: Zeroizing<String>,
        hash: Option<String>,
    ) -> Result<bool, StaffError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let equal = self
            .run(move || {
                // The parameters are those in the hash, so hashes made under older ones still verify.
                Ok(Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_ok())
            })
            .await?;
        Ok(known && equal)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StaffError> + Send + 'static,
    ) -> Result<T, StaffError> {
        let busy = || StaffError::SlowDown { retry_after_ms: BUSY_RETRY_MS };
        let _admitted = self.admitted.try_acquire().map_err(|_| busy())?;
        let slot = self.hashing.clone().acquire_owned().await.map_err(|_| busy())?;
        // The slot goes with the work: a caller that gives up does not free a core that is still hashing.
        let task = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(slot);
            outcome
        });
        task.await.map_err(|_| StaffError::Hashing)?
    }
}

fn params() -> Result<Params, StaffError> {
    Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, None).map_err(|_| StaffError::Hashing)
}

/// Refuses passwords that are too easy to guess, and texts too long to be one.
pub(super) fn check(password: &str) -> Result<(), StaffError> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(StaffError::PasswordTooShort { min: PASSWORD_CHARS_MIN });
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(StaffError::PasswordTooLong { max: PASSWORD_BYTES_MAX });
    }
    Ok(())
}

/// A password to be told once: twenty characters, nearly a hundred bits.
pub fn generate() -> Zeroizing<String> {
    grouped(GENERATED_GROUPS)
}

/// A recovery code: ten characters in two groups, nearly fifty bits behind five tries.
pub(super) fn recovery_code() -> Zeroizing<String> {
    grouped(2)
}

fn grouped(groups: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(groups * (GROUP_CHARS + 1)));
    for at in 0..groups * GROUP_CHARS {
        if at > 0 && at % GROUP_CHARS == 0 {
            text.push('-');
        }
        let pick = rand::random_range(0..ALPHABET.len());
        text.push(ALPHABET.get(pick).copied().map_or('a', char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn the_right_password_and_no_other() {
        let passwords = Passwords::new().await.unwrap();
        let hash = passwords.hash(secret("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash(secret("correct horse")).await.unwrap(), "salted");
        assert!(passwords.verify(secret("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(secret("correct horsf"), Some(hash)).await.unwrap());
        assert!(!passwords.verify(secret("anything"), None).await.unwrap());
        assert!(!passwords.verify(secret("anything"), Some("not a hash".to_owned())).await.unwrap());
    }

    /// Mutation caught: without the admission bound every one of them was queued.
    #[tokio::test]
    async fn a_flood_is_turned_away_instead_of_queued() {
        let passwords = Arc::new(Passwords::new().await.unwrap());
        let total = PASSWORD_HASHES_AT_ONCE + PASSWORD_HASHES_QUEUED + 10;
        let attempts: Vec<_> = (0..total)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.verify(secret("guess"), None).await })
            })
            .collect();
        let mut turned_away = 0;
        for attempt in attempts {
            turned_away += usize::from(matches!(attempt.await.unwrap(), Err(StaffError::SlowDown { .. })));
        }
        assert_eq!(turned_away, 10);
    }

    #[test]
    fn generated_passwords_are_long_and_differ() {
        let (one, two) = (generate(), generate());
        assert_ne!(*one, *two);
        assert_eq!(one.len(), 23);
        assert!(check(&one).is_ok());
        assert!(check("short").is_err() && check(&"长".repeat(100)).is_err());
    }
}
