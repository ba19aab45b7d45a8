//! How a gateway fares, as it writes it into its row, and as the console and `kaipan status --json` hand it on. A newer program may add fields: what is missing has its default, and
//! what is not known is passed over, so that gateways of two versions can be looked at together.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::DatabaseHealth;

/// Raised when a field changes its meaning; a reader that does not know the version shows the row without its report.
pub const REPORT_VERSION: i64 = 1;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Registrations with a WebSocket to this process.
    pub connected: usize,
    pub clock: Clock,
    pub database: DatabaseHealth,
    /// In the order of the settings.
    pub redis: Vec<RedisReport>,
    /// A bounded few: those that are not over first, then the newest.
    pub openings: Vec<OpeningReport>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clock {
    /// The database's time less this machine's; `None` where they are the same clock, or the database answered too
    /// slowly to tell.
    pub offset_us: Option<i64>,
    /// Some opening takes no picks here, because this gateway's clock alone is off.
    pub refuses: bool,
}

/// One Redis of the settings, as this gateway reaches it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RedisReport {
    /// Without its password.
    pub address: String,
    pub reachable: bool,
    /// How long it has been as it is.
    pub for_ms: i64,
    /// `master`: no other is spoken to.
    pub role: Option<String>,
    /// Its address: behind Sentinels it is another one after a failover. Missing while it is lost.
    pub master: Option<String>,
    pub version: Option<String>,
    /// Servers that follow it.
    pub replicas: u32,
    /// Missing where there are none, or nothing is known of them yet.
    pub sentinels: Option<SentinelsReport>,
    /// Which process it is: another one after a restart or a failover.
    pub run_id: Option<String>,
    pub round_trip_us: Option<i64>,
    /// `maxmemory-policy`.
    pub eviction: Option<String>,
    /// Why it is not used, as the connection said it. Missing while the first try is under way.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SentinelsReport {
    /// In the settings.
    pub named: u32,
    /// Of these, that answer this gateway.
    pub reachable: u32,
    /// That know of each other.
    pub known: u32,
    /// Why they could not name another master, as one of them said it.
    pub refusal: Option<String>,
}

/// An opening in this process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct OpeningReport {
    pub id: String,
    /// By its own clock.
    pub phase: String,
    pub paused: bool,
    /// Its clock is frozen.
    pub armed: bool,
    /// Negative after the start.
    pub starts_in_ms: i64,
    pub epoch: i64,
    /// The last journal sequence known to be in the database, in memory, and on the board.
    pub journal_head: i64,
    pub journal_applied: i64,
    pub board_seq: i64,
    /// How long memory has been behind the journal without having caught up once.
    pub behind_ms: i64,
    pub gate2: Gate2,
    /// Since the process started.
    pub picks: u64,
    pub yes: u64,
    pub picks_per_s: u64,
    pub holds: usize,
    pub connected: usize,
    /// The database's time less the opening's frozen clock.
    pub clock_offset_us: i64,
    pub clock_refuses: bool,
    /// The last group of picks was not committed and is tried again.
    pub commits_fail: bool,
}

/// The opening's noticeboard in Redis, as this gateway has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Gate2 {
    pub state: Gate2State,
    /// Which Redis of the settings, by its address.
    pub redis: Option<String>,
    /// Why it is not ready: a stable code.
    pub reason: Option<String>,
    /// How long it has been as it is.
    pub for_ms: i64,
    /// Journal entries known to be in the database and not in memory.
    pub stream_lag: Option<i64>,
    /// While it is lost, picks are held instead of going on to the database.
    pub holds_picks: bool,
    /// While it is lost, so many picks a second go on to the database at most.
    pub picks_per_s_max: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate2State {
    /// No Redis is set.
    #[default]
    Off,
    Ready,
    Lost,
    Rebuilding,
}

impl Gate2State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Ready => "ready",
            Self::Lost => "lost",
            Self::Rebuilding => "rebuilding",
        }
    }
}
