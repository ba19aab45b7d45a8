//! What the real ones refuse, the fakes must refuse. That they take what is signed right is shown by the server's own tests.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::known;

async fn base() -> String {
    format!("http://{}", crate::start(&crate::wechat::Settings::default()).await.unwrap())
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn nobody_is_believed_without_the_right_signature() {
    let base = base().await;
    let signed_headers =
        "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
    let empty = super::check::sha256(b"");
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let key = known::ACCESS_KEY_ID;
    for (credential, date, code) in [
        ("LTAI-somebody-else", now.as_str(), "InvalidAccessKeyId.NotFound"),
        (key, "2020-01-01T00:00:00Z", "InvalidTimeStamp.Expired"),
        (key, now.as_str(), "SignatureDoesNotMatch"),
    ] {
        let authorization = format!(
            "ACS3-HMAC-SHA256 Credential={credential},SignedHeaders={signed_headers},Signature={empty}"
        );
        let request = http().post(format!("{base}{}?PhoneNumbers=13800000001", known::ALIYUN));
        let request = request
            .header("authorization", authorization)
            .header("x-acs-action", "SendSms")
            .header("x-acs-content-sha256", &empty)
            .header("x-acs-date", date)
            .header("x-acs-signature-nonce", "n")
            .header("x-acs-version", "2017-05-25");
        let said: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(said["Code"], code);
    }
    let unsigned = http().post(format!("{base}{}", known::ALIYUN)).send().await.unwrap();
    assert_eq!(unsigned.status(), StatusCode::BAD_REQUEST);
    assert_eq!(unsigned.json::<Value>().await.unwrap()["Code"], "IncompleteSignature");

    let at = jiff::Timestamp::now();
    let (timestamp, date) = (at.as_second(), at.strftime("%Y-%m-%d").to_string());
    for (id, timestamp, code) in [
        ("AKID-somebody-else", timestamp, "AuthFailure.SecretIdNotFound"),
        (key, timestamp - 600, "AuthFailure.SignatureExpire"),
        (key, timestamp, "AuthFailure.SignatureFailure"),
    ] {
        let authorization = format!(
            "TC3-HMAC-SHA256 Credential={id}/{date}/sms/tc3_request, SignedHeaders=content-type;host;x-tc-action, \
             Signature={empty}"
        );
        let request = http().post(format!("{base}{}", known::TENCENT_CLOUD));
        let request = request
            .header("authorization", authorization)
            .header("x-tc-action", "SendSms")
            .header("x-tc-timestamp", timestamp);
        let said: Value = request.json(&json!({})).send().await.unwrap().json().await.unwrap();
        assert_eq!(said["Response"]["Error"]["Code"], code);
    }
    let open = http().post(format!("{base}{}", known::GATEWAY)).send().await.unwrap();
    assert_eq!(open.status(), StatusCode::UNAUTHORIZED);
    let taken: Value =
        http().get(format!("{base}/_fake/sms/taken")).send().await.unwrap().json().await.unwrap();
    assert_eq!(taken, json!([]));
}

#[tokio::test]
async fn the_gateway_takes_a_phone_and_a_text_and_refuses_what_else_comes() {
    let base = base().await;
    let send = async |body: Value| {
        let request = http().post(format!("{base}{}", known::GATEWAY)).bearer_auth(known::SECRET).json(&body);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    for wrong in [
        json!({ "to": "1380000000", "text": "x" }),
        json!({ "to": "13800000001", "text": "" }),
        json!({ "to": "13800000001", "text": "x", "extra": "x" }),
    ] {
        assert_eq!(send(wrong.clone()).await["result"], "refused", "{wrong}");
    }
    assert_eq!(send(json!({ "to": "13800000001", "text": "x" })).await["result"], "accepted");
    let ordered = json!({ "api": known::GATEWAY, "fault": { "code": "BUSY" } });
    http().post(format!("{base}/_fake/faults")).json(&ordered).send().await.unwrap();
    assert_eq!(send(json!({ "to": "13800000001", "text": "x" })).await["code"], "BUSY");
}
