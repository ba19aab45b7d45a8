//! Every bound in one place, with the relations between them checked when the program is compiled.

/// Prepared statements kept per database connection.
pub const STATEMENT_CACHE: usize = 256;
/// Connections that read SQLite while its one writer writes.
pub const SQLITE_READERS: u32 = 4;
/// Connections to Postgres: opened before the start, and at most.
pub const POSTGRES_CONNECTIONS_MIN: u32 = 2;
pub const POSTGRES_CONNECTIONS_MAX: u32 = 12;

// --- vault ---

/// The longest text that is sealed as one value. Refused import values and messages are shorter.
pub const SEALED_TEXT_BYTES_MAX: usize = 16 * 1024;

/// A keyring file longer than this is not one.
pub const KEYRING_BYTES_MAX: u64 = 64 * 1024;

/// Field keys in a ring. One a year would last two generations.
pub const KEYRING_KEYS_MAX: usize = 64;

/// A key takes some 70 bytes of JSON: a full ring must still be readable.
const _: () = assert!(KEYRING_KEYS_MAX as u64 * 128 < KEYRING_BYTES_MAX);

// --- messaging ---

/// Messages on the outbox page.
pub const OUTBOX_LISTED_MAX: i64 = 100;

/// How long the outbox remembers.
pub const OUTBOX_KEEP_S: i64 = 7 * 24 * 3600;

/// Rows that one clean-up transaction removes: a few milliseconds of the one writer.
pub const PURGE_ROWS: i64 = 500;
