//! Aliyun SMS: `SendSms` of Dysmsapi 2017-05-25 (<https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms>).

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use serde::Deserialize;

use super::acs3::{Unsigned, canonical_query};
use super::hash::sha256_hex;
use super::wire::{Address, Answer, Wire, by_status};
use super::{Failure, Sms};
use crate::config::SmsCloud;
use crate::http::outgoing::random_text;
use crate::messaging::state::Reason;

const ACTION: &str = "SendSms";
const VERSION: &str = "2017-05-25";

pub struct Aliyun {
    pub(super) wire: Wire,
    pub(super) cloud: SmsCloud,
    pub(super) address: Address,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    code: String,
}

impl Aliyun {
    pub(super) async fn send(&self, sms: &Sms<'_>) -> Result<(), Failure> {
        let request = self.request(sms).ok_or_else(Failure::unsendable)?;
        read(&self.wire.call(request).await?)
    }

    fn request(&self, sms: &Sms<'_>) -> Option<Request<Full<Bytes>>> {
        let template = &self.cloud.sign_in_code;
        let params: serde_json::Map<_, _> =
            template.words.iter().map(|word| (word.as_str().to_owned(), sms.word(*word).into())).collect();
        let params = serde_json::Value::Object(params).to_string();
        let query = canonical_query(&[
            ("PhoneNumbers", sms.phone.as_str()),
            ("SignName", &self.cloud.sign_name),
            ("TemplateCode", &template.id),
            ("TemplateParam", &params),
        ]);
        let at = jiff::Timestamp::from_second(sms.now.ms() / 1_000).ok()?;
        let (date, nonce, hashed) =
            (at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), random_text(), sha256_hex(b""));
        let headers = [
            ("host", self.address.host.as_str()),
            ("x-acs-action", ACTION),
            ("x-acs-content-sha256", &hashed),
            ("x-acs-date", &date),
            ("x-acs-signature-nonce", &nonce),
            ("x-acs-version", VERSION),
        ];
        let unsigned = Unsigned {
            method: "POST",
            path: &self.address.path,
            query: &query,
            headers: &headers,
            body: b"",
        };
        let authorization = unsigned.authorization(&self.cloud.access_key_id, &self.cloud.secret);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}?{query}", self.address.url))
            .header("authorization", authorization)
            .header("accept", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(Full::default()).ok()
    }
}

/// A refusal is JSON with any status, and 200 is no yes yet.
fn read(answer: &Answer) -> Result<(), Failure> {
    match serde_json::from_slice::<Said>(&answer.body) {
        Ok(said) if answer.status.is_success() && said.code == "OK" => Ok(()),
        Ok(said) => Err(failure(&said.code)),
        Err(_) if answer.status.is_success() => Err(Failure::of(Reason::NoAnswer, "MALFORMED")),
        Err(_) => Err(by_status(answer.status)),
    }
}

/// After "API错误码" of the service and Aliyun's common error codes. Safe to send again: throttled, or the document says so.
fn failure(code: &str) -> Failure {
    let reason = match code {
        "SignatureNonceUsed" | "ServiceUnavailable" | "isp.SYSTEM_ERROR" => {
            return Failure::of(Reason::Busy, code).safe();
        }
        _ if code == "Throttling" || code.starts_with("Throttling.") => {
            return Failure::of(Reason::Busy, code).safe();
        }
        "SignatureDoesNotMatch" | "IncompleteSignature" | "MissingAccessKeyId" => Reason::CredentialsRefused,
        _ if code.starts_with("InvalidAccessKeyId") => Reason::CredentialsRefused,
        _ if code.starts_with("InvalidTimeStamp") => Reason::ClockOff,
        "isp.RAM_PERMISSION_DENY" | "isv.PRODUCT_UN_SUBSCRIPT" | "isv.PRODUCT_UNSUBSCRIBE" => {
            Reason::NotAllowed
        }
        "isv.ACCOUNT_NOT_EXISTS" | "isv.ACCOUNT_ABNORMAL" => Reason::NotAllowed,
        _ if code.starts_with("Forbidden") || code == "NoPermission" => Reason::NotAllowed,
        "isv.SMS_SIGNATURE_ILLEGAL" | "isv.SMS_SIGN_ILLEGAL" | "isv.SIGN_NAME_ILLEGAL" => {
            Reason::SignNameRefused
        }
        "isv.SMS_TEMPLATE_ILLEGAL"
        | "isv.TEMPLATE_MISSING_PARAMETERS"
        | "isv.TEMPLATE_PARAMS_ILLEGAL"
        | "isv.SMS_SIGNATURE_SCENE_ILLEGAL"
        | "isv.INVALID_JSON_PARAM"
        | "isv.PARAM_LENGTH_LIMIT" => Reason::TemplateRefused,
        "isv.MOBILE_NUMBER_ILLEGAL" | "isv.BLACK_KEY_CONTROL_LIMIT" => Reason::NumberRefused,
        "isv.BUSINESS_LIMIT_CONTROL" | "isv.DAY_LIMIT_CONTROL" | "isv.MONTH_LIMIT_CONTROL" => {
            Reason::TooOften
        }
        "isv.AMOUNT_NOT_ENOUGH" | "isv.OUT_OF_SERVICE" => Reason::NoBalance,
        _ => Reason::Refused,
    };
    Failure::of(reason, code)
}
