//! Tencent Cloud's SMS 2021-01-11 under signature v3. Every answer is HTTP 200: the call's error in `Error`, a number's in its
//! own place of `SendStatusSet`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::check::{Authorization, hmac, sha256};
use super::{Sms, is_mobile, known, template};

const SIGNED: &str = "content-type;host;x-tc-action";
/// A signature is good for so long.
const APART_S: i64 = 5 * 60;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wanted {
    phone_number_set: Vec<String>,
    sms_sdk_app_id: String,
    template_id: String,
    sign_name: String,
    #[serde(default)]
    template_param_set: Vec<String>,
}

pub async fn send(State(sms): State<Sms>, headers: HeaderMap, body: Bytes) -> Response {
    match checked(&sms, &headers, &body) {
        Ok((phone, params)) => {
            let status = status(&phone, "Ok", "send success");
            sms.take("tencent-cloud", phone, params);
            status
        }
        Err(code) => refusal(code),
    }
}

fn status(phone: &str, code: &str, message: &str) -> Response {
    let status = json!({
        "SerialNo": "5000:1045710669157053657849499619", "PhoneNumber": phone, "Fee": 1,
        "SessionContext": "", "Code": code, "Message": message, "IsoCode": "CN",
    });
    Json(json!({ "Response": { "SendStatusSet": [status], "RequestId": "a0aabda6" } })).into_response()
}

/// A number's own errors stand with the number.
pub fn refusal(code: &str) -> Response {
    let of_number = code.starts_with("LimitExceeded.PhoneNumber")
        || matches!(
            code,
            "FailedOperation.PhoneNumberInBlacklist"
                | "InvalidParameterValue.IncorrectPhoneNumber"
                | "FailedOperation.InsufficientBalanceInSmsPackage"
                | "FailedOperation.SignatureIncorrectOrUnapproved"
                | "FailedOperation.TemplateIncorrectOrUnapproved"
        );
    if of_number {
        return status("+8613800000000", code, "as a fake says it");
    }
    let error = json!({ "Code": code, "Message": "as a fake says it" });
    Json(json!({ "Response": { "Error": error, "RequestId": "a0aabda6" } })).into_response()
}

fn checked(sms: &Sms, headers: &HeaderMap, body: &[u8]) -> Result<(String, Vec<String>), &'static str> {
    signed(sms, headers, body)?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("x-tc-action") != "SendSms" {
        return Err("InvalidAction");
    }
    if header("x-tc-version") != "2021-01-11" {
        return Err("NoSuchVersion");
    }
    if header("x-tc-region").is_empty() {
        return Err("MissingParameter");
    }
    let wanted: Wanted = serde_json::from_slice(body).map_err(|_| "InvalidParameter")?;
    let [number] = wanted.phone_number_set.as_slice() else { return Err("InvalidParameter") };
    let phone = number.strip_prefix("+86").filter(|phone| is_mobile(phone));
    let phone = phone.ok_or("InvalidParameterValue.IncorrectPhoneNumber")?;
    if wanted.sms_sdk_app_id != known::APP_ID {
        return Err("UnauthorizedOperation.SmsSdkAppIdVerifyFail");
    }
    if wanted.sign_name != known::SIGN_NAME {
        return Err("FailedOperation.SignatureIncorrectOrUnapproved");
    }
    let words = template(&wanted.template_id).ok_or("FailedOperation.TemplateIncorrectOrUnapproved")?;
    if words.len() != wanted.template_param_set.len() {
        return Err("FailedOperation.TemplateParamSetNotMatchApprovedTemplate");
    }
    Ok((phone.to_owned(), wanted.template_param_set))
}

fn signed(sms: &Sms, headers: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = Authorization::read(header("authorization"), "TC3-HMAC-SHA256")
        .ok_or("AuthFailure.InvalidAuthorization")?;
    let (id, scope) = authorization.credential.split_once('/').ok_or("AuthFailure.InvalidAuthorization")?;
    if id != known::ACCESS_KEY_ID {
        return Err("AuthFailure.SecretIdNotFound");
    }
    let timestamp: i64 = header("x-tc-timestamp").parse().map_err(|_| "AuthFailure.InvalidAuthorization")?;
    if (timestamp - sms.now_s()).abs() > APART_S {
        return Err("AuthFailure.SignatureExpire");
    }
    let date = jiff::Timestamp::from_second(timestamp).map_err(|_| "AuthFailure.SignatureExpire")?;
    let date = date.strftime("%Y-%m-%d").to_string();
    let expected_scope = format!("{date}/sms/tc3_request");
    if scope != expected_scope || authorization.signed_headers != SIGNED {
        return Err("AuthFailure.SignatureFailure");
    }
    let request = format!(
        "POST\n/\n\ncontent-type:{}\nhost:{}\nx-tc-action:{}\n\n{SIGNED}\n{}",
        header("content-type"),
        header("host"),
        header("x-tc-action").to_lowercase(),
        sha256(body)
    );
    let text = format!("TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{}", sha256(request.as_bytes()));
    let key = hmac(format!("TC3{}", known::SECRET).as_bytes(), &date);
    let key = hmac(&hmac(&key, "sms"), "tc3_request");
    if hex::encode(hmac(&key, &text)) == authorization.signature {
        Ok(())
    } else {
        Err("AuthFailure.SignatureFailure")
    }
}
