//! Signing in by code, and which device picks (OP-25, OP-26).

use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{Api, Database, Home, Plan, Sale, Server};

async fn sale(database: Database, plan: Plan) -> (Home, Server, Sale) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &plan).await;
    (home, server, sale)
}

/// A second phone signs in for the first person, at first as a viewer.
async fn second_device(sale: &Sale) -> (Api, Value) {
    let phone = &sale.people[0].phone;
    sale.onlooker().post(&sale.path("/sign-in/code"), json!({"phone": phone})).await.ok();
    let code = sale.latest_code(phone).await;
    let body = json!({"phone": phone, "code": code, "device": "iPad"});
    let signed_in = sale.onlooker().post(&sale.path("/sign-in"), body).await.ok();
    (sale.onlooker().with_token(signed_in["token"].as_str().unwrap()), signed_in)
}

/// OP-26: close to the start a second device is a viewer until the first one agrees.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_26_a_second_device_views_until_the_first_agrees(#[case] database: Database) {
    let (_home, server, sale) = sale(database, Plan::default()).await;
    let first = sale.buyer(0).await;
    let mut link = sale.link(&server, &first).await;
    let (second, signed_in) = second_device(&sale).await;
    assert_eq!(signed_in["device"], "viewer", "{signed_in}");
    sale.started().await;
    assert_eq!(first.me().await["device"], "picks", "a second device never logs the first one out");
    let tap = |key: &str| json!({"key": key, "unit": 0});
    let refused = second.post(&sale.path("/picks"), tap("viewer-taps")).await;
    if refused.status == 200 {
        assert_eq!(refused.ok()["code"], "VIEWER_DEVICE");
    } else {
        refused.refused(403, "VIEWER_DEVICE");
    }

    second.post(&sale.path("/devices/request"), json!({})).await.ok();
    let asked = link.wait_for(|frame| frame["t"] == "device" && frame["request"].is_object()).await.unwrap();
    let session = asked["request"]["session"].clone();
    assert_eq!(session, signed_in["me"]["session"]);
    first.api.post(&sale.path("/devices/agree"), json!({"session": session})).await.ok();
    assert_eq!(first.me().await["device"], "viewer");
    let answer = second.post(&sale.path("/picks"), tap("second-taps")).await.ok();
    assert_eq!(answer["answer"], "yes", "{answer}");
}

/// OP-26: when the first device is lost an admin resets it, with a reason, and that is logged.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_26_an_admin_resets_a_lost_device(#[case] database: Database) {
    let (_home, _server, sale) = sale(database, Plan::default()).await;
    let _lost = sale.buyer(0).await;
    let (_, signed_in) = second_device(&sale).await;
    assert_eq!(signed_in["device"], "viewer");
    let reset = sale.path(&format!("/registrations/{}/device-reset", sale.people[0].code));
    sale.admin.post(&reset, json!({"reason": "手机丢失"})).await.ok();
    let (third, signed_in) = second_device(&sale).await;
    assert_eq!(signed_in["device"], "picks", "{signed_in}");
    sale.started().await;
    let answer = third.post(&sale.path("/picks"), json!({"key": "found-again", "unit": 0})).await.ok();
    assert_eq!(answer["answer"], "yes", "{answer}");
    let log = sale.admin.get(&format!("/api/v1/log?opening={}", sale.opening)).await.ok();
    assert!(log.to_string().contains("手机丢失"), "{log}");
}

/// OP-25: five wrong codes void the code, and its owner can ask for another.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_25_five_wrong_codes_void_it_and_the_owner_gets_another(#[case] database: Database) {
    let (_home, _server, sale) = sale(database, Plan::default()).await;
    let phone = sale.people[0].phone.clone();
    let door = sale.onlooker();
    door.post(&sale.path("/sign-in/code"), json!({"phone": phone})).await.ok();
    let right = sale.latest_code(&phone).await;
    let wrong = if right == "123456" { "654321" } else { "123456" };
    let body = |code: &str| json!({"phone": phone, "code": code, "device": "thief"});
    for left in [4, 3, 2, 1] {
        let refused = door.post(&sale.path("/sign-in"), body(wrong)).await.refused(401, "CODE_WRONG");
        assert_eq!(refused["attempts_left"], left);
    }
    door.post(&sale.path("/sign-in"), body(wrong)).await.refused(401, "CODE_VOID");
    door.post(&sale.path("/sign-in"), body(&right)).await.refused(401, "CODE_VOID");
    let buyer = sale.buyer(0).await;
    assert_eq!(buyer.me().await["device"], "picks");
}

/// OP-25: a phone with two registrations is asked which.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_25_a_phone_with_two_registrations_is_asked_which(#[case] database: Database) {
    let (_home, _server, sale) = sale(database, Plan { shared_phone: true, ..Plan::default() }).await;
    let phone = &sale.people[0].phone;
    let door = sale.onlooker();
    door.post(&sale.path("/sign-in/code"), json!({"phone": phone})).await.ok();
    let code = sale.latest_code(phone).await;
    let body = json!({"phone": phone, "code": code, "device": "x"});
    let choices = door.post(&sale.path("/sign-in"), body).await.refused(409, "CHOOSE_REGISTRATION");
    let codes: Vec<&Value> =
        choices["choices"].as_array().unwrap().iter().map(|choice| &choice["code"]).collect();
    assert_eq!(codes, ["RC00001", "RC00002"]);
    let body = json!({"phone": phone, "code": code, "registration": "RC00002", "device": "x"});
    let signed_in = door.post(&sale.path("/sign-in"), body).await.ok();
    assert_eq!(signed_in["me"]["registration"]["code"], "RC00002");

    // A phone that is on no roster gets the same words.
    let stranger = door.post(&sale.path("/sign-in/code"), json!({"phone": "19912345678"})).await;
    assert_eq!(stranger.status, 202);
    door.post(&sale.path("/sign-in/code"), json!({"phone": "12345"})).await.refused(400, "PHONE_INVALID");
}
