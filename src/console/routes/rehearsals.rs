//! Rehearsals: an isolated copy of an opening with simulated buyers, their sessions, and its end.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::lifecycle::write_log;
use super::openings::read;
use crate::console::auth::Who;
use crate::console::wire::OpeningAdmin;
use crate::console::{Console, problems};
use crate::domain::ids::{OpeningId, OrgId};
use crate::http::token::SessionClaims;
use crate::http::{Body, Path, Problem};
use crate::identity::buyers::SimulatedSession;
use crate::identity::{Actor, Right};
use crate::limits::{REHEARSAL_BUYERS_MAX, REHEARSAL_SESSIONS_MAX};
use crate::opening::rehearse::{Rehearser, Wanted};

/// How soon a rehearsal starts when nobody says otherwise.
const START_IN_S_USUAL: i64 = 60;

#[derive(Deserialize, ToSchema)]
pub struct NewRehearsal {
    buyers: Option<i64>,
    start_in_s: Option<i64>,
    open_for_s: Option<i64>,
}

impl NewRehearsal {
    fn wanted(&self) -> Wanted {
        Wanted {
            buyers: self.buyers,
            start_in_s: self.start_in_s.unwrap_or(START_IN_S_USUAL),
            open_for_s: self.open_for_s,
        }
    }
}

/// Copies the opening's homes, simulates its buyers and publishes the copy.
#[utoipa::path(post, path = "/api/v1/openings/{id}/rehearsals", request_body = NewRehearsal,
    responses((status = 201, body = OpeningAdmin)))]
pub async fn add(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Body(body): Body<NewRehearsal>,
) -> Result<(StatusCode, Json<OpeningAdmin>), Problem> {
    who.may(Right::Rehearse)?;
    who.in_person()?;
    let copy = copy(&console, &who.actor(), &id, &body.wanted()).await?;
    Ok((StatusCode::CREATED, Json(read(&console, &copy).await?)))
}

/// Makes the copy and starts it in this process.
pub async fn copy(
    console: &Console,
    by: &Actor,
    source: &OpeningId,
    wanted: &Wanted,
) -> Result<OpeningId, Problem> {
    let copied = rehearser(console, by).copy(source, wanted).await;
    let copy = copied.map_err(problems::rehearse)?;
    console.0.openings.start(&copy).await.map_err(problems::recover)?;
    Ok(copy)
}

/// The opening that is to be copied, as it is now.
pub async fn source(console: &Console, id: &OpeningId) -> Result<OpeningAdmin, Problem> {
    read(console, id).await
}

fn rehearser<'a>(console: &'a Console, by: &'a Actor) -> Rehearser<'a> {
    let parts = &console.0;
    Rehearser { db: &parts.db, vault: &parts.vault, by, clock: &parts.clock }
}

/// Ends a rehearsal, wherever it stands, and takes it out of every list.
#[utoipa::path(delete, path = "/api/v1/openings/{id}/rehearsal", responses((status = 204)))]
pub async fn clear(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<StatusCode, Problem> {
    who.may(Right::Rehearse)?;
    put_away(&console, &who.actor(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Clears a rehearsal and stops it in this process.
pub async fn put_away(console: &Console, by: &Actor, rehearsal: &OpeningId) -> Result<(), Problem> {
    rehearser(console, by).clear(rehearsal).await.map_err(problems::rehearse)?;
    console.0.openings.stop(rehearsal);
    Ok(())
}

#[derive(Deserialize, ToSchema)]
pub struct Simulate {
    /// Place of the first registration.
    first: i64,
    count: i64,
}

#[derive(Serialize, ToSchema)]
pub struct Sessions {
    sessions: Vec<SessionToken>,
}

#[derive(Serialize, ToSchema)]
pub struct SessionToken {
    registration: String,
    token: String,
}

/// Signs simulated buyers of a rehearsal in, each on its picking device. Earlier sessions of theirs end.
#[utoipa::path(post, path = "/api/v1/openings/{id}/sessions", request_body = Simulate,
    responses((status = 200, body = Sessions)))]
pub async fn sign_in(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Body(body): Body<Simulate>,
) -> Result<Response, Problem> {
    who.may(Right::Rehearse)?;
    let Simulate { first, count } = body;
    if !(0..REHEARSAL_BUYERS_MAX).contains(&first) {
        return Err(Problem::field("first").with("max", REHEARSAL_BUYERS_MAX - 1));
    }
    if !(1..=REHEARSAL_SESSIONS_MAX).contains(&count) {
        return Err(Problem::field("count").with("max", REHEARSAL_SESSIONS_MAX));
    }
    let signed_in = console.0.buyers.sign_in_simulated(&id, first, count, console.now()).await;
    let signed_in = signed_in.map_err(problems::buyer)?;
    let params = json!({ "first": first, "count": signed_in.len() });
    write_log(&console, &who, &id, "REHEARSAL_SESSIONS_MADE", id.as_str(), params).await?;
    let sessions = signed_in.into_iter().map(|one| token(&console, one)).collect();
    // Tokens: no cache may keep them.
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(Sessions { sessions })).into_response())
}

fn token(console: &Console, one: SimulatedSession) -> SessionToken {
    let SimulatedSession { code, session, expires_at } = one;
    let token = console.0.token_key.seal(&SessionClaims {
        org: OrgId::default_org(),
        opening: session.opening,
        registration: session.registration,
        session: session.session,
        generation: session.generation,
        expires_at,
    });
    SessionToken { registration: code, token }
}
