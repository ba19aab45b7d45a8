//! Publishing and withdrawing at one gateway, followed by the other (OP-11, OP-85).

use rstest::rstest;
use serde_json::json;

use super::{Two, at, soon};
use crate::harness::{Plan, now_ms};

/// Published, withdrawn with another window, published again: the other gateway follows each, and sells as told last.
///
/// Mutation that turned it red: publications of other gateways not looked for.
#[rstest]
#[case::postgres(false)]
#[case::postgres_and_redis(true)]
#[tokio::test]
async fn an_opening_published_withdrawn_and_published_again_is_followed(#[case] with_redis: bool) {
    let two = Two::start(with_redis).await;
    let sale = two.sale(&Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    let there = two.b.buyers();
    let published = there.get(&sale.path("")).await.ok();

    sale.admin.post(&sale.path("/unpublish"), json!({})).await.ok();
    soon("it is withdrawn at the other", async || there.get(&sale.path("")).await.status == 404).await;
    let code = json!({"phone": sale.people[0].phone});
    assert_eq!(there.post(&sale.path("/sign-in/code"), code).await.status, 404);
    let listed = there.get("/api/v1/openings").await.ok();
    assert_eq!(listed["openings"], json!([]));

    // Changed at A, checked and published at B.
    let start_ms = now_ms() + 4_000;
    let window = json!({"start_ms": start_ms, "end_ms": start_ms + 3_600_000});
    sale.admin.patch(&sale.path(""), window).await.ok();
    let admin = at(&two.b, &sale.admin);
    admin.post(&sale.path("/check"), json!({})).await.ok();
    admin.post(&sale.path("/publish"), json!({})).await.ok();
    for server in [&two.a, &two.b] {
        let door = server.buyers();
        soon("it is published again", async || {
            let reply = door.get(&sale.path("")).await;
            reply.status == 200 && reply.ok()["start_ms"] == start_ms
        })
        .await;
        assert_eq!(door.get(&sale.path("")).await.ok()["units_hash"], published["units_hash"]);
    }
    sale.started().await;
    let (one, other) = (sale.buyer(0).await, sale.buyer(1).await.at(&two.b));
    soon("it is live at the other", async || there.get(&sale.path("")).await.ok()["phase"] == "live").await;
    assert_eq!(one.pick("at-the-first-one", 0).await["answer"], "yes");
    assert_eq!(other.pick("at-the-second", 0).await["code"], "TAKEN");
    assert_eq!(other.pick("at-the-second-2", 1).await["answer"], "yes");
}
