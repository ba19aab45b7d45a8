//! Sign-in by WeChat: to WeChat, back from it, and to a session. The page asks for it; opening a link never does.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::sign_in::welcome;
use crate::domain::ids::OpeningId;
use crate::gateway::core::{Core, Gateway};
use crate::gateway::problems;
use crate::gateway::session::Here;
use crate::gateway::wire;
use crate::http::address::ClientAddr;
use crate::http::cookie::{self, SameSite};
use crate::http::{Body, Code, Problem, Query};
use crate::identity::buyers::{Finish, Returned, WechatEnd, WechatSignIn};
use crate::limits::{WECHAT_BIND_S, WECHAT_SIGN_IN_S};

/// `opening.secret`: where to lead back to when nothing else is known, and what ties WeChat's answer to this browser.
const COOKIE: &str = "kp_wechat";
/// The callback lies outside of any opening.
const COOKIE_PATH: &str = "/api/v1";
const CALLBACK: &str = "/api/v1/wechat/callback";

/// Begin a sign-in by WeChat: the page goes to `authorize_url`.
#[utoipa::path(
    post,
    path = "/api/v1/openings/{opening}/sign-in/wechat",
    params(("opening" = String, Path, description = "Opening id")),
    responses(
        (status = 200, description = "The cookie kp_wechat is set", body = wire::WechatStarted),
        (status = 404, description = "NOT_FOUND: no such opening, or no WeChat here", body = wire::Problem),
        (status = 429, description = "SLOW_DOWN", body = wire::Problem)
    )
)]
pub async fn start(
    State(core): State<Core>,
    Here(open): Here,
    ClientAddr(address): ClientAddr,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let gateway = &core.gateway;
    let wechat = here(gateway)?;
    let callback = format!("{}{CALLBACK}", origin(gateway, &headers)?);
    let now = gateway.now();
    let opening = open.live.facts.id.clone();
    let work = async move { wechat.start(&opening, &callback, address, now).await };
    let started = gateway.parts.backend.run(work).await?.map_err(problems::buyer)?;
    let value = format!("{}.{}", open.live.facts.id, started.browser);
    let cookie = set_cookie(gateway, &value, WECHAT_SIGN_IN_S + WECHAT_BIND_S)?;
    let body = Json(wire::WechatStarted { authorize_url: started.authorize_url });
    Ok(([(header::SET_COOKIE, cookie)], body).into_response())
}

#[derive(Deserialize)]
pub struct Callback {
    #[serde(default)]
    state: String,
    /// Absent: the user refused.
    code: Option<String>,
}

/// WeChat leads back here; the page is told how it went by `?wechat=CODE`.
#[utoipa::path(
    get,
    path = "/api/v1/wechat/callback",
    params(
        ("state" = Option<String>, Query, description = "As it was sent"),
        ("code" = Option<String>, Query, description = "WeChat's code; absent if the user refused")
    ),
    responses((status = 303, description = "To the opening's page, or to the first page"))
)]
pub async fn callback(
    State(core): State<Core>,
    headers: HeaderMap,
    Query(callback): Query<Callback>,
) -> Result<Response, Problem> {
    let gateway = &core.gateway;
    let wechat = here(gateway)?;
    let Some((opening, browser)) = kept(&headers) else {
        return lead_back(None, WechatEnd::StateUnknown);
    };
    let (browser, now) = (browser.to_owned(), gateway.now());
    let work = async move {
        let code = callback.code.as_deref().filter(|code| !code.is_empty());
        wechat.returned(Returned { browser: &browser, state: &callback.state, code }, now).await
    };
    let end = gateway.parts.backend.run(work).await?.map_err(problems::buyer)?;
    lead_back(Some(&opening), end)
}

/// Finish a sign-in that WeChat has led back from.
#[utoipa::path(
    post,
    path = "/api/v1/openings/{opening}/sign-in/wechat/finish",
    params(("opening" = String, Path, description = "Opening id")),
    request_body = wire::WechatFinish,
    responses(
        (status = 200, description = "Signed in; the cookie kp_session is set", body = wire::SignedIn),
        (status = 401, description = "WECHAT_AGAIN", body = wire::Problem),
        (status = 409, description = "WECHAT_UNBOUND, CHOOSE_REGISTRATION", body = wire::Problem)
    )
)]
pub async fn finish(
    State(core): State<Core>,
    Here(open): Here,
    headers: HeaderMap,
    Body(body): Body<wire::WechatFinish>,
) -> Result<Response, Problem> {
    let gateway = &core.gateway;
    let wechat = here(gateway)?;
    let browser = browser(&headers).ok_or(Code::WechatAgain)?.to_owned();
    let (opening, now) = (open.live.facts.id.clone(), gateway.now());
    let work = async move {
        let finish = Finish {
            opening: &opening,
            browser: &browser,
            registration: body.registration.as_deref(),
            device: &body.device,
        };
        wechat.finish(finish, now).await
    };
    let signed_in = gateway.parts.backend.run(work).await?.map_err(problems::wechat)?;
    let mut response = welcome(&core, open, signed_in, now).await?;
    response.headers_mut().append(header::SET_COOKIE, forget(gateway)?);
    Ok(response)
}

/// What this browser keeps of its sign-in.
pub fn browser(headers: &HeaderMap) -> Option<&str> {
    kept(headers).map(|(_, browser)| browser)
}

/// It is used.
pub fn forget(gateway: &Gateway) -> Result<HeaderValue, Problem> {
    set_cookie(gateway, "", 0)
}

fn here(gateway: &Gateway) -> Result<WechatSignIn, Problem> {
    gateway.parts.wechat.clone().ok_or(Code::NotFound.into())
}

/// Where the page is, so that WeChat leads back to the browser's own cookies. The shell has refused origins that are not on
/// the list.
fn origin(gateway: &Gateway, headers: &HeaderMap) -> Result<String, Problem> {
    let listed = &gateway.parts.public_origins;
    let given = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let found = given.and_then(|given| listed.iter().find(|origin| *origin == given));
    found.or(listed.first()).cloned().ok_or_else(|| Problem::internal("no public origin is set"))
}

fn kept(headers: &HeaderMap) -> Option<(OpeningId, &str)> {
    let (opening, browser) = cookie::read(headers, COOKIE)?.split_once('.')?;
    Some((opening.parse().ok()?, browser))
}

fn set_cookie(gateway: &Gateway, value: &str, max_age_s: i64) -> Result<HeaderValue, Problem> {
    let secure = gateway.parts.secure_cookies;
    cookie::set(COOKIE, value, COOKIE_PATH, max_age_s, SameSite::Lax, secure)
        .ok_or_else(|| Problem::internal("a secret does not fit a cookie"))
}

/// To a page of ours, made of an id and a word: nothing that came with the request stands in the address.
fn lead_back(opening: Option<&OpeningId>, end: WechatEnd) -> Result<Response, Problem> {
    let path = opening.map_or_else(|| "/".to_owned(), |opening| format!("/o/{opening}"));
    let location =
        HeaderValue::from_str(&format!("{path}?wechat={}", end.as_str())).map_err(Problem::internal)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}
