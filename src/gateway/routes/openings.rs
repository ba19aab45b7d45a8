//! What anyone may see of the published openings.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use crate::gateway::core::Core;
use crate::gateway::session::Here;
use crate::gateway::wire;
use crate::http::{Code, Path, Problem};
use crate::opening::Live;

/// Published openings. A rehearsal with simulated buyers is found by its address only: a buyer who came across it the
/// evening before would be told that nobody knows their phone.
#[utoipa::path(get, path = "/api/v1/openings", responses((status = 200, body = wire::OpeningList)))]
pub async fn list(State(core): State<Core>) -> Result<Json<wire::OpeningList>, Problem> {
    let mut openings = Vec::new();
    let public = |live: &Arc<Live>| !(live.facts.rehearsal && live.facts.simulated);
    for live in core.gateway.parts.openings.list().into_iter().filter(public) {
        // One that was withdrawn since is not there any more.
        match core.gateway.find(&live.facts.id).await {
            Ok(open) => openings.push(open.opening(core.has_wechat())),
            Err(problem) if problem.code == Code::NotFound => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(Json(wire::OpeningList { openings }))
}

/// One opening.
#[utoipa::path(
    get,
    path = "/api/v1/openings/{opening}",
    params(("opening" = String, Path, description = "Opening id")),
    responses((status = 200, body = wire::Opening), (status = 404, body = wire::Problem))
)]
pub async fn get(State(core): State<Core>, Here(open): Here) -> Json<wire::Opening> {
    Json(open.opening(core.has_wechat()))
}

#[derive(Deserialize)]
pub struct CatalogueName {
    hash: String,
}

/// Units with layouts and prices; never changes under its hash.
#[utoipa::path(
    get,
    path = "/api/v1/openings/{opening}/catalogue/{hash}",
    params(
        ("opening" = String, Path, description = "Opening id"),
        ("hash" = String, Path, description = "`catalogue_hash` of the opening")
    ),
    responses((status = 200, body = wire::Catalogue), (status = 404, body = wire::Problem))
)]
pub async fn catalogue(
    Here(open): Here,
    Path(CatalogueName { hash }): Path<CatalogueName>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Another hash is another catalogue, perhaps of before an unpublish: answering ours would be kept for ever.
    if hash == open.catalogue_hash { Ok(open.catalogue.answer(&headers)) } else { Err(Code::NotFound.into()) }
}

/// The board, for pages without a WebSocket.
#[utoipa::path(
    get,
    path = "/api/v1/openings/{opening}/board",
    params(("opening" = String, Path, description = "Opening id")),
    responses((status = 200, body = wire::Board), (status = 404, body = wire::Problem))
)]
pub async fn board(Here(open): Here) -> Json<wire::Board> {
    Json(open.board())
}

/// What the big screen shows beyond the board.
#[utoipa::path(
    get,
    path = "/api/v1/openings/{opening}/screen",
    params(("opening" = String, Path, description = "Opening id")),
    responses((status = 200, body = wire::Screen), (status = 404, body = wire::Problem))
)]
pub async fn screen(Here(open): Here) -> Json<wire::Screen> {
    Json(open.screen())
}
