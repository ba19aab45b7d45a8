//! Signing in and out.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::console::auth::{COOKIE, Who, own_page};
use crate::console::{Console, problems};
use crate::domain::time::Micros;
use crate::http::address::ClientAddr;
use crate::http::cookie::{self, SameSite};
use crate::http::{Body, Problem};
use crate::identity::StaffMember;
use crate::identity::staff::Origin;

#[derive(Deserialize, ToSchema)]
pub struct LogIn {
    login: String,
    #[schema(value_type = String)]
    password: Zeroizing<String>,
    /// Of the second factor, where there is one: six digits of the app, or a recovery code.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    code: Option<Zeroizing<String>>,
}

#[derive(Serialize, ToSchema)]
pub struct StaffView {
    id: String,
    login: String,
    name: String,
    role: &'static str,
    disabled: bool,
    rights: Vec<&'static str>,
    second_factor: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Session {
    /// For programs; a page has it in its cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    staff: StaffView,
    /// A second factor is required: until there is one, nothing else is open.
    must_enrol: bool,
}

pub fn view(member: StaffMember) -> StaffView {
    StaffView {
        rights: member.right_names().collect(),
        id: member.id.to_string(),
        login: member.login,
        name: member.name,
        role: member.role.as_str(),
        disabled: member.disabled,
        second_factor: member.second_factor,
    }
}

/// Signs in with login and password; sets the cookie.
#[utoipa::path(post, path = "/api/v1/session", request_body = LogIn, responses((status = 200, body = Session)))]
pub async fn log_in(
    State(console): State<Console>,
    ClientAddr(address): ClientAddr,
    headers: HeaderMap,
    Body(body): Body<LogIn>,
) -> Result<Response, Problem> {
    let now = console.now();
    let browser = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let origin = Origin { address, browser: browser.unwrap_or_default().into_owned() };
    let code = body.code.as_ref().map(|code| code.as_str());
    let logged_in = console.0.staff.log_in(&body.login, body.password, code, &origin, now).await;
    let logged_in = logged_in.map_err(problems::staff)?;
    let age_s = logged_in.expires_at.since(now).0 / Micros::from_secs(1).0;
    let cookie = set_cookie(&console, &logged_in.token, age_s)?;
    let session = Session {
        token: Some(logged_in.token.to_string()),
        staff: view(logged_in.member),
        must_enrol: logged_in.must_enrol,
    };
    let headers =
        [(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((headers, Json(session)).into_response())
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/session", responses((status = 200, body = Session)))]
pub async fn show(who: Who) -> Json<Session> {
    Json(Session { token: None, must_enrol: who.must_enrol, staff: view(who.member) })
}

/// Signs out.
#[utoipa::path(delete, path = "/api/v1/session", responses((status = 204)))]
pub async fn log_out(State(console): State<Console>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(token) = cookie::token(&headers, COOKIE) {
        own_page(&Method::DELETE, &headers)?;
        console.0.staff.log_out(token, console.now()).await.map_err(problems::staff)?;
    }
    let gone = set_cookie(&console, "", 0)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

fn set_cookie(console: &Console, value: &str, age_s: i64) -> Result<HeaderValue, Problem> {
    cookie::set(COOKIE, value, "/", age_s, SameSite::Strict, console.0.secure_cookies)
        .ok_or_else(|| Problem::internal("a token does not fit a cookie"))
}
