//! OP-2: a WeChat user proves the phone once; from then on WeChat alone signs in.

use rstest::rstest;
use serde_json::Value;

use super::browser::{Browser, Town, WeChat, openid};
use crate::harness::{Database, Fleet, Home, Plan, Sale};

/// Mutations that turned it red: any user's proof taken, and everybody's but their own.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_2_a_phone_is_bound_by_a_code_once_and_then_wechat_alone_signs_in(#[case] database: Database) {
    let town = Town::new(database, &Plan::default()).await;
    let (sale, phone) = (&town.sale, town.sale.people[1].phone.clone());
    assert_eq!(sale.onlooker().get(&sale.path("")).await.ok()["wechat"], true);

    let mut first = town.browser();
    let page = first.by_wechat(&town, "lin").await;
    assert_eq!(page, format!("/o/{}?wechat=WECHAT_KNOWN", sale.opening));
    first.finish(sale, None).await.refused(409, "WECHAT_UNBOUND");
    first.ask_for_code(sale, &phone).await;
    let bound = first.bind(sale, &phone, None).await.ok();
    assert_eq!(
        (&bound["wechat_bound"], &bound["me"]["registration"]["code"]),
        (&true.into(), &sale.people[1].code.as_str().into())
    );
    first.finish(sale, None).await.refused(401, "WECHAT_AGAIN");

    let mut second = town.browser();
    second.by_wechat(&town, "lin").await;
    let signed_in = second.finish(sale, None).await.ok();
    assert_eq!(signed_in["me"]["registration"]["code"], sale.people[1].code.as_str());
    assert_eq!(signed_in["wechat_bound"], Value::Null);
    let token = signed_in["token"].as_str().unwrap();
    assert_eq!(sale.onlooker().with_token(token).get(&sale.path("/me")).await.status, 200);
    second.finish(sale, None).await.refused(401, "WECHAT_AGAIN");

    // Somebody else's WeChat is nobody's here.
    let mut stranger = town.browser();
    stranger.by_wechat(&town, "chen").await;
    stranger.finish(sale, None).await.refused(409, "WECHAT_UNBOUND");
}

/// Mutation that turned it red: the first of several taken.
#[tokio::test]
async fn op_2_a_phone_with_several_registrations_is_asked_which_by_code_and_by_wechat() {
    let town = Town::new(Database::Sqlite, &Plan { shared_phone: true, ..Plan::default() }).await;
    let (sale, phone) = (&town.sale, town.sale.people[0].phone.clone());
    let codes: Vec<&str> = sale.people[..2].iter().map(|person| person.code.as_str()).collect();
    let choices = |params: &Value| -> Vec<String> {
        let choices = params["choices"].as_array().unwrap();
        choices.iter().map(|choice| choice["code"].as_str().unwrap().to_owned()).collect()
    };
    let mut browser = town.browser();
    browser.by_wechat(&town, "lin").await;
    browser.finish(sale, None).await.refused(409, "WECHAT_UNBOUND");
    browser.ask_for_code(sale, &phone).await;
    let asked = browser.bind(sale, &phone, None).await.refused(409, "CHOOSE_REGISTRATION");
    assert_eq!(choices(&asked), codes);
    assert_eq!(browser.bind(sale, &phone, Some(codes[1])).await.ok()["wechat_bound"], true);

    browser.by_wechat(&town, "lin").await;
    let asked = browser.finish(sale, None).await.refused(409, "CHOOSE_REGISTRATION");
    assert_eq!(choices(&asked), codes);
    browser.finish(sale, Some("RC99999")).await.refused(409, "CHOOSE_REGISTRATION");
    let signed_in = browser.finish(sale, Some(codes[0])).await.ok();
    assert_eq!(signed_in["me"]["registration"]["code"], codes[0]);
}

/// A code without the wish to bind, or from a browser that did not come back from WeChat, binds nothing. Mutation that
/// turned it red: the wish not looked at.
#[tokio::test]
async fn op_2_nothing_is_bound_that_was_not_asked_for() {
    let town = Town::new(Database::Sqlite, &Plan::default()).await;
    let (sale, phone) = (&town.sale, town.sale.people[0].phone.clone());
    let mut lin = town.browser();
    lin.by_wechat(&town, "lin").await;
    let other = town.browser();
    other.ask_for_code(sale, &phone).await;
    assert_eq!(other.bind(sale, &phone, None).await.ok()["wechat_bound"], Value::Null);
    lin.finish(sale, None).await.refused(409, "WECHAT_UNBOUND");

    let phone = &sale.people[2].phone;
    lin.ask_for_code(sale, phone).await;
    let code = sale.latest_code(phone).await;
    let body = serde_json::json!({ "phone": phone, "code": code, "device": "phone" });
    let request = sale.onlooker().request(reqwest::Method::POST, &sale.path("/sign-in")).json(&body);
    let signed_in = sale.onlooker().send(request.header("cookie", &lin.cookie)).await.unwrap().ok();
    assert_eq!(signed_in["wechat_bound"], Value::Null);
    lin.finish(sale, None).await.refused(409, "WECHAT_UNBOUND");
}

/// The ways of one sign-in lead over several gateways, and none of them keeps any of it in memory.
#[tokio::test]
async fn op_2_a_sign_in_begun_at_one_gateway_ends_at_another_on_postgres() {
    let wechat = WeChat::start().await;
    let mut home = Home::new(Database::Postgres).await;
    home.settings = wechat.settings();
    let fleet = Fleet::at(home, 2, None).await;
    let sale = Sale::publish(fleet.gateways[0].server(), &Plan::default()).await;
    let [one, other] = [0, 1].map(|at| fleet.doors()[at]);
    let phone = &sale.people[0].phone;
    let until_known = async || {
        while fleet.gateways[1].buyers().get(&sale.path("")).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), until_known()).await.unwrap();

    let mut browser = Browser::at(one);
    let url = browser.start(&sale).await;
    let elsewhere = browser.moved_to(other);
    let page = elsewhere.come_back(&wechat.agree(&url, "lin").await).await;
    assert!(page.ends_with("?wechat=WECHAT_KNOWN"), "{page}");
    browser.finish(&sale, None).await.refused(409, "WECHAT_UNBOUND");
    elsewhere.ask_for_code(&sale, phone).await;
    assert_eq!(elsewhere.bind(&sale, phone, None).await.ok()["wechat_bound"], true);

    let mut again = Browser::at(other);
    let url = again.start(&sale).await;
    again.come_back(&wechat.agree(&url, "lin").await).await;
    let signed_in = again.moved_to(one).finish(&sale, None).await.ok();
    assert_eq!(signed_in["me"]["registration"]["code"], sale.people[0].code.as_str());
}

/// Mutation that turned it red: the openid stored as it came.
#[tokio::test]
async fn neither_data_nor_log_name_a_wechat_user_or_the_secret() {
    let town = Town::new(Database::Sqlite, &Plan::default()).await;
    let (sale, phone) = (&town.sale, town.sale.people[0].phone.clone());
    let mut browser = town.browser();
    let url = browser.start(sale).await;
    let back = town.wechat.agree(&url, "lin").await;
    browser.come_back(&back).await;
    let half_way = raw(&town.home);
    browser.ask_for_code(sale, &phone).await;
    browser.bind(sale, &phone, None).await.ok();
    let said = town.server.said();
    town.server.kill().await;
    let copy = [half_way, raw(&town.home)].concat();
    let holds = |text: &str| copy.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(fakes::wechat::known::APP_ID), "the search finds what stands there in the clear");
    let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let kept = browser.cookie.rsplit('.').next().unwrap();
    let state = url.split("state=").nth(1).unwrap().split('#').next().unwrap();
    for secret in [&openid("lin"), fakes::wechat::known::SECRET, code, kept, state] {
        assert!(!holds(secret), "{secret} in the data");
        assert!(!said.contains(secret), "{secret} in the log");
    }
}

fn raw(home: &Home) -> Vec<u8> {
    let files = std::fs::read_dir(home.data_dir()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
}
