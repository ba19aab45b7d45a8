//! L4 · The staff's door: the console's API.
//!
//! It turns requests into calls of `identity`, `messaging` and `opening`, asks for the right each needs, and writes the
//! staff log. It decides nothing about an opening, and knows nothing of the buyers' door: the two share no cookie, no
//! session and no port.

mod auth;
mod export;
mod load;
mod problems;
mod routes;
/// The command line prints the same documents.
pub(crate) mod wire;

use std::sync::Arc;

use crate::domain::ids::OpeningId;
use crate::domain::time::{Clock, Micros};
use crate::http::health::Readiness;
use crate::http::token::TokenKey;
use crate::http::{Code, Problem};
use crate::identity::{Buyers, Staff};
use crate::messaging::Outbox;
use crate::opening::{Live, Openings};
use crate::store::{Db, Ledger, LedgerTx, Priority, StoreError};
use crate::telemetry::Metrics;
use crate::vault::Vault;

pub use load::{LoadDoors, LoadRuns};
pub use routes::{api_document, router};

/// What the composition root hands over.
#[derive(Clone)]
pub struct Console(Arc<Parts>);

pub struct Parts {
    pub db: Db,
    pub vault: Arc<Vault>,
    pub openings: Openings,
    pub staff: Staff,
    pub buyers: Buyers,
    pub outbox: Outbox,
    pub clock: Clock,
    pub readiness: Readiness,
    /// Seals the tokens of simulated buyers, as the buyers' door seals everybody's.
    pub token_key: TokenKey,
    /// Load runs of this process.
    pub load: LoadRuns,
    /// The page of `/metrics`.
    pub metrics: Metrics,
    /// When this process started, and where its data lies.
    pub started_at: Micros,
    /// How many buyers' sockets an opening has in this process; counted by the buyers' door.
    pub connected: Arc<dyn Fn(&OpeningId) -> usize + Send + Sync>,
    /// Where buyers reach their door, without a trailing slash.
    pub buyers_url: String,
    /// Cookies are marked `Secure`: every page is served over TLS.
    pub secure_cookies: bool,
}

impl Console {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Before the doors open: ends what load runs of a killed server left.
    pub async fn put_away_leftovers(&self) {
        load::put_away_leftovers(self).await;
    }

    fn now(&self) -> Micros {
        self.0.clock.wall()
    }

    fn ledger(&self) -> Ledger {
        self.0.db.clone().into()
    }

    async fn begin(&self, opening: &OpeningId) -> Result<LedgerTx, StoreError> {
        self.ledger().begin(opening, Priority::Staff).await
    }

    /// A published opening of this process.
    fn live(&self, opening: &OpeningId) -> Result<Arc<Live>, Problem> {
        // A server that has just started has not recovered its openings yet: a hold that is there is not "not found".
        let absent = || if self.0.readiness.is_ready() { Code::NotFound } else { Code::NotReady };
        self.0.openings.get(opening).ok_or_else(|| Problem::new(absent()))
    }
}
