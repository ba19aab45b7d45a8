//! Signing in, sessions, devices and favourites over two gateways (OP-25, OP-26, OP-85).

use serde_json::{Value, json};

use super::{Two, soon};
use crate::harness::{Api, Plan, Sale};

/// A start so far away that no device is frozen yet, or as near as usual.
fn early() -> Plan {
    Plan { starts_in_ms: 3_600_000, ..Plan::default() }
}

async fn sign_in(sale: &Sale, door: &Api, n: usize, code: &str) -> crate::harness::Reply {
    let body = json!({"phone": sale.people[n].phone, "code": code, "device": "a phone"});
    door.post(&sale.path("/sign-in"), body).await
}

async fn ask_for_code(sale: &Sale, door: &Api, n: usize) -> String {
    let phone = &sale.people[n].phone;
    door.post(&sale.path("/sign-in/code"), json!({"phone": phone})).await.ok();
    sale.latest_code(phone).await
}

fn another(code: &str) -> &'static str {
    if code == "123456" { "654321" } else { "123456" }
}

/// Mutation that turned it red: a code's tries not counted in its row.
#[tokio::test]
async fn postgres_a_code_and_its_tries_are_one_at_both() {
    let two = Two::start(false).await;
    let sale = two.sale(&early()).await;
    let (a, b) = (two.a.buyers(), two.b.buyers());
    let right = ask_for_code(&sale, &b, 0).await;
    for (door, left) in [(&a, 4), (&b, 3), (&a, 2)] {
        let refused = sign_in(&sale, door, 0, another(&right)).await.refused(401, "CODE_WRONG");
        assert_eq!(refused["attempts_left"], left);
    }
    // The interval between two codes holds at both.
    let again = json!({"phone": sale.people[0].phone});
    a.post(&sale.path("/sign-in/code"), again).await.refused(429, "SLOW_DOWN");
    let signed_in = sign_in(&sale, &a, 0, &right).await.ok();
    let me = b.with_token(signed_in["token"].as_str().unwrap()).get(&sale.path("/me")).await.ok();
    assert_eq!((&me["device"], &me["session"]), (&json!("picks"), &signed_in["me"]["session"]));
    sign_in(&sale, &b, 0, &right).await.refused(401, "CODE_VOID");

    // Five wrong ones over both void it at both.
    let right = ask_for_code(&sale, &a, 1).await;
    for door in [&b, &a, &b, &a] {
        sign_in(&sale, door, 1, another(&right)).await.refused(401, "CODE_WRONG");
    }
    sign_in(&sale, &b, 1, another(&right)).await.refused(401, "CODE_VOID");
    sign_in(&sale, &b, 1, &right).await.refused(401, "CODE_VOID");
    sign_in(&sale, &a, 1, &right).await.refused(401, "CODE_VOID");
}

/// Mutation that turned it red: other servers' changes of devices not followed.
#[tokio::test]
async fn postgres_a_session_that_ends_at_one_ends_at_the_other() {
    let two = Two::start(false).await;
    let sale = two.sale(&early()).await;
    let (left, lost) = (sale.buyer(0).await, sale.buyer(1).await);
    let mut links = Vec::new();
    for buyer in [&left, &lost] {
        let there = buyer.at(&two.b);
        assert_eq!(there.me().await["device"], "picks");
        links.push(two.link_at_b(&sale, &there.token).await);
    }
    left.api.delete(&sale.path("/session")).await.ok();
    let reset = sale.path(&format!("/registrations/{}/device-reset", sale.people[1].code));
    sale.admin.post(&reset, json!({"reason": "手机丢失"})).await.ok();
    for (buyer, link) in [&left, &lost].into_iter().zip(&mut links) {
        let there = buyer.at(&two.b);
        soon("the session ends", async || there.api.get(&sale.path("/me")).await.status == 401).await;
        there.api.get(&sale.path("/me")).await.refused(401, "SESSION_ENDED");
        let tap = json!({"key": "after-the-end", "unit": 0});
        there.api.post(&sale.path("/picks"), tap).await.refused(401, "SESSION_ENDED");
        // Whoever listens is told.
        let told = link.wait_for(|frame| frame["t"] == "error").await.unwrap();
        assert_eq!(told["code"], "SESSION_ENDED");
    }
    // Signed in again at the other, good at the first at once.
    let code = ask_for_code(&sale, &two.b.buyers(), 1).await;
    let again = sign_in(&sale, &two.b.buyers(), 1, &code).await.ok();
    let here = two.a.buyers().with_token(again["token"].as_str().unwrap());
    assert_eq!(here.get(&sale.path("/me")).await.ok()["device"], "picks");
}

/// Mutation that turned it red: other servers' changes of devices not followed.
#[tokio::test]
async fn postgres_the_picking_device_handed_over_at_one_is_obeyed_at_the_other() {
    let two = Two::start(false).await;
    // So near that a second device is a viewer.
    let sale = two.live_sale(&Plan::default()).await;
    let first = sale.buyer(0).await;
    let mut listening = sale.link(&two.a, &first).await;
    let code = ask_for_code(&sale, &two.b.buyers(), 0).await;
    let signed_in = sign_in(&sale, &two.b.buyers(), 0, &code).await.ok();
    assert_eq!(signed_in["device"], "viewer", "{signed_in}");
    let second = two.b.buyers().with_token(signed_in["token"].as_str().unwrap());
    let tap = |key: &str, unit: u64| json!({"key": key, "unit": unit});
    let refused = second.post(&sale.path("/picks"), tap("a-viewers-tap", 0)).await.ok();
    assert_eq!(refused["code"], "VIEWER_DEVICE", "{refused}");

    // Asked for at the other, heard by the picking device where it listens, and agreed to there.
    second.post(&sale.path("/devices/request"), json!({})).await.ok();
    let asked =
        listening.wait_for(|frame| frame["t"] == "device" && frame["request"].is_object()).await.unwrap();
    assert_eq!(asked["request"]["session"], signed_in["me"]["session"]);
    let session = json!({"session": asked["request"]["session"]});
    first.api.post(&sale.path("/devices/agree"), session).await.ok();

    let old = first.at(&two.b);
    soon("the old device views", async || old.me().await["device"] == "viewer").await;
    let refused = old.api.post(&sale.path("/picks"), tap("the-old-device", 1)).await.ok();
    assert_eq!(refused["code"], "VIEWER_DEVICE", "{refused}");
    let answer = second.post(&sale.path("/picks"), tap("the-new-device", 2)).await.ok();
    assert_eq!(answer["answer"], "yes", "{answer}");
    let books = crate::harness::Books::read(&two.home, &sale.opening).await;
    let keys: Vec<&str> = books.claims.iter().map(|claim| claim.request_key.as_str()).collect();
    assert_eq!(keys, ["the-new-device"]);
}

/// The database has them, so they hold at once. Mutation that turned it red: favourites answered and not written.
#[tokio::test]
async fn postgres_favourites_are_the_same_at_both_at_once() {
    let two = Two::start(false).await;
    let sale = two.sale(&early()).await;
    let here = sale.buyer(0).await;
    let there = here.at(&two.b);
    for (buyer, units) in [(&here, json!([7, 3])), (&there, json!([3, 9, 0])), (&here, json!([]))] {
        buyer.api.put(&sale.path("/favourites"), json!({"units": units})).await.ok();
        let seen: Vec<Value> =
            vec![here.me().await["favourites"].clone(), there.me().await["favourites"].clone()];
        assert_eq!(seen, [units.clone(), units]);
    }
}
