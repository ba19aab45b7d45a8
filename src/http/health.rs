//! `/healthz`, `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::response::IntoResponse;
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

/// What monitors ask for, here and nowhere else.
pub const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Alive: the loop answers. Ready: send buyers here; a draining server says no, so that a proxy moves on.
pub fn routes(readiness: Readiness, drain: Drain) -> Router {
    let ready = move || {
        let answer = if drain.has_begun() {
            Problem::new(Code::Draining).into_response()
        } else if readiness.is_ready() {
            "ready\n".into_response()
        } else {
            Problem::new(Code::NotReady).into_response()
        };
        async move { answer }
    };
    Router::new().route("/healthz", get(async || "alive\n")).route("/readyz", get(ready))
}
