//! Each provider against its fake, which checks signature and parameters by code of its own.

use fakes::sms::known;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;
use crate::config::{SmsCloud, SmsTemplate};
use crate::domain::time::Clock;

struct Stage {
    base: String,
    http: reqwest::Client,
}

impl Stage {
    async fn new() -> Self {
        let address = fakes::start(&fakes::wechat::Settings::default()).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base: format!("http://{address}"), http }
    }

    fn cloud(&self, path: &str) -> SmsCloud {
        SmsCloud {
            access_key_id: known::ACCESS_KEY_ID.to_owned(),
            secret: Zeroizing::new(known::SECRET.to_owned()),
            sign_name: known::SIGN_NAME.to_owned(),
            sign_in_code: SmsTemplate {
                id: known::TEMPLATE_OF_TWO.to_owned(),
                words: vec![SmsWord::Code, SmsWord::Minutes],
            },
            base_url: format!("{}{path}", self.base),
        }
    }

    fn aliyun(&self, change: impl FnOnce(&mut SmsCloud)) -> Sender {
        let mut cloud = self.cloud(known::ALIYUN);
        change(&mut cloud);
        Sender::new(&SmsAt::Aliyun(cloud)).unwrap()
    }

    fn tencent_cloud(&self, change: impl FnOnce(&mut SmsCloud)) -> Sender {
        let mut cloud = self.cloud(known::TENCENT_CLOUD);
        change(&mut cloud);
        let (app_id, region) = (known::APP_ID.to_owned(), "ap-guangzhou".to_owned());
        Sender::new(&SmsAt::TencentCloud { cloud, app_id, region }).unwrap()
    }

    async fn taken(&self) -> Value {
        self.http.get(format!("{}/_fake/sms/taken", self.base)).send().await.unwrap().json().await.unwrap()
    }

    async fn order(&self, api: &str, fault: Value) {
        let ordered = json!({ "api": api, "fault": fault });
        self.http.post(format!("{}/_fake/faults", self.base)).json(&ordered).send().await.unwrap();
    }
}

async fn send(sender: &Sender) -> Result<(), Failure> {
    let phone = Phone::parse("13800000001").unwrap();
    let message = Message::SignInCode { code: "042042".to_owned(), valid_minutes: 5 };
    let now = Clock::system().wall();
    sender.send(&Sms { phone: &phone, message: &message, minutes: "5".to_owned(), now }).await
}

#[tokio::test]
async fn both_clouds_take_what_is_signed_right_and_refuse_the_rest() {
    let stage = Stage::new().await;
    assert_eq!(send(&stage.aliyun(|_| {})).await, Ok(()));
    assert_eq!(send(&stage.tencent_cloud(|_| {})).await, Ok(()));
    let params = json!(["042042", "5"]);
    assert_eq!(
        stage.taken().await,
        json!([
            { "provider": "aliyun", "phone": "13800000001", "params": params },
            { "provider": "tencent-cloud", "phone": "13800000001", "params": params },
        ])
    );

    type Change = fn(&mut SmsCloud);
    let cases: [(Change, Reason, &str, &str); 4] = [
        (
            |cloud| cloud.secret = Zeroizing::new("another".to_owned()),
            Reason::CredentialsRefused,
            "SignatureDoesNotMatch",
            "AuthFailure.SignatureFailure",
        ),
        (
            |cloud| cloud.access_key_id = "nobody".to_owned(),
            Reason::CredentialsRefused,
            "InvalidAccessKeyId.NotFound",
            "AuthFailure.SecretIdNotFound",
        ),
        (
            |cloud| cloud.sign_name = "别家".to_owned(),
            Reason::SignNameRefused,
            "isv.SMS_SIGNATURE_ILLEGAL",
            "FailedOperation.SignatureIncorrectOrUnapproved",
        ),
        (
            |cloud| cloud.sign_in_code.id = "SMS_9".to_owned(),
            Reason::TemplateRefused,
            "isv.SMS_TEMPLATE_ILLEGAL",
            "FailedOperation.TemplateIncorrectOrUnapproved",
        ),
    ];
    for (change, reason, aliyun, tencent_cloud) in cases {
        assert_eq!(send(&stage.aliyun(change)).await, Err(Failure::of(reason, aliyun)));
        assert_eq!(send(&stage.tencent_cloud(change)).await, Err(Failure::of(reason, tencent_cloud)));
    }
    assert_eq!(stage.taken().await.as_array().unwrap().len(), 2);
}

/// Only what was certainly not sent is tried again.
#[tokio::test]
async fn every_way_to_fail_has_its_reason_and_few_are_tried_again() {
    let stage = Stage::new().await;
    let (aliyun, tencent_cloud) = (stage.aliyun(|_| {}), stage.tencent_cloud(|_| {}));
    let cases = [
        (json!({ "code": "Throttling.User" }), Failure::of(Reason::Busy, "Throttling.User").safe()),
        (json!({ "code": "ServiceUnavailable" }), Failure::of(Reason::Busy, "ServiceUnavailable").safe()),
        (json!({ "code": "isp.SYSTEM_ERROR" }), Failure::of(Reason::Busy, "isp.SYSTEM_ERROR").safe()),
        (
            json!({ "code": "isv.BUSINESS_LIMIT_CONTROL" }),
            Failure::of(Reason::TooOften, "isv.BUSINESS_LIMIT_CONTROL"),
        ),
        (json!({ "code": "isv.AMOUNT_NOT_ENOUGH" }), Failure::of(Reason::NoBalance, "isv.AMOUNT_NOT_ENOUGH")),
        (
            json!({ "code": "isp.RAM_PERMISSION_DENY" }),
            Failure::of(Reason::NotAllowed, "isp.RAM_PERMISSION_DENY"),
        ),
        (
            json!({ "code": "InvalidTimeStamp.Expired" }),
            Failure::of(Reason::ClockOff, "InvalidTimeStamp.Expired"),
        ),
        (json!({ "code": "say 13800000001!" }), Failure::of(Reason::Refused, "")),
        (json!({ "status": 429 }), Failure::of(Reason::Busy, "HTTP 429").safe()),
        (json!({ "status": 502 }), Failure::of(Reason::NoAnswer, "HTTP 502")),
        (json!({ "body": "{}" }), Failure::of(Reason::NoAnswer, "MALFORMED")),
        (json!({ "bytes": 1_000_000 }), Failure::of(Reason::NoAnswer, "CUT_OFF")),
        (json!("close"), Failure::of(Reason::NoAnswer, "CLOSED")),
    ];
    for (fault, expected) in cases {
        stage.order(known::ALIYUN, fault.clone()).await;
        assert_eq!(send(&aliyun).await, Err(expected), "{fault}");
    }
    for (code, reason, again) in [
        ("RequestLimitExceeded.IPLimit", Reason::Busy, true),
        ("AuthFailure.SignatureExpire", Reason::ClockOff, false),
        ("LimitExceeded.PhoneNumberThirtySecondLimit", Reason::TooOften, false),
        ("FailedOperation.PhoneNumberInBlacklist", Reason::NumberRefused, false),
        ("FailedOperation.InsufficientBalanceInSmsPackage", Reason::NoBalance, false),
        ("InternalError.Timeout", Reason::NoAnswer, false),
        ("UnauthorizedOperation.SmsSdkAppIdVerifyFail", Reason::NotAllowed, false),
    ] {
        stage.order(known::TENCENT_CLOUD, json!({ "code": code })).await;
        assert_eq!(send(&tencent_cloud).await, Err(Failure { again, ..Failure::of(reason, code) }));
    }
    assert_eq!(stage.taken().await, json!([]));
    let nowhere = stage.aliyun(|cloud| cloud.base_url = "http://127.0.0.1:1".to_owned());
    assert_eq!(send(&nowhere).await, Err(Failure::of(Reason::Unreachable, "").safe()));
}
