//! What lies around this process and does not fit together: said in words at start, like the settings that do not
//! (`config::Warning`). It refuses nothing: all of it can be mended while the server runs.

use std::fmt;

use crate::domain::time::{Clock, Micros};
use crate::limits::{CLOCK_OFF_US_MAX, POSTGRES_COMMITS_MAX, POSTGRES_CONNECTIONS_MAX};
use crate::store::Db;

/// Connections that one gateway may open.
const CONNECTIONS: i64 = (POSTGRES_CONNECTIONS_MAX + POSTGRES_COMMITS_MAX) as i64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Around {
    /// The database's time less this machine's; `None` where it could not be told.
    clock_offset: Option<Micros>,
    /// Connections that Postgres gives to programs.
    connections: i64,
    /// Gateways at work, this one among them.
    gateways: i64,
    /// Redis is set here.
    redis: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misfit {
    ClockOff { ms: i64 },
    TooFewConnections { allowed: i64, gateways: i64 },
    NoRedis { gateways: i64 },
}

/// Looks around once and says what it finds. On SQLite there is nothing to look at.
pub async fn look(db: &Db, clock: &Clock, redis: bool) {
    let around = async {
        let (_health, clock_offset) = db.health(clock).await?;
        let Some((connections, others)) = db.company().await? else { return Ok(None) };
        Ok::<_, crate::store::StoreError>(Some(Around {
            clock_offset,
            connections,
            gateways: others + 1,
            redis,
        }))
    };
    match around.await {
        Ok(Some(around)) => misfits(around).iter().for_each(|misfit| tracing::warn!("{misfit}")),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the database could not be asked who else is there"),
    }
}

fn misfits(around: Around) -> Vec<Misfit> {
    let Around { clock_offset, connections, gateways, redis } = around;
    let mut found = Vec::new();
    if let Some(offset) = clock_offset.filter(|offset| offset.0.abs() > CLOCK_OFF_US_MAX) {
        found.push(Misfit::ClockOff { ms: offset.ms() });
    }
    if gateways * CONNECTIONS > connections {
        found.push(Misfit::TooFewConnections { allowed: connections, gateways });
    }
    if gateways > 1 && !redis {
        found.push(Misfit::NoRedis { gateways });
    }
    found
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockOff { ms } => write!(
                f,
                "this machine's clock is {ms} ms behind the database's (ahead, if negative): openings follow the \
                 database's, and a gateway that drifts from it stops taking picks; is NTP running?"
            ),
            Self::TooFewConnections { allowed, gateways } => write!(
                f,
                "Postgres gives {allowed} connections, and {gateways} gateways may open {CONNECTIONS} each: raise \
                 max_connections"
            ),
            Self::NoRedis { gateways } => write!(
                f,
                "{gateways} gateways share this database and redis_urls is not set here: each hears of the others' \
                 picks only four times a second"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn op_85_what_does_not_fit_together_is_named() {
        let well = Around { clock_offset: Some(Micros(3_000)), connections: 97, gateways: 2, redis: true };
        assert_eq!(misfits(well), []);
        let ten_minutes = Some(Micros::from_secs(-600));
        assert_eq!(
            misfits(Around { clock_offset: ten_minutes, ..well }),
            [Misfit::ClockOff { ms: -600_000 }]
        );
        let many = Around { gateways: 9, ..well };
        assert_eq!(misfits(many), [Misfit::TooFewConnections { allowed: 97, gateways: 9 }]);
        assert_eq!(misfits(Around { redis: false, ..well }), [Misfit::NoRedis { gateways: 2 }]);
        assert_eq!(misfits(Around { redis: false, gateways: 1, clock_offset: None, ..well }), []);
    }
}
