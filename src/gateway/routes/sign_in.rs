//! Phone and one-time code; the session's token and cookie.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};

use super::me::me_of;
use super::wechat;
use crate::domain::ids::OrgId;
use crate::domain::time::Micros;
use crate::gateway::core::{Core, Gateway};
use crate::gateway::open::Open;
use crate::gateway::problems;
use crate::gateway::session::{self, Buyer, COOKIE, Here};
use crate::gateway::wire;
use crate::http::address::ClientAddr;
use crate::http::cookie::{self, SameSite};
use crate::http::token::SessionClaims;
use crate::http::{Body, Problem};
use crate::identity::buyers::{BuyerSession, SignInAttempt, SignedIn};

/// Send a code to a phone. The answer does not tell whether the phone is on the roster.
#[utoipa::path(
    post,
    path = "/api/v1/openings/{opening}/sign-in/code",
    params(("opening" = String, Path, description = "Opening id")),
    request_body = wire::CodeRequest,
    responses(
        (status = 202, body = wire::CodeSent),
        (status = 400, description = "PHONE_INVALID", body = wire::Problem),
        (status = 429, description = "SLOW_DOWN", body = wire::Problem)
    )
)]
pub async fn request_code(
    State(core): State<Core>,
    Here(open): Here,
    ClientAddr(address): ClientAddr,
    Body(body): Body<wire::CodeRequest>,
) -> Result<(StatusCode, Json<wire::CodeSent>), Problem> {
    let buyers = core.gateway.parts.buyers.clone();
    let now = core.gateway.now();
    let work = async move { buyers.request_code(&open.live.facts.id, &body.phone, address, now).await };
    let sent = core.gateway.parts.backend.run(work).await?.map_err(problems::buyer)?;
    Ok((StatusCode::ACCEPTED, Json(wire::CodeSent { resend_after_ms: sent.resend_after_ms })))
}

/// Sign in with phone and code.
#[utoipa::path(
    post,
    path = "/api/v1/openings/{opening}/sign-in",
    params(("opening" = String, Path, description = "Opening id")),
    request_body = wire::SignIn,
    responses(
        (status = 200, description = "Signed in; the cookie kp_session is set", body = wire::SignedIn),
        (status = 401, description = "CODE_WRONG, CODE_VOID", body = wire::Problem),
        (status = 409, description = "CHOOSE_REGISTRATION", body = wire::Problem),
        (status = 429, description = "SLOW_DOWN", body = wire::Problem)
    )
)]
pub async fn sign_in(
    State(core): State<Core>,
    Here(open): Here,
    ClientAddr(address): ClientAddr,
    headers: HeaderMap,
    Body(body): Body<wire::SignIn>,
) -> Result<Response, Problem> {
    let gateway = &core.gateway;
    let browser = wechat::browser(&headers).filter(|_| body.bind_wechat).map(str::to_owned);
    let buyers = gateway.parts.buyers.clone();
    let now = gateway.now();
    let opening = open.live.facts.id.clone();
    let work = async move {
        let attempt = SignInAttempt {
            opening: &opening,
            phone: &body.phone,
            code: &body.code,
            registration: body.registration.as_deref(),
            device: &body.device,
            address,
            wechat: browser.as_deref(),
        };
        buyers.sign_in(attempt, now).await
    };
    let signed_in = gateway.parts.backend.run(work).await?.map_err(problems::buyer)?;
    let forget = signed_in.bound.then(|| wechat::forget(gateway)).transpose()?;
    Ok((
        AppendHeaders(forget.map(|cookie| (header::SET_COOKIE, cookie))),
        welcome(&core, open, signed_in, now).await?,
    )
        .into_response())
}

/// The answer to whoever has just signed in, by whatever way.
pub async fn welcome(
    core: &Core,
    open: Arc<Open>,
    signed_in: SignedIn,
    now: Micros,
) -> Result<Response, Problem> {
    let gateway = &core.gateway;
    let token = seal(gateway, &signed_in.session, signed_in.expires_at);
    let device = session::authenticate(gateway, &signed_in.session).await?;
    let path = cookie_path(&signed_in.session);
    let me = me_of(core, &Buyer { open, session: signed_in.session, device }).await?;
    let max_age_s = signed_in.expires_at.since(now).0.div_euclid(1_000_000);
    let cookie = set_cookie(gateway, &token, &path, max_age_s)?;
    let body = Json(wire::SignedIn { token, device: me.device, me, wechat_bound: signed_in.bound });
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), body).into_response())
}

/// Sign out this device.
#[utoipa::path(
    delete,
    path = "/api/v1/openings/{opening}/session",
    params(("opening" = String, Path, description = "Opening id")),
    responses((status = 204, description = "Signed out"), (status = 401, body = wire::Problem))
)]
pub async fn sign_out(State(core): State<Core>, buyer: Buyer) -> Result<Response, Problem> {
    let gateway = &core.gateway;
    let path = cookie_path(&buyer.session);
    let (buyers, now) = (gateway.parts.buyers.clone(), gateway.now());
    let work = async move { buyers.sign_out(&buyer.session, now).await };
    gateway.parts.backend.run(work).await?.map_err(problems::buyer)?;
    let cookie = set_cookie(gateway, "", &path, 0)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

fn seal(gateway: &Gateway, session: &BuyerSession, expires_at: Micros) -> String {
    gateway.parts.token_key.seal(&SessionClaims {
        org: OrgId::default_org(),
        opening: session.opening.clone(),
        registration: session.registration,
        session: session.session.clone(),
        generation: session.generation,
        expires_at,
    })
}

/// A cookie of one opening is not sent to another.
fn cookie_path(session: &BuyerSession) -> String {
    format!("/api/v1/openings/{}", session.opening)
}

fn set_cookie(gateway: &Gateway, value: &str, path: &str, max_age_s: i64) -> Result<HeaderValue, Problem> {
    let secure = gateway.parts.secure_cookies;
    cookie::set(COOKIE, value, path, max_age_s, SameSite::Lax, secure)
        .ok_or_else(|| Problem::internal("a token does not fit a cookie"))
}
