//! CO-5: who may do what at the staff's door, route by route, over HTTP. The tables are written out here a second
//! time, from `docs/protocol.md`; a route that is missing in them fails the test.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::{Api, Database, Home, Plan, Sale, staff};

/// A right of the table below, and the roles that have it. (`crowd` exists in the demo only; nobody can be given it.)
const RIGHTS: &[(&str, &[&str])] = &[
    ("staff", &["admin"]),
    ("prepare", &["admin"]),
    ("view", &["admin", "manager", "cashier", "auditor"]),
    ("people", &["admin", "manager", "auditor"]),
    ("control", &["admin", "manager"]),
    ("cashier", &["admin", "manager", "cashier"]),
    ("export", &["admin", "manager", "auditor"]),
    ("outbox", &["admin"]),
    ("audit", &["admin", "auditor"]),
    ("rehearse", &["admin", "manager"]),
    (SIGNED_IN, &["admin", "manager", "cashier", "auditor"]),
];

/// What the two routes of a session ask for.
const SIGNED_IN: &str = "a session";
const NOTHING: &str = "nothing";

/// What is sent: of the right shape, so that the right is what is asked first, and never of a value that changes
/// anything, so that every role meets the same opening.
pub enum Sent {
    No,
    Json(Value),
    File,
}

/// Every route of the door, and its right. `{id}` is a published opening for a read and none for a change; the last
/// row ends the session that calls it.
pub fn routes() -> Vec<(&'static str, &'static str, &'static str, Sent)> {
    let reason = || Sent::Json(json!({"reason": "试"}));
    let hold = || Sent::Json(json!({"generation": 1, "reason": "试"}));
    let draft = json!({
        "project": NOWHERE, "name": "试", "start_ms": 1, "end_ms": 2,
        "deposit_fen": {"home": 0, "parking": 0, "shop": 0, "storage": 0},
    });
    let payment = json!({"generation": 1, "method": "pos", "reference": "R1", "amount_fen": 1});
    let account = json!({"login": "x", "name": "x", "role": "nobody", "password": "x"});
    vec![
        ("POST", "/session", NOTHING, Sent::Json(json!({"login": "nobody", "password": "wrong"}))),
        ("GET", "/session", SIGNED_IN, Sent::No),
        ("GET", "/sessions", SIGNED_IN, Sent::No),
        ("DELETE", "/sessions", SIGNED_IN, Sent::No),
        ("DELETE", "/sessions/{session}", SIGNED_IN, Sent::No),
        (
            "POST",
            "/session/password",
            SIGNED_IN,
            Sent::Json(json!({"current": "wrong", "password": "a long password"})),
        ),
        ("GET", "/session/second-factor", SIGNED_IN, Sent::No),
        ("POST", "/session/second-factor", SIGNED_IN, Sent::Json(json!({"current": "wrong"}))),
        ("POST", "/session/second-factor/confirm", SIGNED_IN, Sent::Json(json!({"code": "000000"}))),
        (
            "POST",
            "/session/second-factor/remove",
            SIGNED_IN,
            Sent::Json(json!({"current": "wrong", "code": "000000"})),
        ),
        ("POST", "/staff/{id}/second-factor/reset", "staff", reason()),
        ("PUT", "/second-factor", "staff", Sent::Json(json!({"required": true, "reason": ""}))),
        ("GET", SESSIONS_OF, "staff", Sent::No),
        ("DELETE", SESSIONS_OF, "staff", Sent::No),
        ("GET", "/staff", "staff", Sent::No),
        ("POST", "/staff", "staff", Sent::Json(account)),
        ("PATCH", "/staff/{id}", "staff", Sent::Json(json!({"disabled": true}))),
        ("POST", "/staff/{id}/password", "staff", Sent::Json(json!({"password": "x"}))),
        ("GET", "/projects", "view", Sent::No),
        ("POST", "/projects", "prepare", Sent::Json(json!({"name": ""}))),
        ("GET", "/openings", "view", Sent::No),
        ("POST", "/openings", "prepare", Sent::Json(draft)),
        ("GET", "/openings/{id}", "view", Sent::No),
        ("PATCH", "/openings/{id}", "prepare", Sent::Json(json!({"name": "试"}))),
        ("POST", "/openings/{id}/import/price-list", "prepare", Sent::File),
        ("POST", "/openings/{id}/import/roster", "prepare", Sent::File),
        ("GET", "/openings/{id}/units", "view", Sent::No),
        (
            "POST",
            "/openings/{id}/units/withhold",
            "prepare",
            Sent::Json(json!({"units": [0], "reason": "试"})),
        ),
        ("POST", "/openings/{id}/units/unwithhold", "prepare", Sent::Json(json!({"units": [0]}))),
        ("GET", "/openings/{id}/registrations", "people", Sent::No),
        ("GET", "/openings/{id}/preflight", "view", Sent::No),
        ("POST", "/openings/{id}/check", "control", Sent::No),
        ("POST", "/openings/{id}/publish", "control", Sent::No),
        ("POST", "/openings/{id}/unpublish", "control", Sent::No),
        ("POST", "/openings/{id}/pause", "control", reason()),
        ("POST", "/openings/{id}/resume", "control", Sent::No),
        ("POST", "/openings/{id}/end", "control", reason()),
        ("POST", "/openings/{id}/archive", "control", Sent::No),
        ("POST", "/openings/{id}/disable", "control", Sent::No),
        ("GET", "/openings/{id}/board", "view", Sent::No),
        ("GET", LIVE, "view", Sent::No),
        ("GET", "/openings/{id}/summary", "view", Sent::No),
        ("GET", "/openings/{id}/holds", "cashier", Sent::No),
        ("POST", "/openings/{id}/holds/{claim}/payments", "cashier", Sent::Json(payment)),
        ("POST", "/openings/{id}/holds/{claim}/release", "control", hold()),
        ("POST", "/openings/{id}/holds/{claim}/extend", "control", hold()),
        ("POST", "/openings/{id}/holds/{claim}/revive", "control", hold()),
        ("GET", "/openings/{id}/refunds", "cashier", Sent::No),
        ("POST", "/openings/{id}/registrations/{code}/device-reset", "control", reason()),
        ("GET", "/openings/{id}/results.xlsx", "export", Sent::No),
        ("GET", "/openings/{id}/results.csv", "export", Sent::No),
        ("GET", "/openings/{id}/outbox", "outbox", Sent::No),
        ("GET", "/log", "audit", Sent::No),
        ("GET", "/log/check", "audit", Sent::No),
        ("POST", "/openings/{id}/rehearsals", "rehearse", Sent::Json(json!({}))),
        ("DELETE", "/openings/{id}/rehearsal", "rehearse", Sent::No),
        ("POST", "/openings/{id}/sessions", "rehearse", Sent::Json(json!({"first": 0, "count": 1}))),
        ("GET", "/openings/{id}/truth", "audit", Sent::No),
        (
            "POST",
            "/openings/{id}/load-runs",
            "rehearse",
            Sent::Json(json!({"scenario": "burst", "buyers": 1})),
        ),
        ("GET", "/load-runs", "view", Sent::No),
        ("GET", REPORT_HTML, "view", Sent::No),
        ("GET", REPORT_JSON, "view", Sent::No),
        ("DELETE", "/load-runs/{run}", "rehearse", Sent::No),
        ("GET", "/server", "view", Sent::No),
        ("GET", "/status", "view", Sent::No),
        ("DELETE", "/session", NOTHING, Sent::No),
    ]
}

/// A stream that does not end, so it is asked of an opening that is not there.
const LIVE: &str = "/openings/{id}/live";
/// Nothing was run here, so there is no report to read.
const REPORT_HTML: &str = "/load-runs/{run}/report.html";
const REPORT_JSON: &str = "/load-runs/{run}/report.json";
/// Of an account that is not there.
const SESSIONS_OF: &str = "/staff/{id}/sessions";
pub const NOWHERE: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// A route's address, of this opening or account; whatever else it names is not there.
pub fn path_of(route: &str, id: &str) -> String {
    let path = format!("/api/v1{route}").replace("{code}", "RC00001").replace("{id}", id);
    path.replace("{claim}", NOWHERE).replace("{session}", NOWHERE).replace("{run}", NOWHERE)
}

/// Why somebody was not let in, or what came of being let in.
#[derive(Debug, PartialEq)]
enum Met {
    NotSignedIn,
    /// The right that is missing.
    Forbidden(String),
    LetIn(u16),
}

async fn call(api: &Api, method: &str, path: &str, sent: &Sent) -> Met {
    let request = api.request(method.parse().unwrap(), path);
    let request = match sent {
        Sent::No => request,
        Sent::Json(body) => request.json(body),
        Sent::File => {
            request.multipart(Form::new().part("file", Part::bytes(b"?".to_vec()).file_name("x.csv")))
        }
    };
    let reply = api.send(request).await.unwrap();
    let problem: Value = serde_json::from_slice(&reply.bytes).unwrap_or_default();
    match (reply.status, problem["code"].as_str()) {
        (401, Some("NOT_SIGNED_IN" | "SESSION_ENDED")) => Met::NotSignedIn,
        (403, Some("FORBIDDEN")) => Met::Forbidden(problem["params"]["right"].as_str().unwrap().to_owned()),
        // Neither a body of the wrong shape, which is refused before any right is asked, nor a fault of the server.
        (400 | 415 | 500.., _) => panic!("{method} {path}: {} {}", reply.status, reply.text()),
        (status, _) => Met::LetIn(status),
    }
}

/// CO-5, and with it: an auditor reads and changes nothing, and a buyer's token opens no door of the staff's.
/// Mutation that turned it red: `Right::Control` instead of `Right::Prepare` in `openings::change`.
#[tokio::test]
async fn co_5_every_route_asks_for_its_right_and_nobody_passes_without_it() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    let mut roles = vec![("admin", sale.admin.clone())];
    for role in ["manager", "cashier", "auditor"] {
        roles.push((role, staff(&server, &sale.admin, role, role).await));
    }
    let strangers = [server.staff(), server.staff().with_token(&sale.buyer(0).await.token)];

    let table = routes();
    let listed: BTreeSet<(String, String)> =
        table.iter().map(|(method, path, ..)| ((*method).to_owned(), format!("/api/v1{path}"))).collect();
    assert_eq!(described(&server.staff()).await, listed, "the routes of the door, and those of the table");

    for (method, route, right, sent) in &table {
        let reads = *method == "GET" && ![LIVE, REPORT_HTML, REPORT_JSON, SESSIONS_OF].contains(route);
        let opening = if reads { sale.opening.as_str() } else { NOWHERE };
        let path = path_of(route, opening);
        for stranger in &strangers {
            let met = call(stranger, method, &path, sent).await;
            let let_in = matches!(met, Met::LetIn(_));
            assert!(
                let_in == (*right == NOTHING) && (let_in || met == Met::NotSignedIn),
                "{method} {route}: {met:?}"
            );
        }
        let may = RIGHTS.iter().find(|(name, _)| name == right).map(|(_, roles)| *roles);
        for (role, api) in &roles {
            let met = call(api, method, &path, sent).await;
            let expected = match &met {
                _ if may.is_some_and(|may| !may.contains(role)) => Met::Forbidden((*right).to_owned()),
                Met::LetIn(_) if reads => Met::LetIn(200),
                Met::LetIn(status) => Met::LetIn(*status),
                _ => Met::LetIn(0),
            };
            assert_eq!(met, expected, "{method} {route} by {role}");
            let changes = *method != "GET" && ![NOTHING, SIGNED_IN].contains(right);
            assert!(
                *role != "auditor" || !changes || met == Met::Forbidden((*right).to_owned()),
                "{method} {route}"
            );
        }
    }
}

async fn described(door: &Api) -> BTreeSet<(String, String)> {
    let document = door.get("/api/openapi.json").await.ok();
    let paths = document["paths"].as_object().unwrap();
    let routes = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
    });
    routes.filter(|(method, _)| method.parse::<Method>().is_ok()).collect()
}
