//! What follows a yes: money, giving up, lapsing, and money that comes too late.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::harness::{Books, Buyer, Database, Home, Plan, Sale, Server, staff};

async fn sale(database: Database, plan: Plan) -> (Home, Server, Sale) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &plan).await;
    sale.started().await;
    (home, server, sale)
}

async fn pick(buyer: &Buyer, key: &str, unit: u64) -> Value {
    let yes = buyer.pick(key, unit).await;
    assert_eq!(yes["answer"], "yes", "{yes}");
    yes["claim"].clone()
}

fn hold_path(sale: &Sale, claim: &Value, action: &str) -> String {
    sale.path(&format!("/holds/{}/{action}", claim["id"].as_str().unwrap()))
}

fn payment(claim: &Value, reference: &str, amount_fen: u64) -> Value {
    json!({"generation": claim["generation"], "method": "pos", "reference": reference, "amount_fen": amount_fen})
}

/// OP-60, OP-65: payments add up to the deposit and make the hold a deal; each reference counts once.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_60_a_hold_becomes_a_deal_when_its_deposit_is_paid(#[case] database: Database) {
    let (home, server, sale) = sale(database, Plan::default()).await;
    let cashier = staff(&server, &sale.admin, "cashier", "cashier").await;
    let buyer = sale.buyer(0).await;
    let claim = pick(&buyer, "for-the-deal", 4).await;

    // The cashier finds it by code, phone tail and unit.
    let person = &sale.people[0];
    let tail = &person.phone[person.phone.len() - 4..];
    for query in [claim["code"].as_str().unwrap(), tail, &format!("购房人{}", person.code)] {
        let found = cashier.get(&sale.path(&format!("/holds?q={query}"))).await.ok();
        assert_eq!(found["holds"][0]["claim"], claim["id"], "{query}: {found}");
    }

    let pay = hold_path(&sale, &claim, "payments");
    let part = cashier.post(&pay, payment(&claim, "POS-1", 2_000_000)).await.ok();
    assert_eq!((&part["hold"]["state"], &part["hold"]["paid_fen"]), (&json!("held"), &json!(2_000_000)));
    let again = cashier.post(&pay, payment(&claim, "POS-1", 2_000_000)).await.ok();
    assert_eq!(again["payment"]["id"], part["payment"]["id"], "the same reference is the same payment");
    assert_eq!(again["hold"]["paid_fen"], 2_000_000);
    cashier.post(&pay, payment(&claim, "POS-1", 1)).await.refused(409, "REFERENCE_USED");

    // Surplus is owed back, and the deal stands.
    let rest = cashier.post(&pay, payment(&claim, "POS-2", 3_500_000)).await.ok();
    assert_eq!((&rest["hold"]["state"], &rest["hold"]["paid_fen"]), (&json!("sold"), &json!(5_000_000)));
    assert_eq!(
        (&rest["payment"]["applied_fen"], &rest["payment"]["refund_fen"]),
        (&json!(3_000_000), &json!(500_000))
    );
    assert_eq!(buyer.me().await["claims"][0]["state"], "sold");
    sale.board_shows("000020000000").await;
    let refunds = cashier.get(&sale.path("/refunds")).await.ok();
    assert_eq!(refunds["refunds"][0]["refund_fen"], 500_000, "{refunds}");

    // Rights: money is the cashier's, control is not.
    let release = json!({"generation": claim["generation"], "reason": "x"});
    cashier.post(&hold_path(&sale, &claim, "release"), release).await.refused(403, "FORBIDDEN");
    assert_eq!(Books::read(&home, &sale.opening).await.faults(), Vec::<String>::new());
}

/// OP-61, OP-62: a hold lapses by its stored deadline, the unit is free everywhere, and late money never takes it back.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_62_late_money_never_takes_a_home_from_somebody_else(#[case] database: Database) {
    let (home, server, sale) = sale(database, Plan { hold_s: 2, ..Plan::default() }).await;
    let (slow, next) = (sale.buyer(0).await, sale.buyer(1).await);
    let mut link = sale.link(&server, &slow).await;
    let claim = pick(&slow, "too-slow-to-pay", 3).await;
    let lapsed =
        link.wait_for(|frame| frame["t"] == "claim" && frame["claim"]["state"] == "lapsed").await.unwrap();
    assert_eq!(lapsed["claim"]["id"], claim["id"]);
    sale.board_shows(&"0".repeat(12)).await;
    pick(&next, "next-in-line", 3).await;

    let late = sale
        .admin
        .post(&hold_path(&sale, &claim, "payments"), payment(&claim, "LATE-1", 5_000_000))
        .await
        .ok();
    assert_eq!(
        (&late["payment"]["applied_fen"], &late["payment"]["refund_fen"]),
        (&json!(0), &json!(5_000_000))
    );
    assert!(late["payment"]["refund_reason"].is_string(), "{late}");
    let refunds = sale.admin.get(&sale.path("/refunds")).await.ok();
    assert_eq!(refunds["refunds"][0]["reference"], "LATE-1");
    let me = next.me().await;
    assert_eq!((&me["claims"][0]["unit"], &me["claims"][0]["state"]), (&json!(3), &json!("held")));
    assert_eq!(Books::read(&home, &sale.opening).await.faults(), Vec::<String>::new());
}

/// OP-60: one extension with a reason; a release by staff; a buyer who gives up. Each carries the generation it saw.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_60_a_hold_is_extended_once_released_or_given_up(#[case] database: Database) {
    let (home, _server, sale) = sale(database, Plan::default()).await;
    let buyer = sale.buyer(0).await;
    let claim = pick(&buyer, "to-be-extended", 1).await;
    let extend = hold_path(&sale, &claim, "extend");
    let with = |generation: &Value| json!({"generation": generation, "reason": "银行排队"});
    let extended = sale.admin.post(&extend, with(&claim["generation"])).await.ok();
    assert_eq!(extended["extended"], true);
    assert!(extended["deadline_ms"].as_u64() > claim["deadline_ms"].as_u64());
    sale.admin.post(&extend, with(&extended["generation"])).await.refused(409, "ALREADY_EXTENDED");

    // Whoever still looks at the hold before its extension changes nothing.
    if extended["generation"] != claim["generation"] {
        let release = hold_path(&sale, &claim, "release");
        sale.admin.post(&release, with(&claim["generation"])).await.refused(409, "CLAIM_CHANGED");
    }
    let give_up = sale.path(&format!("/claims/{}/give-up", claim["id"].as_str().unwrap()));
    let gone = buyer.api.post(&give_up, json!({"generation": extended["generation"]})).await.ok();
    assert_eq!(gone["state"], "given_up");
    let again = buyer.api.post(&give_up, json!({"generation": extended["generation"]})).await.ok();
    assert_eq!(again, gone, "giving up twice is giving up once");

    // The place is free again: a second pick, which staff release.
    let second = pick(&buyer, "after-giving-up", 1).await;
    let released =
        sale.admin.post(&hold_path(&sale, &second, "release"), with(&second["generation"])).await.ok();
    assert_eq!(released["state"], "released");
    sale.board_shows(&"0".repeat(12)).await;
    assert_eq!(Books::read(&home, &sale.opening).await.faults(), Vec::<String>::new());
}

/// OP-82: a deadline outlives the server, and passes while it is down.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_82_a_hold_whose_time_ran_out_while_the_server_was_down_lapses(#[case] database: Database) {
    let (home, server, sale) = sale(database, Plan { hold_s: 2, ..Plan::default() }).await;
    let buyer = sale.buyer(0).await;
    let claim = pick(&buyer, "before-the-crash", 8).await;
    server.kill().await;
    sleep(Duration::from_secs(3)).await;
    let _server = home.serve().await;
    let lapsed = async {
        loop {
            let me = buyer.me().await;
            let known =
                me["claims"].as_array().unwrap().iter().find(|other| other["id"] == claim["id"]).cloned();
            if known.is_none_or(|claim| claim["state"] == "lapsed") {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), lapsed).await.expect("the hold lapses after the restart");
    sale.board_shows(&"0".repeat(12)).await;
    pick(&buyer, "another-chance", 8).await;
    assert_eq!(Books::read(&home, &sale.opening).await.faults(), Vec::<String>::new());
}
