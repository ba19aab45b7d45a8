//! The pools of Postgres, and what every session is told.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::{Mutex, MutexGuard};

use super::{Acknowledged, Priority, StoreError, Tx};
use crate::limits;

/// How long a connection may take to come by; sqlx would wait half a minute without a word.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Cheap to clone.
#[derive(Clone)]
pub struct PgDb {
    /// For what decides picks. Few, so that each has seen the statements before the start, and nobody's report keeps one.
    commits: PgPool,
    pub(super) pool: PgPool,
    warming: Arc<Mutex<()>>,
    pub(super) acknowledged: Acknowledged,
}

impl PgDb {
    /// Every session ends by itself if its process falls asleep inside BEGIN: it would otherwise hold the very row that
    /// fences it.
    pub(super) async fn connect(url: &str) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse()?;
        let options = options.statement_cache_capacity(limits::STATEMENT_CACHE).options([
            ("idle_in_transaction_session_timeout", "1000"),
            ("lock_timeout", "5000"),
            ("statement_timeout", "10000"),
        ]);
        let pool = PgPoolOptions::new()
            .min_connections(limits::POSTGRES_CONNECTIONS_MIN)
            .max_connections(limits::POSTGRES_CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.clone())
            .await?;
        // A command that sells nothing opens none; what was warmed stays.
        let commits = PgPoolOptions::new()
            .max_connections(limits::POSTGRES_COMMITS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options);
        Ok(Self { commits, pool, warming: Arc::default(), acknowledged: Acknowledged::default() })
    }

    pub(super) async fn begin(&self, priority: Priority) -> Result<Tx, StoreError> {
        self.begin_in(match priority {
            Priority::Commit => &self.commits,
            Priority::Staff | Priority::Bulk => &self.pool,
        })
        .await
    }

    async fn begin_in(&self, pool: &PgPool) -> Result<Tx, StoreError> {
        Ok(Tx::Postgres { tx: pool.begin().await?, acknowledged: self.acknowledged.clone() })
    }

    /// One transaction on each connection that commits picks: all at once, so that each is another one.
    pub(super) async fn begin_on_each(&self) -> Result<Vec<Tx>, StoreError> {
        try_join_all((0..limits::POSTGRES_COMMITS_MAX).map(|_| self.begin_in(&self.commits))).await
    }

    /// To be held while all of `commits` are asked for: two openings would wait for each other's.
    pub(super) async fn warming(&self) -> MutexGuard<'_, ()> {
        self.warming.lock().await
    }

    pub(super) async fn close(&self) {
        self.commits.close().await;
        self.pool.close().await;
    }
}
