//! Sealed texts and the keyring.

use std::time::Duration;

/// The longest text that is sealed as one value. Refused import values and messages are shorter.
pub const SEALED_TEXT_BYTES_MAX: usize = 16 * 1024;

/// A keyring file longer than this is not one.
pub const KEYRING_BYTES_MAX: u64 = 64 * 1024;

/// Field keys in a ring. One a year would last two generations.
pub const KEYRING_KEYS_MAX: usize = 64;

/// A key takes some 70 bytes of JSON: a full ring must still be readable.
const _: () = assert!(KEYRING_KEYS_MAX as u64 * 128 < KEYRING_BYTES_MAX);

/// What a key store may take to hand the keys over.
pub const KEYRING_COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a gateway looks whether its keyring changed.
pub const KEYRING_LOOK_PERIOD: Duration = Duration::from_secs(1);

/// Values that are sealed again in one transaction: on SQLite picks wait for it.
pub const RESEAL_VALUES: i64 = 32;

/// After a transaction it rests for so many times what that took, and no less than the second: the work of an hour, and
/// nobody waits for it.
pub const RESEAL_REST_TIMES: u32 = 2;
pub const RESEAL_REST: Duration = Duration::from_millis(5);

/// How long it waits for a row that somebody else writes. Well before Postgres looks for deadlocks (1 s), so that whoever
/// else takes rows in another order is never the one that loses.
pub const RESEAL_LOCK_TIMEOUT_MS: u32 = 50;

/// A gateway that seals again has the lease for so long from its last transaction on.
pub const RESEAL_LEASE_MS: i64 = 30_000;

/// When it looks again after something was left or found, and otherwise.
pub const RESEAL_SOON: Duration = Duration::from_secs(3);
pub const RESEAL_SELDOM: Duration = Duration::from_secs(600);
