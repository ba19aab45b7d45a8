//! A gateway as smaller providers have it: a key in a header, phone and text as JSON or as a form, and 200 for everything.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Sms, is_mobile, known};

pub async fn send(State(sms): State<Sms>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("authorization") != format!("Bearer {}", known::SECRET) {
        return (StatusCode::UNAUTHORIZED, "no").into_response();
    }
    let json_body = header("content-type").starts_with("application/json");
    let mut pairs: Vec<(String, String)> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    if json_body {
        let Ok(read) = serde_json::from_slice::<std::collections::HashMap<String, String>>(&body) else {
            return refusal("BAD_JSON");
        };
        pairs.extend(read);
    } else {
        pairs.extend(form_urlencoded::parse(&body).into_owned());
    }
    let mut found = |name: &str| {
        let at = pairs.iter().position(|(key, _)| key == name)?;
        Some(pairs.swap_remove(at).1)
    };
    let (phone, text) = (found("to").unwrap_or_default(), found("text").unwrap_or_default());
    if !is_mobile(&phone) || text.is_empty() || !pairs.is_empty() {
        return refusal("BAD_PARAMETERS");
    }
    sms.take("gateway", phone, vec![text]);
    Json(json!({ "result": "accepted" })).into_response()
}

pub fn refusal(code: &str) -> Response {
    Json(json!({ "result": "refused", "code": code })).into_response()
}
