//! Sealed texts and the keyring.

/// The longest text that is sealed as one value. Refused import values and messages are shorter.
pub const SEALED_TEXT_BYTES_MAX: usize = 16 * 1024;

/// A keyring file longer than this is not one.
pub const KEYRING_BYTES_MAX: u64 = 64 * 1024;

/// Field keys in a ring. One a year would last two generations.
pub const KEYRING_KEYS_MAX: usize = 64;

/// A key takes some 70 bytes of JSON: a full ring must still be readable.
const _: () = assert!(KEYRING_KEYS_MAX as u64 * 128 < KEYRING_BYTES_MAX);
