//! From an empty installation to a published opening (OP-3, OP-11, OP-13).

use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{Api, Database, Home, Plan, Server, admin, draft, people, price_list, roster};

async fn start(database: Database) -> (Home, Server, Api) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let admin = admin(&server).await;
    (home, server, admin)
}

/// OP-11: the registry's price list as it comes, to the fen; the same file again changes nothing.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_11_the_price_list_is_taken_to_the_fen_and_twice_changes_nothing(#[case] database: Database) {
    let (_home, _server, admin) = start(database).await;
    let opening = draft(&admin, &Plan::default()).await;
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/price-list.xlsx")).unwrap();
    let import = format!("/api/v1/openings/{opening}/import/price-list");
    let dry = admin.upload(&format!("{import}?dry_run=true"), "price-list.xlsx", file.clone()).await.ok();
    assert_eq!((&dry["accepted"], &dry["stored"]), (&json!(726), &json!(false)));
    let report = admin.upload(&import, "price-list.xlsx", file.clone()).await.ok();
    assert_eq!(report["accepted"], 726);
    assert_eq!(report["total_fen"], 172_477_523_600_u64);
    assert_eq!(report["by_kind"], json!({"home": 474, "parking": 240, "shop": 12}));
    assert_eq!((&report["refused"], &report["added"]), (&json!([]), &json!(726)));
    let again = admin.upload(&import, "price-list.xlsx", file).await.ok();
    assert_eq!(
        (&again["added"], &again["changed"], &again["unchanged"]),
        (&json!(0), &json!([]), &json!(726))
    );
    let stored = admin.get(&format!("/api/v1/openings/{opening}")).await.ok();
    assert_eq!(
        (&stored["units"]["total"], &stored["units"]["total_fen"]),
        (&json!(726), &report["total_fen"])
    );
}

/// OP-11: refused rows are named by sheet, row, column, reason and value; all or nothing stores nothing.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_11_refused_rows_are_named_and_all_or_nothing_stores_nothing(#[case] database: Database) {
    let (_home, _server, admin) = start(database).await;
    let opening = draft(&admin, &Plan::default()).await;
    let spoilt = String::from_utf8(roster(&people(3), 1)).unwrap().replacen(",19900000001,", ",1990,", 1);
    let import = |mode: &str| format!("/api/v1/openings/{opening}/import/roster?mode={mode}");
    let nothing = admin.upload(&import("all_or_nothing"), "r.csv", spoilt.clone().into_bytes()).await.ok();
    assert_eq!(nothing["stored"], false);
    let good = admin.upload(&import("good_rows"), "r.csv", spoilt.into_bytes()).await.ok();
    assert_eq!((&good["accepted"], &good["stored"]), (&json!(2), &json!(true)));
    let refused = good["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 1, "{good}");
    let row = &refused[0];
    assert_eq!((&row["row"], &row["column"]), (&json!(3), &json!("手机号")));
    assert_eq!((&row["reason"], &row["value"]), (&json!("PHONE_INVALID"), &json!("1990")));
}

/// OP-13, OP-3: what may follow what, and what an opening must have before anyone sees it.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_13_an_opening_goes_from_draft_to_published_and_back(#[case] database: Database) {
    let (_home, server, admin) = start(database).await;
    let opening = draft(&admin, &Plan::default()).await;
    let path = |rest: &str| format!("/api/v1/openings/{opening}{rest}");
    let post = async |rest: &str| admin.post(&path(rest), json!({"reason": "试"})).await;
    let empty = post("/check").await.refused(422, "PREFLIGHT_FAILED");
    assert!(empty["findings"].as_array().is_some_and(|findings| !findings.is_empty()), "{empty}");
    for too_early in ["/publish", "/pause", "/resume", "/end", "/unpublish"] {
        let refused = post(too_early).await.refused(409, "TRANSITION_REFUSED");
        assert_eq!(refused["from"], "draft", "{too_early}");
    }
    admin.upload(&path("/import/price-list"), "p.csv", price_list(4)).await.ok();
    admin.upload(&path("/import/roster"), "r.csv", roster(&people(2), 1)).await.ok();
    server.buyers().get(&path("")).await.refused(404, "NOT_FOUND");
    assert_eq!(post("/check").await.ok()["state"], "checked");
    let published = post("/publish").await.ok();
    assert_eq!(published["state"], "published");
    let hash = |name: &str| published[name].as_str().unwrap_or_default().len();
    assert_eq!((hash("units_hash"), hash("roster_hash")), (64, 64), "{published}");
    let public: Value = server.buyers().get(&path("")).await.ok();
    assert_eq!(public["units_hash"], published["units_hash"]);
    let catalogue = server
        .buyers()
        .get(&path(&format!("/catalogue/{}", public["catalogue_hash"].as_str().unwrap())))
        .await;
    assert_eq!(catalogue.ok()["units"].as_array().unwrap().len(), 4);
    assert!(catalogue.header("cache-control").contains("immutable"));

    // Published lists are frozen; before the start they can be opened again.
    admin
        .upload(&path("/import/roster"), "r.csv", roster(&people(3), 1))
        .await
        .refused(409, "ALREADY_PUBLISHED");
    let withhold = json!({"units": [1], "reason": "样板间"});
    admin.post(&path("/units/withhold"), withhold).await.refused(409, "ALREADY_PUBLISHED");
    post("/unpublish").await.ok();
    server.buyers().get(&path("")).await.refused(404, "NOT_FOUND");
    admin.upload(&path("/import/roster"), "r.csv", roster(&people(3), 1)).await.ok();
    post("/check").await.ok();
    let again = post("/publish").await.ok();
    assert_eq!(again["units_hash"], published["units_hash"], "the same units, the same hash");
    assert_ne!(again["roster_hash"], published["roster_hash"], "one more buyer, another hash");
}
