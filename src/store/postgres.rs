//! The pools of Postgres, what every session is told, and why there is no connection.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection, PgPool};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::{Acknowledged, Priority, StoreError, Tx};
use crate::limits;

/// How long a connection may take to come by; sqlx would wait half a minute without a word.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A pool that waited in vain does not know why; one more try, alone, does.
const REASON_TIMEOUT: Duration = Duration::from_secs(1);

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
        let options = read(url)?.statement_cache_capacity(limits::STATEMENT_CACHE).options([
            ("idle_in_transaction_session_timeout", "1000"),
            ("lock_timeout", "5000"),
            ("statement_timeout", "10000"),
        ]);
        let pool = PgPoolOptions::new()
            .min_connections(limits::POSTGRES_CONNECTIONS_MIN)
            .max_connections(limits::POSTGRES_CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.clone());
        let pool = match pool.await {
            Ok(pool) => pool,
            Err(error) => return Err(unreachable(&options, error).await),
        };
        // A command that sells nothing opens none; what was warmed stays.
        let commits = PgPoolOptions::new()
            .max_connections(limits::POSTGRES_COMMITS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options);
        Ok(Self { commits, pool, warming: Arc::default(), acknowledged: Acknowledged::default() })
    }

    /// A session for migrations: it waits for whoever migrates already, a statement may take as long as the table is large,
    /// and between two of them nothing is in a hurry.
    pub(super) async fn unhurried(&self) -> Result<PgConnection, StoreError> {
        let options = self.pool.connect_options();
        let unhurried = options.as_ref().clone().options([
            ("idle_in_transaction_session_timeout", "0"),
            ("lock_timeout", "0"),
            ("statement_timeout", "0"),
        ]);
        Ok(unhurried.connect().await?)
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

fn read(url: &str) -> Result<PgConnectOptions, StoreError> {
    // Else a part of the password would be taken for the port or the database, and shown as such.
    let address = url.split_once("://").map_or(url, |(_scheme, address)| address);
    let (authority, rest) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
    let rest = rest.split_once("password=").map_or(rest, |(before, _)| before);
    if !authority.contains('@') && rest.contains('@') {
        let said = "in a password write / as %2F, ? as %3F, # as %23, @ as %40";
        return Err(StoreError::Address(said.to_owned()));
    }
    url.parse().map_err(|error| match error {
        sqlx::Error::Configuration(why) => StoreError::Address(why.to_string()),
        other => StoreError::Address(other.to_string()),
    })
}

/// What an operator has to know: where was looked for it, as whom, and what came back.
async fn unreachable(options: &PgConnectOptions, error: sqlx::Error) -> StoreError {
    let why = match error {
        sqlx::Error::PoolTimedOut => {
            let within = ACQUIRE_TIMEOUT + REASON_TIMEOUT;
            let nothing = || format!("nothing answered within {} s", within.as_secs());
            match timeout(REASON_TIMEOUT, options.connect()).await {
                Ok(Err(error)) => reason(&error),
                // It answers now, after all; whoever starts this again will see.
                Ok(Ok(_)) | Err(_) => nothing(),
            }
        }
        other => reason(&other),
    };
    StoreError::Unreachable { place: place(options), why }
}

fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(said) => said.message().to_owned(),
        other => other.to_string(),
    }
}

/// Without the password.
fn place(options: &PgConnectOptions) -> String {
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    let at = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    format!("{at} (database {database}, user {user})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation that turned it red: `read` only parses ("the database 34@db.example/kaipan").
    #[test]
    fn an_address_shows_no_part_of_its_password() {
        let shown = |url: &str| read(url).map(|options| place(&options)).map_err(|error| error.to_string());
        let whole = shown("postgres://kaipan:secret@10.0.0.5:6432/sale?sslmode=require").unwrap();
        assert_eq!(whole, "10.0.0.5:6432 (database sale, user kaipan)");
        let asked = shown("postgres://db.example/sale?user=kaipan&password=se@ret").unwrap();
        assert_eq!(asked, "db.example:5432 (database sale, user kaipan)");
        for unescaped in ["12/34@db.example/kaipan", "12?34@db.example/kaipan", "12#34@db.example/kaipan"] {
            let said = shown(&format!("postgres://kaipan:{unescaped}")).unwrap_err();
            assert!(said.contains("%2F") && !said.contains("12") && !said.contains("34@"), "{said}");
        }
        let wrong = shown("postgres://kaipan:secret@db.example:port/sale").unwrap_err();
        assert!(wrong.starts_with("database_url can not be read") && !wrong.contains("secret"), "{wrong}");
    }
}
