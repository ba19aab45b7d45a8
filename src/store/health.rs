//! How the database is reached from here, for people who look. Nothing decides by it.

use serde::{Deserialize, Serialize};
use sqlx::{Database, Pool};
use utoipa::ToSchema;

use super::db::postgres_now;
use super::{Db, StoreError};
use crate::domain::time::{Clock, Micros};
use crate::limits::CLOCK_OFF_US_MAX;

/// The database as this process sees it now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct DatabaseHealth {
    pub kind: DatabaseKind,
    /// Of one short query, once a connection is there. SQLite is in this process.
    pub round_trip_us: Option<i64>,
    pub pool: PoolUse,
    pub server_version: Option<String>,
    pub standby: Standby,
    /// The synchronous standbys, by the names they gave.
    pub standby_names: Option<String>,
    /// How long something that was acknowledged may be missing in SQLite's continuous backup; `None`: there is none.
    pub backup_behind_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    #[default]
    Sqlite,
    Postgres,
}

/// Connections of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PoolUse {
    pub in_use: u32,
    pub idle: u32,
    pub max: u32,
}

/// Whether a second machine has a commit before it is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standby {
    /// None is asked for.
    #[default]
    None,
    Present,
    /// Asked for and not there: commits wait for it.
    Missing,
    /// Asked for, and this database user may not see whether it is there (`pg_monitor` may).
    Hidden,
}

impl Db {
    /// A look at the database, and its time less `clock`'s wall: `None` where they are the same clock, or the answer took
    /// too long to tell.
    pub async fn health(&self, clock: &Clock) -> Result<(DatabaseHealth, Option<Micros>), StoreError> {
        let pool = match self {
            Self::Sqlite(db) => {
                let behind =
                    self.backup().map(|since| since.map_or(0, |since| clock.wall().since(since).ms()));
                let backup_behind_ms = behind.map(|ms| ms.max(0));
                let pool = pool_use(&db.readers);
                let health = DatabaseHealth { pool, backup_behind_ms, ..DatabaseHealth::default() };
                return Ok((health, None));
            }
            Self::Postgres(db) => &db.pool,
        };
        let in_use = pool_use(pool);
        let mut conn = pool.acquire().await?;
        // Waiting for a connection is not on the way.
        let asked = clock.mono();
        let said = postgres_now(&mut conn).await?;
        let round_trip = clock.mono().since(asked);
        let offset = said.plus(Micros(round_trip.0 / 2)).since(clock.wall());
        // Not through the macros: SQLite has none of this.
        let (version, wanted, commit, all, seen, names): (String, String, String, i64, i64, Option<String>) =
            sqlx::query_as(
                "SELECT current_setting('server_version'), current_setting('synchronous_standby_names'),
                        current_setting('synchronous_commit'), count(*), count(state),
                        string_agg(application_name, ', ' ORDER BY application_name)
                            FILTER (WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum'))
                 FROM pg_stat_replication",
            )
            .fetch_one(&mut *conn)
            .await?;
        let waits = !wanted.trim().is_empty() && !matches!(commit.as_str(), "off" | "local");
        let standby = match (&names, waits) {
            (_, false) => Standby::None,
            (Some(_), true) => Standby::Present,
            (None, true) if all > seen => Standby::Hidden,
            (None, true) => Standby::Missing,
        };
        let health = DatabaseHealth {
            kind: DatabaseKind::Postgres,
            round_trip_us: Some(round_trip.0),
            pool: in_use,
            server_version: Some(version),
            standby,
            standby_names: names.filter(|_| waits),
            backup_behind_ms: None,
        };
        Ok((health, (round_trip.0 <= CLOCK_OFF_US_MAX).then_some(offset)))
    }
}

impl Db {
    /// Connections that Postgres gives to programs, and how many gateways are at work on this database. `None` on SQLite,
    /// which is one process's.
    pub async fn company(&self) -> Result<Option<(i64, i64)>, StoreError> {
        let Self::Postgres(db) = self else { return Ok(None) };
        let mut conn = db.pool.acquire().await?;
        let now = postgres_now(&mut conn).await?;
        // Not through the macros: SQLite has no such settings.
        let found = sqlx::query_as(
            "SELECT current_setting('max_connections')::BIGINT - current_setting('superuser_reserved_connections')::BIGINT,
                    (SELECT count(*) FROM gateway WHERE alive_until >= $1 AND state <> 'gone')",
        )
        .bind(now)
        .fetch_one(&mut *conn)
        .await?;
        Ok(Some(found))
    }
}

fn pool_use<D: Database>(pool: &Pool<D>) -> PoolUse {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    PoolUse { in_use: pool.size().saturating_sub(idle), idle, max: pool.options().get_max_connections() }
}
