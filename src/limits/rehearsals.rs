//! Rehearsals and load runs.

use super::IMPORT_ROWS_MAX;

/// Simulated buyers of one rehearsal: as many as a roster may have rows.
pub const REHEARSAL_BUYERS_MAX: i64 = 50_000;
/// Rehearsals that are there at the same time; one is cleared to make room.
pub const REHEARSALS_MAX: i64 = 10;
/// A rehearsal starts within a day of its making.
pub const REHEARSAL_START_IN_S_MAX: i64 = 24 * 3_600;
/// Units copied in one transaction: a sale beside it waits for one chunk at most.
pub const REHEARSAL_CHUNK_UNITS: i64 = 1_000;
/// Sessions of simulated buyers made in one call, and in one transaction of it.
pub const REHEARSAL_SESSIONS_MAX: i64 = 20_000;
pub const REHEARSAL_SESSIONS_CHUNK: usize = 500;
/// How long such a session lasts. A rehearsal is over by then.
pub const REHEARSAL_SESSION_S: i64 = 24 * 3_600;

/// Buyers of a load run that the server itself starts: each is a socket of the server and one of its child, and both
/// keep to the usual limit of 20,000 open files.
pub const LOAD_RUN_BUYERS_MAX: i64 = 10_000;
/// How soon a load run starts: long enough to connect everybody, short enough to be waited for.
pub const LOAD_RUN_START_IN_S_MIN: i64 = 5;
pub const LOAD_RUN_START_IN_S_MAX: i64 = 600;
/// How long its rehearsal stays open, and how long the child may live after the intended start.
pub const LOAD_RUN_OPEN_S: i64 = 900;
pub const LOAD_RUN_S_MAX: i64 = LOAD_RUN_OPEN_S + 120;
/// A real opening that starts within so long keeps the machine for itself.
pub const LOAD_RUN_CLEAR_OF_OPENING_S: i64 = 3_600;
/// Reports that are kept; the oldest goes first.
pub const LOAD_REPORTS_KEPT: usize = 50;
/// A report that is served; a longer file is not one.
pub const LOAD_REPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;

const _: () =
    assert!(LOAD_RUN_BUYERS_MAX <= REHEARSAL_BUYERS_MAX && LOAD_RUN_BUYERS_MAX <= REHEARSAL_SESSIONS_MAX);
const _: () = assert!(REHEARSAL_BUYERS_MAX as usize <= IMPORT_ROWS_MAX);
const _: () = assert!(REHEARSAL_SESSIONS_CHUNK * 9 < 32_766);
