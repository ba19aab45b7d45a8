//! Sign-in codes by SMS (CO-2): real servers, real databases, and providers that `fakes/` plays and whose checks are their own.

use std::time::Duration;

use fakes::sms::known;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::harness::{Database, Home, Plan, Sale, Server, free_port};

/// What a home's servers are told, beside the address of the provider.
fn settings(home: &mut Home, provider: &'static str, path: &str, port: u16) {
    // As long as the test's process: settings are named by 'static texts.
    let url: &'static str = Box::leak(format!("http://127.0.0.1:{port}{path}").into_boxed_str());
    let secret_file = home.file("sms-secret");
    std::fs::write(&secret_file, format!("{}\n", known::SECRET)).unwrap();
    let secret_file: &'static str = Box::leak(secret_file.to_str().unwrap().to_owned().into_boxed_str());
    home.settings.extend([("KAIPAN_SMS_PROVIDER", provider), ("KAIPAN_SMS_SECRET_FILE", secret_file)]);
    if provider == "http-gateway" {
        home.settings.extend([
            ("KAIPAN_SMS_HTTP_URL", url),
            ("KAIPAN_SMS_HTTP_HEADERS", "Content-Type: application/json|Authorization: Bearer {secret}"),
            ("KAIPAN_SMS_HTTP_BODY", r#"{"to":"{phone}","text":"{text}"}"#),
            ("KAIPAN_SMS_HTTP_SUCCESS", r#""accepted""#),
        ]);
        return;
    }
    home.settings.extend([
        ("KAIPAN_SMS_BASE_URL", url),
        ("KAIPAN_SMS_ACCESS_KEY_ID", known::ACCESS_KEY_ID),
        ("KAIPAN_SMS_SIGN_NAME", known::SIGN_NAME),
        ("KAIPAN_SMS_TEMPLATE_SIGN_IN_CODE", known::TEMPLATE),
    ]);
    if provider == "tencent-cloud" {
        home.settings.push(("KAIPAN_SMS_APP_ID", known::APP_ID));
    }
}

/// Everything that the fakes play, on this port.
async fn play(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move { fakes::serve(listener, &fakes::wechat::Settings::default()).await });
}

/// What phones were sent.
async fn taken(port: u16) -> Vec<Value> {
    let url = format!("http://127.0.0.1:{port}/_fake/sms/taken");
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

async fn order(port: u16, api: &str, times: usize, fault: Value) {
    let body = json!({ "api": api, "times": times, "fault": fault });
    let url = format!("http://127.0.0.1:{port}/_fake/faults");
    assert_eq!(reqwest::Client::new().post(url).json(&body).send().await.unwrap().status(), 204);
}

/// A sale that starts in an hour.
async fn sale(server: &Server) -> Sale {
    Sale::publish(server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await
}

async fn ask_for_code(sale: &Sale, n: usize) {
    let body = json!({ "phone": sale.people[n].phone });
    sale.onlooker().post(&sale.path("/sign-in/code"), body).await.ok();
}

/// The newest message to the `n`th person, once it is in this state.
async fn message(sale: &Sale, n: usize, state: &str) -> Value {
    let path = sale.path(&format!("/outbox?phone={}", sale.people[n].phone));
    let mut seen = Value::Null;
    let wait = async {
        while seen["state"] != state {
            seen = sale.admin.get(&path).await.ok()["messages"][0].clone();
            sleep(Duration::from_millis(50)).await;
        }
    };
    if timeout(Duration::from_secs(60), wait).await.is_err() {
        panic!("not {state}: {seen}");
    }
    seen
}

async fn failures_logged(sale: &Sale) -> Vec<Value> {
    let mut found = Vec::new();
    let wait = async {
        while found.is_empty() {
            let log = sale.admin.get("/api/v1/log").await.ok();
            let entries = log["entries"].as_array().unwrap().iter();
            found = entries.filter(|entry| entry["action"] == "SMS_FAILED").cloned().collect();
        }
    };
    timeout(Duration::from_secs(30), wait).await.expect("the failure is logged");
    found
}

/// CO-2, CO-4: the code that arrives signs the buyer in; staff see that it was sent, and not what it says.
#[rstest]
#[case::aliyun("aliyun", known::ALIYUN)]
#[case::tencent_cloud("tencent-cloud", known::TENCENT_CLOUD)]
#[case::http_gateway("http-gateway", known::GATEWAY)]
#[tokio::test]
async fn co_2_a_code_arrives_by_sms_and_signs_in(#[case] provider: &'static str, #[case] path: &str) {
    let port = free_port();
    play(port).await;
    let mut home = Home::new(Database::Sqlite).await;
    settings(&mut home, provider, path, port);
    let server = home.serve().await;
    let sale = sale(&server).await;
    ask_for_code(&sale, 0).await;
    let sent = message(&sale, 0, "sent").await;
    assert_eq!((&sent["attempts"], &sent["reason"], &sent["code"]), (&json!(1), &Value::Null, &Value::Null));
    assert!(sent["settled_ms"].as_i64() >= sent["created_ms"].as_i64(), "{sent}");

    let arrived = taken(port).await;
    let [arrived] = arrived.as_slice() else { panic!("{arrived:?}") };
    let phone = &sale.people[0].phone;
    assert_eq!(arrived["phone"], phone.as_str());
    let said = arrived["params"][0].as_str().unwrap();
    let digits: Vec<&str> = said.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() == 6).collect();
    let [code] = digits.as_slice() else { panic!("no code: {said}") };
    assert!(!sent["text"].as_str().unwrap().contains(code), "{sent}");
    let body = json!({ "phone": phone, "code": code, "device": "phone" });
    sale.onlooker().post(&sale.path("/sign-in"), body).await.ok();
    for secret in [*code, known::SECRET, phone.as_str()] {
        assert!(!server.said().contains(secret), "the log shows {secret}");
    }
}

/// CO-2: every message is sent by one gateway, however many look at the queue; a slow provider keeps nobody waiting.
#[tokio::test]
async fn co_2_two_gateways_send_each_code_once() {
    let port = free_port();
    play(port).await;
    let mut home = Home::new(Database::Postgres).await;
    settings(&mut home, "aliyun", known::ALIYUN, port);
    // All of them are due before the first has its answer.
    order(port, known::ALIYUN, 100, json!({ "late": 400 })).await;
    let server = home.serve().await;
    let _second = home.serve_another().await.expect("Postgres takes a second server");
    let people = 40;
    let plan = Plan { buyers: people, homes: people, starts_in_ms: 3_600_000, ..Plan::default() };
    let sale = Sale::publish(&server, &plan).await;
    for n in 0..people {
        ask_for_code(&sale, n).await;
    }
    for n in 0..people {
        assert_eq!(message(&sale, n, "sent").await["attempts"], 1);
    }
    let mut phones: Vec<String> =
        taken(port).await.iter().map(|sent| sent["phone"].as_str().unwrap().to_owned()).collect();
    phones.sort();
    let mut expected: Vec<String> = sale.people.iter().map(|person| person.phone.clone()).collect();
    expected.sort();
    assert_eq!(phones, expected);
}

/// CO-2: while the provider is down a code waits, and is sent when it is back, once.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn co_2_a_provider_that_comes_back_is_sent_what_waited(#[case] database: Database) {
    let port = free_port();
    let mut home = Home::new(database).await;
    settings(&mut home, "tencent-cloud", known::TENCENT_CLOUD, port);
    let server = home.serve().await;
    let sale = sale(&server).await;
    ask_for_code(&sale, 0).await;
    let tried = async {
        loop {
            let waiting = message(&sale, 0, "queued").await;
            if waiting["attempts"].as_i64() >= Some(1) {
                return waiting;
            }
        }
    };
    let waiting = timeout(Duration::from_secs(60), tried).await.expect("it is tried");
    assert_eq!((&waiting["reason"], &waiting["code"]), (&json!("UNREACHABLE"), &Value::Null));
    play(port).await;
    // It is there again, and busy at first.
    order(port, known::TENCENT_CLOUD, 1, json!({ "code": "RequestLimitExceeded" })).await;
    let sent = message(&sale, 0, "sent").await;
    assert!(sent["attempts"].as_i64() >= Some(3), "{sent}");
    assert_eq!(taken(port).await.len(), 1);
}

/// CO-2, CO-6: a wrong secret fails at once and says so, on the outbox page and in the staff log; what staff need to help is
/// there, and no secret is.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn co_2_a_wrong_signature_fails_with_its_reason(#[case] database: Database) {
    let port = free_port();
    play(port).await;
    let mut home = Home::new(database).await;
    settings(&mut home, "aliyun", known::ALIYUN, port);
    home.settings.retain(|(name, _)| *name != "KAIPAN_SMS_SECRET_FILE");
    home.settings.push(("KAIPAN_SMS_SECRET", "another-secret-than-the-accounts"));
    let server = home.serve().await;
    let sale = sale(&server).await;
    ask_for_code(&sale, 0).await;
    let failed = message(&sale, 0, "failed").await;
    assert_eq!(failed["reason"], "CREDENTIALS_REFUSED");
    assert_eq!((&failed["detail"], &failed["attempts"]), (&json!("SignatureDoesNotMatch"), &json!(1)));
    assert_eq!(failed["code"].as_str().map(str::len), Some(6), "staff can tell it");
    let phone = &sale.people[0].phone;
    let masked = format!("{}****{}", &phone[..3], &phone[7..]);
    let logged = failures_logged(&sale).await;
    assert_eq!(logged.len(), 1);
    let expected =
        json!({ "phone": masked, "sms": "CREDENTIALS_REFUSED", "detail": "SignatureDoesNotMatch" });
    assert_eq!((&logged[0]["params"], &logged[0]["staff"]), (&expected, &json!("the server")));
    assert_eq!(taken(port).await, Vec::<Value>::new());
    assert!(!server.said().contains("another-secret-than-the-accounts"));
    assert!(server.said().contains(&masked), "the log names the failure: {}", server.said());
}

/// CO-2: a code that expired while nobody could send it is never sent, nor is one that its owner has replaced.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn co_2_a_code_that_is_worth_nothing_is_not_sent(#[case] database: Database) {
    let port = free_port();
    let mut home = Home::new(database).await;
    settings(&mut home, "aliyun", known::ALIYUN, port);
    let server = home.serve().await;
    let sale = sale(&server).await;
    for n in [0, 1, 2] {
        ask_for_code(&sale, n).await;
        message(&sale, n, "queued").await;
    }
    assert!(server.stop().await.success());
    // Five minutes later, as far as the rows know: of the first the code has expired, of the second there is a newer one.
    change(&home, "UPDATE outbox SET due_at = 0 WHERE state = 'queued'").await;
    let by_age = "(SELECT id FROM outbox ORDER BY created_at, id LIMIT 1)";
    change(&home, &format!("UPDATE outbox SET expires_at = created_at WHERE id = {by_age}")).await;
    let second = "(SELECT id FROM outbox ORDER BY created_at, id LIMIT 1 OFFSET 1)";
    change(
        &home,
        &format!(
            "INSERT INTO outbox (id, org_id, opening_id, purpose, recipient_sealed, recipient_bidx, params_sealed, created_at, \
             state, expires_at) SELECT '01ARZ3NDEKTSV4RRFFQ69G5FAV', org_id, opening_id, purpose, recipient_sealed, \
             recipient_bidx, params_sealed, created_at + 1, 'sent', expires_at FROM outbox WHERE id = {second}"
        ),
    )
    .await;
    play(port).await;
    let server = home.serve().await;
    let arrived = async {
        while taken(port).await.is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), arrived).await.expect("the third is sent");
    let arrived = taken(port).await;
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0]["phone"], sale.people[2].phone.as_str());
    let states = states(&home).await;
    let told: Vec<(&str, Option<&str>)> =
        states.iter().map(|(state, reason)| (state.as_str(), reason.as_deref())).collect();
    assert_eq!(told[0], ("failed", Some("EXPIRED")));
    assert!(told.contains(&("failed", Some("REPLACED"))), "{told:?}");
    assert!(server.stop().await.success());
}

async fn change(home: &Home, sql: &str) {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match home.database_url() {
        Some(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
        None => {
            let mut connection = SqliteConnection::connect(&sqlite(home)).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

/// State and reason of every message, the oldest first.
async fn states(home: &Home) -> Vec<(String, Option<String>)> {
    let sql = "SELECT state, reason FROM outbox ORDER BY created_at, id";
    match home.database_url() {
        Some(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap()
        }
        None => {
            let mut connection = SqliteConnection::connect(&sqlite(home)).await.unwrap();
            sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap()
        }
    }
}

fn sqlite(home: &Home) -> String {
    format!("sqlite://{}", home.data_dir().join("kaipan.db").display())
}

/// A start refuses what is missing, with words, and prints no secret.
#[tokio::test]
async fn co_2_a_provider_without_its_settings_is_refused_at_start() {
    let mut home = Home::empty(Database::Sqlite).await;
    home.settings.extend([("KAIPAN_SMS_PROVIDER", "aliyun"), ("KAIPAN_SMS_SECRET", known::SECRET)]);
    let refused = home.serve_another().await.err().expect("it is refused");
    let needed = "sms_provider aliyun needs KAIPAN_SMS_ACCESS_KEY_ID, KAIPAN_SMS_SIGN_NAME, KAIPAN_SMS_TEMPLATE_SIGN_IN_CODE";
    assert!(refused.contains(needed), "{refused}");
    assert!(!refused.contains(known::SECRET), "{refused}");
}
