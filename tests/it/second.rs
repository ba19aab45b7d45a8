//! Two servers on the same data: refused on SQLite, at work together on Postgres.

use rstest::rstest;
use serde_json::json;

use crate::harness::{Books, Database, Home, Link, Plan, Sale, admin};

#[tokio::test]
async fn sqlite_refuses_a_second_server_and_keeps_the_first() {
    let home = Home::empty(Database::Sqlite).await;
    let server = home.serve().await;
    let words = home.serve_another().await.err().expect("the second server is refused");
    assert!(words.lines().last().is_some_and(|line| line.contains("data")), "one sentence, not {words}");
    assert_eq!(server.buyers().get("/healthz").await.status, 200);

    // The lock goes with its process, however that ends.
    server.kill().await;
    home.serve().await;
}

/// Gate 3 decides for both: what one has sold, the other refuses, although its memory still holds the unit free.
#[tokio::test]
async fn postgres_lets_a_second_server_join() {
    let home = Home::new(Database::Postgres).await;
    let first = home.serve().await;
    let plan = Plan { homes: 40, buyers: 2, homes_each: 40, ..Plan::default() };
    let sale = Sale::publish(&first, &plan).await;
    let (here, there) = (sale.buyer(0).await, sale.buyer(1).await);
    let second = home.serve_another().await.expect("Postgres takes a second server");
    sale.started().await;

    let mut at_first = sale.link(&first, &here).await;
    let mut at_second = sale.link(&second, &there).await;
    for unit in 0..40 {
        // Both tap before either is answered.
        at_first.pick(&format!("first-{unit:04}"), unit).await.unwrap();
        at_second.pick(&format!("second-{unit:03}"), unit).await.unwrap();
        let one = at_first.answer(&format!("first-{unit:04}"), unit).await.unwrap();
        let other = at_second.answer(&format!("second-{unit:03}"), unit).await.unwrap();
        let yes = [&one, &other].into_iter().filter(|answer| answer["answer"] == "yes").count();
        assert_eq!(yes, 1, "unit {unit}: {one} and {other}");
        let no = if one["answer"] == "no" { one } else { other };
        assert_eq!(no["code"], "TAKEN", "unit {unit}");
    }
    assert_eq!(Books::read(&home, &sale.opening).await.faults(), Vec::<String>::new());

    // Each follows the journal: within moments both boards show all of it.
    for port in [first.buyers_port, second.buyers_port] {
        let mut onlooker = Link::open(port, &sale.opening, None).await.unwrap();
        let mut snapshot = onlooker.frame("snapshot").await;
        while snapshot["status"] != "1".repeat(40) {
            onlooker.frame("board").await;
            onlooker.send(json!({"t": "snapshot"})).await.unwrap();
            snapshot = onlooker.frame("snapshot").await;
        }
    }

    // A session is good at any door, and the second outlives the first.
    first.kill().await;
    let me = second.buyers().with_token(&here.token).get(&sale.path("/me")).await.ok();
    assert!(!me["claims"].as_array().unwrap().is_empty());
    admin(&second).await;
}

/// A restart is a second server after the first: sessions, claims and keys are all still there.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn a_restart_remembers_everything(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan::default()).await;
    let buyer = sale.buyer(0).await;
    sale.started().await;
    let yes = buyer.pick("before-the-restart", 3).await;
    assert_eq!(yes["answer"], "yes", "{yes}");

    assert!(server.stop().await.success());
    let server = home.serve().await;
    assert_eq!(buyer.me().await["claims"], json!([yes["claim"]]));
    assert_eq!(buyer.ask("before-the-restart").await, yes);
    assert_eq!(buyer.pick("before-the-restart", 3).await, yes, "the same key is the same tap");
    buyer
        .api
        .post(&sale.path("/picks"), json!({"key": "before-the-restart", "unit": 4}))
        .await
        .refused(409, "KEY_REUSED");
    sale.admin.get(&sale.path("")).await.ok();
    drop(server);
}
