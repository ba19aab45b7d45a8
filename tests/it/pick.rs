//! A tap and its answer: the clock, one winner, the reasons of a no, the feed beside it.

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::harness::{Buyer, Database, Home, Link, Plan, Sale, Server, now_ms};

/// What is promised of one, with time for a machine that runs other tests beside it.
const A_SECOND: Duration = Duration::from_secs(5);

async fn sale(database: Database, plan: Plan) -> (Home, Server, Sale) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &plan).await;
    (home, server, sale)
}

fn assert_no(answer: &Value, code: &str) {
    assert_eq!((&answer["answer"], &answer["code"]), (&json!("no"), &json!(code)), "{answer}");
}

/// OP-39, OP-40: the page counts down to the server's clock, and the decision itself looks at it.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_40_the_clock_opens_the_gate_and_nothing_before_it(#[case] database: Database) {
    let (_home, _server, sale) = sale(database, Plan { starts_in_ms: 3_000, ..Plan::default() }).await;
    let buyer = sale.buyer(0).await;
    let early = buyer.pick("too-early-1", 0).await;
    assert_no(&early, "NOT_OPEN_YET");
    let mut opening = sale.onlooker().get(&sale.path("")).await.ok();
    // Ten minutes before the start it is armed, by the next heartbeat.
    while opening["phase"] == "published" {
        opening = sale.onlooker().get(&sale.path("")).await.ok();
    }
    assert_eq!(opening["phase"], "armed");
    assert_eq!(opening["participants"], 4);
    let start_ms = opening["start_ms"].as_u64().unwrap();

    // Tapping all the while, as an impatient buyer does: the first yes comes after the start, and soon.
    let yes = loop {
        let answer = buyer.pick(&format!("tap-{}", now_ms()), 0).await;
        if answer["answer"] == "yes" {
            break answer;
        }
        assert_no(&answer, "NOT_OPEN_YET");
        tokio::time::sleep(Duration::from_millis(150)).await;
    };
    let late_ms = yes["claim"]["created_ms"].as_u64().unwrap() - start_ms;
    assert!(late_ms < 1_000, "{late_ms} ms after the start");
    assert_eq!(sale.onlooker().get(&sale.path("")).await.ok()["phase"], "live");
    assert_eq!(
        buyer.pick("too-early-1", 0).await,
        early,
        "the same key is the same tap, and its answer stays"
    );
}

/// OP-42, OP-43, OP-48: one unit, one winner, and each no says why.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_48_each_refusal_has_its_name(#[case] database: Database) {
    let (_home, _server, sale) = sale(database, Plan::default()).await;
    let (one, other) = (sale.buyer(0).await, sale.buyer(1).await);
    sale.started().await;
    let yes = one.pick("one-takes-5", 5).await;
    assert_eq!(yes["answer"], "yes", "{yes}");
    let claim = &yes["claim"];
    assert_eq!((&claim["unit"], &claim["state"], &claim["paid_fen"]), (&json!(5), &json!("held"), &json!(0)));
    let held_ms = claim["deadline_ms"].as_u64().unwrap() - claim["created_ms"].as_u64().unwrap();
    assert_eq!(held_ms, 900_000);

    let taken = other.pick("other-wants-5", 5).await;
    assert_no(&taken, "TAKEN");
    assert_eq!(taken["params"]["unit"], 5);
    assert_no(&one.pick("one-again-5", 5).await, "ALREADY_YOURS");
    let quota = one.pick("one-wants-6", 6).await;
    assert_no(&quota, "QUOTA_USED");
    assert_eq!(quota["params"], json!({"holder": "registration", "kind": "home"}));
    assert_no(&one.pick("one-looks-at-5", 5).await, "ALREADY_YOURS");
    assert_no(&other.pick("other-dreams", 99).await, "UNIT_UNKNOWN");
    assert_no(&other.ask("never-tapped").await, "NOT_RECORDED");
    // The tombstone stays: whoever was told "no" does not win by the same key later.
    assert_no(&other.pick("never-tapped", 7).await, "NOT_RECORDED");

    sale.admin.post(&sale.path("/pause"), json!({"reason": "查名单"})).await.ok();
    assert_no(&other.pick("while-paused", 6).await, "PAUSED");
    sale.admin.post(&sale.path("/resume"), json!({})).await.ok();
    assert_eq!(other.pick("other-takes-6", 6).await["answer"], "yes");
    sale.admin.post(&sale.path("/end"), json!({"reason": "售罄"})).await.ok();
    assert_no(&sale.buyer(2).await.pick("after-the-end", 7).await, "CLOSED");
    sale.board_shows("000001100000").await;
}

/// OP-17, OP-23: what is withheld is not for sale, and whoever is not admitted may look.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_23_withheld_units_and_pending_buyers_stay_out(#[case] database: Database) {
    let plan = Plan { withheld: vec![2, 3], pending: vec![1], ..Plan::default() };
    let (_home, _server, sale) = sale(database, plan).await;
    let (admitted, pending) = (sale.buyer(0).await, sale.buyer(1).await);
    sale.started().await;
    assert_eq!(pending.me().await["registration"]["eligibility"], "pending");
    assert_no(&pending.pick("pending-picks", 0).await, "NOT_ADMITTED");
    assert_no(&admitted.pick("wants-the-withheld", 2).await, "WITHHELD");
    assert_eq!(admitted.pick("takes-number-4", 4).await["answer"], "yes");
    sale.board_shows("003310000000").await;
}

/// OP-15: two registrations of one household share its places.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_15_a_household_has_its_own_places(#[case] database: Database) {
    let (_home, _server, sale) = sale(database, Plan { household_of_two: true, ..Plan::default() }).await;
    let (wife, husband, stranger) = (sale.buyer(0).await, sale.buyer(1).await, sale.buyer(2).await);
    sale.started().await;
    assert_eq!(wife.pick("wife-takes-0", 0).await["answer"], "yes");
    let refused = husband.pick("husband-wants-1", 1).await;
    assert_no(&refused, "QUOTA_USED");
    assert_eq!(refused["params"], json!({"holder": "household", "kind": "home"}));
    assert_eq!(stranger.pick("stranger-takes-1", 1).await["answer"], "yes");
}

/// OP-41: hello, board, mine; the answer before the board frame that shows it; every screen within a second.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_41_the_feed_shows_a_pick_to_all_and_to_the_buyer_first(#[case] database: Database) {
    let (_home, server, sale) = sale(database, Plan::default()).await;
    let buyer = sale.buyer(0).await;
    sale.started().await;
    let mut mine = sale.link(&server, &buyer).await;
    let hello = mine.next().await.unwrap();
    assert_eq!(hello["t"], "hello");
    assert_eq!(
        (&hello["protocol"], &hello["device"], &hello["phase"]),
        (&json!(1), &json!("picks"), &json!("live"))
    );
    let snapshot = mine.next().await.unwrap();
    assert_eq!((&snapshot["t"], &snapshot["status"]), (&json!("snapshot"), &json!("0".repeat(12))));
    assert_eq!(mine.next().await.unwrap(), json!({"t": "mine", "claims": []}));
    let mut onlooker = Link::open(server.buyers_port, &sale.opening, None).await.unwrap();
    assert_eq!(onlooker.frame("hello").await["device"], "anonymous");

    let tapped = Instant::now();
    mine.pick("feed-takes-7", 7).await.unwrap();
    // That the opening is live is in the journal too: a tick of it, without a unit, may come first.
    let shows = |frame: &Value| frame["t"] == "board" && frame["u"] == json!([7, 1]);
    let mut order = Vec::new();
    loop {
        let frame = mine.next().await.unwrap();
        if shows(&frame) {
            break;
        }
        order.push(frame["t"].as_str().unwrap().to_owned());
        if frame["t"] == "answer" {
            assert_eq!((&frame["answer"], &frame["key"]), (&json!("yes"), &json!("feed-takes-7")));
        }
    }
    assert!(order.contains(&"answer".to_owned()), "the answer comes before the board: {order:?}");
    let board = onlooker.wait_for(shows).await.unwrap();
    assert!(tapped.elapsed() < A_SECOND, "{:?}", tapped.elapsed());
    let over_http = sale.onlooker().get(&sale.path("/board")).await.ok();
    assert_eq!(over_http, json!({"seq": board["to"], "status": "000000010000"}));
}

/// OP-41, OP-89: the page works over HTTP with the keys of the WebSocket, and the other way.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_89_both_ways_to_pick_share_the_keys(#[case] database: Database) {
    let (_home, server, sale) = sale(database, Plan { homes_each: 2, ..Plan::default() }).await;
    let buyer = sale.buyer(0).await;
    sale.started().await;
    let mut link = sale.link(&server, &buyer).await;
    link.pick("tapped-by-socket", 1).await.unwrap();
    // The connection is lost before the answer is read.
    drop(link);
    let asked = Instant::now();
    let answer = buyer.pick("tapped-by-socket", 1).await;
    assert_eq!(answer["answer"], "yes", "{answer}");
    assert!(asked.elapsed() < A_SECOND, "the truth within a second of return");

    let by_http = buyer.pick("tapped-by-http", 2).await;
    let mut link = sale.link(&server, &buyer).await;
    link.ask("tapped-by-http").await.unwrap();
    let by_socket = link.answer("tapped-by-http", 2).await.unwrap();
    assert_eq!(by_socket["claim"], by_http["claim"]);
    assert_eq!(buyer.me().await["claims"].as_array().unwrap().len(), 2, "two taps, two claims");
    link.pick("tapped-by-http", 3).await.unwrap();
    let reused = link.wait_for(|frame| frame["key"] == "tapped-by-http").await.unwrap();
    assert_eq!((&reused["t"], &reused["code"]), (&json!("error"), &json!("KEY_REUSED")));
}

#[tokio::test]
async fn the_socket_takes_small_frames_of_the_one_protocol() {
    let (_home, server, sale) = sale(Database::Sqlite, Plan::default()).await;
    let other =
        Link::open_with(server.buyers_port, &sale.opening, None, &[("sec-websocket-protocol", "chat")]).await;
    let Err(Error::Http(refusal)) = other else { panic!("another subprotocol is refused") };
    assert_eq!(refusal.status(), 426);

    let mut link = Link::open(server.buyers_port, &sale.opening, None).await.unwrap();
    link.send_text("not JSON").await.unwrap();
    assert_eq!(link.frame("error").await["code"], "MALFORMED");
    link.pick("not-signed-in", 1).await.unwrap();
    assert_eq!(link.frame("error").await["code"], "NOT_SIGNED_IN");
    link.send(json!({"t": "time", "c": 7})).await.unwrap();
    let time = link.frame("time").await;
    assert_eq!(time["c"], 7);
    assert!(time["now_ms"].as_u64().unwrap().abs_diff(now_ms()) < 1_000);

    link.send_text(&format!("{{\"t\":\"pick\",\"key\":\"{}\",\"unit\":1}}", "k".repeat(5_000)))
        .await
        .unwrap();
    let end = loop {
        if let Err(end) = link.next().await {
            break end;
        }
    };
    assert_eq!(end.close_code(), Some(1009), "{end}");
}

/// OP-16: favourites in the buyer's order, up to the opening's limit.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_16_favourites_keep_their_order(#[case] database: Database) {
    let (_home, _server, sale) = sale(database, Plan { homes: 20, ..Plan::default() }).await;
    let buyer = sale.buyer(0).await;
    let favourites = sale.path("/favourites");
    let put = async |buyer: &Buyer, units: Value| buyer.api.put(&favourites, json!({"units": units})).await;
    put(&buyer, json!([7, 2, 11])).await.ok();
    assert_eq!(buyer.me().await["favourites"], json!([7, 2, 11]));
    let many: Vec<u32> = (0..11).collect();
    assert_eq!(put(&buyer, json!(many)).await.refused(422, "FAVOURITES_TOO_MANY")["max"], 10);
    put(&buyer, json!([3, 99])).await.refused(422, "UNIT_UNKNOWN");
    assert_eq!(buyer.me().await["favourites"], json!([7, 2, 11]), "a refusal changes nothing");
    buyer.api.delete(&sale.path("/session")).await.ok();
    buyer.api.get(&sale.path("/me")).await.refused(401, "SESSION_ENDED");
}
