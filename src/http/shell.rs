//! What wraps every request of a door, in the order of `http/mod.rs`'s picture. One function, so that the order can be
//! read: a request that is shed costs no parsing, a foreign origin never reaches a handler, and a panic or a time-out
//! inside still answers with its request id.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt, StreamExt};
use tracing::Instrument;

use super::address::{Peer, client_addr};
use super::drain::Drain;
use super::origin::Origins;
use super::problem::{Code, Problem};
use crate::domain::network::Network;
use crate::telemetry::names;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A proxy's request id may be as long as two UUIDs; anything else is replaced.
const REQUEST_ID_BYTES_MAX: usize = 72;

tokio::task_local! {
    static REQUEST_ID: Arc<str>;
}

/// The id of the request being answered; empty outside one.
pub fn request_id() -> Arc<str> {
    REQUEST_ID.try_with(Arc::clone).unwrap_or_else(|_| Arc::from(""))
}

/// One door's settings of the shell.
pub struct Shell {
    /// Label of the door in metrics: `buyers` or `staff`.
    pub door: &'static str,
    pub origins: Origins,
    pub trusted_proxies: Vec<Network>,
    pub request_timeout: Duration,
    pub body_bytes_max: usize,
    pub in_flight_max: usize,
    pub drain: Drain,
}

struct Wrapped {
    shell: Shell,
    in_flight: AtomicUsize,
    content_security_policy: HeaderValue,
}

/// A place among the requests in flight, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Wrapped {
    /// Sheds instead of queueing: a request that waits for its turn is answered after its client gave up.
    fn enter(&self) -> Result<Place<'_>, Problem> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.in_flight);
        if before < self.shell.in_flight_max {
            Ok(place)
        } else {
            Err(Problem::new(Code::Overloaded).with("retry_after_ms", 1_000))
        }
    }
}

/// Wraps a door's router, its fallback included. The counters are shared by every clone of the result, so one limit holds for all loops.
pub struct Wrap(Arc<Wrapped>);

impl Wrap {
    pub fn new(shell: Shell) -> Self {
        let content_security_policy = content_security_policy(&shell.origins);
        Self(Arc::new(Wrapped { shell, in_flight: AtomicUsize::new(0), content_security_policy }))
    }

    pub fn around(&self, router: Router) -> Router {
        router
            .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed))
            .layer(DefaultBodyLimit::max(self.0.shell.body_bytes_max))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&self.0), wrap))
    }
}

async fn wrap(State(wrapped): State<Arc<Wrapped>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let shell = &wrapped.shell;
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |p| p.as_str().to_owned());
    let method = method_label(request.method());
    let request_id = accept_request_id(&request, &shell.trusted_proxies);
    if let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() {
        let client = client_addr(peer, request.headers(), &shell.trusted_proxies);
        request.extensions_mut().insert(client);
    }

    let span = tracing::debug_span!("request", id = %request_id, method, route);
    let mut response =
        REQUEST_ID.scope(Arc::clone(&request_id), answer(&wrapped, request, next)).instrument(span).await;

    let status = response.status();
    metrics::counter!(names::HTTP_REQUESTS, "door" => shell.door, "route" => route, "method" => method,
        "status" => status.as_u16().to_string())
    .increment(1);
    metrics::histogram!(names::HTTP_SECONDS, "door" => shell.door).record(started.elapsed().as_secs_f64());
    if is_event_stream(&response) {
        response = end_with(response, &shell.drain);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    secure(headers, &wrapped.content_security_policy);
    response
}

async fn answer(wrapped: &Wrapped, request: Request, next: Next) -> Response {
    let shell = &wrapped.shell;
    let _place = match wrapped.enter() {
        Ok(place) => place,
        Err(problem) => {
            metrics::counter!(names::HTTP_SHED, "door" => shell.door).increment(1);
            return problem.into_response();
        }
    };
    if let Err(problem) = shell.origins.check(request.method(), request.headers()) {
        return problem.into_response();
    }
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(shell.request_timeout, handled).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            metrics::counter!(names::HTTP_PANICS, "door" => shell.door).increment(1);
            Problem::internal("a handler panicked").into_response()
        }
        Err(_elapsed) => Problem::new(Code::TimedOut).into_response(),
    }
}

fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// Server-Sent Events have no end of their own; the drain would wait for each of them in vain.
fn end_with(response: Response, drain: &Drain) -> Response {
    let stop = drain.token().cancelled_owned();
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(stop)))
}

/// A client may invent methods; a metric's labels are a closed set.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// A trusted proxy's id is kept, so that one id runs through all logs; a client's own is not.
fn accept_request_id(request: &Request, trusted: &[Network]) -> Arc<str> {
    let from_proxy = request
        .extensions()
        .get::<Peer>()
        .is_some_and(|Peer(peer)| trusted.iter().any(|network| network.contains(peer.ip())));
    let given = request.headers().get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        from_proxy && !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.chars().all(plain)
    });
    match given {
        Some(id) => Arc::from(id),
        None => Arc::from(ulid::Ulid::generate().to_string()),
    }
}

/// Pages load nothing from elsewhere and are framed by nobody.
fn content_security_policy(origins: &Origins) -> HeaderValue {
    let sockets: String = origins.websocket_sources().map(|source| format!(" {source}")).collect();
    let policy = format!(
        "default-src 'self'; img-src 'self' data:; connect-src 'self'{sockets}; object-src 'none'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'self'"))
}

fn secure(headers: &mut HeaderMap, content_security_policy: &HeaderValue) {
    // A document that needs less than the pages says so itself.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| content_security_policy.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // Answers carry people's data; only what says otherwise (pages, the catalogue) may be kept.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests;
