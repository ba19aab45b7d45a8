//! Which of a buyer's devices picks.

use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::ids::SessionId;
use crate::gateway::core::Core;
use crate::gateway::problems;
use crate::gateway::session::{Buyer, Picker};
use crate::gateway::wire;
use crate::http::{Body, Problem};

/// A viewer asks to pick; the picking device is asked.
#[utoipa::path(
    post,
    path = "/api/v1/openings/{opening}/devices/request",
    params(("opening" = String, Path, description = "Opening id")),
    responses((status = 202, description = "Asked"), (status = 401, body = wire::Problem))
)]
pub async fn request(State(core): State<Core>, buyer: Buyer) -> Result<StatusCode, Problem> {
    let Buyer { open, session, .. } = buyer;
    open.rates.write(session.registration)?;
    let (buyers, now) = (core.gateway.parts.buyers.clone(), core.gateway.now());
    let asked = core.gateway.parts.backend.run(async move { buyers.request_device(&session, now).await });
    asked.await?.map_err(problems::buyer)?;
    Ok(StatusCode::ACCEPTED)
}

/// The picking device lets another session pick.
#[utoipa::path(
    post,
    path = "/api/v1/openings/{opening}/devices/agree",
    params(("opening" = String, Path, description = "Opening id")),
    request_body = wire::DeviceAgreement,
    responses(
        (status = 204, description = "That session picks now, this one views"),
        (status = 403, description = "VIEWER_DEVICE", body = wire::Problem),
        (status = 409, description = "DEVICE_REQUEST_GONE", body = wire::Problem)
    )
)]
pub async fn agree(
    State(core): State<Core>,
    Picker(buyer): Picker,
    Body(body): Body<wire::DeviceAgreement>,
) -> Result<StatusCode, Problem> {
    let Buyer { open, session, .. } = buyer;
    open.rates.write(session.registration)?;
    let other: SessionId = body.session.parse().map_err(|_| Problem::malformed("session"))?;
    let (buyers, now) = (core.gateway.parts.buyers.clone(), core.gateway.now());
    let agreed = core.gateway.parts.backend.run(async move { buyers.agree(&session, &other, now).await });
    agreed.await?.map_err(problems::buyer)?;
    Ok(StatusCode::NO_CONTENT)
}
