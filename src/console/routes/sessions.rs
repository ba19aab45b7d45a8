//! Where an account is signed in, and how that ends; one's own password.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::console::auth::Who;
use crate::console::{Console, problems};
use crate::domain::ids::{SessionId, StaffId};
use crate::http::address::ClientAddr;
use crate::http::{Body, Path, Problem};
use crate::identity::Right;
use crate::identity::staff::StaffSession;

#[derive(Serialize, ToSchema)]
pub struct SessionView {
    /// None: begun under an older program; it ends with the others.
    id: Option<String>,
    created_ms: i64,
    seen_ms: i64,
    expires_ms: i64,
    address: Option<String>,
    /// As it calls itself.
    browser: Option<String>,
    /// The one that asks.
    this: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Sessions {
    sessions: Vec<SessionView>,
}

#[derive(Serialize, ToSchema)]
pub struct Ended {
    ended: u64,
}

fn view(session: StaffSession) -> SessionView {
    let (address, browser) = session
        .origin
        .map_or((None, None), |origin| (Some(origin.address.to_string()), Some(origin.browser)));
    SessionView {
        id: session.id.map(|id| id.to_string()),
        created_ms: session.created_at.ms(),
        seen_ms: session.seen_at.ms(),
        expires_ms: session.expires_at.ms(),
        address,
        browser,
        this: session.is_this,
    }
}

async fn listed(console: &Console, who: &Who, id: &StaffId) -> Result<Json<Sessions>, Problem> {
    let this = who.signed_in()?.session;
    let sessions = console.0.staff.sessions(id, &this, console.now()).await.map_err(problems::staff)?;
    Ok(Json(Sessions { sessions: sessions.into_iter().map(view).collect() }))
}

/// One's own sessions, the newest first.
#[utoipa::path(get, path = "/api/v1/sessions", responses((status = 200, body = Sessions)))]
pub async fn list(State(console): State<Console>, who: Who) -> Result<Json<Sessions>, Problem> {
    listed(&console, &who, &who.member.id).await
}

/// Ends one's own sessions but the one that asks.
#[utoipa::path(delete, path = "/api/v1/sessions", responses((status = 200, body = Ended)))]
pub async fn end_others(State(console): State<Console>, who: Who) -> Result<Json<Ended>, Problem> {
    let ended = console.0.staff.end_other_sessions(&who.signed_in()?, console.now()).await;
    Ok(Json(Ended { ended: ended.map_err(problems::staff)? }))
}

/// Ends one of one's own sessions.
#[utoipa::path(delete, path = "/api/v1/sessions/{session}", responses((status = 204)))]
pub async fn end(
    State(console): State<Console>,
    who: Who,
    Path(session): Path<SessionId>,
) -> Result<StatusCode, Problem> {
    let ended = console.0.staff.end_session(&who.signed_in()?, &session, console.now()).await;
    ended.map_err(problems::staff)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
pub struct OwnPassword {
    #[schema(value_type = String)]
    current: Zeroizing<String>,
    #[schema(value_type = String)]
    password: Zeroizing<String>,
}

/// Changes one's own password; ends the other sessions.
#[utoipa::path(post, path = "/api/v1/session/password", request_body = OwnPassword, responses((status = 204)))]
pub async fn change_password(
    State(console): State<Console>,
    who: Who,
    ClientAddr(address): ClientAddr,
    Body(OwnPassword { current, password }): Body<OwnPassword>,
) -> Result<StatusCode, Problem> {
    let (who, now) = (who.signed_in()?, console.now());
    let changed = console.0.staff.change_password(&who, current, password, address, now).await;
    changed.map_err(problems::staff)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The sessions of an account.
#[utoipa::path(get, path = "/api/v1/staff/{id}/sessions", responses((status = 200, body = Sessions)))]
pub async fn list_of(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<StaffId>,
) -> Result<Json<Sessions>, Problem> {
    who.may(Right::Staff)?;
    console.0.staff.known(&id).await.map_err(problems::staff)?;
    listed(&console, &who, &id).await
}

/// Ends every session of an account.
#[utoipa::path(delete, path = "/api/v1/staff/{id}/sessions", responses((status = 200, body = Ended)))]
pub async fn end_all_of(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<StaffId>,
) -> Result<Json<Ended>, Problem> {
    who.may(Right::Staff)?;
    let ended = console.0.staff.end_sessions_of(&who.actor(), &id, console.now()).await;
    Ok(Json(Ended { ended: ended.map_err(problems::staff)? }))
}
