//! CO-5: members of staff see where they are signed in and end what is not theirs; their own password.

use std::time::Duration;

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{Api, Database, Home, Plan, Sale, Server, admin, staff};

const PASSWORD: &str = "correct-horse-battery-staple";
const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0 Safari/537.36";

async fn sign_in_with(server: &Server, login: &str, password: &str, browser: &str) -> Api {
    let door = server.staff();
    let request = door.request(Method::POST, "/api/v1/session").header("user-agent", browser);
    let session = door.send(request.json(&json!({"login": login, "password": password}))).await.unwrap().ok();
    door.with_token(session["token"].as_str().unwrap())
}

async fn sessions(account: &Api, path: &str) -> Vec<Value> {
    account.get(path).await.ok()["sessions"].as_array().unwrap().clone()
}

/// When, from where, with what, and which is this one; ended one by one or all others; an account's by an admin. All of it
/// stands in the log, and nobody reaches another's.
///
/// Mutations that turned it red: another's session ended by its id; the one that asks ended with the others.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn co_5_sessions_are_listed_and_ended(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let boss = admin(&server).await;
    let first = staff(&server, &boss, "wang", "manager").await;
    let second = sign_in_with(&server, "wang", PASSWORD, BROWSER).await;
    let long = "x".repeat(4_000);
    let third = sign_in_with(&server, "wang", PASSWORD, &long).await;

    let listed = sessions(&second, "/api/v1/sessions").await;
    assert_eq!(listed.len(), 3);
    let marked: Vec<&Value> = listed.iter().map(|session| &session["this"]).collect();
    assert_eq!(marked, [false, true, false], "the newest first");
    let this = &listed[1];
    assert_eq!((&this["address"], &this["browser"]), (&json!("127.0.0.1"), &json!(BROWSER)));
    let (created, seen) = (this["created_ms"].as_i64().unwrap(), this["seen_ms"].as_i64().unwrap());
    assert!(created <= seen && this["expires_ms"].as_i64().unwrap() > seen, "{this}");
    assert_eq!(listed[0]["browser"].as_str().unwrap().len(), 300, "cut, and kept");

    // Another's session is as unknown as none.
    let of_boss = sessions(&boss, "/api/v1/sessions").await[0]["id"].as_str().unwrap().to_owned();
    first.delete(&format!("/api/v1/sessions/{of_boss}")).await.refused(404, "NOT_FOUND");
    assert_eq!(boss.get("/api/v1/session").await.status, 200);

    let third_id = listed[0]["id"].as_str().unwrap();
    first.delete(&format!("/api/v1/sessions/{third_id}")).await.ok();
    third.get("/api/v1/session").await.refused(401, "SESSION_ENDED");
    first.delete(&format!("/api/v1/sessions/{third_id}")).await.refused(404, "NOT_FOUND");
    assert_eq!(second.delete("/api/v1/sessions").await.ok(), json!({"ended": 1}));
    first.get("/api/v1/session").await.refused(401, "SESSION_ENDED");
    assert_eq!(second.get("/api/v1/session").await.status, 200);

    let members = boss.get("/api/v1/staff").await.ok();
    let wang = members["staff"].as_array().unwrap().iter().find(|member| member["login"] == "wang").unwrap();
    let path = format!("/api/v1/staff/{}/sessions", wang["id"].as_str().unwrap());
    let seen_by_boss = sessions(&boss, &path).await;
    assert_eq!((seen_by_boss.len(), &seen_by_boss[0]["this"]), (1, &json!(false)));
    assert_eq!(boss.delete(&path).await.ok(), json!({"ended": 1}));
    second.get("/api/v1/session").await.refused(401, "SESSION_ENDED");
    for method in [Method::GET, Method::DELETE] {
        let request = boss.request(method, "/api/v1/staff/01ARZ3NDEKTSV4RRFFQ69G5FAV/sessions");
        boss.send(request).await.unwrap().refused(404, "NOT_FOUND");
    }

    let log = boss.get("/api/v1/log").await.ok();
    let ended: Vec<_> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["action"] == "SESSIONS_ENDED")
        .collect();
    let told: Vec<_> = ended
        .iter()
        .map(|entry| {
            (
                entry["staff"].as_str().unwrap(),
                entry["object"].as_str().unwrap(),
                &entry["params"]["sessions"],
            )
        })
        .collect();
    assert_eq!(
        told,
        [("admin", "wang", &json!(1)), ("wang", "wang", &json!(1)), ("wang", "wang", &json!(1))]
    );
}

/// One's own password is changed by whoever knows it; the other sessions end and the one that changed it goes on. Guessing the
/// password of an open desk is slowed as guessing at the door is.
///
/// Mutations that turned it red: the password not compared; the other sessions kept; tries not counted.
#[tokio::test]
async fn co_5_a_changed_password_ends_the_other_sessions() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let boss = admin(&server).await;
    let wang = staff(&server, &boss, "wang", "cashier").await;
    let other = sign_in_with(&server, "wang", PASSWORD, BROWSER).await;
    let change = async |current: &str, password: &str| {
        wang.post("/api/v1/session/password", json!({"current": current, "password": password})).await
    };
    assert_eq!(
        change("not the password", "another long password").await.refused(422, "FIELD_INVALID")["field"],
        "current"
    );
    assert_eq!(change(PASSWORD, "short").await.refused(422, "FIELD_INVALID")["field"], "password");
    assert_eq!(other.get("/api/v1/session").await.status, 200);
    change(PASSWORD, "another long password").await.ok();
    other.get("/api/v1/session").await.refused(401, "SESSION_ENDED");
    assert_eq!(wang.get("/api/v1/session").await.status, 200);
    let old = json!({"login": "wang", "password": PASSWORD});
    server.staff().post("/api/v1/session", old).await.refused(401, "LOGIN_FAILED");
    sign_in_with(&server, "wang", "another long password", BROWSER).await;
    let log = boss.get("/api/v1/log").await.ok();
    let entries = log["entries"].as_array().unwrap();
    assert!(
        entries
            .iter()
            .any(|entry| entry["action"] == "STAFF_PASSWORD_CHANGED" && entry["params"]["sessions"] == 1)
    );

    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(change("a wrong guess", "another long password").await.status);
    }
    // Of five, one was used up here and one at the door.
    assert_eq!(answers.iter().filter(|status| **status == 422).count(), 3, "{answers:?}");
    assert_eq!(answers[7], 429);
}

/// A live page's stream does not outlive the session that opened it.
///
/// Mutation that turned it red: the stream that never asks.
#[tokio::test]
async fn co_5_a_stream_ends_with_its_session() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    let wang = staff(&server, &sale.admin, "wang", "manager").await;
    let request = wang.request(Method::GET, &sale.path("/live"));
    let mut stream = request.send().await.unwrap();
    let first = timeout(Duration::from_secs(10), stream.chunk()).await.unwrap().unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("snapshot"));
    wang.delete("/api/v1/session").await.ok();
    let to_its_end = async { while stream.chunk().await.unwrap().is_some() {} };
    timeout(Duration::from_secs(10), to_its_end).await.expect("the stream ends");
}
