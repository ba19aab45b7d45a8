//! What wraps every request of a door, in the order of `http/mod.rs`'s picture. One function, so that the order can be
//! read: a request that is shed costs no parsing, a foreign origin never reaches a handler, and a panic or a time-out
//! inside still answers with its request id. What is inside is the door's router or its [`Shortcut`].

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http_body_util::{Either, Full};
use metrics::{Counter, Histogram};
use tower::ServiceExt;
use tracing::Instrument;

use super::accept::Client;
use super::address::client_addr;
use super::drain::Drain;
use super::health;
use super::origin::Origins;
use super::problem::{Code, Problem};
use super::request_id::{self, RequestId, RequestIds, X_REQUEST_ID};
use super::shortcut::{Answer, Shortcut};
use crate::domain::network::Network;
use crate::telemetry::names;

tokio::task_local! {
    static REQUEST_ID: RequestId;
}

/// The id of the request being answered; empty outside one.
pub fn request_id() -> RequestId {
    REQUEST_ID.try_with(RequestId::clone).unwrap_or_else(|_| RequestId::Given(Arc::from("")))
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
            metrics::counter!(names::HTTP_SHED, "door" => self.shell.door).increment(1);
            Err(Problem::new(Code::Overloaded).with("retry_after_ms", 1_000))
        }
    }
}

/// Wraps what a door answers with. The bound on requests in flight is shared by everything it wraps, so one limit holds
/// for all loops.
pub struct Wrap(Arc<Wrapped>);

impl Wrap {
    pub fn new(shell: Shell) -> Self {
        Self(Arc::new(Wrapped { shell, in_flight: AtomicUsize::new(0) }))
    }

    /// One loop's answers: the router, its fallback included, and the shortcut before it. What is counted on, looked up
    /// or copied for each request is made here, so that loops do not meet on it.
    pub fn around<S: Shortcut>(&self, router: Router, shortcut: S) -> Service<S> {
        let shell = &self.0.shell;
        let router = router
            .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed))
            .layer(DefaultBodyLimit::max(shell.body_bytes_max))
            .layer(axum::middleware::from_fn(note_route));
        let safe_headers = safe_headers(content_security_policy(&shell.origins));
        let mut json_headers = safe_headers.clone();
        json_headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Its place: a map that is copied has no room for one more.
        json_headers.insert(X_REQUEST_ID, HeaderValue::from_static(""));
        Service(Arc::new(Inside {
            wrapped: Arc::clone(&self.0),
            router,
            shortcut,
            ids: RequestIds::starting_now(),
            figures: Figures::new::<S>(shell.door),
            safe_headers,
            json_headers,
        }))
    }
}

/// A door's answers, wrapped. Cheap to clone.
pub struct Service<S>(Arc<Inside<S>>);

impl<S> Clone for Service<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inside<S> {
    wrapped: Arc<Wrapped>,
    router: Router,
    shortcut: S,
    ids: RequestIds,
    figures: Figures,
    safe_headers: HeaderMap,
    json_headers: HeaderMap,
}

/// The route that the router chose; empty if none, or none yet.
#[derive(Clone, Default)]
struct Route(Arc<OnceLock<MatchedPath>>);

impl<S: Shortcut> Service<S> {
    /// Futures are pinned where they are made and handed on as pointers: one that is wrapped by value is copied at each
    /// layer (docs/decisions/0008).
    pub async fn answer<B>(
        self,
        mut request: axum::http::Request<B>,
        client: Arc<Client>,
    ) -> Result<Answer, Infallible>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError> + Send,
    {
        let inside = &*self.0;
        let started = Instant::now();
        let shell = &inside.wrapped.shell;
        let proxies = &shell.trusted_proxies;
        let from_proxy = proxies.iter().any(|network| network.contains(client.peer.ip()));
        let id = request_id::given(request.headers(), from_proxy).unwrap_or_else(|| inside.ids.next(started));
        let method = method_label(request.method());
        let span = tracing::debug_span!("request", id = id.as_str(), method, path = ?request.uri().path());

        let mut response = if inside.shortcut.takes(request.method(), request.uri()) {
            let answered = pin!(inside.by_shortcut(&mut request, &client));
            let response = REQUEST_ID.scope(id.clone(), answered).instrument(span).await;
            inside.figures.count_shortcut::<S>(shell.door, response.status().as_u16());
            response
        } else {
            let route = Route::default();
            // Boxed, so that taps do not carry its size.
            let answered = Box::pin(inside.by_router(request, &client, route.clone()));
            let response = REQUEST_ID.scope(id.clone(), answered).instrument(span).await;
            let route = route.0.get().map_or("none", MatchedPath::as_str).to_owned();
            requests(shell.door, route, method, response.status().as_u16()).increment(1);
            response
        };
        inside.figures.seconds.record(started.elapsed().as_secs_f64());
        if let Some(id) = id.header() {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        Ok(response)
    }
}

impl<S: Shortcut> Inside<S> {
    async fn by_shortcut<B>(&self, request: &mut axum::http::Request<B>, client: &Client) -> Answer
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin,
        B::Error: Send,
    {
        let address = client_addr(client.peer, request.headers(), &self.wrapped.shell.trusted_proxies);
        let place = self.admit(request);
        let answered = match place {
            Ok(_) => {
                let handler = pin!(self.shortcut.answer(request, address));
                self.contained(handler).await.flatten()
            }
            Err(problem) => Err(problem),
        };
        match answered {
            Ok(json) => {
                let mut response = Response::new(Either::Left(Full::new(json)));
                *response.headers_mut() = self.json_headers.clone();
                response
            }
            Err(problem) => self.secured(problem.into_response()),
        }
    }

    async fn by_router<B>(&self, request: axum::http::Request<B>, client: &Client, route: Route) -> Answer
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let shell = &self.wrapped.shell;
        let mut request: Request = request.map(Body::new);
        let address = client_addr(client.peer, request.headers(), &shell.trusted_proxies);
        request.extensions_mut().insert(address);
        request.extensions_mut().insert(route);
        if let Some(held) = client.held.clone() {
            request.extensions_mut().insert(held);
        }
        let answered = async {
            let _place = self.admit(&request)?;
            self.contained(self.router.clone().oneshot(request)).await
        };
        let response = match answered.await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(problem) => problem.into_response(),
        };
        let response = if is_event_stream(&response) { end_with(response, &shell.drain) } else { response };
        self.secured(response)
    }

    /// What keeps a request from its handler. A monitor's question is never shed: who hears nothing takes a busy server
    /// for a dead one.
    fn admit<B>(&self, request: &axum::http::Request<B>) -> Result<Option<Place<'_>>, Problem> {
        let is_probe = health::PROBES.contains(&request.uri().path());
        let place = if is_probe { None } else { Some(self.wrapped.enter()?) };
        self.wrapped.shell.origins.check(request.method(), request.headers())?;
        Ok(place)
    }

    /// What keeps a handler from its answer.
    async fn contained<T>(&self, handler: impl Future<Output = T>) -> Result<T, Problem> {
        let shell = &self.wrapped.shell;
        let handled = AssertUnwindSafe(handler).catch_unwind();
        match tokio::time::timeout(shell.request_timeout, handled).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_panic)) => {
                metrics::counter!(names::HTTP_PANICS, "door" => shell.door).increment(1);
                Err(Problem::internal("a handler panicked"))
            }
            Err(_elapsed) => Err(Code::TimedOut.into()),
        }
    }

    fn secured(&self, response: Response) -> Answer {
        let (mut parts, body) = response.into_parts();
        for (name, value) in &self.safe_headers {
            // Only what says otherwise (pages, the catalogue) may be kept; a document that needs less than the pages says
            // so itself.
            let may_differ = [header::CACHE_CONTROL, header::CONTENT_SECURITY_POLICY].contains(name);
            if !may_differ || !parts.headers.contains_key(name) {
                parts.headers.insert(name.clone(), value.clone());
            }
        }
        Response::from_parts(parts, Either::Right(body))
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

/// Pages load nothing from elsewhere and are framed by nobody.
fn content_security_policy(origins: &Origins) -> HeaderValue {
    let sockets: String = origins.websocket_sources().map(|source| format!(" {source}")).collect();
    let policy = format!(
        "default-src 'self'; img-src 'self' data:; connect-src 'self'{sockets}; object-src 'none'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'self'"))
}

/// On every answer. Answers carry people's data, so that nothing may be kept unless it says otherwise.
fn safe_headers(content_security_policy: HeaderValue) -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_SECURITY_POLICY, content_security_policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ])
}

/// Tells the shell which route was chosen, even if its handler never answers.
async fn note_route(request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    if let (Some(Route(route)), Some(matched)) = (extensions.get::<Route>(), extensions.get::<MatchedPath>())
    {
        // Set once: a request has one route.
        let _ = route.set(matched.clone());
    }
    next.run(request).await
}

/// The statuses that the shortcut's requests are counted under without a look at the recorder's registry.
const COUNTED: [u16; 5] = [200, 400, 401, 409, 429];

/// One loop's handles to what every request is counted in.
struct Figures {
    seconds: Histogram,
    shortcut: [(u16, Counter); COUNTED.len()],
}

impl Figures {
    fn new<S: Shortcut>(door: &'static str) -> Self {
        Self {
            seconds: metrics::histogram!(names::HTTP_SECONDS, "door" => door),
            shortcut: COUNTED.map(|status| (status, requests(door, S::ROUTE, S::METHOD, status))),
        }
    }

    fn count_shortcut<S: Shortcut>(&self, door: &'static str, status: u16) {
        match self.shortcut.iter().find(|(counted, _)| *counted == status) {
            Some((_, counter)) => counter.increment(1),
            None => requests(door, S::ROUTE, S::METHOD, status).increment(1),
        }
    }
}

fn requests(
    door: &'static str,
    route: impl Into<metrics::SharedString>,
    method: &'static str,
    status: u16,
) -> Counter {
    metrics::counter!(names::HTTP_REQUESTS, "door" => door, "route" => route.into(), "method" => method,
        "status" => status.to_string())
}

#[cfg(test)]
mod tests;
