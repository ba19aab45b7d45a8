//! From an HTTP request to a WebSocket. The origin was checked by the shell, before anything here runs.

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::connection::{self, Visitor};
use crate::gateway::core::Core;
use crate::gateway::open::Open;
use crate::gateway::session::{self, Here};
use crate::http::accept::Held;
use crate::http::address::ClientAddr;
use crate::http::{Code, Problem};
use crate::identity::buyers::BuyerSession;
use crate::limits::{SOCKET_BUFFER_BYTES, SOCKET_FRAME_BYTES_TAKEN, SOCKET_WRITE_BYTES_MAX};

pub const SUBPROTOCOL: &str = "kaipan.v1";

/// The WebSocket, subprotocol `kaipan.v1`.
#[utoipa::path(
    get,
    path = "/api/v1/openings/{opening}/ws",
    params(("opening" = String, Path, description = "Opening id")),
    responses(
        (status = 101, description = "Frames of kaipan.v1 from here on"),
        (status = 403, description = "ORIGIN_NOT_ALLOWED", body = crate::gateway::wire::Problem),
        (status = 426, description = "UPGRADE_REQUIRED", body = crate::gateway::wire::Problem),
    )
)]
pub async fn upgrade(
    State(core): State<Core>,
    Here(open): Here,
    address: ClientAddr,
    held: Option<Extension<Held>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|_| Code::UpgradeRequired)?.protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return Err(Code::UpgradeRequired.into());
    }
    // A token that is no longer good makes a stranger who is told so, not a refused socket: the page shows the board
    // and asks to sign in again.
    let visitor = match session::token(&headers) {
        None => Visitor::Stranger,
        Some(token) => match visitor(&core, &open, token).await {
            Ok(session) => Visitor::Buyer(session),
            Err(problem) if problem.code.status() == StatusCode::UNAUTHORIZED => Visitor::Ended,
            Err(problem) => return Err(problem),
        },
    };
    let seated = visitor.seat(&core, &open, address.network())?;
    let hub = core.hubs.of(&open.live, &core.gateway.parts);
    let guard = core.gateway.parts.drain.guard();
    Ok(upgrade
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .write_buffer_size(SOCKET_BUFFER_BYTES)
        .max_write_buffer_size(SOCKET_WRITE_BYTES_MAX)
        .max_message_size(SOCKET_FRAME_BYTES_TAKEN)
        .max_frame_size(SOCKET_FRAME_BYTES_TAKEN)
        .on_upgrade(async move |socket: WebSocket| {
            connection::serve(socket, core, open, hub, seated).await;
            drop((held, guard));
        })
        .into_response())
}

async fn visitor(core: &Core, open: &Open, token: &str) -> Result<BuyerSession, Problem> {
    let (session, _expires_at) = session::verify(&core.gateway, open, token)?;
    session::authenticate(&core.gateway, &session).await?;
    Ok(session)
}
