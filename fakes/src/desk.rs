//! The desk: every request is written down here, and here a test orders what goes wrong.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::door::Cut;

const BODY_BYTES_MAX: usize = 64 * 1024;
/// What is written down is for a test that looks soon.
const CALLS_KEPT: usize = 1_000;
const FAULTS_MAX: usize = 10_000;
const FAULT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What goes wrong with one request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// WeChat's own error.
    Errcode(i64),
    /// The own error of a provider of SMS.
    Code(String),
    /// An HTTP status, with a page that is no JSON.
    Status(u16),
    /// 200 and this text.
    Body(String),
    /// 200 and so many bytes that are no answer.
    Bytes(usize),
    /// The right answer, so many milliseconds late.
    Late(u64),
    /// No answer, and the connection stays.
    Hang,
    /// The connection ends before an answer.
    Close,
}

/// In an answer's extensions: how the API itself judged the request. Answers without it count as 0.
#[derive(Debug, Clone, Copy)]
pub struct Judged(pub i64);

#[derive(Debug, Clone, Serialize)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: String,
    pub body: String,
    /// `None`: no answer of the API's, because of a fault.
    pub errcode: Option<i64>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Count {
    pub calls: u64,
    /// By errcode, 0 being success; what a fault kept from an answer is in no row.
    pub answers: BTreeMap<i64, u64>,
}

#[derive(Default)]
struct Book {
    ahead_ms: i64,
    faults: HashMap<String, VecDeque<Fault>>,
    calls: VecDeque<Call>,
    counts: BTreeMap<String, Count>,
}

#[derive(Clone, Default)]
pub struct Desk(Arc<Mutex<Book>>);

impl Desk {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since 1970, ahead of the machine's clock by what was ordered.
    pub fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond().saturating_add(self.book().ahead_ms)
    }

    fn write_down(&self, call: Call) {
        let mut book = self.book();
        let count = book.counts.entry(call.path.clone()).or_default();
        count.calls += 1;
        if let Some(errcode) = call.errcode {
            *count.answers.entry(errcode).or_default() += 1;
        }
        if book.calls.len() == CALLS_KEPT {
            book.calls.pop_front();
        }
        book.calls.push_back(call);
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        self.book().faults.get_mut(path)?.pop_front()
    }
}

/// Around everything that is played.
pub async fn attend(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut call = Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
        errcode: None,
    };
    let fault = desk.fault(&call.path);
    if let Some(Fault::Late(ms)) = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let Some(fault) = fault.filter(|fault| !matches!(fault, Fault::Late(_))) else {
        let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
        call.errcode = Some(response.extensions().get::<Judged>().map_or(0, |judged| judged.0));
        desk.write_down(call);
        return response;
    };
    if let Fault::Errcode(errcode) = &fault {
        call.errcode = Some(*errcode);
    }
    let path = call.path.clone();
    desk.write_down(call);
    fail(fault, &path).await
}

async fn fail(fault: Fault, path: &str) -> Response {
    match fault {
        Fault::Errcode(errcode) => crate::wechat::refusal(errcode),
        Fault::Code(code) => crate::sms::refusal(path, &code),
        Fault::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, "<html>ordered</html>").into_response()
        }
        Fault::Body(text) => text.into_response(),
        Fault::Bytes(count) => vec![b'x'; count.min(FAULT_BYTES_MAX)].into_response(),
        Fault::Late(_) | Fault::Hang => std::future::pending().await,
        Fault::Close => {
            let mut response = StatusCode::OK.into_response();
            response.extensions_mut().insert(Cut);
            response
        }
    }
}

/// Whoever can order faults can read what was sent, secrets included.
pub async fn only_this_machine(request: Request, next: Next) -> Response {
    let here = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    // A page of another site can reach this machine's ports, but cannot send JSON there or read what it is told.
    let by_page = request.headers().contains_key(header::ORIGIN);
    if here && !by_page { next.run(request).await } else { StatusCode::NOT_FOUND.into_response() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    api: String,
    #[serde(default = "once")]
    times: usize,
    fault: Fault,
}

fn once() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ahead {
    ahead_ms: i64,
}

#[derive(Deserialize)]
struct Which {
    api: Option<String>,
}

pub fn control(desk: Desk) -> Router {
    Router::new()
        .route("/_fake/faults", post(order))
        .route("/_fake/clock", post(set_ahead))
        .route("/_fake/calls", get(calls))
        .route("/_fake/counts", get(counts))
        .route("/_fake/reset", post(reset))
        .with_state(desk)
}

async fn order(State(desk): State<Desk>, Json(order): Json<Order>) -> StatusCode {
    let mut book = desk.book();
    let queued = book.faults.values().map(VecDeque::len).sum::<usize>();
    if queued.saturating_add(order.times) > FAULTS_MAX {
        return StatusCode::INSUFFICIENT_STORAGE;
    }
    let faults = std::iter::repeat_n(order.fault, order.times);
    book.faults.entry(order.api).or_default().extend(faults);
    StatusCode::NO_CONTENT
}

async fn set_ahead(State(desk): State<Desk>, Json(Ahead { ahead_ms }): Json<Ahead>) -> StatusCode {
    desk.book().ahead_ms = ahead_ms;
    StatusCode::NO_CONTENT
}

async fn calls(State(desk): State<Desk>, Query(which): Query<Which>) -> Json<Vec<Call>> {
    let wanted = |call: &&Call| which.api.as_ref().is_none_or(|api| *api == call.path);
    Json(desk.book().calls.iter().filter(wanted).cloned().collect())
}

async fn counts(State(desk): State<Desk>) -> Json<BTreeMap<String, Count>> {
    Json(desk.book().counts.clone())
}

/// Forgets faults and what was written down; the clock stays, and so does what the fakes themselves know.
async fn reset(State(desk): State<Desk>) -> StatusCode {
    let mut book = desk.book();
    *book = Book { ahead_ms: book.ahead_ms, ..Book::default() };
    StatusCode::NO_CONTENT
}
