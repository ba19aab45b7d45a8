//! Gate 2: Redis between several gateways.

use std::time::Duration;

/// How long Redis may take to answer before it counts as lost: a call of gate 2 takes a millisecond.
pub const REDIS_ANSWER_TIMEOUT: Duration = Duration::from_millis(250);
pub const REDIS_CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How often a Redis is looked at: is it there, the same server, still the master.
pub const REDIS_LOOK_PERIOD: Duration = Duration::from_millis(250);
/// How long a follower waits at the stream before it looks whether the epoch is still the same.
pub const REDIS_STREAM_BLOCK_MS: u64 = 500;
/// A unit's pending word of a tap whose gateway never came back is void then; a commit takes milliseconds.
pub const GATE2_PENDING_MS: i64 = 2_000;
/// What stands in Redis and nobody touches goes by itself.
pub const GATE2_FORGET_S: i64 = 2 * 24 * 3600;
/// Picks that one call of gate 2 asks for.
pub const GATE2_GROUP: usize = 512;
/// How often a pick that met another's pending word asks again, if no news came.
pub const GATE2_RETRY_MS: u64 = 50;
/// Picks a second that one gateway lets through to the database while Redis is lost. Several gateways are no more than the
/// database can take (docs/performance.md: an UPDATE a pick).
pub const GATE3_ALONE_PER_SECOND: u64 = 2_000;
/// Journal entries told to Redis in one call.
pub const TELL_ENTRIES_MAX: usize = 500;
/// Groups of journal entries that wait to be told; what does not fit is read from the database by the others.
pub const TELL_QUEUE: usize = 1_024;
/// Entries that a stream keeps, about; who is further behind reads the database.
pub const STREAM_KEPT: usize = 20_000;
/// Entries that a follower reads at once.
pub const STREAM_PAGE: usize = 1_000;

const _: () = assert!(
    (REDIS_ANSWER_TIMEOUT.as_millis() as i64) * 4 < GATE2_PENDING_MS,
    "a claim whose answer is lost is looked at before it is void"
);
