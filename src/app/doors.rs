//! The two doors: what each is wrapped in, and what is mounted on it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use tokio::runtime::Handle;

use super::{ServeError, Services};
use crate::config::Config;
use crate::console::{self, Console};
use crate::gateway::{self, Gateway, Tap};
use crate::http::accept::{self, Door, SocketTimeouts};
use crate::http::figures;
use crate::http::health::{self, Readiness, Welcome};
use crate::http::loops::{self, Loops};
use crate::http::openapi;
use crate::http::origin::Origins;
use crate::http::pages::Pages;
use crate::http::shell::{Shell, Wrap};
use crate::http::shortcut::NoShortcut;
use crate::http::token::TokenKey;
use crate::http::{Backend, Drain};
use crate::limits;
use crate::store::Db;
use crate::telemetry::Metrics;

/// What both doors share.
pub struct Doors {
    pub drain: Drain,
    pub readiness: Readiness,
    pub metrics: Metrics,
}

impl Doors {
    pub fn gateway(&self, config: &Config, services: &Services) -> Arc<Gateway> {
        Gateway::new(gateway::Parts {
            openings: services.openings.clone(),
            db: services.data.db.clone(),
            buyers: services.buyers.clone(),
            wechat: services.wechat.clone(),
            public_origins: config.public_origins.clone(),
            backend: Backend::new(Handle::current()),
            clock: services.clock.clone(),
            token_key: TokenKey::new(*services.data.vault.session_token_key()),
            secure_cookies: origins(&config.public_origins).all_secure(),
            drain: self.drain.clone(),
            readiness: self.readiness.clone(),
        })
    }

    /// The buyers' door: one loop and one socket a core, away from the database's threads.
    pub fn open_buyers(&self, config: &Config, db: &Db, gateway: &Arc<Gateway>) -> Result<Loops, ServeError> {
        let wrap = Wrap::new(Shell {
            door: "buyers",
            origins: origins(&config.public_origins),
            trusted_proxies: config.trusted_proxies.clone(),
            request_timeout: limits::REQUEST_TIMEOUT,
            body_bytes_max: limits::BUYER_BODY_BYTES_MAX,
            in_flight_max: limits::REQUESTS_IN_FLIGHT_MAX,
            drain: self.drain.clone(),
        });
        let pages = Pages::embedded(buyers_document);
        let around = self.health(config, db).merge(openapi::route(&gateway::api_document()));
        let gateway = Arc::clone(gateway);
        let service_of = move |_loop, lateness| {
            let core = gateway.core(lateness);
            let router = gateway::router(core.clone()).merge(around.clone());
            wrap.around(with_pages(router, &pages), Tap(core))
        };
        let door = Door::new("buyers", limits::BUYER_CONNECTIONS_MAX, SocketTimeouts::default());
        let address = config.buyers_listen;
        loops::start(address, config.buyers_threads, &door, &self.drain, service_of)
            .map_err(|source| ServeError::Listen { door: "buyers'", address, source })
    }

    /// The staff's door, on the runtime that also does the database's work. Answers where it listens.
    pub fn open_staff(&self, config: &Config, db: &Db, console: Console) -> Result<SocketAddr, ServeError> {
        let wrap = Wrap::new(Shell {
            door: "staff",
            origins: origins(&config.staff_origins),
            trusted_proxies: config.trusted_proxies.clone(),
            request_timeout: limits::STAFF_REQUEST_TIMEOUT,
            body_bytes_max: limits::STAFF_BODY_BYTES_MAX,
            in_flight_max: limits::REQUESTS_IN_FLIGHT_MAX,
            drain: self.drain.clone(),
        });
        let around = self.health(config, db).merge(openapi::route(&console::api_document()));
        let pages = Pages::embedded(|_path| "console");
        let router = with_pages(console::router(console).merge(around), &pages);
        let service = wrap.around(router, NoShortcut);
        let address = config.staff_listen;
        let listen = |source| ServeError::Listen { door: "staff's", address, source };
        let socket = accept::listen(address, false).map_err(listen)?;
        let address = socket.local_addr().map_err(listen)?;
        let door = Door::new("staff", limits::STAFF_CONNECTIONS_MAX, SocketTimeouts::default());
        let served = accept::serve(socket, service, door, self.drain.clone());
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "the staff's door closed");
            }
        });
        Ok(address)
    }

    /// The database's silence is known without asking it: whoever commits leaves a mark, and each process commits its own
    /// word again and again.
    pub fn welcome(&self, db: &Db) -> Welcome {
        let acknowledged = db.acknowledged().clone();
        let most =
            if db.is_sqlite() { limits::READY_WITHOUT_COMMIT_SQLITE } else { limits::READY_WITHOUT_COMMIT };
        Welcome {
            readiness: self.readiness.clone(),
            drain: self.drain.clone(),
            database_silent: Arc::new(move || Some(acknowledged.ago()).filter(|silent| *silent > most)),
        }
    }

    fn health(&self, config: &Config, db: &Db) -> Router {
        health::routes(self.welcome(db)).merge(figures::route(
            self.metrics.clone(),
            config.metrics_from.clone(),
            Backend::new(Handle::current()),
        ))
    }
}

pub fn origins(listed: &[String]) -> Origins {
    Origins::new(listed.iter().cloned())
}

/// Which page a path that is no file belongs to.
fn buyers_document(path: &str) -> &'static str {
    let first = path.split('/').next().unwrap_or_default();
    if first == "screen" { "screen" } else { "buyer" }
}

fn with_pages(router: Router, pages: &Pages) -> Router {
    let pages = pages.clone();
    router.fallback(async move |request: Request| {
        pages.answer(request.method(), request.uri(), request.headers())
    })
}
