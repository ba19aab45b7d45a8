//! How every gateway of the installation fares, the silent ones too: what `kaipan status` prints.

use axum::Json;
use axum::extract::State;

use crate::console::Console;
use crate::console::auth::Who;
use crate::console::problems;
use crate::console::wire::status::{Status, status};
use crate::http::Problem;
use crate::identity::Right;
use crate::status::look;

/// Gateways, Redis, database and openings, and what is wrong with them.
#[utoipa::path(get, path = "/api/v1/status", responses((status = 200, body = Status)))]
pub async fn show(State(console): State<Console>, who: Who) -> Result<Json<Status>, Problem> {
    who.may(Right::View)?;
    let seen = look(&console.0.db, &console.0.clock).await.map_err(problems::store)?;
    Ok(Json(status(&seen)))
}
