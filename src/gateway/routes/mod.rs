//! The routes of the buyers' door, each with its description for `/api/openapi.json`.

mod devices;
mod me;
mod openings;
pub mod picks;
mod sign_in;
mod wechat;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::core::Core;
use super::socket::upgrade;
use super::tap;
use crate::http::Problem;
use crate::http::address::ClientAddr;

#[derive(OpenApi)]
#[openapi(
    paths(picks::pick),
    info(
        title = "Kaipan: buyers' door",
        description = "Errors are application/problem+json with a stable `code`. See docs/protocol.md for the WebSocket."
    )
)]
struct Document;

fn described() -> OpenApiRouter<Core> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(openings::list))
        .routes(routes!(openings::get))
        .routes(routes!(openings::catalogue))
        .routes(routes!(openings::board))
        .routes(routes!(openings::screen))
        .routes(routes!(sign_in::request_code))
        .routes(routes!(sign_in::sign_in))
        .routes(routes!(sign_in::sign_out))
        .routes(routes!(wechat::start))
        .routes(routes!(wechat::callback))
        .routes(routes!(wechat::finish))
        .routes(routes!(me::me))
        .routes(routes!(me::set_favourites))
        .routes(routes!(picks::ask))
        .routes(routes!(picks::give_up))
        .routes(routes!(devices::request))
        .routes(routes!(devices::agree))
        .routes(routes!(upgrade::upgrade))
}

/// The door's routes with `core` as their state. Fallback and shell are the composition root's.
pub fn router(core: Core) -> Router {
    let router = described().split_for_parts().0;
    let router = router.route_layer(from_fn_with_state(core.clone(), limit_strangers));
    // A tap bounds strangers itself: it does not always come this way.
    router.route(tap::PATH, post(picks::pick)).with_state(core)
}

/// What `/api/openapi.json` shows on this door.
pub fn api_document() -> utoipa::openapi::OpenApi {
    described().split_for_parts().1
}

/// Bounds what one address may ask without a session; buyers are bounded by registration, where they act. A token that
/// is not ours buys nothing.
async fn limit_strangers(State(core): State<Core>, request: Request, next: Next) -> Response {
    let gateway = &core.gateway;
    let ours = |token: &str| core.tokens.open(&gateway.parts.token_key, token, gateway.now()).is_ok();
    let address = request.extensions().get::<ClientAddr>().copied();
    if let Some(address) = address
        && !super::session::token(request.headers()).is_some_and(ours)
        && let Err(problem) = gateway.addresses.check(address.network())
    {
        return Problem::into_response(problem);
    }
    next.run(request).await
}
