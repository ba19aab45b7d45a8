//! The buyer's own registration, claims and favourites.

use axum::Json;
use axum::extract::State;

use crate::domain::ids::UnitOrd;
use crate::gateway::core::Core;
use crate::gateway::session::Buyer;
use crate::gateway::wire;
use crate::http::{Body, Code, Problem};
use crate::opening::favourites::{self, FavouritesError};

/// Who I am here, and what I hold.
#[utoipa::path(
    get,
    path = "/api/v1/openings/{opening}/me",
    params(("opening" = String, Path, description = "Opening id")),
    responses((status = 200, body = wire::Me), (status = 401, body = wire::Problem))
)]
pub async fn me(State(core): State<Core>, buyer: Buyer) -> Result<Json<wire::Me>, Problem> {
    buyer.open.rates.read(buyer.session.registration)?;
    Ok(Json(me_of(&core, &buyer).await?))
}

/// Replace my favourites, in my order.
#[utoipa::path(
    put,
    path = "/api/v1/openings/{opening}/favourites",
    params(("opening" = String, Path, description = "Opening id")),
    request_body = wire::Favourites,
    responses(
        (status = 200, body = wire::Favourites),
        (status = 422, description = "FAVOURITES_TOO_MANY, UNIT_UNKNOWN", body = wire::Problem)
    )
)]
pub async fn set_favourites(
    State(core): State<Core>,
    buyer: Buyer,
    Body(body): Body<wire::Favourites>,
) -> Result<Json<wire::Favourites>, Problem> {
    let Buyer { open, session, .. } = buyer;
    open.rates.write(session.registration)?;
    let db = core.gateway.parts.db.clone();
    let now = core.gateway.now();
    let units: Vec<UnitOrd> = body.units.into_iter().map(UnitOrd).collect();
    let work = async move { favourites::replace(&db, &open.live, session.registration, &units, now).await };
    let stored = core.gateway.parts.backend.run(work).await?.map_err(|error| match error {
        FavouritesError::TooMany { max } => Problem::new(Code::FavouritesTooMany).with("max", max),
        FavouritesError::UnitUnknown(unit) => Problem::new(Code::UnitUnknown).with("unit", unit.0),
        FavouritesError::Store(error) => Problem::internal(error),
    })?;
    Ok(Json(wire::Favourites { units: stored.into_iter().map(|unit| unit.0).collect() }))
}

/// The buyer as they see themselves.
pub async fn me_of(core: &Core, buyer: &Buyer) -> Result<wire::Me, Problem> {
    let Buyer { open, session, device } = buyer;
    let who = session.registration;
    let registration = wire::registration(&open.live.facts, who)
        .ok_or_else(|| Problem::internal("a session of a registration that is not on the admission list"))?;
    let db = core.gateway.parts.db.clone();
    let opening = session.opening.clone();
    let read = async move { favourites::of(&mut db.read().await?, &opening, who).await };
    let stored = core.gateway.parts.backend.run(read).await?;
    Ok(wire::Me {
        registration,
        device: device.role.as_str(),
        session: session.session.to_string(),
        favourites: stored.map_err(Problem::internal)?.into_iter().map(|unit| unit.0).collect(),
        claims: open.live.claims_of(who).iter().map(|claim| wire::claim(claim)).collect(),
        device_request: device.request.as_ref().map(wire::device_request),
    })
}
