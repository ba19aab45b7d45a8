//! WebSockets that end, crowd, flood or pretend.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Database, Ended, Home, Link, Plan, Sale, Server};

async fn sale() -> (Home, Server, Sale) {
    planned(&Plan::default()).await
}

async fn planned(plan: &Plan) -> (Home, Server, Sale) {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, plan).await;
    (home, server, sale)
}

/// Reads on until the server closes.
async fn end_of(link: &mut Link) -> Ended {
    loop {
        if let Err(end) = link.next().await {
            return end;
        }
    }
}

/// OP-82: a server that is told to stop answers the picks it took, sends its sockets elsewhere, and ends.
/// Mutation that turned it red: the socket not counted by the drain.
#[tokio::test]
async fn a_draining_server_answers_what_it_took_and_says_come_back() {
    let (_home, server, sale) = sale().await;
    let buyer = sale.buyer(0).await;
    sale.started().await;
    let mut link = sale.link(&server, &buyer).await;
    link.frame("mine").await;
    link.pick("just-before-the-end", 3).await.unwrap();
    // Frames are heard in order: after this one the pick was taken.
    link.send(json!({"t": "time", "c": 1})).await.unwrap();
    link.frame("time").await;
    let stopping = Instant::now();
    let stopped = tokio::spawn(server.stop());
    let answer = link.answer("just-before-the-end", 3).await.unwrap();
    assert_eq!(answer["answer"], "yes", "{answer}");
    assert_eq!(end_of(&mut link).await.close_code(), Some(1001));
    drop(link);
    assert!(stopped.await.unwrap().success());
    assert!(stopping.elapsed() < Duration::from_secs(8), "{:?}", stopping.elapsed());
}

/// Mutation that turned it red: the cap not looked at.
#[tokio::test]
async fn the_fifth_socket_of_a_buyer_closes_the_first() {
    let (_home, server, sale) = sale().await;
    let buyer = sale.buyer(0).await;
    let mut links = Vec::new();
    for _ in 0..5 {
        let mut link = sale.link(&server, &buyer).await;
        link.frame("mine").await;
        links.push(link);
    }
    assert_eq!(end_of(&mut links[0]).await.close_code(), Some(1008));
    for link in &mut links[1..] {
        link.send(json!({"t": "time", "c": 1})).await.unwrap();
        link.frame("time").await;
    }
    let mut other = sale.link(&server, &sale.buyer(1).await).await;
    assert_eq!(other.frame("hello").await["device"], "picks", "another buyer is not crowded out");
}

/// Mutation that turned it red: the device looked at only when the socket opens.
#[tokio::test]
async fn a_session_that_ends_takes_its_socket_along() {
    let (_home, server, sale) = sale().await;
    let buyer = sale.buyer(0).await;
    let mut link = sale.link(&server, &buyer).await;
    link.frame("mine").await;
    buyer.api.delete(&sale.path("/session")).await.ok();
    assert_eq!(link.frame("error").await["code"], "SESSION_ENDED");
    assert_eq!(end_of(&mut link).await.close_code(), Some(1008));

    let mut again = sale.link(&server, &buyer).await;
    assert_eq!(again.frame("hello").await["device"], "anonymous");
    assert_eq!(again.frame("error").await["code"], "SESSION_ENDED");
    again.frame("snapshot").await;
    again.pick("without-a-session", 1).await.unwrap();
    assert_eq!(again.frame("error").await["code"], "NOT_SIGNED_IN");
}

#[tokio::test]
async fn a_forged_token_is_a_stranger() {
    let (_home, server, sale) = sale().await;
    let token = sale.buyer(0).await.token;
    let forged = token.replace(".0.", ".1.");
    assert_ne!(forged, token, "the registration stands in the token");
    let mut link = Link::open(server.buyers_port, &sale.opening, Some(&forged)).await.unwrap();
    assert_eq!(link.frame("hello").await["device"], "anonymous");
    sale.onlooker().with_token(&forged).get(&sale.path("/me")).await.refused(401, "NOT_SIGNED_IN");
}

#[tokio::test]
async fn a_flood_of_frames_is_told_to_slow_down_and_others_are_served() {
    let (_home, server, sale) = sale().await;
    let buyer = sale.buyer(0).await;
    let mut flood = sale.link(&server, &buyer).await;
    let mut calm = Link::open(server.buyers_port, &sale.opening, None).await.unwrap();
    for n in 0..150 {
        flood.send(json!({"t": "ask", "key": format!("flood-{n:04}")})).await.unwrap();
    }
    let refused = flood.wait_for(|frame| frame["code"] == "SLOW_DOWN").await.unwrap();
    assert!(refused["params"]["retry_after_ms"].as_u64().unwrap() > 0, "{refused}");
    assert!(refused["key"].as_str().unwrap().starts_with("flood-"), "{refused}");
    let asked = Instant::now();
    calm.send(json!({"t": "time", "c": 1})).await.unwrap();
    calm.frame("time").await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

/// OP-13: an opening that is withdrawn before its start is gone for everybody, and comes back with its next publication.
/// Mutation that turned it red: the hub not asking whether its opening still runs.
#[tokio::test]
async fn a_withdrawn_opening_sends_its_sockets_away() {
    let (_home, server, sale) = planned(&Plan { starts_in_ms: 3_000_000, ..Plan::default() }).await;
    let buyer = sale.buyer(0).await;
    let mut link = sale.link(&server, &buyer).await;
    link.frame("mine").await;
    sale.admin.post(&sale.path("/unpublish"), json!({})).await.ok();
    assert_eq!(end_of(&mut link).await.close_code(), Some(1001));
    sale.onlooker().get(&sale.path("")).await.refused(404, "NOT_FOUND");
    buyer.api.get(&sale.path("/me")).await.refused(404, "NOT_FOUND");

    sale.admin.post(&sale.path("/publish"), json!({})).await.ok();
    let mut again = sale.link(&server, &buyer).await;
    assert_eq!(again.frame("hello").await["device"], "picks", "the session is still good");
    again.frame("snapshot").await;
}

/// OP-41: twenty buyers win at once, on all cores, with ticks in between: each is told by an answer before any board says
/// so. The answers lie ready in the hub when the tick comes; nothing but its order sends them first.
#[tokio::test]
async fn no_board_shows_a_pick_before_its_buyer_was_told() {
    let (_home, server, sale) =
        planned(&Plan { homes: 60, buyers: 20, homes_each: 3, ..Plan::default() }).await;
    let mut links = Vec::new();
    for n in 0..20 {
        links.push(sale.link(&server, &sale.buyer(n).await).await);
    }
    sale.started().await;
    let mut taps = tokio::task::JoinSet::new();
    for (n, mut link) in links.into_iter().enumerate() {
        taps.spawn(async move {
            for round in 0..3 {
                let (unit, key) = (n * 3 + round, format!("told-{n:04}-{round}"));
                link.pick(&key, unit as u64).await.unwrap();
                let mut is_told = false;
                loop {
                    let frame = link.next().await.unwrap();
                    if frame["t"] == "answer" {
                        assert_eq!((&frame["key"], &frame["answer"]), (&json!(key), &json!("yes")));
                        is_told = true;
                    }
                    let changes = frame["u"].as_array().into_iter().flatten().step_by(2);
                    if frame["t"] == "board" && changes.into_iter().any(|changed| *changed == json!(unit)) {
                        assert!(is_told, "the board came first");
                        break;
                    }
                }
            }
        });
    }
    taps.join_all().await;
}
