//! The fake itself, over HTTP: what it refuses it must refuse, or a client's mistake passes every test.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};

use super::{Settings, known, people};

struct Fake {
    http: Client,
    base: String,
}

impl Fake {
    async fn start() -> Self {
        Self::played(&Settings::default()).await
    }

    async fn played(settings: &Settings) -> Self {
        let address = crate::start(settings).await.unwrap();
        let http = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { http, base: format!("http://{address}") }
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.base)).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let response = self.http.post(format!("{}{path}", self.base)).json(&body).send().await.unwrap();
        let text = response.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// The answer to the page of `query`, opened by `user`.
    async fn authorize(&self, query: &str, user: Option<&str>) -> reqwest::Response {
        let mut request = self.http.get(format!("{}/connect/oauth2/authorize?{query}", self.base));
        if let Some(user) = user {
            request = request.header(header::COOKIE, format!("fake_wechat_user={user}"));
        }
        request.send().await.unwrap()
    }

    async fn code(&self, user: &str, scope: &str) -> String {
        let answer = match scope {
            "snsapi_base" => self.authorize(&query(scope, "s1"), Some(user)).await,
            _ => {
                let url = format!("{}/connect/oauth2/authorize?{}", self.base, query(scope, "s1"));
                let form = format!("user={user}&choice=allow");
                self.decide(&url, form).await
            }
        };
        let location = answer.headers()[header::LOCATION].to_str().unwrap();
        let (_, code) = location.split_once("code=").unwrap();
        code.split('&').next().unwrap().to_owned()
    }

    /// The page's form.
    async fn decide(&self, url: &str, form: String) -> reqwest::Response {
        let request = self.http.post(url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.body(form).send().await.unwrap()
    }

    async fn user_token(&self, code: &str) -> Value {
        let (app, secret) = (known::APP_ID, known::SECRET);
        self.get(&format!(
            "/sns/oauth2/access_token?appid={app}&secret={secret}&code={code}&grant_type=authorization_code"
        ))
        .await
    }

    async fn stable(&self, force: bool) -> Value {
        let mut body = stable_body();
        body["force_refresh"] = json!(force);
        self.post("/cgi-bin/stable_token", body).await
    }

    async fn token(&self) -> String {
        self.stable(false).await["access_token"].as_str().unwrap().to_owned()
    }

    async fn ahead(&self, ms: i64) {
        self.post("/_fake/clock", json!({ "ahead_ms": ms })).await;
    }
}

fn stable_body() -> Value {
    json!({ "grant_type": "client_credential", "appid": known::APP_ID, "secret": known::SECRET })
}

fn query(scope: &str, state: &str) -> String {
    format!(
        "appid={}&redirect_uri=http%3A%2F%2Fkp.example%2Fback%3Fa%3D1&response_type=code&scope={scope}&state={state}",
        known::APP_ID
    )
}

/// Mutation that turned it red: a domain compared by its end.
#[tokio::test]
async fn an_address_that_wechat_would_not_open_is_not_opened() {
    let settings = Settings { domains: vec!["kp.example".to_owned()], ..Settings::default() };
    let fake = Fake::played(&settings).await;
    let right = query("snsapi_base", "s1");
    assert_eq!(fake.authorize(&right, None).await.status(), StatusCode::OK);
    let swapped =
        right.replace("&response_type=code&scope=snsapi_base", "&scope=snsapi_base&response_type=code");
    let wrong = [
        (swapped, "10000"),
        (right.replace("&state=s1", ""), "10000"),
        (right.replace("response_type=code", "response_type=token"), "10000"),
        (right.replace(known::APP_ID, "wx0"), "10016"),
        (right.replace("http%3A%2F%2Fkp.example", "kp.example"), "10011"),
        (right.replace("kp.example", "evil-kp.example"), "10003"),
        (right.replace("kp.example", "kp.example%40evil.example"), "10011"),
        (right.replace("snsapi_base", "snsapi_all"), "10005"),
        (right.replace("state=s1", "state=s%20"), "10013"),
        (format!("{right}{}", "a".repeat(127)), "10013"),
    ];
    for (query, number) in wrong {
        let answer = fake.authorize(&query, Some("lin")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.text().await.unwrap().contains(number), "{query}");
    }
}

#[tokio::test]
async fn a_known_person_passes_silently_and_an_unknown_one_is_asked() {
    let fake = Fake::start().await;
    let asked = fake.authorize(&query("snsapi_base", "s1"), None).await;
    let page = asked.text().await.unwrap();
    assert!(people().iter().all(|person| page.contains(person.nickname)), "{page}");

    let silent = fake.authorize(&query("snsapi_base", "s1"), Some("lin")).await;
    assert_eq!(silent.status(), StatusCode::FOUND);
    let location = silent.headers()[header::LOCATION].to_str().unwrap();
    assert!(location.starts_with("http://kp.example/back?a=1&code=") && location.ends_with("&state=s1"));
    let asks = fake.authorize(&query("snsapi_userinfo", "s1"), Some("lin")).await;
    assert_eq!(asks.status(), StatusCode::OK, "the other scope always asks");

    let url = format!("{}/connect/oauth2/authorize?{}", fake.base, query("snsapi_base", "s2"));
    let refused = fake.decide(&url, "user=lin&choice=refuse".to_owned()).await;
    assert_eq!(refused.headers()[header::LOCATION], "http://kp.example/back?a=1&state=s2");
}

/// Mutations that turned it red: a code kept after its use, and its end not looked at.
#[tokio::test]
async fn a_code_is_good_once_for_five_minutes_and_for_its_account() {
    let fake = Fake::start().await;
    let code = fake.code("lin", "snsapi_base").await;
    let (app, secret) = (known::APP_ID, known::SECRET);
    let path = "/sns/oauth2/access_token?";
    let wrong = [
        (format!("secret={secret}&code={code}&grant_type=authorization_code"), 41002),
        (format!("appid={app}&code={code}&grant_type=authorization_code"), 41004),
        (format!("appid={app}&secret={secret}&grant_type=authorization_code"), 41008),
        (format!("appid={app}&secret={secret}&code={code}"), 40002),
        (format!("appid=wx0&secret={secret}&code={code}&grant_type=authorization_code"), 40013),
        (format!("appid={app}&secret=no&code={code}&grant_type=authorization_code"), 40125),
        (format!("appid={app}&secret={secret}&code={code}&grant_type=password"), 40002),
        (format!("appid={app}&secret={secret}&code=no&grant_type=authorization_code"), 40029),
        (format!("appid={app}&secret={secret}&code={code}&grant_type=authorization_code&x=1"), 40097),
    ];
    for (query, errcode) in wrong {
        assert_eq!(fake.get(&format!("{path}{query}")).await["errcode"], errcode, "{query}");
    }
    let answer = fake.user_token(&code).await;
    assert_eq!(answer["openid"], people()[0].openid(app));
    assert_eq!((&answer["is_snapshotuser"], &answer["unionid"]), (&Value::Null, &Value::Null));
    assert_eq!(fake.user_token(&code).await["errcode"], 40029, "used");

    let late = fake.code("lin", "snsapi_base").await;
    fake.ahead(5 * 60 * 1_000 + 1).await;
    assert_eq!(fake.user_token(&late).await["errcode"], 40029, "late");
}

#[tokio::test]
async fn who_agreed_to_be_known_is_known_and_a_snapshot_is_marked() {
    let fake = Fake::start().await;
    let snapshot = fake.code("snapshot", "snsapi_base").await;
    assert_eq!(fake.user_token(&snapshot).await["is_snapshotuser"], 1);

    let base = fake.user_token(&fake.code("lin", "snsapi_base").await).await;
    let info = |answer: &Value| {
        let (token, openid) = (answer["access_token"].as_str().unwrap(), answer["openid"].as_str().unwrap());
        format!("/sns/userinfo?access_token={token}&openid={openid}&lang=zh_CN")
    };
    assert_eq!(fake.get(&info(&base)).await["errcode"], 48001);
    let full = fake.user_token(&fake.code("lin", "snsapi_userinfo").await).await;
    assert_eq!(full["unionid"], people()[0].unionid());
    assert_eq!(fake.get(&info(&full)).await["nickname"], "林晓");
    let other = info(&full).replace(people()[0].openid(known::APP_ID).as_str(), "oX");
    assert_eq!(fake.get(&other).await["errcode"], 40003);

    let refresh = format!(
        "/sns/oauth2/refresh_token?appid={}&grant_type=refresh_token&refresh_token={}",
        known::APP_ID,
        full["refresh_token"].as_str().unwrap()
    );
    let again = fake.get(&refresh).await;
    assert_ne!(again["access_token"], full["access_token"]);
    fake.ahead(7_200 * 1_000 + 1).await;
    assert_eq!(fake.get(&info(&full)).await["errcode"], 42001);
    assert_eq!(fake.get(&info(&json!({"access_token": "no", "openid": "oX"}))).await["errcode"], 40014);
}

/// Mutations that turned it red: the token before ended at once, a forced refresh not counted, a short token.
#[tokio::test]
async fn a_token_lasts_is_replaced_before_its_end_and_forced_rarely() {
    let fake = Fake::start().await;
    let ticket = |token: &str| format!("/cgi-bin/ticket/getticket?access_token={token}&type=jsapi");
    let first = fake.token().await;
    assert!(first.len() >= 512);
    assert_eq!(fake.token().await, first, "the same while it lasts");
    fake.ahead(6_899 * 1_000).await;
    assert_eq!(fake.token().await, first);
    fake.ahead(6_901 * 1_000).await;
    let second = fake.token().await;
    assert_ne!(second, first);
    assert_eq!(fake.get(&ticket(&first)).await["errcode"], 0, "the one before stays good for a while");
    fake.ahead((6_901 + 301) * 1_000).await;
    assert_eq!(fake.get(&ticket(&first)).await["errcode"], 42001);
    assert_eq!(fake.get(&ticket(&second)).await["errcode"], 0);
    assert_eq!(fake.get(&ticket("no")).await["errcode"], 40001);
    assert_eq!(fake.get("/cgi-bin/ticket/getticket?type=jsapi").await["errcode"], 41001);

    let mut at = 8_000 * 1_000;
    fake.ahead(at).await;
    assert_ne!(fake.stable(true).await["access_token"], json!(second));
    assert_eq!(fake.stable(true).await["errcode"], 45011, "within 30 s");
    for _ in 1..20 {
        at += 31 * 1_000;
        fake.ahead(at).await;
        assert_eq!(fake.stable(true).await["errcode"], Value::Null);
    }
    fake.ahead(at + 31 * 1_000).await;
    assert_eq!(fake.stable(true).await["errcode"], 45009, "the 21st of a day");
    let counts = fake.get("/_fake/counts").await;
    assert_eq!(counts["/cgi-bin/stable_token"]["calls"], 4 + 22);

    for (name, value, errcode) in [
        ("grant_type", "x", 40002),
        ("appid", "", 41002),
        ("appid", "wx0", 40013),
        ("secret", "", 41004),
        ("secret", "no", 40125),
        ("extra", "x", 47001),
    ] {
        let mut body = stable_body();
        body[name] = json!(value);
        assert_eq!(fake.post("/cgi-bin/stable_token", body).await["errcode"], errcode, "{name}={value}");
    }
}

#[tokio::test]
async fn a_scene_code_is_a_picture_of_its_address() {
    let fake = Fake::start().await;
    let path = format!("/cgi-bin/qrcode/create?access_token={}", fake.token().await);
    let body = |scene: &str, name: &str, seconds: Value| json!({ "expire_seconds": seconds, "action_name": name, "action_info": { "scene": { "scene_str": scene } } });
    let long = "a".repeat(65);
    for wrong in [
        body("", "QR_STR_SCENE", json!(60)),
        body(&long, "QR_STR_SCENE", json!(60)),
        body("a", "QR_SCENE", json!(60)),
        body("a", "QR_STR_SCENE", json!(2_592_001)),
        body("a", "QR_STR_SCENE", json!(0)),
    ] {
        assert_eq!(fake.post(&path, wrong.clone()).await["errcode"], 40053, "{wrong}");
    }
    let made = fake.post(&path, body("开盘", "QR_STR_SCENE", Value::Null)).await;
    assert_eq!(made["expire_seconds"], 60);
    let ticket = made["ticket"].as_str().unwrap();
    let escaped: String = form_urlencoded::byte_serialize(ticket.as_bytes()).collect();
    let url = format!("{}/cgi-bin/showqrcode?ticket={escaped}", fake.base);
    let image = fake.http.get(&url).send().await.unwrap();
    assert_eq!(image.headers()[header::CONTENT_TYPE], "image/png");
    let image = image.bytes().await.unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(image)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    assert_eq!(pixels.iter().collect::<HashSet<_>>().len(), 2, "black and white, and both of them");
    let unescaped = fake.http.get(url.replace("%2B", "+")).send().await.unwrap();
    assert_eq!(unescaped.status(), StatusCode::NOT_FOUND, "a ticket that was not escaped");
    fake.ahead(61_000).await;
    assert_eq!(fake.http.get(&url).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn messages_are_checked_deduplicated_and_refused_when_not_wanted() {
    let fake = Fake::start().await;
    let token = fake.token().await;
    let openid = |at: usize| people()[at].openid(known::APP_ID);
    let (template_id, _) = known::TEMPLATES[0];
    let data = json!({ "thing1": { "value": "首开" }, "time2": { "value": "10:00" } });
    let path = format!("/cgi-bin/message/template/send?access_token={token}");
    let message = |touser: &str| json!({ "touser": touser, "template_id": template_id, "client_msg_id": "m1", "data": data });
    let sent = fake.post(&path, message(&openid(0))).await;
    assert_eq!(sent["errcode"], 0);
    assert_eq!(fake.post(&path, message(&openid(0))).await["msgid"], sent["msgid"], "the same client_msg_id");
    assert_eq!(fake.post(&path, message(&openid(2))).await["errcode"], 43004, "does not follow");
    assert_eq!(fake.post(&path, message("oX")).await["errcode"], 40003);
    for (name, value, errcode) in [
        ("template_id", json!("tm"), 40037),
        ("data", json!({ "thing1": { "value": "首开" } }), 47003),
        ("data", json!({ "thing1": { "value": "" }, "time2": { "value": "10:00" } }), 47003),
        ("data", json!({ "thing1": "首开", "time2": "10:00" }), 47001),
        ("client_msg_id", json!("a".repeat(33)), 47003),
    ] {
        let mut wrong = message(&openid(0));
        wrong[name] = value;
        assert_eq!(fake.post(&path, wrong).await["errcode"], errcode, "{name}");
    }

    let path = format!("/cgi-bin/message/subscribe/bizsend?access_token={token}");
    let message =
        json!({ "touser": openid(0), "template_id": template_id, "page": "pages/index", "data": data });
    assert_eq!(fake.post(&path, message.clone()).await["errcode"], 43101);
    fake.post(
        "/_fake/wechat/subscriptions",
        json!({ "user": "lin", "template_id": template_id, "times": 1 }),
    )
    .await;
    assert_eq!(fake.post(&path, message.clone()).await["errcode"], 0);
    assert_eq!(fake.post(&path, message).await["errcode"], 43101, "used up");
    let all = fake.get("/_fake/wechat/sent").await;
    let kinds: Vec<&str> =
        all.as_array().unwrap().iter().map(|sent| sent["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["template", "subscription"]);
}

#[tokio::test]
async fn the_mini_programs_codes_are_good_once() {
    let fake = Fake::start().await;
    let session = |code: &str| {
        format!(
            "/sns/jscode2session?appid={}&secret={}&js_code={code}&grant_type=authorization_code",
            known::MINI_APP_ID,
            known::MINI_SECRET
        )
    };
    let code = async |path: &str, user: &str| {
        fake.post(path, json!({ "user": user })).await["code"].as_str().unwrap().to_owned()
    };
    let js_code = code("/_fake/wechat/js-codes", "lin").await;
    let answer = fake.get(&session(&js_code)).await;
    assert_eq!(answer["unionid"], people()[0].unionid());
    assert_ne!(answer["openid"], people()[0].openid(known::APP_ID), "another account, another openid");
    assert_eq!(fake.get(&session(&js_code)).await["errcode"], 40029);
    let risky = code("/_fake/wechat/js-codes", "risky").await;
    assert_eq!(fake.get(&session(&risky)).await["errcode"], 40226);

    let path = format!("/wxa/business/getuserphonenumber?access_token={}", fake.token().await);
    let phone_code = code("/_fake/wechat/phone-codes", "chen").await;
    let body = json!({ "code": phone_code });
    assert_eq!(fake.post(&path, body.clone()).await["phone_info"]["purePhoneNumber"], "13900001002");
    assert_eq!(fake.post(&path, body).await["errcode"], 40029);
}

#[tokio::test]
async fn faults_come_in_order_and_what_came_is_written_down() {
    let fake = Fake::start().await;
    let api = "/cgi-bin/stable_token";
    for fault in [json!({ "errcode": -1 }), json!({ "status": 500 }), json!("close"), json!({ "body": "{" })]
    {
        let ordered = json!({ "api": api, "fault": fault });
        let url = format!("{}/_fake/faults", fake.base);
        let answer = fake.http.post(url).json(&ordered).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{fault}");
    }
    let url = format!("{}{api}", fake.base);
    let send = || fake.http.post(&url).json(&stable_body()).send();
    assert_eq!(send().await.unwrap().json::<Value>().await.unwrap()["errcode"], -1);
    assert_eq!(send().await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(send().await.is_err(), "the connection ends without an answer");
    assert_eq!(send().await.unwrap().text().await.unwrap(), "{");
    assert!(send().await.unwrap().json::<Value>().await.unwrap()["access_token"].is_string());

    fake.post("/_fake/faults", json!({ "api": api, "times": 2, "fault": "hang" })).await;
    let hanging = fake.http.post(&url).timeout(Duration::from_millis(200)).json(&stable_body()).send().await;
    assert!(hanging.unwrap_err().is_timeout());
    let calls = fake.get(&format!("/_fake/calls?api={api}")).await;
    let errcodes: Vec<&Value> = calls.as_array().unwrap().iter().map(|call| &call["errcode"]).collect();
    assert_eq!(errcodes, [&json!(-1), &Value::Null, &Value::Null, &Value::Null, &json!(0), &Value::Null]);
    assert_eq!(calls[0]["body"], stable_body().to_string());
    fake.post("/_fake/reset", Value::Null).await;
    assert!(fake.get("/_fake/counts").await.as_object().unwrap().is_empty());
    assert!(
        send().await.unwrap().json::<Value>().await.unwrap()["access_token"].is_string(),
        "no fault is left"
    );
}

/// What was sent holds the secret.
#[tokio::test]
async fn a_page_of_another_site_can_not_look_at_the_desk() {
    let fake = Fake::start().await;
    let url = format!("{}/_fake/calls", fake.base);
    let by_page = fake.http.get(&url).header(header::ORIGIN, "http://evil.example").send().await.unwrap();
    assert_eq!(by_page.status(), StatusCode::NOT_FOUND);
    assert_eq!(fake.http.get(&url).send().await.unwrap().status(), StatusCode::OK);
}
