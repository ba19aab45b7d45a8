//! Tencent Cloud SMS: `SendSms` of 2021-01-11 (<https://cloud.tencent.com/document/product/382/55981>).

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use serde::Deserialize;
use serde_json::json;

use super::tc3::{CONTENT_TYPE, Unsigned};
use super::wire::{Address, Answer, Wire, by_status};
use super::{Failure, Sms};
use crate::config::SmsCloud;
use crate::messaging::state::Reason;

const ACTION: &str = "SendSms";
const VERSION: &str = "2021-01-11";
const SERVICE: &str = "sms";

pub struct TencentCloud {
    pub(super) wire: Wire,
    pub(super) cloud: SmsCloud,
    pub(super) app_id: String,
    pub(super) region: String,
    pub(super) address: Address,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    error: Option<Code>,
    #[serde(default)]
    send_status_set: Vec<Code>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Code {
    code: String,
}

impl TencentCloud {
    pub(super) async fn send(&self, sms: &Sms<'_>) -> Result<(), Failure> {
        let request = self.request(sms).ok_or_else(Failure::unsendable)?;
        read(&self.wire.call(request).await?)
    }

    fn request(&self, sms: &Sms<'_>) -> Option<Request<Full<Bytes>>> {
        let template = &self.cloud.sign_in_code;
        let params: Vec<&str> = template.words.iter().map(|word| sms.word(*word)).collect();
        let body = json!({
            "PhoneNumberSet": [format!("+86{}", sms.phone.as_str())],
            "SmsSdkAppId": self.app_id,
            "SignName": self.cloud.sign_name,
            "TemplateId": template.id,
            "TemplateParamSet": params,
        })
        .to_string();
        let timestamp_s = sms.now.ms() / 1_000;
        let date = jiff::Timestamp::from_second(timestamp_s).ok()?.strftime("%Y-%m-%d").to_string();
        let host = &self.address.host;
        let unsigned = Unsigned {
            host,
            service: SERVICE,
            action: ACTION,
            timestamp_s,
            date: &date,
            body: body.as_bytes(),
        };
        Request::builder()
            .method(Method::POST)
            .uri(&self.address.url)
            .header("host", host)
            .header("content-type", CONTENT_TYPE)
            .header("x-tc-action", ACTION)
            .header("x-tc-version", VERSION)
            .header("x-tc-region", &self.region)
            .header("x-tc-timestamp", timestamp_s)
            .header("authorization", unsigned.authorization(&self.cloud.access_key_id, &self.cloud.secret))
            .body(Full::new(Bytes::from(body)))
            .ok()
    }
}

/// Everything is HTTP 200; the call has its error, and each number its own.
fn read(answer: &Answer) -> Result<(), Failure> {
    let Ok(Said { response }) = serde_json::from_slice::<Said>(&answer.body) else {
        return Err(if answer.status.is_success() {
            Failure::of(Reason::NoAnswer, "MALFORMED")
        } else {
            by_status(answer.status)
        });
    };
    match (response.error, response.send_status_set.as_slice()) {
        (Some(error), _) => Err(failure(&error.code)),
        (None, [status]) if status.code == "Ok" => Ok(()),
        (None, [status]) => Err(failure(&status.code)),
        (None, _) => Err(Failure::of(Reason::NoAnswer, "MALFORMED")),
    }
}

/// After "错误码" of the service and of the API. Safe to send again: too many requests at once, or the service away.
fn failure(code: &str) -> Failure {
    let reason = match code {
        "ResourceUnavailable" => return Failure::of(Reason::Busy, code).safe(),
        _ if code.starts_with("RequestLimitExceeded") => return Failure::of(Reason::Busy, code).safe(),
        "AuthFailure.SignatureExpire" | "InternalError.RequestTimeException" => Reason::ClockOff,
        "AuthFailure.UnauthorizedOperation" => Reason::NotAllowed,
        _ if code.starts_with("AuthFailure") => Reason::CredentialsRefused,
        _ if code.starts_with("UnauthorizedOperation") => Reason::NotAllowed,
        "FailedOperation.SignatureIncorrectOrUnapproved" => Reason::SignNameRefused,
        "FailedOperation.TemplateIncorrectOrUnapproved"
        | "FailedOperation.TemplateUnapprovedOrNotExist"
        | "FailedOperation.TemplateParamSetNotMatchApprovedTemplate"
        | "InvalidParameterValue.TemplateParameterFormatError"
        | "InvalidParameterValue.TemplateParameterLengthLimit" => Reason::TemplateRefused,
        "InvalidParameterValue.IncorrectPhoneNumber" | "FailedOperation.PhoneNumberInBlacklist" => {
            Reason::NumberRefused
        }
        _ if code.starts_with("LimitExceeded") => Reason::TooOften,
        "FailedOperation.InsufficientBalanceInSmsPackage" => Reason::NoBalance,
        // A time-out behind the door: it may have been sent.
        "InternalError.Timeout" | "InternalError.SendAndRecvFail" => Reason::NoAnswer,
        _ => Reason::Refused,
    };
    Failure::of(reason, code)
}
