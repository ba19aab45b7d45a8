//! The rows: each gateway writes its own, anybody reads all.

use super::report::{REPORT_VERSION, Report};
use crate::domain::ids::{OpeningId, OrgId};
use crate::domain::time::{Clock, Micros};
use crate::limits::{GATEWAY_ROWS_KEPT_S, STATUS_GATEWAYS_MAX, STATUS_OPENINGS_MAX};
use crate::store::{DatabaseHealth, Db, Priority, Reader, StoreError, execute, fetch_all};

/// How far a process is, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its doors are open, its openings are being read.
    Starting,
    Ready,
    Draining,
    /// It ended politely.
    Gone,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Starting, Self::Ready, Self::Draining, Self::Gone].into_iter().find(|s| s.as_str() == name)
    }
}

/// How far a process is, as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Is(State),
    /// It did not speak again when it should have.
    Silent,
}

impl Standing {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Is(state) => state.as_str(),
            Self::Silent => "silent",
        }
    }

    /// It may serve somebody.
    pub fn is_alive(self) -> bool {
        !matches!(self, Self::Silent | Self::Is(State::Gone))
    }
}

/// What a gateway writes.
pub struct Said<'a> {
    /// The same as in its leases and clock reports.
    pub id: &'a str,
    pub name: &'a str,
    pub buyers_door: &'a str,
    pub staff_door: &'a str,
    pub state: State,
    /// Until it will have spoken again, from now.
    pub alive_for: Micros,
    /// How long ago it started.
    pub up: Micros,
    /// The first word of this process: it listens where others of its name listened, so those are no more. Should one of
    /// them live after all, on another machine with the same settings, its next word brings its row back.
    pub is_first: bool,
    pub report: &'a Report,
}

/// Writes a gateway's row. It is not worth waiting for: not for the disk, not for a standby, which may be what is missing.
pub async fn say(db: &Db, said: &Said<'_>) -> Result<(), StoreError> {
    let report =
        serde_json::to_string(said.report).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let mut tx = db.begin(Priority::Staff).await?;
    tx.may_be_lost().await?;
    let now = tx.now().await?;
    if said.is_first {
        execute!(
            tx,
            "DELETE FROM gateway
             WHERE name = $1 AND buyers_door = $2 AND staff_door = $3 AND state <> '' AND id <> $4",
            said.name,
            said.buyers_door,
            said.staff_door,
            said.id
        )?;
    }
    execute!(
        tx,
        "INSERT INTO gateway (id, org_id, started_at, seen_at, clock_offset_us, clock_at, name, version, buyers_door,
                              staff_door, state, alive_until, report_version, report)
         VALUES ($1, $2, $3, $4, 0, 0, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (id) DO UPDATE SET
             started_at = excluded.started_at, seen_at = excluded.seen_at, name = excluded.name,
             version = excluded.version, buyers_door = excluded.buyers_door, staff_door = excluded.staff_door,
             state = excluded.state, alive_until = excluded.alive_until,
             report_version = excluded.report_version, report = excluded.report",
        said.id,
        OrgId::default_org(),
        Micros(now.0 - said.up.0),
        now,
        said.name,
        env!("CARGO_PKG_VERSION"),
        said.buyers_door,
        said.staff_door,
        said.state.as_str(),
        now.plus(said.alive_for),
        REPORT_VERSION,
        &report
    )?;
    tx.commit().await
}

/// Removes the rows of which nothing was heard for a day.
pub async fn forget_old(db: &Db) -> Result<u64, StoreError> {
    let mut tx = db.begin(Priority::Bulk).await?;
    let now = tx.now().await?;
    let before = Micros(now.0 - Micros::from_secs(GATEWAY_ROWS_KEPT_S).0);
    let gone = execute!(tx, "DELETE FROM gateway WHERE seen_at < $1", before)?;
    tx.commit().await?;
    Ok(gone)
}

/// Everything that a look finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// By the database's time.
    pub now: Micros,
    /// As whoever looks reaches it.
    pub database: DatabaseHealth,
    /// In the order of their names, without those that ended and were started again.
    pub gateways: Vec<Gateway>,
    /// What the database itself knows.
    pub openings: Vec<OpeningHead>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    pub id: String,
    pub name: String,
    pub version: String,
    pub buyers_door: String,
    pub staff_door: String,
    pub state: State,
    pub started_at: Micros,
    pub seen_at: Micros,
    pub alive_until: Micros,
    pub report_version: i64,
    /// `None`: of a version that this program does not know.
    pub report: Option<Report>,
}

impl Gateway {
    pub fn standing(&self, now: Micros) -> Standing {
        if self.state != State::Gone && now > self.alive_until {
            Standing::Silent
        } else {
            Standing::Is(self.state)
        }
    }
}

/// An opening that buyers can see, or could within the last day.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OpeningHead {
    pub id: OpeningId,
    pub name: String,
    pub rehearsal: bool,
    pub phase: String,
    pub paused: bool,
    pub epoch: i64,
    pub last_seq: i64,
    pub start_at: Micros,
    pub end_at: Micros,
    pub published_at: Option<Micros>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    version: String,
    buyers_door: String,
    staff_door: String,
    state: String,
    started_at: Micros,
    seen_at: Micros,
    alive_until: Micros,
    report_version: i64,
    report: String,
}

/// Looks at the whole installation through its database.
pub async fn look(db: &Db, clock: &Clock) -> Result<Seen, StoreError> {
    let (database, _) = db.health(clock).await?;
    let now = db.now().await?;
    let mut read = db.read().await?;
    Ok(Seen {
        now,
        database,
        gateways: gateways(&mut read, now).await?,
        openings: openings(&mut read, now).await?,
    })
}

async fn gateways(read: &mut Reader, now: Micros) -> Result<Vec<Gateway>, StoreError> {
    // A process that was started again bears its predecessor's name; what that said last concerns nobody any more.
    let rows = fetch_all!(
        read,
        Row,
        "SELECT id, name, version, buyers_door, staff_door, state, started_at, seen_at, alive_until, report_version, report
         FROM gateway g
         WHERE state <> '' AND NOT ((state = 'gone' OR alive_until < $1) AND EXISTS (
             SELECT 1 FROM gateway later
             WHERE later.name = g.name AND later.state <> '' AND later.started_at > g.started_at))
         ORDER BY name, id LIMIT $2",
        now,
        STATUS_GATEWAYS_MAX
    )?;
    let known = |row: Row| {
        let state = State::from_name(&row.state)
            .ok_or_else(|| StoreError::Corrupt(format!("gateway {} is {:?}", row.id, row.state)))?;
        let report =
            if row.report_version == REPORT_VERSION { serde_json::from_str(&row.report).ok() } else { None };
        Ok(Gateway {
            id: row.id,
            name: row.name,
            version: row.version,
            buyers_door: row.buyers_door,
            staff_door: row.staff_door,
            state,
            started_at: row.started_at,
            seen_at: row.seen_at,
            alive_until: row.alive_until,
            report_version: row.report_version,
            report,
        })
    };
    rows.into_iter().map(known).collect()
}

async fn openings(read: &mut Reader, now: Micros) -> Result<Vec<OpeningHead>, StoreError> {
    fetch_all!(
        read,
        OpeningHead,
        "SELECT h.opening_id AS id, o.name, o.rehearsal, h.phase, h.paused, h.epoch, h.next_seq - 1 AS last_seq,
                h.start_at, h.end_at, o.published_at
         FROM opening_head h JOIN opening o ON o.id = h.opening_id
         WHERE h.phase IN ('published', 'armed', 'live') OR (h.phase = 'closed' AND h.end_at > $1)
         ORDER BY CASE WHEN h.phase = 'closed' THEN 1 ELSE 0 END, h.opening_id DESC LIMIT $2",
        Micros(now.0 - Micros::from_secs(GATEWAY_ROWS_KEPT_S).0),
        STATUS_OPENINGS_MAX
    )
}
