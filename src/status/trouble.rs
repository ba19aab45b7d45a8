//! What can be wrong. Codes are stable: scripts compare them, and each page has a sentence for each.

use serde_json::{Value, json};

/// Whether somebody has to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It passes by itself, or is as somebody wants it.
    Note,
    /// A person has to look.
    Act,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Act => "act",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    // Of the whole installation.
    /// Nobody serves buyers.
    NoGatewayReady,
    VersionsDiffer,
    /// Gateways name different Redis, or in another order: an opening's noticeboard is in two places.
    RedisSettingsDiffer,
    /// Gateways reach different servers where they should reach the same: two masters.
    RedisDiffers,
    /// Commits wait for a synchronous standby that is not there.
    StandbyMissing,

    // Of a gateway.
    GatewaySilent {
        for_ms: i64,
    },
    GatewayStarting {
        for_ms: i64,
    },
    GatewayDraining,
    /// Two that live bear the same name.
    NameShared,
    /// It is of a version whose report is not understood here.
    ReportUnknown {
        version: i64,
    },
    ClockOff {
        offset_us: i64,
    },
    DatabaseSlow {
        round_trip_us: i64,
    },
    /// What was acknowledged meanwhile may be missing in SQLite's backup.
    BackupBehind {
        for_ms: i64,
    },
    /// Every connection to the database is in use.
    PoolExhausted {
        max: u32,
    },

    // Of a Redis, at the gateways of these names: told once, however many openings it concerns.
    RedisLost {
        gateways: Vec<String>,
        reason: Option<String>,
        for_ms: i64,
        /// Which picks go on to the database without it, so many a second and gateway at most, or wait.
        openings: usize,
        holds_picks: bool,
        picks_per_s_max: Option<u64>,
    },
    /// It may throw keys away.
    RedisEvicts {
        gateways: Vec<String>,
        policy: String,
    },
    /// There are Sentinels, and nobody whom they could name if the master died.
    RedisNoReplica {
        gateways: Vec<String>,
        master: Option<String>,
    },
    /// No majority of them answers, or they say themselves that they could not name another master.
    SentinelsFew {
        gateways: Vec<String>,
        reachable: u32,
        named: u32,
        refusal: Option<String>,
    },

    // Of an opening, at a gateway.
    /// This gateway does not run it.
    NotServed,
    NotArmed {
        starts_in_ms: i64,
    },
    ClockRefuses {
        offset_us: i64,
    },
    CommitsFail,
    JournalBehind {
        entries: i64,
        for_ms: i64,
    },
    EpochBehind {
        epoch: i64,
        head: i64,
    },
    /// Picks go on to the database without Redis, so many a second at most.
    Gate2Lost {
        reason: Option<String>,
        for_ms: i64,
        picks_per_s_max: Option<u64>,
    },
    /// As above, but the operator chose that picks wait.
    Gate2LostHolding {
        reason: Option<String>,
        for_ms: i64,
    },
    Gate2Rebuilding {
        reason: Option<String>,
        for_ms: i64,
    },
}

impl Trouble {
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoGatewayReady => "NO_GATEWAY_READY",
            Self::VersionsDiffer => "VERSIONS_DIFFER",
            Self::RedisSettingsDiffer => "REDIS_SETTINGS_DIFFER",
            Self::RedisDiffers => "REDIS_DIFFERS",
            Self::StandbyMissing => "STANDBY_MISSING",
            Self::GatewaySilent { .. } => "GATEWAY_SILENT",
            Self::GatewayStarting { .. } => "GATEWAY_STARTING",
            Self::GatewayDraining => "GATEWAY_DRAINING",
            Self::NameShared => "NAME_SHARED",
            Self::ReportUnknown { .. } => "REPORT_UNKNOWN",
            Self::ClockOff { .. } => "CLOCK_OFF",
            Self::DatabaseSlow { .. } => "DATABASE_SLOW",
            Self::BackupBehind { .. } => "BACKUP_BEHIND",
            Self::PoolExhausted { .. } => "POOL_EXHAUSTED",
            Self::RedisLost { .. } => "REDIS_LOST",
            Self::RedisEvicts { .. } => "REDIS_EVICTS",
            Self::RedisNoReplica { .. } => "REDIS_NO_REPLICA",
            Self::SentinelsFew { .. } => "SENTINELS_FEW",
            Self::NotServed => "NOT_SERVED",
            Self::NotArmed { .. } => "NOT_ARMED",
            Self::ClockRefuses { .. } => "CLOCK_REFUSES",
            Self::CommitsFail => "COMMITS_FAIL",
            Self::JournalBehind { .. } => "JOURNAL_BEHIND",
            Self::EpochBehind { .. } => "EPOCH_BEHIND",
            Self::Gate2Lost { .. } => "GATE2_LOST",
            Self::Gate2LostHolding { .. } => "GATE2_LOST_HOLDING",
            Self::Gate2Rebuilding { .. } => "GATE2_REBUILDING",
        }
    }

    pub fn severity(&self) -> Severity {
        match self {
            Self::VersionsDiffer
            | Self::GatewayStarting { .. }
            | Self::GatewayDraining
            | Self::NameShared
            | Self::ReportUnknown { .. }
            | Self::DatabaseSlow { .. }
            | Self::PoolExhausted { .. }
            | Self::EpochBehind { .. }
            | Self::Gate2Rebuilding { .. } => Severity::Note,
            _ => Severity::Act,
        }
    }

    /// The figures that belong into the sentence; a `reason` is a code with words of its own.
    pub fn params(&self) -> Value {
        match self {
            Self::GatewaySilent { for_ms }
            | Self::GatewayStarting { for_ms }
            | Self::BackupBehind { for_ms } => json!({ "for_ms": for_ms }),
            Self::ReportUnknown { version } => json!({ "version": version }),
            Self::ClockOff { offset_us } | Self::ClockRefuses { offset_us } => {
                json!({ "offset_us": offset_us })
            }
            Self::DatabaseSlow { round_trip_us } => json!({ "round_trip_us": round_trip_us }),
            Self::PoolExhausted { max } => json!({ "max": max }),
            Self::RedisLost { gateways, reason, for_ms, openings, holds_picks, picks_per_s_max } => json!({
                "gateways": gateways, "reason": reason, "for_ms": for_ms, "openings": openings,
                "holds_picks": holds_picks, "picks_per_s_max": picks_per_s_max,
            }),
            Self::Gate2LostHolding { reason, for_ms } | Self::Gate2Rebuilding { reason, for_ms } => {
                json!({ "reason": reason, "for_ms": for_ms })
            }
            Self::RedisEvicts { gateways, policy } => json!({ "gateways": gateways, "policy": policy }),
            Self::RedisNoReplica { gateways, master } => json!({ "gateways": gateways, "master": master }),
            Self::SentinelsFew { gateways, reachable, named, refusal } => json!({
                "gateways": gateways, "reachable": reachable, "named": named, "reason": refusal,
            }),
            Self::NotArmed { starts_in_ms } => json!({ "starts_in_ms": starts_in_ms }),
            Self::JournalBehind { entries, for_ms } => json!({ "entries": entries, "for_ms": for_ms }),
            Self::EpochBehind { epoch, head } => json!({ "epoch": epoch, "head": head }),
            Self::Gate2Lost { reason, for_ms, picks_per_s_max } => {
                json!({ "reason": reason, "for_ms": for_ms, "picks_per_s_max": picks_per_s_max })
            }
            Self::NoGatewayReady
            | Self::VersionsDiffer
            | Self::RedisSettingsDiffer
            | Self::RedisDiffers
            | Self::StandbyMissing
            | Self::GatewayDraining
            | Self::NameShared
            | Self::NotServed
            | Self::CommitsFail => json!({}),
        }
    }
}

/// A trouble and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub trouble: Trouble,
    /// A gateway's id.
    pub gateway: Option<String>,
    pub opening: Option<String>,
    /// A Redis' address.
    pub redis: Option<String>,
}
