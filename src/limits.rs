//! Every bound in one place, with the relations between them checked when the program is compiled.

/// Prepared statements kept per database connection.
pub const STATEMENT_CACHE: usize = 256;
/// Connections that read SQLite while its one writer writes.
pub const SQLITE_READERS: u32 = 4;
/// Connections to Postgres: opened before the start, and at most.
pub const POSTGRES_CONNECTIONS_MIN: u32 = 2;
pub const POSTGRES_CONNECTIONS_MAX: u32 = 12;
