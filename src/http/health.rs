//! `/healthz`, `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::drain::Drain;
use super::problem::{Code, Problem};

/// Set once every opening is recovered: before that a pick would be answered from an empty memory.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn ready(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Whether newcomers should be sent here. Asked as often as anybody likes, so it only reads what is known already; those
/// who are connected stay whatever it says.
#[derive(Clone)]
pub struct Welcome {
    pub readiness: Readiness,
    pub drain: Drain,
    /// How long the database has acknowledged nothing, once that is too long.
    pub database_silent: Arc<dyn Fn() -> Option<Duration> + Send + Sync>,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwelcome {
    Draining,
    Starting,
    /// Nobody can be sold a home here.
    DatabaseSilent(Duration),
}

impl Welcome {
    pub fn refused(&self) -> Option<Unwelcome> {
        if self.drain.has_begun() {
            Some(Unwelcome::Draining)
        } else if !self.readiness.is_ready() {
            Some(Unwelcome::Starting)
        } else {
            (self.database_silent)().map(Unwelcome::DatabaseSilent)
        }
    }
}

impl IntoResponse for Unwelcome {
    fn into_response(self) -> Response {
        let not_ready = |why| Problem::new(Code::NotReady).with("why", why);
        match self {
            Self::Draining => Problem::new(Code::Draining),
            Self::Starting => not_ready("STARTING"),
            Self::DatabaseSilent(silent) => not_ready("DATABASE_SILENT")
                .with("for_ms", u64::try_from(silent.as_millis()).unwrap_or(u64::MAX)),
        }
        .into_response()
    }
}

/// What monitors ask for, here and nowhere else.
pub const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Alive: the loop answers. Ready: send newcomers here.
pub fn routes(welcome: Welcome) -> Router {
    let ready = move || {
        let answer = match welcome.refused() {
            Some(why) => why.into_response(),
            None => "ready\n".into_response(),
        };
        async move { answer }
    };
    Router::new().route("/healthz", get(async || "alive\n")).route("/readyz", get(ready))
}
