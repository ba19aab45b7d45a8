//! Picks, asks and giving up, over HTTP: the same keys as over the WebSocket, at the same time.

use axum::Json;
use serde::Deserialize;

use crate::domain::ids::{ClaimId, UnitOrd};
use crate::gateway::problems;
use crate::gateway::session::{Buyer, Picker};
use crate::gateway::wire;
use crate::http::{Body, Path, Problem};
use crate::identity::buyers::DeviceRole;
use crate::opening::answer::Key;

/// One tap. A *no* is an answer like a *yes*.
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
pub async fn pick(buyer: Buyer, Body(body): Body<wire::PickRequest>) -> Result<Json<wire::Answer>, Problem> {
    let key = key(&body.key)?;
    let Buyer { open, session, device } = buyer;
    if device.role == DeviceRole::Viewer {
        return Ok(Json(wire::Answer::viewer_device(&key)));
    }
    open.rates.pick(session.registration)?;
    let picked = open.live.pick(session.registration, UnitOrd(body.unit), key.clone()).await;
    Ok(Json(wire::Answer::of(&key, &picked.map_err(problems::pick)?)))
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

fn key(text: &str) -> Result<Key, Problem> {
    Key::parse(text).ok_or_else(|| Problem::malformed("key"))
}
