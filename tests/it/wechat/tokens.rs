//! Several gateways need a token at once: WeChat is asked once. Each client here has connections of its own, as a gateway's
//! has.

use std::sync::Arc;

use fakes::wechat::{Settings, known};
use kaipan::domain::time::Clock;
use kaipan::store::Db;
use kaipan::vault::{KeySource, Vault};
use kaipan::wechat::{Account, Scene, Secret, Urls, WeChat};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Database, Home};

const GATEWAYS: usize = 3;
const CALLERS_EACH: usize = 8;

async fn client(home: &Home, base: &str) -> WeChat {
    let db = match home.database_url() {
        Some(url) => Db::connect_postgres(url).await.unwrap(),
        None => Db::open_sqlite(&home.data_dir(), Clock::system()).await.unwrap(),
    };
    let vault = Arc::new(Vault::open(&KeySource::File(home.keyring()), Some(&home.data_dir())).unwrap());
    let urls = Urls { api: base.to_owned(), open: base.to_owned(), mp: base.to_owned() };
    let secret = Secret::new(known::SECRET.to_owned());
    WeChat::new(Account { app_id: known::APP_ID.to_owned(), secret, urls }, db, vault).unwrap()
}

/// Mutations that turned it red: the lease not asked for, and the row not read again by whoever waited.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn several_gateways_that_need_a_token_at_once_ask_for_one(#[case] database: Database) {
    let home = Home::new(database).await;
    let base = format!("http://{}", fakes::start(&Settings::default()).await.unwrap());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    // So slow that all of them have come before the first is served.
    let late = json!({ "api": "/cgi-bin/stable_token", "times": 100, "fault": { "late": 300 } });
    http.post(format!("{base}/_fake/faults")).json(&late).send().await.unwrap();

    let mut callers = JoinSet::new();
    for _ in 0..GATEWAYS {
        let client = client(&home, &base).await;
        for _ in 0..CALLERS_EACH {
            let client = client.clone();
            callers.spawn(async move {
                client.scene_code(Scene { word: "opening", expires_in_s: 60 }).await.map(drop)
            });
        }
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap().unwrap();
    }
    let counts: Value = http.get(format!("{base}/_fake/counts")).send().await.unwrap().json().await.unwrap();
    assert_eq!(counts["/cgi-bin/stable_token"]["calls"], 1, "{counts}");
    assert_eq!(counts["/cgi-bin/qrcode/create"]["calls"], GATEWAYS * CALLERS_EACH, "{counts}");
}
