//! Projects and openings: creating, reading, changing settings.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::{log, log_on};
use crate::console::auth::Who;
use crate::console::wire::{self, NewProject, OpeningAdmin, OpeningDraft, OpeningPatch, Openings, Projects};
use crate::console::{Console, problems};
use crate::domain::ids::OpeningId;
use crate::http::{Body, Code, Path, Problem};
use crate::identity::Right;
use crate::opening::drafts::{self, Intent};
use crate::store::Priority;

#[utoipa::path(get, path = "/api/v1/projects", responses((status = 200, body = Projects)))]
pub async fn projects(State(console): State<Console>, who: Who) -> Result<Json<Projects>, Problem> {
    who.may(Right::View)?;
    let mut read = console.0.db.read().await.map_err(problems::store)?;
    let projects = drafts::projects(&mut read).await.map_err(problems::store)?;
    Ok(Json(Projects { projects: projects.into_iter().map(wire::project).collect() }))
}

#[utoipa::path(post, path = "/api/v1/projects", request_body = NewProject,
    responses((status = 201, body = wire::Project)))]
pub async fn add_project(
    State(console): State<Console>,
    who: Who,
    Body(body): Body<NewProject>,
) -> Result<(StatusCode, Json<wire::Project>), Problem> {
    who.may(Right::Prepare)?;
    let mut tx = console.0.db.begin(Priority::Staff).await.map_err(problems::store)?;
    let created =
        drafts::create_project(&mut tx, &body.name, console.now()).await.map_err(problems::draft)?;
    log(&console, &mut tx, &who.actor(), None, "PROJECT_CREATED", created.id.as_str(), json!({})).await?;
    tx.commit().await.map_err(problems::store)?;
    Ok((StatusCode::CREATED, Json(wire::project(created))))
}

#[utoipa::path(get, path = "/api/v1/openings", responses((status = 200, body = Openings)))]
pub async fn list(State(console): State<Console>, who: Who) -> Result<Json<Openings>, Problem> {
    who.may(Right::View)?;
    let mut read = console.0.db.read().await.map_err(problems::store)?;
    let overviews = drafts::overviews(&mut read).await.map_err(problems::store)?;
    Ok(Json(Openings { openings: overviews.into_iter().map(|one| view(&console, one)).collect() }))
}

#[utoipa::path(post, path = "/api/v1/openings", request_body = OpeningDraft,
    responses((status = 201, body = OpeningAdmin)))]
pub async fn add(
    State(console): State<Console>,
    who: Who,
    Body(body): Body<OpeningDraft>,
) -> Result<(StatusCode, Json<OpeningAdmin>), Problem> {
    who.may(Right::Prepare)?;
    let mut tx = console.0.db.begin(Priority::Staff).await.map_err(problems::store)?;
    let created =
        drafts::create_opening(&mut tx, &body.project, &body.settings(), Intent::Sale, console.now()).await;
    let id = created.map_err(problems::draft)?;
    log(&console, &mut tx, &who.actor(), Some(&id), "OPENING_CREATED", id.as_str(), json!({})).await?;
    tx.commit().await.map_err(problems::store)?;
    Ok((StatusCode::CREATED, Json(read(&console, &id).await?)))
}

#[utoipa::path(get, path = "/api/v1/openings/{id}", responses((status = 200, body = OpeningAdmin)))]
pub async fn show(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<Json<OpeningAdmin>, Problem> {
    who.may(Right::View)?;
    Ok(Json(read(&console, &id).await?))
}

/// Changes settings of an opening that is not published; a checked one becomes a draft again.
#[utoipa::path(patch, path = "/api/v1/openings/{id}", request_body = OpeningPatch,
    responses((status = 200, body = OpeningAdmin)))]
pub async fn change(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Body(body): Body<OpeningPatch>,
) -> Result<Json<OpeningAdmin>, Problem> {
    who.may(Right::Prepare)?;
    let before = overview(&console, &id).await?;
    let settings = body.apply(before.settings);
    let mut tx = console.begin(&id).await.map_err(problems::store)?;
    drafts::change_opening(&mut tx, &id, &settings).await.map_err(problems::draft)?;
    log_on(&console, &mut tx, &who, &id, "OPENING_CHANGED", json!({})).await?;
    tx.commit().await.map_err(problems::store)?;
    Ok(Json(read(&console, &id).await?))
}

async fn overview(console: &Console, id: &OpeningId) -> Result<drafts::Overview, Problem> {
    let mut read = console.0.db.read().await.map_err(problems::store)?;
    let overview = drafts::overview(&mut read, id).await.map_err(problems::store)?;
    overview.ok_or_else(|| Problem::new(Code::NotFound))
}

/// The opening as it is now.
pub async fn read(console: &Console, id: &OpeningId) -> Result<OpeningAdmin, Problem> {
    Ok(view(console, overview(console, id).await?))
}

fn view(console: &Console, overview: drafts::Overview) -> OpeningAdmin {
    let now = console.0.openings.get(&overview.id).map_or_else(|| console.now(), |live| live.now());
    wire::opening(overview, now, &console.0.buyers_url)
}
