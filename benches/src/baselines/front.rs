//! A bare axum endpoint on `axum::serve` and the multi-thread runtime: JSON in, a decision, JSON out.

use std::net::SocketAddr;
use std::path::Path as File;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::evalsha::Redis;
use super::update::Postgres;
use crate::failure::{Outcome, While};

/// Who decides. A closed set: the front does not know more kinds than there are.
#[derive(Clone)]
pub enum Decider {
    /// Nobody: every unit is taken.
    Nobody,
    Redis(Redis),
    Postgres(Postgres),
}

#[derive(Clone)]
struct Front {
    decider: Decider,
    /// The headers that Kaipan's answers have beyond those that hyper and axum set, so that as many bytes leave.
    headers: HeaderMap,
}

#[derive(Deserialize)]
struct Tap {
    key: String,
    unit: u32,
}

#[derive(Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
enum Answer {
    Yes { key: String, claim: Claim },
    No { key: String, code: &'static str, params: Params },
}

#[derive(Serialize)]
struct Params {
    unit: u32,
}

/// As many bytes as a claim of Kaipan's; only the unit is its own.
#[derive(Serialize)]
struct Claim {
    id: &'static str,
    unit: u32,
    state: &'static str,
    generation: u32,
    code: &'static str,
    deposit_fen: u64,
    paid_fen: u64,
    deadline_ms: u64,
    created_ms: u64,
    seq: u64,
    extended: bool,
}

impl Claim {
    fn of(unit: u32) -> Self {
        Self {
            id: "01BX5ZZKBKACTAV9WEVGEMMVRZ",
            unit,
            state: "held",
            generation: 1,
            code: "K7Q2M9",
            deposit_fen: 0,
            paid_fen: 0,
            deadline_ms: 1_763_784_900_000,
            created_ms: 1_763_784_000_000,
            seq: 12_345,
            extended: false,
        }
    }
}

/// The registration that a session token names: its fourth part.
pub fn registration(headers: &HeaderMap) -> &str {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    token.split('.').nth(3).unwrap_or("0")
}

async fn pick(
    State(front): State<Front>,
    Path(_opening): Path<String>,
    headers: HeaderMap,
    Json(tap): Json<Tap>,
) -> Response {
    let won = match &front.decider {
        Decider::Nobody => Ok(false),
        Decider::Redis(redis) => redis.take(tap.unit, registration(&headers)).await,
        Decider::Postgres(postgres) => postgres.take(tap.unit, registration(&headers)).await,
    };
    let Tap { key, unit } = tap;
    let answer = match won {
        Ok(true) => Answer::Yes { key, claim: Claim::of(unit) },
        Ok(false) => Answer::No { key, code: "TAKEN", params: Params { unit } },
        Err(failure) => return (axum::http::StatusCode::INTERNAL_SERVER_ERROR, failure.0).into_response(),
    };
    let mut response = Json(answer).into_response();
    for (name, value) in &front.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}

/// The list of names and values that the driver has seen in an answer of Kaipan's.
fn read_headers(file: &File) -> Outcome<HeaderMap> {
    let text = std::fs::read_to_string(file).during("reading the headers")?;
    let pairs: Vec<(String, String)> = serde_json::from_str(&text).during("reading the headers")?;
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().during("a header's name")?;
        headers.insert(name, HeaderValue::from_str(&value).during("a header's value")?);
    }
    Ok(headers)
}

/// Serves until the process ends.
pub async fn serve(listen: SocketAddr, headers: Option<&File>, decider: Decider) -> Outcome<()> {
    let headers = headers.map(read_headers).transpose()?.unwrap_or_default();
    let router = Router::new()
        .route("/api/v1/openings/{opening}/picks", post(pick))
        .route("/readyz", get(async || "ready"))
        .with_state(Front { decider, headers });
    let listener = tokio::net::TcpListener::bind(listen).await.during("listening")?;
    axum::serve(listener, router).await.during("serving")
}
