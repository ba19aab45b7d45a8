//! CO-5: the second factor of staff, as people meet it: set up, asked for, used up, lost, required.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU8, Ordering};

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{Api, Authenticator, Database, Home, Reply, Server, admin, refused, staff, told};

const PASSWORD: &str = "correct-horse-battery-staple";

/// Each from an address of its own: what limits guessing at passwords from one is shown elsewhere.
async fn sign_in(server: &Server, login: &str, password: &str, code: Option<&str>) -> Reply {
    static DESKS: AtomicU8 = AtomicU8::new(1);
    let desk = Ipv4Addr::new(127, 0, 1, DESKS.fetch_add(1, Ordering::Relaxed));
    let client = reqwest::Client::builder().local_address(IpAddr::from(desk)).no_proxy().build().unwrap();
    let body = json!({"login": login, "password": password, "code": code});
    let url = format!("http://127.0.0.1:{}/api/v1/session", server.staff_port);
    server.staff().send(client.post(url).json(&body)).await.unwrap()
}

/// Signed in with this code.
async fn signed_in(server: &Server, login: &str, code: &str) -> Api {
    let session = sign_in(server, login, PASSWORD, Some(code)).await.ok();
    server.staff().with_token(session["token"].as_str().unwrap())
}

async fn factor(account: &Api) -> Value {
    account.get("/api/v1/session/second-factor").await.ok()
}

async fn logged(boss: &Api, action: &str) -> Vec<(String, String, Value)> {
    let log = boss.get("/api/v1/log").await.ok();
    let entries = log["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == action);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    entries.map(|entry| (text(&entry["staff"]), text(&entry["object"]), entry["params"].clone())).collect()
}

/// Set up with the password and a first code; from then on asked for after the password, and every code good once. A recovery
/// code stands in for a phone, once. Nothing of it lies in the clear.
///
/// Mutations that turned it red: a used step taken again; a used recovery code kept; a code asked for before the password is
/// compared; the other sessions kept.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn co_5_a_second_factor_is_set_up_asked_for_and_used_up(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let boss = admin(&server).await;
    let wang = staff(&server, &boss, "wang", "manager").await;
    let other = server
        .staff()
        .with_token(sign_in(&server, "wang", PASSWORD, None).await.ok()["token"].as_str().unwrap());
    assert_eq!(factor(&wang).await, json!({"on": false, "recovery_codes_left": 0, "required": false}));

    let begin = "/api/v1/session/second-factor";
    let confirm = "/api/v1/session/second-factor/confirm";
    let wrong = wang.post(begin, json!({"current": "not the password"})).await.refused(422, "FIELD_INVALID");
    assert_eq!((&wrong["field"], &wrong["reason"]), (&json!("current"), &json!("PASSWORD_WRONG")));
    wang.post(confirm, json!({"code": "000000"})).await.refused(409, "SECOND_FACTOR_OFF");
    // Begun twice, the second secret counts; begun and not confirmed, nothing asks for it.
    let first = wang.post(begin, json!({"current": PASSWORD})).await.ok();
    let begun = wang.post(begin, json!({"current": PASSWORD})).await;
    assert_eq!(begun.header("cache-control"), "no-store");
    let begun = begun.ok();
    assert_ne!(first["key"], begun["key"]);
    let key = begun["key"].as_str().unwrap().to_owned();
    assert_eq!(begun["uri"], format!("otpauth://totp/Kaipan:wang?secret={key}&issuer=Kaipan"));
    sign_in(&server, "wang", PASSWORD, None).await.ok();
    let mut phone = Authenticator::new(&key);
    let refusal =
        wang.post(confirm, json!({"code": Authenticator::new(first["key"].as_str().unwrap()).code(0)})).await;
    assert_eq!(refusal.refused(422, "FIELD_INVALID"), json!({"field": "code", "reason": "CODE_WRONG"}));
    let confirmed = wang.post(confirm, json!({"code": phone.code(0)})).await;
    assert_eq!(confirmed.header("cache-control"), "no-store");
    let codes = confirmed.ok()["recovery_codes"].as_array().unwrap().clone();
    phone.recovery_codes = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    assert_eq!(phone.recovery_codes.len(), 10);
    assert_eq!(factor(&wang).await, json!({"on": true, "recovery_codes_left": 10, "required": false}));
    other.get("/api/v1/session").await.refused(401, "SESSION_ENDED");
    wang.post(begin, json!({"current": PASSWORD})).await.refused(409, "SECOND_FACTOR_ON");

    // The password first, then the code; a wrong password says nothing of either.
    sign_in(&server, "wang", "not the password", Some(&phone.code(1))).await.refused(401, "LOGIN_FAILED");
    sign_in(&server, "wang", "not the password", None).await.refused(401, "LOGIN_FAILED");
    for none in [None, Some(""), Some("  ")] {
        sign_in(&server, "wang", PASSWORD, none).await.refused(401, "SECOND_FACTOR_NEEDED");
    }
    sign_in(&server, "wang", PASSWORD, Some(&phone.wrong())).await.refused(401, "SECOND_FACTOR_WRONG");
    // The code that confirmed it is used up.
    sign_in(&server, "wang", PASSWORD, Some(&phone.code(0))).await.refused(401, "SECOND_FACTOR_WRONG");
    let next = phone.code(1);
    let spaced = format!(" {} {} ", &next[..3], &next[3..]);
    assert_eq!(sign_in(&server, "wang", PASSWORD, Some(&spaced)).await.ok()["staff"]["second_factor"], true);
    sign_in(&server, "wang", PASSWORD, Some(&next)).await.refused(401, "SECOND_FACTOR_WRONG");
    let recovery = phone.recovery_codes[3].to_uppercase().replace('-', " ");
    let again = signed_in(&server, "wang", &recovery).await;
    assert_eq!(factor(&again).await["recovery_codes_left"], 9);
    sign_in(&server, "wang", PASSWORD, Some(&recovery)).await.refused(401, "SECOND_FACTOR_WRONG");
    let ways: Vec<Value> = logged(&boss, "LOGGED_IN")
        .await
        .into_iter()
        .filter(|(who, ..)| who == "wang")
        .map(|(.., params)| params)
        .take(2)
        .collect();
    assert_eq!(
        ways,
        [
            json!({"second_factor": "recovery_code", "recovery_codes_left": 9}),
            json!({"second_factor": "app"})
        ]
    );
    assert_eq!(
        logged(&boss, "SECOND_FACTOR_ADDED").await,
        [("wang".into(), "wang".into(), json!({"sessions": 2}))]
    );
    let listed = boss.get("/api/v1/staff").await.ok();
    let on: Vec<_> = listed["staff"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["login"].as_str().unwrap(), one["second_factor"] == true))
        .collect();
    assert_eq!(on, [("admin", false), ("wang", true)]);

    if database == Database::Sqlite {
        let raw: Vec<u8> = ["kaipan.db", "kaipan.db-wal"]
            .iter()
            .flat_map(|file| std::fs::read(home.data_dir().join(file)).unwrap())
            .collect();
        let holds = |text: &str| raw.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(holds("wang") && !holds(&key) && !holds(&phone.recovery_codes[0]));
    }
}

/// Whoever has one takes it off with password and code; then nothing asks for it.
///
/// Mutation that turned it red: the code not asked for.
#[tokio::test]
async fn co_5_a_second_factor_is_removed_with_password_and_code() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let boss = admin(&server).await;
    let phone = Authenticator::set_up(&boss, PASSWORD).await;
    let remove = async |current: &str, code: &str| {
        boss.post("/api/v1/session/second-factor/remove", json!({"current": current, "code": code})).await
    };
    assert_eq!(
        remove("not the password", &phone.code(1)).await.refused(422, "FIELD_INVALID")["field"],
        "current"
    );
    assert_eq!(remove(PASSWORD, &phone.wrong()).await.refused(422, "FIELD_INVALID")["field"], "code");
    sign_in(&server, "admin", PASSWORD, None).await.refused(401, "SECOND_FACTOR_NEEDED");
    remove(PASSWORD, &phone.recovery_codes[0]).await.ok();
    assert_eq!(factor(&boss).await, json!({"on": false, "recovery_codes_left": 0, "required": false}));
    sign_in(&server, "admin", PASSWORD, None).await.ok();
    remove(PASSWORD, &phone.code(1)).await.refused(409, "SECOND_FACTOR_OFF");
    assert_eq!(logged(&boss, "SECOND_FACTOR_REMOVED").await.len(), 1);
}

/// Required of all: whoever has none may set one up and do nothing else, in a session from before as well. Lost with its
/// recovery codes, an admin takes it away with a reason, and the account begins again.
///
/// Mutations that turned it red: only new sessions held to the rule; the routes of the second factor closed with the others;
/// sessions kept after a reset.
#[tokio::test]
async fn co_5_a_second_factor_is_required_and_reset() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let boss = admin(&server).await;
    let wang = staff(&server, &boss, "wang", "manager").await;
    let rule = async |by: &Api, required: bool, reason: &str| {
        by.put("/api/v1/second-factor", json!({"required": required, "reason": reason})).await
    };
    rule(&wang, true, "制度").await.refused(403, "FORBIDDEN");
    assert_eq!(rule(&boss, true, " ").await.refused(422, "FIELD_INVALID")["field"], "reason");
    rule(&boss, true, "公司制度").await.ok();
    rule(&boss, true, "公司制度").await.refused(403, "SECOND_FACTOR_REQUIRED");

    for path in ["/api/v1/openings", "/api/v1/status", "/api/v1/sessions"] {
        wang.get(path).await.refused(403, "SECOND_FACTOR_REQUIRED");
    }
    assert_eq!(wang.get("/api/v1/session").await.ok()["must_enrol"], true);
    assert_eq!(factor(&wang).await["required"], true);
    let session = sign_in(&server, "wang", PASSWORD, None).await.ok();
    assert_eq!(session["must_enrol"], true);
    server
        .staff()
        .with_token(session["token"].as_str().unwrap())
        .get("/api/v1/openings")
        .await
        .refused(403, "SECOND_FACTOR_REQUIRED");
    Authenticator::set_up(&wang, PASSWORD).await;
    wang.get("/api/v1/openings").await.ok();
    assert_eq!(wang.get("/api/v1/session").await.ok()["must_enrol"], false);

    Authenticator::set_up(&boss, PASSWORD).await;
    let listed = boss.get("/api/v1/staff").await.ok();
    assert_eq!(listed["second_factor_required"], true);
    let id =
        listed["staff"].as_array().unwrap().iter().find(|one| one["login"] == "wang").unwrap()["id"].clone();
    let reset = format!("/api/v1/staff/{}/second-factor/reset", id.as_str().unwrap());
    assert_eq!(
        boss.post(&reset, json!({"reason": ""})).await.refused(422, "FIELD_INVALID")["field"],
        "reason"
    );
    wang.post(&reset, json!({"reason": "丢失"})).await.refused(403, "FORBIDDEN");
    boss.post(&reset, json!({"reason": "手机丢失"})).await.ok();
    wang.get("/api/v1/session").await.refused(401, "SESSION_ENDED");
    boss.post(&reset, json!({"reason": "手机丢失"})).await.refused(409, "SECOND_FACTOR_OFF");
    assert_eq!(sign_in(&server, "wang", PASSWORD, None).await.ok()["must_enrol"], true);
    assert_eq!(
        logged(&boss, "SECOND_FACTOR_RESET").await,
        [("admin".into(), "wang".into(), json!({"reason": "手机丢失", "sessions": 1}))]
    );

    rule(&boss, false, "试运行").await.ok();
    assert_eq!(sign_in(&server, "wang", PASSWORD, None).await.ok()["must_enrol"], false);
    let rules: Vec<Value> =
        logged(&boss, "SECOND_FACTOR_RULE_CHANGED").await.into_iter().map(|(.., params)| params).collect();
    assert_eq!(
        rules,
        [json!({"required": false, "reason": "试运行"}), json!({"required": true, "reason": "公司制度"})]
    );
    let request = boss.request(Method::POST, "/api/v1/staff/01ARZ3NDEKTSV4RRFFQ69G5FAV/second-factor/reset");
    boss.send(request.json(&json!({"reason": "x"}))).await.unwrap().refused(404, "NOT_FOUND");
}

/// The last admin has lost phone and codes: the command line lets them in again, with a reason in the log.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn co_5_a_locked_out_admin_comes_back_by_the_command_line(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let boss = admin(&server).await;
    Authenticator::set_up(&boss, PASSWORD).await;
    sign_in(&server, "admin", PASSWORD, None).await.refused(401, "SECOND_FACTOR_NEEDED");
    assert!(server.stop().await.success());
    let reset = ["staff", "reset-second-factor", "admin", "--reason", "手机丢失"];
    assert!(told(&home.run(&reset).await).contains("no second factor any more"));
    assert!(refused(&home.run(&reset).await).contains("no second factor"));
    let nobody = ["staff", "reset-second-factor", "nobody", "--reason", "x"];
    assert!(refused(&home.run(&nobody).await).contains("no such account"));
    let server = home.serve().await;
    boss.get("/api/v1/session").await.refused(401, "SESSION_ENDED");
    let boss = admin(&server).await;
    let entry = ("command line".to_owned(), "admin".to_owned(), json!({"reason": "手机丢失", "sessions": 1}));
    assert_eq!(logged(&boss, "SECOND_FACTOR_RESET").await, [entry]);
    assert_eq!(home.run(&["audit", "check"]).await.status.code(), Some(0));
}
