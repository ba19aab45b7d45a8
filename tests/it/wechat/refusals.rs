//! What goes wrong on the way to WeChat and back, each told apart; codes by SMS go on.

use serde_json::json;

use super::browser::Town;
use crate::harness::{Database, Plan, Sale};

fn page(sale: &Sale, end: &str) -> String {
    format!("/o/{}?wechat={end}", sale.opening)
}

#[tokio::test]
async fn op_2_who_refuses_is_told_so_and_may_sign_in_with_a_code() {
    let town = Town::new(Database::Sqlite, &Plan::default()).await;
    let sale = &town.sale;
    let mut browser = town.browser();
    let url = browser.start(sale).await;
    let refused = browser.come_back(&town.wechat.refuse(&url).await).await;
    assert_eq!(refused, page(sale, "WECHAT_REFUSED"));
    browser.finish(sale, None).await.refused(401, "WECHAT_AGAIN");
    sale.buyer(0).await;
}

/// Mutations that turned it red: a state that stays good, and the browser's half not compared.
#[tokio::test]
async fn op_2_a_state_is_good_once_for_its_browser_and_a_code_once_at_all() {
    let town = Town::new(Database::Sqlite, &Plan::default()).await;
    let sale = &town.sale;
    let unknown = page(sale, "WECHAT_STATE_UNKNOWN");

    let mut browser = town.browser();
    let url = browser.start(sale).await;
    let back = town.wechat.agree(&url, "lin").await;
    assert_eq!(browser.come_back(&back).await, page(sale, "WECHAT_KNOWN"));
    assert_eq!(browser.come_back(&back).await, unknown, "the same redirect again");

    // The code of before with a state of now.
    let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let fresh = town.wechat.refuse(&browser.start(sale).await).await;
    let replayed = fresh.replace("?state=", &format!("?code={code}&state="));
    assert_eq!(browser.come_back(&replayed).await, page(sale, "WECHAT_CODE_USED"));

    // A redirect that was begun in another browser: whoever is sent such a link must not become somebody else.
    let (mut victim, mut attacker) = (town.browser(), town.browser());
    let attackers = town.wechat.agree(&attacker.start(sale).await, "chen").await;
    victim.start(sale).await;
    assert_eq!(victim.come_back(&attackers).await, unknown);
    victim.finish(sale, None).await.refused(401, "WECHAT_AGAIN");
    assert_eq!(town.browser().come_back(&attackers).await, "/?wechat=WECHAT_STATE_UNKNOWN", "no cookie");
    assert_eq!(
        attacker.come_back(&attackers).await,
        page(sale, "WECHAT_KNOWN"),
        "it is still the attacker's"
    );

    let base = attackers.split('?').next().unwrap();
    for made_up in ["", "?state=", "?state=a&code=b", "?code=b", "?state=%00&code=%00"] {
        assert_eq!(browser.come_back(&format!("{base}{made_up}")).await, unknown, "{made_up:?}");
    }
}

/// What comes with the request stands in no address that the browser is sent to.
#[tokio::test]
async fn op_2_nobody_is_led_elsewhere() {
    let town = Town::new(Database::Sqlite, &Plan::default()).await;
    let mut browser = town.browser();
    let back = town.wechat.agree(&browser.start(&town.sale).await, "lin").await;
    let evil = format!("{back}&return=https%3A%2F%2Fevil.example&redirect_uri=%2F%2Fevil.example");
    assert_eq!(browser.come_back(&evil).await, page(&town.sale, "WECHAT_KNOWN"));
    for cookie in ["kp_wechat=//evil.example.x", "kp_wechat=..%2f..%2f.x", "kp_wechat=.x", "kp_wechat=x"] {
        cookie.clone_into(&mut browser.cookie);
        assert_eq!(browser.come_back(&back).await, "/?wechat=WECHAT_STATE_UNKNOWN", "{cookie}");
    }
}

/// OP-90: a snapshot page's user is never signed in, and told what to tap. Mutation that turned it red: the mark not looked
/// at.
#[tokio::test]
async fn op_90_a_snapshot_pages_user_reads_and_is_never_signed_in() {
    let town = Town::new(Database::Sqlite, &Plan::default()).await;
    let sale = &town.sale;
    let mut browser = town.browser();
    assert_eq!(browser.by_wechat(&town, "snapshot").await, page(sale, "WECHAT_SNAPSHOT"));
    browser.finish(sale, None).await.refused(401, "WECHAT_AGAIN");
    browser.ask_for_code(sale, &sale.people[0].phone).await;
    let signed_in = browser.bind(sale, &sale.people[0].phone, None).await.ok();
    assert_eq!(signed_in["wechat_bound"], json!(null), "nothing to bind");
    sale.board_shows(&"0".repeat(12)).await;
}

/// WeChat is down on the day: codes sign in, and whoever is signed in notices nothing.
#[tokio::test]
async fn op_2_while_wechat_is_down_codes_sign_in_and_the_signed_in_go_on() {
    let town = Town::new(Database::Sqlite, &Plan::default()).await;
    let sale = &town.sale;
    let early = sale.buyer(1).await;
    let faults = [
        json!({ "status": 500 }),
        json!("close"),
        json!("hang"),
        json!({ "errcode": -1 }),
        json!({ "errcode": 40125 }),
        json!({ "body": "<html>" }),
        json!({ "bytes": 10_000_000 }),
    ];
    for fault in faults {
        town.wechat.order(fault.clone()).await;
        let mut browser = town.browser();
        assert_eq!(browser.by_wechat(&town, "lin").await, page(sale, "WECHAT_DOWN"), "{fault}");
        browser.finish(sale, None).await.refused(401, "WECHAT_AGAIN");
    }
    sale.buyer(0).await;
    sale.started().await;
    assert_eq!(early.pick("a-pick-of-the-day", 3).await["answer"], "yes");
    let mut browser = town.browser();
    assert_eq!(browser.by_wechat(&town, "lin").await, page(sale, "WECHAT_KNOWN"), "it is back");
}
