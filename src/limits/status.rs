//! What gateways say of themselves, and how many figures are told.

use std::time::Duration;

use super::{ARM_BEFORE_S, CLOCK_OFF_US_MAX, DRAIN_TIMEOUT, HEARTBEAT_MS};

// --- telemetry ---

/// Openings whose figures are told one by one: each is a label, and a collector keeps each label's history.
pub const METRICS_OPENINGS_MAX: usize = 20;

// --- status ---

/// How often a gateway says how it fares, and how long it is taken to live without another word. SQLite's one writer is left
/// alone for longer: each word waits for its disk, and there is one gateway.
pub const STATUS_PERIOD: Duration = Duration::from_secs(1);
pub const STATUS_PERIOD_SQLITE: Duration = Duration::from_secs(3);
pub const STATUS_SILENCE_PERIODS: u32 = 3;
/// How long one word may take on its way, so that a database that hangs keeps neither the next word nor the end waiting.
pub const STATUS_SAY_TIMEOUT: Duration = Duration::from_secs(2);
/// So long after the last commit that the database acknowledged `/readyz` sends newcomers elsewhere: others take this gateway
/// for silent by then, and its last word had its time.
pub const READY_WITHOUT_COMMIT: Duration = Duration::from_secs(5);
pub const READY_WITHOUT_COMMIT_SQLITE: Duration = Duration::from_secs(11);
/// How long the row of a gateway that is no more is kept, and an opening that is over is shown.
pub const GATEWAY_ROWS_KEPT_S: i64 = 24 * 3_600;
/// Gateways and openings of one look.
pub const STATUS_GATEWAYS_MAX: i64 = 100;
pub const STATUS_OPENINGS_MAX: i64 = METRICS_OPENINGS_MAX as i64;
/// A commit on Postgres is some round trips, and from here on a clock can not be read: then it is said to be slow.
pub const STATUS_SLOW_US: i64 = CLOCK_OFF_US_MAX;
/// Memory that is behind the journal for longer than this does not catch up by itself: eight looks of a heartbeat.
pub const STATUS_BEHIND_MS: i64 = 2_000;
/// A Redis that is away for less is being connected to, or loaded: both take less.
pub const STATUS_LOST_MS: i64 = 1_000;
/// An opening that was published so long ago runs on every gateway.
pub const STATUS_PUBLISHED_S: i64 = 15;
/// An opening's clock is frozen ten minutes before the start; so much later it should be.
pub const STATUS_ARMED_LATE_S: i64 = 15;

const _: () = assert!(STATUS_BEHIND_MS > 4 * HEARTBEAT_MS as i64);
const _: () = assert!(
    READY_WITHOUT_COMMIT.as_millis()
        >= STATUS_PERIOD.as_millis() * STATUS_SILENCE_PERIODS as u128 + STATUS_SAY_TIMEOUT.as_millis()
        && READY_WITHOUT_COMMIT_SQLITE.as_millis()
            >= STATUS_PERIOD_SQLITE.as_millis() * STATUS_SILENCE_PERIODS as u128
                + STATUS_SAY_TIMEOUT.as_millis(),
    "a process that has nothing to sell commits nothing but its own word"
);
const _: () = assert!(STATUS_SAY_TIMEOUT.as_millis() < DRAIN_TIMEOUT.as_millis());
const _: () = assert!(STATUS_ARMED_LATE_S < ARM_BEFORE_S);
