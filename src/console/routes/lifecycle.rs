//! The life of an opening: check, publish, unpublish, pause, resume, end, archive, disable.

use axum::Json;
use axum::extract::State;
use serde_json::json;

use super::openings::read;
use super::{log, log_on};
use crate::console::auth::Who;
use crate::console::wire::{self, OpeningAdmin, Preflight, Reason};
use crate::console::{Console, problems};
use crate::domain::ids::OpeningId;
use crate::http::{Body, Code, Path, Problem};
use crate::identity::{Actor, Right};
use crate::limits::REASON_CHARS_MAX;
use crate::opening::job::{Change, Command, CommandError, CommandRefusal};
use crate::opening::publish::Retired;
use crate::opening::{preflight as flight, publish as lists};
use crate::store::Priority;

type Shown = Result<Json<OpeningAdmin>, Problem>;

/// What must be mended before publication, and the hashes of what it would freeze.
#[utoipa::path(get, path = "/api/v1/openings/{id}/preflight", responses((status = 200, body = Preflight)))]
pub async fn preflight(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<Json<Preflight>, Problem> {
    who.may(Right::View)?;
    read(&console, &id).await?;
    let mut reader = console.0.db.read().await.map_err(problems::store)?;
    let looked = flight::look(&mut reader.exec(), &id, console.now()).await.map_err(problems::store)?;
    Ok(Json(wire::preflight(looked)))
}

/// Draft → checked.
#[utoipa::path(post, path = "/api/v1/openings/{id}/check", responses((status = 200, body = OpeningAdmin)))]
pub async fn check(State(console): State<Console>, who: Who, Path(id): Path<OpeningId>) -> Shown {
    who.may(Right::Control)?;
    let mut tx = console.begin(&id).await.map_err(problems::store)?;
    lists::check(&mut tx, &id).await.map_err(problems::publish)?;
    log_on(&console, &mut tx, &who, &id, "OPENING_CHECKED", json!({})).await?;
    tx.commit().await.map_err(problems::store)?;
    Ok(Json(read(&console, &id).await?))
}

/// Checked → published: units and admission list are frozen and hashed.
#[utoipa::path(post, path = "/api/v1/openings/{id}/publish", responses((status = 200, body = OpeningAdmin)))]
pub async fn publish(State(console): State<Console>, who: Who, Path(id): Path<OpeningId>) -> Shown {
    who.may(Right::Control)?;
    let mut tx = console.begin(&id).await.map_err(problems::store)?;
    let frozen = lists::publish(&mut tx, &id).await.map_err(problems::publish)?;
    let hashes = json!({ "units_hash": frozen.units_hash, "roster_hash": frozen.roster_hash });
    log_on(&console, &mut tx, &who, &id, "OPENING_PUBLISHED", hashes).await?;
    tx.commit().await.map_err(problems::store)?;
    console.0.openings.start(&id).await.map_err(problems::recover)?;
    Ok(Json(read(&console, &id).await?))
}

/// Published → checked, before the start.
#[utoipa::path(post, path = "/api/v1/openings/{id}/unpublish", responses((status = 200, body = OpeningAdmin)))]
pub async fn unpublish(State(console): State<Console>, who: Who, Path(id): Path<OpeningId>) -> Shown {
    who.may(Right::Control)?;
    let mut tx = console.begin(&id).await.map_err(problems::store)?;
    lists::unpublish(&mut tx, &id, Some(&who.id())).await.map_err(problems::publish)?;
    log_on(&console, &mut tx, &who, &id, "OPENING_UNPUBLISHED", json!({})).await?;
    tx.commit().await.map_err(problems::store)?;
    console.0.openings.stop(&id);
    Ok(Json(read(&console, &id).await?))
}

/// Picks are refused with `PAUSED` until resumed.
#[utoipa::path(post, path = "/api/v1/openings/{id}/pause", request_body = Reason,
    responses((status = 200, body = OpeningAdmin)))]
pub async fn pause(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Body(body): Body<Reason>,
) -> Shown {
    let change = Change::Pause { by: who.id() };
    control(&console, &who, &id, change, "OPENING_PAUSED", Some(&body.reason)).await
}

#[utoipa::path(post, path = "/api/v1/openings/{id}/resume", responses((status = 200, body = OpeningAdmin)))]
pub async fn resume(State(console): State<Console>, who: Who, Path(id): Path<OpeningId>) -> Shown {
    let change = Change::Resume { by: who.id() };
    control(&console, &who, &id, change, "OPENING_RESUMED", None).await
}

/// Ends the sale before its time. Holds run on.
#[utoipa::path(post, path = "/api/v1/openings/{id}/end", request_body = Reason,
    responses((status = 200, body = OpeningAdmin)))]
pub async fn end(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Body(body): Body<Reason>,
) -> Shown {
    let change = Change::Close { by: Some(who.id()) };
    control(&console, &who, &id, change, "OPENING_ENDED", Some(&body.reason)).await
}

/// The opening's committer does it; the reason is logged beside it.
async fn control(
    console: &Console,
    who: &Who,
    id: &OpeningId,
    change: Change,
    action: &'static str,
    reason: Option<&str>,
) -> Shown {
    who.may(Right::Control)?;
    check_reason(reason)?;
    let to = match change {
        Change::Pause { .. } => "paused",
        Change::Close { .. } => "closed",
        Change::Resume { .. } | Change::Arm { .. } | Change::Open => "live",
    };
    // A draft has no committer to refuse it, but the answer is the same.
    let Some(live) = console.0.openings.get(id) else { return Err(refused(console, id, to).await) };
    match live.command(Command::Control(change)).await {
        Err(CommandError::Refused(CommandRefusal::TransitionRefused)) => {
            return Err(refused(console, id, to).await);
        }
        done => done.map_err(problems::command)?,
    };
    write_log(console, who, id, action, id.as_str(), json!({ "reason": reason })).await?;
    Ok(Json(read(console, id).await?))
}

async fn refused(console: &Console, id: &OpeningId, to: &str) -> Problem {
    match read(console, id).await {
        Ok(opening) => Problem::new(Code::TransitionRefused).with("from", opening.state).with("to", to),
        Err(problem) => problem,
    }
}

/// Closed → archived: out of sight of buyers.
#[utoipa::path(post, path = "/api/v1/openings/{id}/archive", responses((status = 200, body = OpeningAdmin)))]
pub async fn archive(State(console): State<Console>, who: Who, Path(id): Path<OpeningId>) -> Shown {
    retire(console, who, id, Retired::Archived, "OPENING_ARCHIVED").await
}

/// An opening that is not running is taken out of use.
#[utoipa::path(post, path = "/api/v1/openings/{id}/disable", responses((status = 200, body = OpeningAdmin)))]
pub async fn disable(State(console): State<Console>, who: Who, Path(id): Path<OpeningId>) -> Shown {
    retire(console, who, id, Retired::Disabled, "OPENING_DISABLED").await
}

async fn retire(console: Console, who: Who, id: OpeningId, to: Retired, action: &'static str) -> Shown {
    who.may(Right::Control)?;
    let mut tx = console.begin(&id).await.map_err(problems::store)?;
    lists::retire(&mut tx, &id, to, &who.id()).await.map_err(problems::publish)?;
    log_on(&console, &mut tx, &who, &id, action, json!({})).await?;
    tx.commit().await.map_err(problems::store)?;
    console.0.openings.stop(&id);
    Ok(Json(read(&console, &id).await?))
}

pub fn check_reason(reason: Option<&str>) -> Result<(), Problem> {
    let fits = |reason: &str| !reason.trim().is_empty() && reason.chars().count() <= REASON_CHARS_MAX;
    if reason.is_none_or(fits) { Ok(()) } else { Err(Problem::field("reason").with("max", REASON_CHARS_MAX)) }
}

/// The staff log of something that the opening's committer did in its own transaction. The journal has it in any
/// case, with who; this adds why.
pub async fn write_log(
    console: &Console,
    who: &Who,
    opening: &OpeningId,
    action: &'static str,
    object: &str,
    params: serde_json::Value,
) -> Result<(), Problem> {
    write_log_of(console, &who.actor(), opening, action, object, params).await
}

/// The same, for what goes on after its request was answered.
pub async fn write_log_of(
    console: &Console,
    by: &Actor,
    opening: &OpeningId,
    action: &'static str,
    object: &str,
    params: serde_json::Value,
) -> Result<(), Problem> {
    let mut tx = console.0.db.begin(Priority::Staff).await.map_err(problems::store)?;
    log(console, &mut tx, by, Some(opening), action, object, params).await?;
    tx.commit().await.map_err(problems::store)
}
