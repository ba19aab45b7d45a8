//! The sale behind HTTP and WebSocket on a free port of this machine: as much of `docs/protocol.md` as a burst needs, both
//! doors on one port.

use std::sync::{Arc, Mutex};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use kaipan_loadtest::now_ms;
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use crate::sale::{Lie, Sale, frame};

pub const OPENING: &str = "01JLIESLIESLIESLIESLIESLIE";
const STAFF: &str = "staff-token";
const UNITS: usize = 12;

pub struct Door {
    pub url: String,
    pub sale: Arc<Mutex<Sale>>,
    taps: watch::Receiver<u64>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Open {
    sale: Arc<Mutex<Sale>>,
    start_ms: i64,
    taps: watch::Sender<u64>,
}

type Shared = State<Arc<Open>>;

impl Door {
    /// `starts_in_ms` before or after now: a load tool takes an opening that is live as it is.
    pub async fn open(lie: Lie, starts_in_ms: i64) -> Self {
        let sale = Arc::new(Mutex::new(Sale::new(UNITS, lie)));
        let (counter, taps) = watch::channel(0);
        let open = Open { sale: Arc::clone(&sale), start_ms: now_ms() + starts_in_ms, taps: counter };
        let opening = Router::new()
            .route("/", get(opening))
            .route("/catalogue/{hash}", get(catalogue))
            .route("/board", get(board))
            .route("/sessions", post(sessions))
            .route("/truth", get(truth))
            .route("/picks", post(pick))
            .route("/picks/{key}/ask", post(ask))
            .route("/ws", get(socket));
        let router = Router::new()
            .route("/api/v1/session", post(|| async { Json(json!({ "token": STAFF })) }))
            .nest(&format!("/api/v1/openings/{OPENING}"), opening)
            .with_state(Arc::new(open));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, sale, taps, serving }
    }

    /// Until the first tap has come.
    pub async fn first_tap(&self) {
        self.taps.clone().wait_for(|taps| *taps > 0).await.unwrap();
    }
}

async fn opening(State(open): Shared) -> Json<Value> {
    let now_ms = now_ms();
    let phase = if now_ms < open.start_ms { "armed" } else { "live" };
    Json(json!({
        "id": OPENING, "name": "谎", "project_name": "谎", "phase": phase, "paused": false,
        "start_ms": open.start_ms, "end_ms": open.start_ms + 3_600_000, "now_ms": now_ms, "hold_s": 900,
        "favourites_max": 10, "participants": 60, "catalogue_hash": "h", "units_hash": "", "roster_hash": "",
        "simulated": true,
    }))
}

async fn catalogue(State(open): Shared) -> Json<Value> {
    let units: Vec<_> = (0..open.sale.lock().unwrap().units())
        .map(|unit| json!({ "unit": unit, "kind": "home", "floor": (unit + 1).to_string(), "facing": "南" }))
        .collect();
    Json(json!({ "hash": "h", "units": units }))
}

async fn board(State(open): Shared) -> Json<Value> {
    Json(open.sale.lock().unwrap().public_board())
}

async fn sessions(headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if bearer(&headers).as_deref() != Some(STAFF) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (first, count) = (body["first"].as_u64().unwrap(), body["count"].as_u64().unwrap());
    // The token is the registration: whoever bears it is it.
    let sessions: Vec<_> = (first..first + count)
        .map(|n| json!({ "registration": format!("S{n:05}"), "token": format!("S{n:05}") }))
        .collect();
    Json(json!({ "sessions": sessions })).into_response()
}

async fn truth(State(open): Shared, headers: HeaderMap) -> Response {
    if bearer(&headers).as_deref() != Some(STAFF) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(open.sale.lock().unwrap().truth()).into_response()
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?.to_owned())
}

async fn pick(State(open): Shared, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let Some(registration) = bearer(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    answered(open.pick(&registration, &body)).await
}

async fn ask(State(open): Shared, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let Some(registration) = bearer(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    let answer = open.sale.lock().unwrap().ask(&registration, &key);
    answered(answer).await
}

/// A request that is never answered stays open until the client goes.
async fn answered(answer: Option<Value>) -> Response {
    match answer {
        Some(answer) => Json(answer).into_response(),
        None => std::future::pending().await,
    }
}

impl Open {
    fn pick(&self, registration: &str, body: &Value) -> Option<Value> {
        self.taps.send_modify(|taps| *taps += 1);
        let (key, unit) = (body["key"].as_str().unwrap(), body["unit"].as_u64().unwrap());
        self.sale.lock().unwrap().pick(registration, key, u32::try_from(unit).unwrap())
    }
}

async fn socket(State(open): Shared, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let Some(registration) = bearer(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    upgrade.protocols(["kaipan.v1"]).on_upgrade(|socket| async move {
        // A socket that is gone is the client's affair.
        let _ = serve(socket, &open, &registration).await;
    })
}

async fn serve(mut socket: WebSocket, open: &Open, registration: &str) -> Result<(), axum::Error> {
    let (snapshot, mut changes) = open.sale.lock().unwrap().follow(registration);
    let hello = json!({
        "protocol": 1, "opening": OPENING, "now_ms": now_ms(), "phase": "live", "paused": false,
        "start_ms": open.start_ms, "end_ms": open.start_ms + 3_600_000, "device": "picks", "seq": 1,
    });
    let first = [Some(frame("hello", &hello)), snapshot, Some(frame("mine", &json!({ "claims": [] })))];
    for text in first.into_iter().flatten() {
        socket.send(Message::text(text)).await?;
    }
    loop {
        let texts = tokio::select! {
            message = socket.recv() => match message.transpose()? {
                Some(Message::Text(text)) => heard(open, registration, &text),
                Some(_) => Vec::new(),
                None => return Ok(()),
            },
            change = changes.recv() => match change {
                Ok(change) => Vec::from_iter(open.sale.lock().unwrap().change(registration, change)),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    Vec::from_iter(open.sale.lock().unwrap().snapshot(registration))
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
        };
        for text in texts {
            socket.send(Message::text(text)).await?;
        }
    }
}

/// What a frame of the client is answered with.
fn heard(open: &Open, registration: &str, text: &str) -> Vec<String> {
    let asked: Value = serde_json::from_str(text).unwrap();
    let answer = match asked["t"].as_str().unwrap() {
        "pick" => open.pick(registration, &asked),
        "ask" => open.sale.lock().unwrap().ask(registration, asked["key"].as_str().unwrap()),
        "snapshot" => return Vec::from_iter(open.sale.lock().unwrap().snapshot(registration)),
        other => panic!("a burst sends no {other}"),
    };
    let second = answer.as_ref().and_then(|answer| open.sale.lock().unwrap().second_thought(answer));
    answer.iter().chain(&second).map(|answer| frame("answer", answer)).collect()
}
