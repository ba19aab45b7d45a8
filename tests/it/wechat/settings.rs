//! The settings: off without a word, and words for what is missing.

use fakes::wechat::known;
use serde_json::json;

use crate::harness::{Database, Home, Plan, Sale};

#[tokio::test]
async fn without_settings_there_is_no_wechat_and_the_page_is_told_so() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan::default()).await;
    let door = sale.onlooker();
    assert_eq!(door.get(&sale.path("")).await.ok()["wechat"], false);
    door.post(&sale.path("/sign-in/wechat"), json!({})).await.refused(404, "NOT_FOUND");
    door.post(&sale.path("/sign-in/wechat/finish"), json!({})).await.refused(404, "NOT_FOUND");
    door.get("/api/v1/wechat/callback?state=a&code=b").await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn what_is_missing_is_said_at_the_start_and_the_secret_is_not() {
    let mut home = Home::new(Database::Sqlite).await;
    let cases: [(Vec<(&'static str, &'static str)>, &str); 3] = [
        (vec![("KAIPAN_WECHAT_APP_ID", known::APP_ID)], "set KAIPAN_WECHAT_SECRET"),
        (vec![("KAIPAN_WECHAT_SECRET", known::SECRET)], "set the Official Account's app id"),
        (
            vec![("KAIPAN_WECHAT_APP_ID", "gh_1"), ("KAIPAN_WECHAT_SECRET", known::SECRET)],
            "wechat_app_id \"gh_1\" is none",
        ),
    ];
    for (settings, expected) in cases {
        home.settings = settings;
        let refused = home.run(&["serve"]).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(expected), "{said}");
        assert!(!said.contains(known::SECRET), "{said}");
    }
}
