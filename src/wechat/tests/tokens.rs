//! One token for all gateways, fetched by one. Both databases: `tests/it/wechat.rs`.

use super::*;
use crate::limits::WECHAT_LEASE_S;

async fn raw(stage: &Stage) -> Vec<u8> {
    let mut read = stage.db.read().await.unwrap();
    fetch_one!(read, (Vec<u8>,), "SELECT value_sealed FROM wechat_token WHERE kind = 'access'").unwrap().0
}

async fn current(client: &WeChat) -> Secret {
    client.access_token().await.unwrap()
}

/// Mutation that turned it red: the value stored as it came.
#[tokio::test]
async fn the_token_is_stored_sealed_and_whole() {
    let stage = Stage::new().await;
    let token = current(&stage.client()).await;
    assert!(token.expose().len() >= 512);
    let sealed = raw(&stage).await;
    let inside = |text: &[u8]| sealed.windows(text.len()).any(|window| window == text);
    assert!(!inside(&token.expose().as_bytes()[..16]));
    assert_eq!(current(&stage.client()).await, token, "another gateway reads it");
    assert_eq!(stage.calls(Api::StableToken).await, 1);
}

#[tokio::test]
async fn it_is_replaced_before_its_end() {
    let stage = Stage::new().await;
    let client = stage.client();
    let first = current(&client).await;
    stage.pass(6_800).await;
    assert_eq!(current(&client).await, first, "400 s are left");
    stage.pass(6_940 - 6_800).await;
    stage.tell("/_fake/clock", json!({ "ahead_ms": 6_940_000 })).await;
    let second = current(&client).await;
    assert_ne!(second, first, "260 s were left");
    assert_eq!(stage.calls(Api::StableToken).await, 2);
}

/// Mutations that turned it red: no second try, and a second one without another token.
#[tokio::test]
async fn a_refused_token_is_fetched_anew_once() {
    let stage = Stage::new().await;
    let client = stage.client();
    let first = current(&client).await;
    // Somebody else forced a new one: an ordinary request tells it.
    stage.tell("/_fake/wechat/tokens/end", json!({})).await;
    assert!(client.scene_code(SCENE).await.is_ok());
    assert_ne!(current(&client).await, first);
    assert_eq!(stage.calls(Api::StableToken).await, 2);

    // WeChat names the token that it refuses: then one is forced.
    stage.order(Api::CreateScene, 1, json!({ "errcode": 42001 })).await;
    assert!(client.scene_code(SCENE).await.is_ok());
    let bodies = stage.look("/_fake/calls?api=/cgi-bin/stable_token").await;
    let last = bodies.as_array().unwrap().last().unwrap()["body"].as_str().unwrap();
    assert!(last.contains("\"force_refresh\":true"), "{last}");
    assert_eq!(stage.calls(Api::StableToken).await, 4);

    // Not for ever, and not forced again so soon.
    stage.order(Api::CreateScene, 2, json!({ "errcode": 40001 })).await;
    let refused = client.scene_code(SCENE).await.unwrap_err();
    assert_eq!(refused.errcode(), Some(Errcode::TooOften));
    let forced = stage.look("/_fake/calls?api=/cgi-bin/stable_token").await;
    let forced = forced.as_array().unwrap().iter();
    assert_eq!(forced.filter(|call| call["body"].as_str().unwrap().contains("true")).count(), 1);
}

#[tokio::test]
async fn a_call_is_repeated_once_and_no_more() {
    let stage = Stage::new().await;
    let client = stage.client();
    current(&client).await;
    stage.order(Api::CreateScene, 5, json!({ "errcode": 40001 })).await;
    let refused = client.scene_code(SCENE).await.unwrap_err();
    assert_eq!(refused.errcode(), Some(Errcode::TokenInvalid));
    assert_eq!(stage.calls(Api::CreateScene).await, 2);
}

/// Mutations that turned it red: a failure not remembered (then every caller asked), and a token that still lasts not used.
#[tokio::test]
async fn while_wechat_is_down_the_old_one_serves_and_nobody_storms() {
    let stage = Stage::new().await;
    let client = stage.client();
    stage.order(Api::StableToken, 100, json!({ "status": 503 })).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let client = client.clone();
        callers.spawn(async move { client.scene_code(SCENE).await.is_err() });
    }
    while let Some(failed) = callers.join_next().await {
        assert!(failed.unwrap());
    }
    assert_eq!(stage.calls(Api::StableToken).await, 1);

    stage.tell("/_fake/reset", json!({})).await;
    let other = stage.client();
    let first = current(&other).await;
    stage.pass(6_940).await;
    stage.tell("/_fake/clock", json!({ "ahead_ms": 0 })).await;
    stage.order(Api::StableToken, 100, json!({ "status": 503 })).await;
    assert_eq!(current(&other).await, first);
    assert_eq!(current(&other).await, first);
    assert_eq!(stage.calls(Api::StableToken).await, 2, "one failed, and the next waited its time");
}

/// Mutation that turned it red: waiting for whoever holds the lease though the token lasts.
#[tokio::test]
async fn whoever_does_not_get_the_lease_uses_what_lasts_or_waits_for_the_row() {
    let stage = Stage::new().await;
    let (one, other) = (stage.client(), stage.client());
    let first = current(&one).await;
    stage.pass(6_940).await;
    stage.order(Api::StableToken, 1, json!({ "late": 1_500 })).await;
    let fetching = tokio::spawn(async move { current(&one).await });
    while stage.calls_under_way().await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(current(&other).await, first, "the old one, at once");
    let second = fetching.await.unwrap();
    assert_ne!(second, first);
    assert_eq!(current(&other).await, second);
}

/// A gateway that died with the lease delays the others, and does not stop them. Mutation that turned it red: nobody waits
/// for the lease.
#[tokio::test]
async fn a_lease_whose_holder_is_gone_runs_out() {
    let stage = Stage::new().await;
    let mut tx = stage.db.begin(Priority::Staff).await.unwrap();
    let until = tx.now().await.unwrap().plus(crate::domain::time::Micros::from_secs(1));
    execute!(
        tx,
        "INSERT INTO lease (name, org_id, holder, expires_at) VALUES ($1, $2, 'gone', $3)",
        format!("wechat/{}/access", known::APP_ID),
        crate::domain::ids::OrgId::default_org(),
        until
    )
    .unwrap();
    tx.commit().await.unwrap();
    let begun = tokio::time::Instant::now();
    current(&stage.client()).await;
    let waited = begun.elapsed();
    assert!(
        waited >= Duration::from_millis(900) && waited.as_secs() < WECHAT_LEASE_S.unsigned_abs(),
        "{waited:?}"
    );
}

impl Stage {
    /// Whether some gateway holds the lease.
    async fn calls_under_way(&self) -> i64 {
        let mut read = self.db.read().await.unwrap();
        fetch_one!(read, (i64,), "SELECT COUNT(*) FROM lease WHERE name LIKE 'wechat/%'").unwrap().0
    }
}
