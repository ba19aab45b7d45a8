//! One conditional UPDATE a request, prepared, over a pool that is open before the first request. Who loses sees that no
//! row was changed, and costs the database no write.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::failure::{Outcome, While};

/// More than the two cores of its Postgres can use at once; fewer would queue in the pool.
const CONNECTIONS: u32 = 16;

#[derive(Clone)]
pub struct Postgres(PgPool);

impl Postgres {
    /// Connects and lays out `units` units that are available.
    pub async fn open(url: &str, units: u32) -> Outcome<Self> {
        let pool = PgPoolOptions::new()
            .min_connections(CONNECTIONS)
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(30))
            // A ping at each checkout would double the round trips.
            .test_before_acquire(false)
            .connect(url)
            .await
            .during("connecting to Postgres")?;
        let statements = [
            "DROP TABLE IF EXISTS unit",
            "CREATE TABLE unit (id BIGINT PRIMARY KEY, status TEXT NOT NULL, owner TEXT)",
        ];
        for statement in statements {
            sqlx::query(statement).execute(&pool).await.during("laying out units")?;
        }
        sqlx::query(
            "INSERT INTO unit (id, status) SELECT n, 'available' FROM generate_series(0, $1 - 1) AS n",
        )
        .bind(i64::from(units))
        .execute(&pool)
        .await
        .during("laying out units")?;
        sqlx::query("VACUUM ANALYZE unit").execute(&pool).await.during("laying out units")?;
        Ok(Self(pool))
    }

    pub async fn take(&self, unit: u32, registration: &str) -> Outcome<bool> {
        let updated =
            sqlx::query("UPDATE unit SET status = 'held', owner = $2 WHERE id = $1 AND status = 'available'")
                .bind(i64::from(unit))
                .bind(registration)
                .execute(&self.0)
                .await
                .during("UPDATE")?;
        Ok(updated.rows_affected() == 1)
    }
}
