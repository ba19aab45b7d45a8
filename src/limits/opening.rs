//! An opening: picks, commits, the board, what its settings may say.

/// Keys that memory remembers for a registration; older granted ones are found in the database.
pub const KEYS_PER_REGISTRATION: usize = 32;

/// Connections of one buyer that may wait for the same key.
pub const WAITERS_PER_KEY: usize = 8;

/// Jobs that may wait for an opening's committer; more are told to slow down.
pub const COMMIT_QUEUE: usize = 16_384;

/// Jobs of one transaction: what waits is committed together, up to here.
pub const COMMIT_GROUP: usize = 2_000;

/// How long a pick waits for its commit, or for another's pending one, before it hears "in progress".
pub const PICK_WAIT_MS: u64 = 1_000;

/// Board changes are gathered this long.
pub const TICK_MS: u64 = 50;

/// Ticks and events kept for who reads slowly; who is further behind takes a snapshot.
pub const TICKS_KEPT: usize = 64;
pub const EVENTS_KEPT: usize = 16_384;

/// Journal entries read at once when catching up.
pub const JOURNAL_PAGE: i64 = 5_000;

/// Claims that ended before a start are read behind it, so many at once, or the memory's lock would be held for long.
pub const ENDED_CLAIMS_PAGE: i64 = 1_000;

/// How often an opening looks at its deadlines, phase, and (on Postgres) at the head.
pub const HEARTBEAT_MS: u64 = 250;

/// An opening's clock is frozen this long before its start.
pub const ARM_BEFORE_S: i64 = 600;

/// A gateway's clock may be this far from Postgres's before it stops serving picks.
pub const CLOCK_OFF_US_MAX: i64 = 50_000;

/// The lease on lapsing holds; renewed every heartbeat.
pub const LEASE_MS: i64 = 2_000;

const _: () = assert!(COMMIT_GROUP <= COMMIT_QUEUE);
const _: () = assert!(
    EVENTS_KEPT >= COMMIT_QUEUE && EVENTS_KEPT >= JOURNAL_PAGE as usize,
    "who listens may fall behind a sell-out in one burst, or a page of another gateway's journal"
);
const _: () = assert!((HEARTBEAT_MS as i64) * 4 <= LEASE_MS, "a lease survives a few missed heartbeats");
const _: () = assert!(TICK_MS < PICK_WAIT_MS);

/// Favourites an admin may allow a buyer.
pub const FAVOURITES_MAX: i64 = 100;

/// Places an admin may allow a registration or household in one kind.
pub const QUOTA_MAX: i64 = 1_000;

/// A hold is at most three days, an opening at most thirty.
pub const HOLD_S_MAX: i64 = 3 * 24 * 3_600;
pub const OPENING_S_MAX: i64 = 30 * 24 * 3_600;

/// Names of projects and openings; reasons staff give; receipts' numbers.
pub const NAME_CHARS_MAX: usize = 100;
pub const REASON_CHARS_MAX: usize = 500;
pub const REFERENCE_CHARS_MAX: usize = 64;

/// The largest single payment: 1 billion yuan.
pub const PAYMENT_FEN_MAX: crate::domain::money::Fen = crate::domain::money::Fen(100_000_000_000);
