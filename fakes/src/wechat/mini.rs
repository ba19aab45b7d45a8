//! The Mini Program's sign-in, and its button that gives the phone number away.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Errcode, Plain, Refused};
use super::cast::{Person, known, person};
use super::params::{self, Params};
use super::{WeChat, random};

const CODE_MS: i64 = 5 * 60 * 1_000;
const KEPT_MAX: usize = 10_000;

#[derive(Clone, Copy)]
struct Code {
    person: &'static Person,
    ends_ms: i64,
}

#[derive(Default)]
pub struct Codes {
    sign_in: HashMap<String, Code>,
    phone: HashMap<String, Code>,
}

fn new_code(codes: &mut HashMap<String, Code>, person: &'static Person, now_ms: i64) -> Option<String> {
    if codes.len() >= KEPT_MAX {
        codes.retain(|_, code| code.ends_ms > now_ms);
    }
    let name = random(32);
    (codes.len() < KEPT_MAX).then(|| {
        codes.insert(name.clone(), Code { person, ends_ms: now_ms + CODE_MS });
        name
    })
}

pub async fn code_to_session(
    State(wechat): State<WeChat>,
    RawQuery(query): RawQuery,
) -> Result<Plain, Refused> {
    let wanted = [
        ("appid", Some(Errcode::AppIdMissing)),
        ("secret", Some(Errcode::SecretMissing)),
        ("js_code", Some(Errcode::CodeMissing)),
        ("grant_type", Some(Errcode::GrantTypeInvalid)),
    ];
    let params = Params::read(query.as_deref(), &wanted)?;
    if params.get("appid") != known::MINI_APP_ID {
        return Err(Errcode::AppIdInvalid.into());
    }
    if params.get("secret") != known::MINI_SECRET {
        return Err(Errcode::SecretInvalid.into());
    }
    if params.get("grant_type") != "authorization_code" {
        return Err(Errcode::GrantTypeInvalid.into());
    }
    let code = wechat.state().mini.sign_in.remove(params.get("js_code"));
    let code = code.filter(|code| code.ends_ms > wechat.now_ms()).ok_or(Errcode::CodeInvalid)?;
    if code.person.risky {
        return Err(Errcode::RiskyUser.into());
    }
    Ok(Plain(json!({
        "openid": code.person.openid(known::MINI_APP_ID),
        "session_key": STANDARD.encode(random(16)),
        "unionid": code.person.unionid(),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhoneCode {
    code: String,
}

/// The token is that of the account that is played here; a real Mini Program has its own.
pub async fn phone_number(
    State(wechat): State<WeChat>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    wechat.with_token(query.as_deref())?;
    let PhoneCode { code } = params::body(&body)?;
    let now_ms = wechat.now_ms();
    let code = wechat.state().mini.phone.remove(&code);
    let code = code.filter(|code| code.ends_ms > now_ms).ok_or(Errcode::CodeInvalid)?;
    Ok(Json(json!({
        "errcode": 0,
        "errmsg": "ok",
        "phone_info": {
            "phoneNumber": code.person.phone,
            "purePhoneNumber": code.person.phone,
            "countryCode": "86",
            "watermark": { "timestamp": now_ms / 1_000, "appid": wechat.settings().app_id },
        },
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    user: String,
}

/// The person opens the Mini Program.
pub async fn new_js_code(State(wechat): State<WeChat>, Json(who): Json<Who>) -> Response {
    let now_ms = wechat.now_ms();
    code_for(&who, |person| new_code(&mut wechat.state().mini.sign_in, person, now_ms))
}

/// The person taps the button.
pub async fn new_phone_code(State(wechat): State<WeChat>, Json(who): Json<Who>) -> Response {
    let now_ms = wechat.now_ms();
    code_for(&who, |person| new_code(&mut wechat.state().mini.phone, person, now_ms))
}

fn code_for(who: &Who, make: impl FnOnce(&'static Person) -> Option<String>) -> Response {
    match person(&who.user).and_then(make) {
        Some(code) => Json(json!({ "code": code })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
