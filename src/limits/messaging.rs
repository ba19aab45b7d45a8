//! What waits to be sent, and how long it is kept.

/// Messages on the outbox page.
pub const OUTBOX_LISTED_MAX: i64 = 100;

/// How long the outbox remembers.
pub const OUTBOX_KEEP_S: i64 = 7 * 24 * 3600;

/// Rows that one clean-up transaction removes, so that it is a short one for SQLite's one writer.
pub const PURGE_ROWS: i64 = 500;
