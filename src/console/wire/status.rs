//! `Status`, as `docs/protocol.md` has it: what `GET /status` answers and `kaipan status --json` prints.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::status::{self as told, OpeningReport, RedisReport, Seen, is_well, judge};
use crate::store::DatabaseHealth;

#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    pub now_ms: i64,
    /// Nobody needs to do anything.
    pub well: bool,
    /// What a person has to look at (`act`) first, then what passes by itself (`note`).
    pub troubles: Vec<Trouble>,
    /// As whoever looks reaches it.
    pub database: DatabaseHealth,
    pub gateways: Vec<Gateway>,
    /// What the database itself knows; how each gateway has them stands at the gateway.
    pub openings: Vec<OpeningHead>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Trouble {
    pub code: &'static str,
    pub severity: &'static str,
    /// Where it is: ids of a gateway and an opening, the address of a Redis.
    pub gateway: Option<String>,
    pub opening: Option<String>,
    pub redis: Option<String>,
    pub params: Value,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Gateway {
    pub id: String,
    pub name: String,
    pub version: String,
    /// `starting`, `ready`, `draining`, `gone` or `silent`.
    pub state: &'static str,
    pub buyers_door: String,
    pub staff_door: String,
    pub started_ms: i64,
    /// When it last spoke.
    pub seen_ms: i64,
    /// What it said then; null when it is of a version that this program does not know.
    pub report: Option<Report>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Report {
    pub connected: usize,
    /// The database's time less this machine's; null where they are one clock, or it could not be told.
    pub clock_offset_us: Option<i64>,
    pub clock_refuses: bool,
    pub database: DatabaseHealth,
    pub redis: Vec<RedisReport>,
    pub openings: Vec<OpeningReport>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OpeningHead {
    pub id: String,
    pub name: String,
    pub rehearsal: bool,
    pub phase: String,
    pub paused: bool,
    pub epoch: i64,
    pub journal_head: i64,
    pub start_ms: i64,
    pub end_ms: i64,
}

pub fn status(seen: &Seen) -> Status {
    let found = judge(seen);
    Status {
        now_ms: seen.now.ms(),
        well: is_well(&found),
        troubles: found.into_iter().map(trouble).collect(),
        database: seen.database.clone(),
        gateways: seen.gateways.iter().map(|gateway| self::gateway(seen, gateway)).collect(),
        openings: seen.openings.iter().map(head).collect(),
    }
}

fn trouble(found: told::Found) -> Trouble {
    Trouble {
        code: found.trouble.code(),
        severity: found.trouble.severity().as_str(),
        params: found.trouble.params(),
        gateway: found.gateway,
        opening: found.opening,
        redis: found.redis,
    }
}

fn gateway(seen: &Seen, gateway: &told::Gateway) -> Gateway {
    Gateway {
        id: gateway.id.clone(),
        name: gateway.name.clone(),
        version: gateway.version.clone(),
        state: gateway.standing(seen.now).as_str(),
        buyers_door: gateway.buyers_door.clone(),
        staff_door: gateway.staff_door.clone(),
        started_ms: gateway.started_at.ms(),
        seen_ms: gateway.seen_at.ms(),
        report: gateway.report.as_ref().map(report),
    }
}

fn report(report: &told::Report) -> Report {
    Report {
        connected: report.connected,
        clock_offset_us: report.clock.offset_us,
        clock_refuses: report.clock.refuses,
        database: report.database.clone(),
        redis: report.redis.clone(),
        openings: report.openings.clone(),
    }
}

fn head(head: &told::OpeningHead) -> OpeningHead {
    OpeningHead {
        id: head.id.to_string(),
        name: head.name.clone(),
        rehearsal: head.rehearsal,
        phase: head.phase.clone(),
        paused: head.paused,
        epoch: head.epoch,
        journal_head: head.last_seq,
        start_ms: head.start_at.ms(),
        end_ms: head.end_at.ms(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::time::Micros;
    use crate::store::{DatabaseKind, PoolUse, Standby};

    /// Everything that can be said, as the golden file has it: scripts are written against that.
    #[test]
    fn the_document_is_the_golden_one() {
        let database = DatabaseHealth {
            kind: DatabaseKind::Postgres,
            round_trip_us: Some(400),
            pool: PoolUse { in_use: 3, idle: 2, max: 12 },
            server_version: Some("15.4".to_owned()),
            standby: Standby::Present,
            standby_names: Some("second".to_owned()),
            backup_behind_ms: Some(0),
        };
        let redis = told::RedisReport {
            address: "10.0.0.7:6379".to_owned(),
            reachable: false,
            for_ms: 12_000,
            role: Some("master".to_owned()),
            master: Some("10.0.0.8:6379".to_owned()),
            version: Some("7.0.15".to_owned()),
            replicas: 1,
            sentinels: Some(told::SentinelsReport {
                named: 3,
                reachable: 1,
                known: 3,
                refusal: Some("1 usable Sentinels".to_owned()),
            }),
            run_id: Some("f00d".to_owned()),
            round_trip_us: Some(200),
            eviction: Some("noeviction".to_owned()),
            reason: Some("connection refused".to_owned()),
        };
        let gate2 = told::Gate2 {
            state: told::Gate2State::Lost,
            redis: Some("10.0.0.7:6379".to_owned()),
            reason: Some("AWAY".to_owned()),
            for_ms: 12_000,
            stream_lag: Some(2),
            holds_picks: false,
            picks_per_s_max: Some(2_000),
        };
        let opening = told::OpeningReport {
            id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            phase: "live".to_owned(),
            paused: false,
            armed: true,
            starts_in_ms: -5_000,
            epoch: 3,
            journal_head: 42,
            journal_applied: 41,
            board_seq: 40,
            behind_ms: 0,
            gate2,
            picks: 900,
            yes: 30,
            picks_per_s: 120,
            holds: 25,
            connected: 4_012,
            clock_offset_us: 300,
            clock_refuses: false,
            commits_fail: false,
        };
        let report = told::Report {
            connected: 4_012,
            clock: told::Clock { offset_us: Some(-120), refuses: false },
            database: database.clone(),
            redis: vec![redis],
            openings: vec![opening],
        };
        let gateway = told::Gateway {
            id: "01B".to_owned(),
            name: "hall".to_owned(),
            version: "1.0.0".to_owned(),
            buyers_door: "0.0.0.0:8080".to_owned(),
            staff_door: "127.0.0.1:8081".to_owned(),
            state: told::State::Ready,
            started_at: Micros::from_secs(100),
            seen_at: Micros::from_secs(999),
            alive_until: Micros::from_secs(1_002),
            report_version: told::REPORT_VERSION,
            report: Some(report),
        };
        let head = told::OpeningHead {
            id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
            name: "首开".to_owned(),
            rehearsal: false,
            phase: "live".to_owned(),
            paused: false,
            epoch: 3,
            last_seq: 42,
            start_at: Micros::from_secs(995),
            end_at: Micros::from_secs(8_000),
            published_at: Some(Micros::from_secs(1)),
        };
        let seen =
            Seen { now: Micros::from_secs(1_000), database, gateways: vec![gateway], openings: vec![head] };
        let golden: Value = serde_json::from_str(include_str!("../../../tests/data/status.json")).unwrap();
        let written = json!(status(&seen));
        assert_eq!(written, golden, "{}", serde_json::to_string_pretty(&written).unwrap());
    }
}
