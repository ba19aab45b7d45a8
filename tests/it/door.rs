//! Both doors as a load balancer, a monitor and a careless program meet them.

use std::collections::BTreeSet;
use std::fs;

use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::harness::{Api, Database, Home, Plan, Sale, admin};

#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn a_fresh_server_is_healthy_and_ends_when_asked(#[case] database: Database) {
    let home = Home::empty(database).await;
    let server = home.serve().await;
    for door in [server.buyers(), server.staff()] {
        for path in ["/healthz", "/readyz", "/metrics"] {
            let reply = door.get(path).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert!(!reply.header("x-request-id").is_empty(), "{path}");
        }
    }
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn every_failure_is_a_problem_with_a_code() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let nowhere = "/api/v1/openings/01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for door in [server.buyers(), server.staff()] {
        door.get("/api/v1/nothing-here").await.refused(404, "NOT_FOUND");
        door.delete("/api/v1/openings").await.refused(405, "METHOD_NOT_ALLOWED");
    }
    server.buyers().get(nowhere).await.refused(404, "NOT_FOUND");
    server.buyers().get(&format!("{nowhere}/me")).await.refused(401, "NOT_SIGNED_IN");
    server.staff().get("/api/v1/openings").await.refused(401, "NOT_SIGNED_IN");

    let admin = admin(&server).await;
    let params = admin.post("/api/v1/projects", json!({"name": 7})).await.refused(400, "MALFORMED");
    assert_eq!(params["field"], "name", "the problem names the field");
    let bare = admin.request(Method::POST, "/api/v1/projects").body("{}");
    admin.send(bare).await.unwrap().refused(415, "MEDIA_TYPE_UNSUPPORTED");
}

/// The two doors share neither sessions nor routes.
#[tokio::test]
async fn a_token_of_one_door_is_nothing_at_the_other() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan::default()).await;
    let buyer = sale.buyer(0).await;

    let buyer_at_console = server.staff().with_token(&buyer.token);
    buyer_at_console.get("/api/v1/openings").await.refused(401, "SESSION_ENDED");
    let admin_at_buyers = server.buyers().with_token(sale.admin.token().unwrap());
    admin_at_buyers.get(&sale.path("/me")).await.refused(401, "NOT_SIGNED_IN");
    server.buyers().get("/api/v1/staff").await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_foreign_origin_may_look_and_not_touch() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan::default()).await;
    let door = server.buyers();
    let foreign = |method, path: &str| door.request(method, path).header("origin", "https://evil.example");
    assert_eq!(door.send(foreign(Method::GET, &sale.path(""))).await.unwrap().status, 200);
    let post = foreign(Method::POST, &sale.path("/sign-in/code")).json(&json!({"phone": "19900000000"}));
    door.send(post).await.unwrap().refused(403, "ORIGIN_NOT_ALLOWED");
    let upgrade = foreign(Method::GET, &sale.path("/ws"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "kaipan.v1");
    door.send(upgrade).await.unwrap().refused(403, "ORIGIN_NOT_ALLOWED");
}

/// `docs/protocol.md` names every route of both doors, and nothing else; so does `/api/openapi.json`.
#[tokio::test]
async fn the_document_the_openapi_and_the_server_agree_on_the_routes() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md")).unwrap();
    let (buyers, staff) = text.split_once("## Staff's door").unwrap();
    for (door, section, prefix) in [(server.buyers(), buyers, ""), (server.staff(), staff, "/api/v1")] {
        let documented = documented_routes(section, prefix);
        assert!(documented.len() > 10, "{documented:?}");
        assert_eq!(described_routes(&door).await, documented);
        for (method, path) in &documented {
            // Behind each is a handler, which refuses a request without session and body, or answers it.
            let request = door.request(method.parse().unwrap(), &path.replace(['{', '}'], ""));
            let reply = door.send(request).await.unwrap();
            let handled = reply.status != 405 && reply.status < 500;
            assert!(handled, "{method} {path}: {} {}", reply.status, reply.text());
        }
    }
}

/// The `METHOD /path` pairs in back quotes of a section's tables, those of the API alone.
fn documented_routes(section: &str, prefix: &str) -> BTreeSet<(String, String)> {
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter_map(|quoted| quoted.split_once(" /"))
        .filter(|(method, _)| ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(method))
        .map(|(method, path)| {
            let path = path.split([' ', '?']).next().unwrap();
            (method.to_owned(), format!("{prefix}/{path}"))
        })
        .filter(|(_, path)| path.starts_with("/api/v1/"))
        .collect()
}

async fn described_routes(door: &Api) -> BTreeSet<(String, String)> {
    let described = door.get("/api/openapi.json").await.ok();
    let paths = described["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
        })
        .filter(|(_, path)| path.starts_with("/api/v1/"))
        .collect()
}
