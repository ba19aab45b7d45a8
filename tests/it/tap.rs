//! A tap over HTTP on its short way and through the router: one answer, whichever way it came.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Api, Database, Home, Plan, Sale};

const JSON: &str = "application/json";

/// One request of the table; what is `None` is not sent.
struct Tap {
    what: &'static str,
    opening: Option<String>,
    token: Option<String>,
    content_type: Option<&'static str>,
    origin: Option<&'static str>,
    body: String,
    expected: (u16, &'static str),
}

/// What a client can see of an answer, without what differs between any two.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

async fn send(door: &Api, sale: &Sale, tap: &Tap, query: &str) -> Seen {
    let opening = tap.opening.as_deref().unwrap_or(&sale.opening);
    let mut request = door.request(Method::POST, &format!("/api/v1/openings/{opening}/picks{query}"));
    if let Some(token) = &tap.token {
        request = request.bearer_auth(token);
    }
    for (name, value) in [("content-type", tap.content_type), ("origin", tap.origin)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let reply = door.send(request.body(tap.body.clone())).await.unwrap();
    let mut body: Value = serde_json::from_slice(&reply.bytes).unwrap();
    let mut headers: BTreeMap<String, String> = reply
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.remove("date");
    let id = headers.remove("x-request-id").expect("an answer has its id");
    if let Some(own) = body.as_object_mut().and_then(|body| body.remove("request_id")) {
        assert_eq!(own, id, "{}", tap.what);
    }
    Seen { status: reply.status, headers, body }
}

/// OP-41. A query keeps a request from the short way (`gateway::tap`), so that the same request goes both ways; keys make
/// the second the first's repeat.
#[tokio::test]
async fn op_41_a_tap_is_answered_the_same_on_its_short_way_and_through_the_router() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { homes: 3, buyers: 3, ..Plan::default() }).await;
    let (first, second, gone) = (sale.buyer(0).await, sale.buyer(1).await, sale.buyer(2).await);
    let viewer = sale.buyer(0).await;
    let elsewhere = Sale::publish(&server, &Plan { buyers: 1, ..Plan::default() }).await.buyer(0).await;
    gone.api.delete(&sale.path("/session")).await.ok();
    sale.started().await;
    let door = server.buyers();

    let pick = |key: &str, unit: u64| json!({"key": key, "unit": unit}).to_string();
    let tap = |what, token: Option<&str>, body: String, expected| Tap {
        what,
        opening: None,
        token: token.map(str::to_owned),
        content_type: Some(JSON),
        origin: None,
        body,
        expected,
    };
    let (token, other) = (Some(first.token.as_str()), Some(second.token.as_str()));
    let opening = |id: &str, body: String, expected| Tap {
        opening: Some(id.to_owned()),
        ..tap("another opening", token, body, expected)
    };
    let typed = |content_type, body: String, expected| Tap {
        content_type,
        ..tap("a media type", token, body, expected)
    };
    let from =
        |origin, body: String, expected| Tap { origin: Some(origin), ..tap("a page", token, body, expected) };
    let taps = [
        tap("a winner", token, pick("winning-tap", 0), (200, "yes")),
        tap("the same tap", token, pick("winning-tap", 0), (200, "yes")),
        tap("a loser", other, pick("losing-tap", 0), (200, "TAKEN")),
        tap("a quota that is used", token, pick("greedy-tap", 1), (200, "QUOTA_USED")),
        tap("what is mine", token, pick("again-tap", 0), (200, "ALREADY_YOURS")),
        tap("no such unit", other, pick("lost-in-town", 99), (200, "UNIT_UNKNOWN")),
        tap("a key for two units", token, pick("winning-tap", 1), (409, "KEY_REUSED")),
        tap("a viewer", Some(&viewer.token), pick("viewer-tap", 1), (200, "VIEWER_DEVICE")),
        tap("nobody", None, pick("nobodys-tap", 1), (401, "NOT_SIGNED_IN")),
        tap("a forger", Some("k1.forged"), pick("forged-tap", 1), (401, "NOT_SIGNED_IN")),
        tap("a buyer elsewhere", Some(&elsewhere.token), pick("strange-tap", 1), (401, "NOT_SIGNED_IN")),
        tap("who signed out", Some(&gone.token), pick("late-tap-1", 1), (401, "SESSION_ENDED")),
        tap("more than is known", other, r#"{"key":"extra-tap","unit":0,"x":[1]}"#.into(), (200, "TAKEN")),
        tap("no unit", token, r#"{"key":"unitless"}"#.into(), (400, "MALFORMED")),
        tap("a unit in words", token, r#"{"key":"wordy-tap","unit":"one"}"#.into(), (400, "MALFORMED")),
        tap("a short key", token, pick("k", 1), (400, "MALFORMED")),
        tap("no JSON", token, "{".into(), (400, "MALFORMED")),
        tap("nothing", token, String::new(), (400, "MALFORMED")),
        tap("a long body", token, pick(&"k".repeat(20_000), 1), (413, "BODY_TOO_LARGE")),
        typed(None, pick("untyped-tap", 1), (415, "MEDIA_TYPE_UNSUPPORTED")),
        typed(Some("text/plain"), pick("plain-tap", 1), (415, "MEDIA_TYPE_UNSUPPORTED")),
        typed(Some("application/json; charset=utf-8"), pick("losing-tap-2", 0), (200, "ALREADY_YOURS")),
        opening("01ARZ3NDEKTSV4RRFFQ69G5FAV", pick("nowhere-tap", 1), (404, "NOT_FOUND")),
        opening("nowhere", pick("nowhere-tap", 1), (404, "NOT_FOUND")),
        opening(&sale.opening.to_lowercase(), pick("losing-tap-3", 0), (200, "ALREADY_YOURS")),
        from("https://evil.example", pick("evil-tap", 1), (403, "ORIGIN_NOT_ALLOWED")),
        from("https://evil.example", String::new(), (403, "ORIGIN_NOT_ALLOWED")),
    ];
    for tap in &taps {
        let short = send(&door, &sale, tap, "").await;
        let routed = send(&door, &sale, tap, "?via=router").await;
        assert_eq!(short, routed, "{}", tap.what);
        let told = [&short.body["code"], &short.body["answer"]];
        let (status, word) = tap.expected;
        assert!(short.status == status && told.contains(&&json!(word)), "{}: {short:?}", tap.what);
        assert_eq!(short.headers["cache-control"], "no-store", "{}", tap.what);
        assert_eq!(short.headers["x-content-type-options"], "nosniff", "{}", tap.what);
    }

    // Both ways are counted as one route; what is refused before the router is asked has none.
    let expected: f64 = taps.iter().map(|tap| if tap.expected.0 == 403 { 1.0 } else { 2.0 }).sum();
    let page = door.get("/metrics").await.text();
    let counted: f64 = page
        .lines()
        .filter(|line| line.starts_with("kaipan_http_requests_total{") && line.contains("/{opening}/picks\""))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(counted, expected, "{page}");
}

/// A method that the route has not is refused on the router's way.
#[tokio::test]
async fn only_a_post_is_a_tap() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan::default()).await;
    server.buyers().get(&sale.path("/picks")).await.refused(405, "METHOD_NOT_ALLOWED");
    let described = server.buyers().get("/api/openapi.json").await.ok();
    let pick = &described["paths"]["/api/v1/openings/{opening}/picks"]["post"];
    let schema = &pick["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(schema, "#/components/schemas/PickRequest");
    assert!(described["components"]["schemas"]["PickRequest"].is_object());
}
