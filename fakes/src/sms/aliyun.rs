//! Aliyun's Dysmsapi 2017-05-25 under signature V3. What is wrong with the call is HTTP 4xx, what is wrong with the message 200;
//! both are JSON with a `Code`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::check::{Authorization, hmac, sha256};
use super::{Sms, is_mobile, known, template};

const SIGNED: [&str; 6] =
    ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"];
/// A signature is good for so long.
const APART_S: i64 = 15 * 60;

pub async fn send(State(sms): State<Sms>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    match checked(&sms, &uri, &headers, &body) {
        Ok((phone, params)) => {
            sms.take("aliyun", phone, params);
            Json(json!({ "Code": "OK", "Message": "OK", "BizId": "900619746936498440^0", "RequestId": "F655A8D5" }))
                .into_response()
        }
        Err(code) => refusal(code),
    }
}

pub fn refusal(code: &str) -> Response {
    let status = match code {
        _ if code.starts_with("isv.") || code.starts_with("isp.") => StatusCode::OK,
        "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
        "InvalidAccessKeyId.NotFound" => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = json!({ "Code": code, "Message": "as a fake says it", "RequestId": "F655A8D5" });
    (status, Json(body)).into_response()
}

type Wanted = (String, Vec<String>);

fn checked(sms: &Sms, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Wanted, &'static str> {
    signed(sms, uri, headers, body)?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("x-acs-action") != "SendSms" {
        return Err("InvalidAction.NotFound");
    }
    if header("x-acs-version") != "2017-05-25" {
        return Err("InvalidVersion");
    }
    let (mut phone, mut sign_name, mut id, mut given) = Default::default();
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let at: &mut String = match name.as_ref() {
            "PhoneNumbers" => &mut phone,
            "SignName" => &mut sign_name,
            "TemplateCode" => &mut id,
            "TemplateParam" => &mut given,
            _ => return Err("InvalidParameter"),
        };
        *at = value.into_owned();
    }
    if !is_mobile(&phone) {
        return Err("isv.MOBILE_NUMBER_ILLEGAL");
    }
    if sign_name != known::SIGN_NAME {
        return Err("isv.SMS_SIGNATURE_ILLEGAL");
    }
    let words = template(&id).ok_or("isv.SMS_TEMPLATE_ILLEGAL")?;
    let given: Value = serde_json::from_str(&given).map_err(|_| "isv.INVALID_JSON_PARAM")?;
    let given = given.as_object().ok_or("isv.INVALID_JSON_PARAM")?;
    if given.len() != words.len() {
        return Err("isv.TEMPLATE_MISSING_PARAMETERS");
    }
    let value = |word: &&str| match given.get(*word) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err("isv.INVALID_JSON_PARAM"),
        None => Err("isv.TEMPLATE_MISSING_PARAMETERS"),
    };
    Ok((phone, words.iter().map(value).collect::<Result<_, _>>()?))
}

fn signed(sms: &Sms, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization =
        Authorization::read(header("authorization"), "ACS3-HMAC-SHA256").ok_or("IncompleteSignature")?;
    if authorization.credential != known::ACCESS_KEY_ID {
        return Err("InvalidAccessKeyId.NotFound");
    }
    let names: Vec<&str> = authorization.signed_headers.split(';').collect();
    if names != SIGNED || names.iter().any(|name| header(name).is_empty()) {
        return Err("IncompleteSignature");
    }
    let at: jiff::Timestamp = header("x-acs-date").parse().map_err(|_| "InvalidTimeStamp.Format")?;
    if (at.as_second() - sms.now_s()).abs() > APART_S {
        return Err("InvalidTimeStamp.Expired");
    }
    if header("x-acs-content-sha256") != sha256(body) {
        return Err("SignatureDoesNotMatch");
    }
    let mut request = format!("POST\n{}\n{}\n", uri.path(), uri.query().unwrap_or_default());
    for name in &names {
        request.push_str(&format!("{name}:{}\n", header(name)));
    }
    request.push_str(&format!("\n{}\n{}", authorization.signed_headers, sha256(body)));
    let text = format!("ACS3-HMAC-SHA256\n{}", sha256(request.as_bytes()));
    if hex::encode(hmac(known::SECRET.as_bytes(), &text)) != authorization.signature {
        return Err("SignatureDoesNotMatch");
    }
    if sms.is_new(header("x-acs-signature-nonce")) { Ok(()) } else { Err("SignatureNonceUsed") }
}
