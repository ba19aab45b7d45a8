//! Picks, asks and giving up, over HTTP: the same keys as over the WebSocket, at the same time.

use axum::Json;
use axum::extract::{RawPathParams, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::domain::ids::ClaimId;
use crate::gateway::core::Core;
use crate::gateway::session::{Buyer, Picker};
use crate::gateway::{problems, tap, wire};
use crate::http::address::ClientAddr;
use crate::http::{Body, Path, Problem};
use crate::opening::answer::Key;

/// One tap. A *no* is an answer like a *yes*. Usually `tap::Tap` answers it before the router is asked.
#[utoipa::path(
    post,
    path = "/api/v1/openings/{opening}/picks",
    params(("opening" = String, Path, description = "Opening id")),
    request_body = wire::PickRequest,
    responses(
        (status = 200, body = wire::Answer),
        (status = 409, description = "KEY_REUSED", body = wire::Problem),
        (status = 429, description = "SLOW_DOWN", body = wire::Problem)
    )
)]
pub async fn pick(
    State(core): State<Core>,
    client: ClientAddr,
    params: RawPathParams,
    mut request: Request,
) -> Result<Response, Problem> {
    let opening = params.iter().find(|(name, _)| *name == "opening").and_then(|(_, id)| id.parse().ok());
    let json = tap::pick(&core, opening, client, &mut request).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

#[derive(Deserialize)]
pub struct KeyName {
    key: String,
}

/// What became of a key.
#[utoipa::path(
    post,
    path = "/api/v1/openings/{opening}/picks/{key}/ask",
    params(
        ("opening" = String, Path, description = "Opening id"),
        ("key" = String, Path, description = "The pick's key")
    ),
    responses(
        (status = 200, body = wire::Answer),
        (status = 429, description = "SLOW_DOWN", body = wire::Problem)
    )
)]
pub async fn ask(
    buyer: Buyer,
    Path(KeyName { key: text }): Path<KeyName>,
) -> Result<Json<wire::Answer>, Problem> {
    let key = key(&text)?;
    let Buyer { open, session, .. } = buyer;
    open.rates.ask(session.registration)?;
    let answer = open.live.ask(session.registration, key.clone()).await;
    Ok(Json(wire::Answer::of(&key, &answer.map_err(problems::pick)?)))
}

#[derive(Deserialize)]
pub struct ClaimName {
    claim: ClaimId,
}

/// Give a hold up.
#[utoipa::path(
    post,
    path = "/api/v1/openings/{opening}/claims/{claim}/give-up",
    params(
        ("opening" = String, Path, description = "Opening id"),
        ("claim" = String, Path, description = "Claim id")
    ),
    request_body = wire::GiveUp,
    responses(
        (status = 200, body = wire::Claim),
        (status = 409, description = "CLAIM_CHANGED", body = wire::Problem)
    )
)]
pub async fn give_up(
    Picker(buyer): Picker,
    Path(ClaimName { claim }): Path<ClaimName>,
    Body(body): Body<wire::GiveUp>,
) -> Result<Json<wire::Claim>, Problem> {
    let Buyer { open, session, .. } = buyer;
    open.rates.write(session.registration)?;
    let ended = open.live.give_up(session.registration, claim, body.generation).await;
    Ok(Json(wire::claim(&*ended.map_err(problems::command)?)))
}

pub fn key(text: &str) -> Result<Key, Problem> {
    Key::parse(text).ok_or_else(|| Problem::malformed("key"))
}
