//! The second factor: one's own, somebody's that is lost, and the rule for all.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::console::auth::Who;
use crate::console::wire::Reason;
use crate::console::{Console, problems};
use crate::domain::ids::StaffId;
use crate::http::address::ClientAddr;
use crate::http::{Body, Path, Problem};
use crate::identity::Right;

#[derive(Serialize, ToSchema)]
pub struct SecondFactorView {
    on: bool,
    recovery_codes_left: i64,
    required: bool,
}

/// How it stands with one's own.
#[utoipa::path(get, path = "/api/v1/session/second-factor", responses((status = 200, body = SecondFactorView)))]
pub async fn show(State(console): State<Console>, who: Who) -> Result<Json<SecondFactorView>, Problem> {
    let factor = console.0.staff.second_factor(&who.signed_in()?.member.id).await.map_err(problems::staff)?;
    let recovery_codes_left = factor.recovery_codes_left;
    Ok(Json(SecondFactorView { on: factor.on, recovery_codes_left, required: factor.required }))
}

#[derive(Deserialize, ToSchema)]
pub struct Password {
    #[schema(value_type = String)]
    current: Zeroizing<String>,
}

#[derive(Serialize, ToSchema)]
pub struct EnrolmentView {
    /// For whoever types it, in base 32.
    #[schema(value_type = String)]
    key: Zeroizing<String>,
    /// For a QR code.
    #[schema(value_type = String)]
    uri: Zeroizing<String>,
}

/// Secrets: no cache may keep them.
fn unkept(body: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response()
}

/// Begins to set one up: the secret for an app, shown this once.
#[utoipa::path(post, path = "/api/v1/session/second-factor", request_body = Password,
    responses((status = 200, body = EnrolmentView)))]
pub async fn begin(
    State(console): State<Console>,
    who: Who,
    ClientAddr(address): ClientAddr,
    Body(body): Body<Password>,
) -> Result<Response, Problem> {
    let (who, now) = (who.signed_in()?, console.now());
    let begun = console.0.staff.begin_second_factor(&who, body.current, address, now).await;
    let enrolment = begun.map_err(problems::staff)?;
    Ok(unkept(EnrolmentView { key: enrolment.key, uri: enrolment.uri }))
}

#[derive(Deserialize, ToSchema)]
pub struct FirstCode {
    #[schema(value_type = String)]
    code: Zeroizing<String>,
}

#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    #[schema(value_type = Vec<String>)]
    recovery_codes: Vec<Zeroizing<String>>,
}

/// Turns it on with a code of the app; the recovery codes, shown this once. The other sessions end.
#[utoipa::path(post, path = "/api/v1/session/second-factor/confirm", request_body = FirstCode,
    responses((status = 200, body = RecoveryCodes)))]
pub async fn confirm(
    State(console): State<Console>,
    who: Who,
    Body(body): Body<FirstCode>,
) -> Result<Response, Problem> {
    let confirmed = console.0.staff.confirm_second_factor(&who.signed_in()?, &body.code, console.now()).await;
    Ok(unkept(RecoveryCodes { recovery_codes: confirmed.map_err(problems::staff)? }))
}

#[derive(Deserialize, ToSchema)]
pub struct Removal {
    #[schema(value_type = String)]
    current: Zeroizing<String>,
    #[schema(value_type = String)]
    code: Zeroizing<String>,
}

/// Turns one's own off.
#[utoipa::path(post, path = "/api/v1/session/second-factor/remove", request_body = Removal,
    responses((status = 204)))]
pub async fn remove(
    State(console): State<Console>,
    who: Who,
    ClientAddr(address): ClientAddr,
    Body(Removal { current, code }): Body<Removal>,
) -> Result<StatusCode, Problem> {
    let (who, now) = (who.signed_in()?, console.now());
    let removed = console.0.staff.remove_second_factor(&who, current, &code, address, now).await;
    removed.map_err(problems::staff)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes an account's away, for a lost phone; ends its sessions.
#[utoipa::path(post, path = "/api/v1/staff/{id}/second-factor/reset", request_body = Reason,
    responses((status = 204)))]
pub async fn reset(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<StaffId>,
    Body(body): Body<Reason>,
) -> Result<StatusCode, Problem> {
    who.may(Right::Staff)?;
    let reset = console.0.staff.reset_second_factor(&who.actor(), &id, &body.reason, console.now()).await;
    reset.map_err(problems::staff)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
pub struct Rule {
    required: bool,
    reason: String,
}

/// Whether everybody must have one.
#[utoipa::path(put, path = "/api/v1/second-factor", request_body = Rule, responses((status = 204)))]
pub async fn require(
    State(console): State<Console>,
    who: Who,
    Body(Rule { required, reason }): Body<Rule>,
) -> Result<StatusCode, Problem> {
    who.may(Right::Staff)?;
    let set = console.0.staff.require_second_factor(&who.actor(), required, &reason, console.now()).await;
    set.map_err(problems::staff)?;
    Ok(StatusCode::NO_CONTENT)
}
