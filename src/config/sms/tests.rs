use super::*;

const SECRET: &str = "a-very-secret-text";

fn cloud_settings(provider: SmsProvider) -> SmsSettings {
    let text = |text: &str| Some(text.to_owned());
    SmsSettings {
        sms_provider: Some(provider),
        sms_access_key_id: text("LTAIexample"),
        sms_secret: text(SECRET),
        sms_sign_name: text("开盘"),
        sms_template_sign_in_code: text("SMS_1"),
        ..SmsSettings::default()
    }
}

fn gateway_settings(body: &str, headers: &[&str]) -> SmsSettings {
    SmsSettings {
        sms_provider: Some(SmsProvider::HttpGateway),
        sms_http_url: Some("https://sms.example/send?to={phone}".to_owned()),
        sms_http_headers: Some(headers.iter().map(|header| (*header).to_owned()).collect()),
        sms_http_body: (!body.is_empty()).then(|| body.to_owned()),
        ..SmsSettings::default()
    }
}

#[test]
fn without_a_word_codes_stay_in_the_outbox_and_what_is_missing_is_named() {
    assert_eq!(SmsSettings::default().resolve().unwrap(), SmsAt::Outbox);
    assert_eq!(cloud_settings(SmsProvider::Outbox).resolve().unwrap(), SmsAt::Outbox, "switched off");
    let json = "Content-Type: application/json";
    let text = |text: &str| Some(text.to_owned());
    let aliyun = || cloud_settings(SmsProvider::Aliyun);
    let cases = [
        (SmsSettings { sms_provider: None, ..aliyun() }, "sms_access_key_id is set and sms_provider is not"),
        (
            SmsSettings { sms_secret: text(SECRET), ..SmsSettings::default() },
            "sms_secret is set and sms_provider is not",
        ),
        (
            SmsSettings { sms_provider: Some(SmsProvider::Aliyun), ..SmsSettings::default() },
            "sms_provider aliyun needs KAIPAN_SMS_ACCESS_KEY_ID, KAIPAN_SMS_SIGN_NAME, KAIPAN_SMS_TEMPLATE_SIGN_IN_CODE, \
             KAIPAN_SMS_SECRET (or KAIPAN_SMS_SECRET_FILE)",
        ),
        (cloud_settings(SmsProvider::TencentCloud), "sms_provider tencent-cloud needs KAIPAN_SMS_APP_ID"),
        (SmsSettings { sms_app_id: text("1"), ..aliyun() }, "sms_provider aliyun does not know sms_app_id"),
        (SmsSettings { sms_secret: text(" "), ..aliyun() }, "needs KAIPAN_SMS_SECRET"),
        (SmsSettings { sms_secret_file: Some("/nowhere/secret".into()), ..aliyun() }, "both set"),
        (
            SmsSettings { sms_secret: None, sms_secret_file: Some("/nowhere/secret".into()), ..aliyun() },
            "/nowhere/secret can not be read",
        ),
        (SmsSettings { sms_base_url: text("dysmsapi.aliyuncs.com"), ..aliyun() }, "sms_base_url is not what"),
        (SmsSettings { sms_base_url: text("https://a:b@c"), ..aliyun() }, "sms_base_url is not what"),
        (
            SmsSettings { sms_template_sign_in_params: Some(vec![SmsWord::Minutes]), ..aliyun() },
            "sms_template_sign_in_params is not what",
        ),
        (
            SmsSettings { sms_provider: Some(SmsProvider::HttpGateway), ..SmsSettings::default() },
            "needs KAIPAN_SMS_HTTP_URL",
        ),
        (gateway_settings("", &[]), "name no {code} and no {text}"),
        (gateway_settings(r#"{"text": "{message}"}"#, &[json]), "names {message}, which nobody fills in"),
        (gateway_settings(r#"{"text": {text}}"#, &[json]), "it is no JSON"),
        (gateway_settings("text={text}", &[]), "name Content-Type"),
        (gateway_settings(r#"{"text": "{text}", "key": "{secret}"}"#, &[json]), "needs KAIPAN_SMS_SECRET"),
        (
            SmsSettings { sms_secret: text(SECRET), ..gateway_settings(r#"["{text}"]"#, &[json]) },
            "sms_secret is set, and nothing of sms_http_… names it",
        ),
        (gateway_settings(r#"["{text}"]"#, &[json, "X-Text: {text}"]), "can not hold {text}"),
        (gateway_settings(r#"["{text}"]"#, &[json, "nothing"]), "headers look like"),
        (
            SmsSettings { sms_http_url: text("https://{phone}.example/"), ..gateway_settings("", &[]) },
            "stands after the host",
        ),
        (
            SmsSettings { sms_http_method: Some(SmsMethod::Get), ..gateway_settings("text={text}", &[]) },
            "a GET can have",
        ),
    ];
    for (settings, expected) in cases {
        let refused = settings.resolve().unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert!(!refused.contains(SECRET), "{refused}");
    }
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let given =
        SmsSettings { sms_secret: None, sms_secret_file: Some(file), ..cloud_settings(SmsProvider::Aliyun) };
    let resolved = given.resolve().unwrap();
    assert!(!format!("{resolved:?}").contains(SECRET));
    let SmsAt::Aliyun(cloud) = resolved else { panic!("{resolved:?}") };
    assert_eq!(cloud.secret.as_str(), SECRET);
    assert_eq!(cloud.base_url, "https://dysmsapi.aliyuncs.com");
    assert_eq!(cloud.sign_in_code.words, [SmsWord::Code]);
    let gateway = gateway_settings(
        "to={phone}&text={text}",
        &["Content-Type: application/x-www-form-urlencoded", "Authorization: Bearer a-very-secret-text"],
    );
    assert!(!format!("{:?}", gateway.resolve().unwrap()).contains(SECRET));
}

#[test]
fn what_is_filled_in_is_escaped_where_it_stands() {
    let values = Values {
        phone: "13800000001",
        text: "a \"b\" {secret} 码&=",
        code: "042",
        minutes: "5",
        access_key_id: "id",
        secret: "s",
    };
    let fill = |text: &str, encode| {
        Template::parse(text.to_owned(), "sms_http_body").unwrap().fill(encode, &values).to_string()
    };
    assert_eq!(fill("{\"t\":\"{text}\"}", Encode::Json), "{\"t\":\"a \\\"b\\\" {secret} 码&=\"}");
    assert_eq!(
        fill("t={text}&c={code}", Encode::Percent),
        "t=a%20%22b%22%20%7Bsecret%7D%20%E7%A0%81%26%3D&c=042"
    );
    assert_eq!(fill("Bearer {secret}{{}", Encode::Plain), "Bearer s{{}");
}
