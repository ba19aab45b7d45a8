//! Each call, its answer and its refusals.

use std::collections::BTreeMap;

use super::*;

/// OP-2's first step. Mutation that turned it red: `scope` before `response_type`.
#[tokio::test]
async fn the_address_for_agreeing_is_exactly_the_documented_one() {
    let stage = Stage::new().await;
    let account =
        Account { app_id: "wx1".to_owned(), secret: Secret::new("s".to_owned()), urls: Urls::default() };
    let client = WeChat::new(account, stage.db.clone(), Arc::clone(&stage.vault)).unwrap();
    assert_eq!(
        client.authorize_url("https://kp.example/api?a=1&b=开", Scope::Base, "s1"),
        "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx1\
         &redirect_uri=https%3A%2F%2Fkp.example%2Fapi%3Fa%3D1%26b%3D%E5%BC%80\
         &response_type=code&scope=snsapi_base&state=s1#wechat_redirect"
    );
    assert!(client.authorize_url("https://a", Scope::UserInfo, "s").contains("&scope=snsapi_userinfo&"));
    // The fake compares it as WeChat does.
    let ours = stage.client();
    assert_eq!(stage.code(&ours, "lin").await.len(), 32);
}

#[tokio::test]
async fn a_code_names_its_user_once_and_a_snapshot_is_told_apart() {
    let stage = Stage::new().await;
    let client = stage.client();
    let code = stage.code(&client, "lin").await;
    let user = client.user_of_code(&code).await.unwrap();
    assert_eq!((user.openid, user.is_snapshot), (stage.openid("lin").await, false));
    let again = client.user_of_code(&code).await.unwrap_err();
    assert_eq!(again.errcode(), Some(Errcode::CodeInvalid));
    let snapshot = stage.code(&client, "snapshot").await;
    assert!(client.user_of_code(&snapshot).await.unwrap().is_snapshot);

    let asked = stage.calls(Api::OauthToken).await;
    for never in ["", "a b", "a\n", &"a".repeat(600), "码"] {
        assert!(matches!(client.user_of_code(never).await, Err(WechatError::Invalid(_))), "{never:?}");
    }
    assert_eq!(stage.calls(Api::OauthToken).await, asked, "WeChat is not asked");
    let stranger = stage.client_of(known::APP_ID, "another");
    let refused = stranger.user_of_code(&stage.code(&client, "lin").await).await.unwrap_err();
    assert_eq!(refused.errcode(), Some(Errcode::SecretInvalid));
}

/// What went wrong is told apart by kind, and tells nobody the secret or the code. Mutations that turned it red: the answer
/// read without a bound, and a status not looked at.
#[tokio::test]
async fn every_way_to_fail_has_its_error_and_none_names_a_secret() {
    let stage = Stage::new().await;
    let client = stage.client();
    let api = Api::OauthToken;
    let check = async |fault: Value, expected: &str| {
        stage.order(api, 1, fault.clone()).await;
        let error = client.user_of_code("a-code-to-hide").await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(expected), "{fault}: {shown}");
        assert!(!shown.contains(known::SECRET) && !shown.contains("a-code-to-hide"), "{shown}");
    };
    check(json!({ "errcode": -1 }), "Busy").await;
    check(json!({ "errcode": 40163 }), "CodeInvalid").await;
    check(json!({ "errcode": 40164 }), "AddressNotListed").await;
    check(json!({ "errcode": 99999 }), "Other(99999)").await;
    check(json!({ "status": 502 }), "HTTP 502").await;
    check(json!({ "status": 302 }), "HTTP 302").await;
    check(json!({ "body": "" }), "no JSON").await;
    check(json!({ "body": "{\"openid\":\"o\"" }), "no JSON").await;
    check(json!({ "body": "[]" }), "another type").await;
    check(json!({ "body": "{\"errcode\":\"0\"}" }), "errcode is no number").await;
    check(json!({ "body": "{\"access_token\":\"t\"}" }), "missing").await;
    check(json!({ "body": "{\"openid\":7}" }), "another type").await;
    check(json!({ "body": "{\"openid\":\"\"}" }), "openid is empty").await;
    check(json!({ "bytes": 10_000_000 }), "TooLarge").await;
    check(json!("close"), "Unreachable").await;
    check(json!("hang"), "TimedOut").await;
    let printed = format!("{client:?} {:?}", client.account);
    assert!(!printed.contains(known::SECRET), "{printed}");

    let nobody = Urls { api: "http://127.0.0.1:1".to_owned(), ..Urls::default() };
    let account = Account { urls: nobody, ..(*client.account).clone() };
    let lost = WeChat::new(account, stage.db.clone(), Arc::clone(&stage.vault)).unwrap();
    let error = lost.user_of_code("a-code-to-hide").await.unwrap_err();
    assert!(matches!(error, WechatError::Unreachable(_)), "{error:?}");
    assert!(!format!("{error} {error:?}").contains(known::SECRET));
}

#[tokio::test]
async fn a_scene_code_has_a_picture() {
    let stage = Stage::new().await;
    let client = stage.client();
    let code = client.scene_code(SCENE).await.unwrap();
    assert_eq!(code.expires_in_s, 600);
    let image = stage.http.get(&code.image_url).send().await.unwrap();
    assert_eq!(image.headers()["content-type"], "image/png");
    let long = "景".repeat(65);
    for wrong in [
        Scene { word: "", ..SCENE },
        Scene { word: &long, ..SCENE },
        Scene { expires_in_s: 0, ..SCENE },
        Scene { expires_in_s: 2_592_001, ..SCENE },
    ] {
        assert!(matches!(client.scene_code(wrong).await, Err(WechatError::Invalid(_))), "{wrong:?}");
    }
    let long = "景".repeat(64);
    assert!(client.scene_code(Scene { word: &long, ..SCENE }).await.is_ok());
}

#[tokio::test]
async fn messages_are_sent_and_refusals_told_apart() {
    let stage = Stage::new().await;
    let client = stage.client();
    let (template_id, _) = known::TEMPLATES[0];
    let word = |value: &str| Word { value: value.to_owned() };
    let data = BTreeMap::from([("thing1".to_owned(), word("首开")), ("time2".to_owned(), word("10:00"))]);
    let template = Template {
        openid: stage.openid("lin").await,
        template_id: template_id.to_owned(),
        url: Some("https://kp.example/".to_owned()),
        client_msg_id: "m1".to_owned(),
        data: data.clone(),
    };
    let sent = client.send_template(&template).await.unwrap();
    assert_eq!(client.send_template(&template).await.unwrap(), sent, "the same message is sent once");
    let errcode =
        async |message: Template| client.send_template(&message).await.unwrap_err().errcode().unwrap();
    let wu = stage.openid("wu").await;
    assert_eq!(errcode(Template { openid: wu, ..template.clone() }).await, Errcode::NotFollowing);
    let nobody = Template { openid: "oX".to_owned(), ..template.clone() };
    assert_eq!(errcode(nobody).await, Errcode::OpenidInvalid);
    let unknown = Template { template_id: "tm".to_owned(), ..template.clone() };
    assert_eq!(errcode(unknown).await, Errcode::TemplateInvalid);
    let empty = Template { data: BTreeMap::new(), ..template.clone() };
    assert_eq!(errcode(empty).await, Errcode::DataInvalid);

    let subscription =
        Subscription { openid: template.openid, template_id: template_id.to_owned(), page: None, data };
    let refused = client.send_subscription(&subscription).await.unwrap_err();
    assert_eq!(refused.errcode(), Some(Errcode::NotSubscribed));
    let agreed = json!({ "user": "lin", "template_id": template_id, "times": 1 });
    stage.tell("/_fake/wechat/subscriptions", agreed).await;
    client.send_subscription(&subscription).await.unwrap();
    assert_eq!(stage.look("/_fake/wechat/sent").await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_mini_program_signs_in_and_gives_the_phone() {
    let stage = Stage::new().await;
    let code = async |path: &str, user: &str| {
        stage.tell(path, json!({ "user": user })).await["code"].as_str().unwrap().to_owned()
    };
    let mini = stage.client_of(known::MINI_APP_ID, known::MINI_SECRET);
    let js_code = code("/_fake/wechat/js-codes", "chen").await;
    let session = mini.mini_session(&js_code).await.unwrap();
    assert_ne!(session.openid, stage.openid("chen").await, "another account, another openid");
    assert!(session.unionid.is_some());
    assert_eq!(mini.mini_session(&js_code).await.err().unwrap().errcode(), Some(Errcode::CodeInvalid));
    let risky = code("/_fake/wechat/js-codes", "risky").await;
    assert_eq!(mini.mini_session(&risky).await.err().unwrap().errcode(), Some(Errcode::RiskyUser));

    let client = stage.client();
    let phone_code = code("/_fake/wechat/phone-codes", "chen").await;
    let phone = client.phone_number(&phone_code).await.unwrap();
    assert_eq!((phone.number.as_str(), phone.country_code.as_str()), ("13900001002", "86"));
    assert_eq!(client.phone_number(&phone_code).await.err().unwrap().errcode(), Some(Errcode::CodeInvalid));
}

#[tokio::test]
async fn a_page_is_signed_with_the_stored_ticket() {
    let stage = Stage::new().await;
    let client = stage.client();
    let url = "https://kp.example/o/1?from=share";
    let now = stage.db.now().await.unwrap();
    let share = client.share(url, now).await.unwrap();
    let ticket = client.jsapi_ticket().await.unwrap();
    assert_eq!(share.signature, signature(ticket.expose(), &share.nonce, share.timestamp_s, url));
    assert_eq!(share.app_id, known::APP_ID);
    assert_ne!(client.share(url, now).await.unwrap().nonce, share.nonce);
    assert_eq!((stage.calls(Api::Ticket).await, stage.calls(Api::StableToken).await), (1, 1));
    for wrong in ["", "javascript:alert(1)", "//kp.example", &format!("https://{}", "a".repeat(2_048))] {
        assert!(matches!(client.share(wrong, now).await, Err(WechatError::Invalid(_))), "{wrong:.30}");
    }
}
