//! OP-38: a rehearsal is an isolated copy of an opening with simulated buyers; staff may sign those in, and nobody else.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{
    Api, Books, Database, Home, Plan, Sale, Server, admin, draft, refused, roster, staff, told,
};

/// Makes a rehearsal of the sale; its id.
async fn rehearse(sale: &Sale, body: Value) -> Value {
    sale.admin.post(&sale.path("/rehearsals"), body).await.ok()
}

fn path(opening: &Value, rest: &str) -> String {
    format!("/api/v1/openings/{}{rest}", opening["id"].as_str().unwrap())
}

async fn wait_live(buyers: &Api, opening: &Value) {
    let live = async {
        while buyers.get(&path(opening, "")).await.ok()["phase"] != "live" {
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), live).await.expect("it starts");
}

async fn sessions(admin: &Api, opening: &Value, first: i64, count: i64) -> Vec<(String, String)> {
    let body = json!({"first": first, "count": count});
    let made = admin.post(&path(opening, "/sessions"), body).await.ok();
    let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
    let made = made["sessions"].as_array().unwrap();
    made.iter().map(|one| (text(one, "registration"), text(one, "token"))).collect()
}

/// OP-38: the copy sells to simulated buyers what the source sells to real ones, and neither touches the other; no
/// real person is in it; buyers do not come across it; its truth is told over HTTP as the command line prints it.
/// Mutations caught: claims not stored as a rehearsal's (the second pick is TAKEN by the property), the public list
/// unfiltered.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_38_a_rehearsal_is_an_isolated_copy_without_real_people(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let plan = Plan { homes: 120, buyers: 3, withheld: vec![5], household_of_two: true, ..Plan::default() };
    let sale = Sale::publish(&server, &plan).await;
    let copy = rehearse(&sale, json!({"buyers": 8, "start_in_s": 1, "open_for_s": 600})).await;

    assert_eq!((&copy["rehearsal"], &copy["simulated"]), (&json!(true), &json!(true)), "{copy}");
    let source = sale.admin.get(&sale.path("")).await.ok();
    assert_eq!((&source["rehearsal"], &source["simulated"]), (&json!(false), &json!(false)), "{source}");
    for field in ["units", "units_hash", "project", "hold_s", "deposit_fen", "quota", "household_quota"] {
        assert_eq!(copy[field], source[field], "{field}");
    }
    assert_eq!(copy["name"], "演练 · 首开");
    assert_eq!(copy["end_ms"].as_i64().unwrap() - copy["start_ms"].as_i64().unwrap(), 600_000);
    assert_eq!(copy["registrations"], json!({"total": 8, "earnest_fen": 0}));

    let people = sale.admin.get(&path(&copy, "/registrations")).await.ok();
    let people = people["registrations"].as_array().unwrap();
    let codes: BTreeSet<&str> = people.iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes.first(), Some(&"S00001"));
    assert_eq!((codes.len(), codes.last()), (8, Some(&"S00008")));
    for person in people {
        assert!(person["name_masked"].as_str().unwrap().starts_with('模'), "{person}");
        assert!(person["phone_masked"].as_str().unwrap().starts_with("164"), "{person}");
        assert_eq!(person["eligibility"], "passed");
        assert_eq!((&person["consultant"], &person["earnest_fen"]), (&json!(""), &json!(0)));
        assert_eq!(person["group"], "普通", "the structure is kept");
    }

    let listed = server.buyers().get("/api/v1/openings").await.ok();
    let listed: Vec<&str> =
        listed["openings"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(listed, [sale.opening.as_str()], "buyers see the sale and no rehearsal");
    assert_eq!(server.buyers().get(&path(&copy, "")).await.ok()["rehearsal"], true);

    sale.started().await;
    wait_live(&server.buyers(), &copy).await;
    let real = sale.buyer(0).await;
    assert_eq!(real.pick("real-key-1", 0).await["answer"], "yes");
    let made = sessions(&sale.admin, &copy, 0, 20_000).await;
    assert_eq!(made.len(), 8);
    let pick = async |n: usize, unit: u64| {
        let buyer = server.buyers().with_token(&made[n].1);
        let body = json!({"key": format!("simulated-{n}-{unit}"), "unit": unit});
        buyer.post(&path(&copy, "/picks"), body).await.ok()
    };
    assert_eq!(pick(7, 0).await["answer"], "yes", "the same home, in another opening");
    assert_eq!(pick(6, 5).await["code"], "WITHHELD");
    // The first two share a household, as the first two of the real roster do; so do those of the second round.
    assert_eq!(pick(0, 1).await["answer"], "yes");
    assert_eq!(pick(1, 2).await["code"], "QUOTA_USED");
    assert_eq!(pick(3, 3).await["answer"], "yes", "another round is another household");

    // The start is entered a moment after it: until then the two tellings below may differ by it.
    let opened = async {
        loop {
            let truth = sale.admin.get(&path(&copy, "/truth")).await.ok();
            if truth["journal"].as_array().unwrap().iter().any(|entry| entry["kind"] == "opened") {
                return truth;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    };
    let truth = tokio::time::timeout(std::time::Duration::from_secs(10), opened).await.expect("it is opened");
    let seqs: Vec<i64> =
        truth["journal"].as_array().unwrap().iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(truth["claims"].as_array().unwrap().len(), 4, "{truth}");
    let id = copy["id"].as_str().unwrap();
    let dumped = home.run(&["opening", "dump", "--json", "--opening", id]).await;
    let dumped: Value = serde_json::from_slice(&dumped.stdout).unwrap();
    assert_eq!(dumped, truth);

    for opening in [id, sale.opening.as_str()] {
        assert_eq!(Books::read(&home, opening).await.faults(), Vec::<String>::new(), "{opening}");
    }
}

/// OP-38: each session is its registration's picking device, the ones before it end, and a restart keeps them. Mutation
/// caught: `picking_device` not written.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_38_simulated_sessions_pick_and_survive_a_restart(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    // More than one chunk, and more than one step of versions.
    let copy = rehearse(&sale, json!({"buyers": 1_300, "start_in_s": 60})).await;
    let old = sessions(&sale.admin, &copy, 0, 1_300).await;
    assert_eq!((old.len(), old[1_299].0.as_str()), (1_300, "S01300"));
    let new = sessions(&sale.admin, &copy, 700, 2).await;
    assert_eq!(new.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["S00701", "S00702"]);

    let me =
        async |server: &Server, token: &str| server.buyers().with_token(token).get(&path(&copy, "/me")).await;
    me(&server, &old[700].1).await.refused(401, "SESSION_ENDED");
    server.stop().await;
    let server = home.serve().await;
    for (code, token) in [&old[0], &old[699], &new[0], &new[1], &old[1_299]] {
        let me = me(&server, token).await.ok();
        assert_eq!(me["registration"]["code"], code.as_str());
        assert_eq!(me["device"], "picks");
    }
    me(&server, &old[700].1).await.refused(401, "SESSION_ENDED");

    let log =
        admin(&server).await.get(&format!("/api/v1/log?opening={}", copy["id"].as_str().unwrap())).await.ok();
    let logged: Vec<&Value> = log["entries"].as_array().unwrap().iter().map(|one| &one["params"]).collect();
    assert_eq!(logged, [&json!({"first": 700, "count": 2}), &json!({"first": 0, "count": 1300})], "{log}");
}

/// OP-38, OP-60: a receipt's number tried out in a rehearsal is free in the sale, and unique in each of them.
///
/// Mutation that turned it red: a rehearsal's reference stored as it is typed (REFERENCE_USED in the sale).
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_38_a_rehearsals_receipts_are_not_the_sales(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan::default()).await;
    let copy = rehearse(&sale, json!({"buyers": 2, "start_in_s": 1, "open_for_s": 600})).await;
    sale.started().await;
    wait_live(&server.buyers(), &copy).await;
    let token = sessions(&sale.admin, &copy, 0, 1).await.remove(0).1;
    let body = json!({"key": "simulated-1", "unit": 0});
    let simulated = server.buyers().with_token(&token).post(&path(&copy, "/picks"), body).await.ok();
    let real = sale.buyer(0).await.pick("real-key-1", 0).await;

    let pay = async |at: String, yes: &Value, amount_fen: u64| {
        let at = format!("{at}/holds/{}/payments", yes["claim"]["id"].as_str().unwrap());
        let generation = &yes["claim"]["generation"];
        let body =
            json!({"generation": generation, "method": "pos", "reference": "R-1", "amount_fen": amount_fen});
        sale.admin.post(&at, body).await
    };
    let mut payments = Vec::new();
    for (at, yes) in [(path(&copy, ""), &simulated), (sale.path(""), &real)] {
        // More than the deposit: what is too much is listed as owed.
        let paid = pay(at.clone(), yes, 6_000_000).await.ok();
        assert_eq!(paid["payment"]["reference"], "R-1", "{paid}");
        let again = pay(at.clone(), yes, 6_000_000).await.ok();
        assert_eq!(again["payment"]["id"], paid["payment"]["id"], "the same payment");
        pay(at.clone(), yes, 6_000_001).await.refused(409, "REFERENCE_USED");
        let owed = sale.admin.get(&format!("{at}/refunds")).await.ok();
        assert_eq!(owed["refunds"][0]["reference"], "R-1", "{owed}");
        payments.push(paid["payment"]["id"].clone());
    }
    assert_ne!(payments[0], payments[1]);
}

/// OP-38: whoever asks, nobody signs in for a real person: not in a sale, and nobody real gets into a rehearsal.
/// Mutations caught: `only_of_a_rehearsal` left out; `is_rehearsed` not looked at by the importer.
#[tokio::test]
async fn op_38_no_session_is_made_for_a_real_person() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    let body = json!({"first": 0, "count": 1});
    sale.admin.post(&sale.path("/sessions"), body.clone()).await.refused(409, "NOT_A_REHEARSAL");
    sale.admin.delete(&sale.path("/rehearsal")).await.refused(409, "NOT_A_REHEARSAL");
    let unpublished = draft(&sale.admin, &Plan::default()).await;
    let nothing = format!("/api/v1/openings/{unpublished}/sessions");
    sale.admin.post(&nothing, body.clone()).await.refused(404, "NOT_FOUND");

    let copy = rehearse(&sale, json!({"start_in_s": 600})).await;
    assert_eq!(copy["registrations"]["total"], 4, "as many as the source has");
    let lasts = |opening: &Value| opening["end_ms"].as_i64().unwrap() - opening["start_ms"].as_i64().unwrap();
    assert_eq!(lasts(&copy), 3_600_000, "as long as the source");
    for (first, count, field) in
        [(-1, 1, "first"), (50_000, 1, "first"), (0, 0, "count"), (0, 20_001, "count")]
    {
        let body = json!({"first": first, "count": count});
        let params = sale.admin.post(&path(&copy, "/sessions"), body).await.refused(422, "FIELD_INVALID");
        assert_eq!(params["field"], field);
    }
    assert_eq!(sessions(&sale.admin, &copy, 3, 20).await.len(), 1);
    assert_eq!(sessions(&sale.admin, &copy, 4, 20).await.len(), 0);

    // Taken back it could be edited, if it were any other opening.
    sale.admin.post(&path(&copy, "/unpublish"), json!({})).await.ok();
    let roster = roster(&sale.people, 1);
    let import = sale.admin.upload(&path(&copy, "/import/roster"), "roster.csv", roster).await;
    import.refused(409, "ALREADY_PUBLISHED");

    let cashier = staff(&server, &sale.admin, "cashier", "cashier").await;
    let params = cashier.post(&path(&copy, "/sessions"), body).await.refused(403, "FORBIDDEN");
    assert_eq!(params["right"], "rehearse");
}

/// OP-38: a cleared rehearsal is gone from both doors, its sessions with it; the bound on rehearsals counts what is
/// there. Mutation caught: `openings.stop` left out of `clear`.
#[tokio::test]
async fn op_38_rehearsals_are_bounded_and_can_be_cleared() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    for (body, field) in [
        (json!({"buyers": 0}), "buyers"),
        (json!({"buyers": 50_001}), "buyers"),
        (json!({"start_in_s": 0}), "start_in_s"),
        (json!({"open_for_s": 0}), "open_for_s"),
    ] {
        let params = sale.admin.post(&sale.path("/rehearsals"), body).await.refused(422, "FIELD_INVALID");
        assert_eq!(params["field"], field);
    }
    let empty = draft(&sale.admin, &Plan::default()).await;
    let refused = sale.admin.post(&format!("/api/v1/openings/{empty}/rehearsals"), json!({})).await;
    assert_eq!(refused.refused(422, "FIELD_INVALID")["reason"], "NO_UNITS");

    let mut copies = Vec::new();
    for _ in 0..10 {
        copies.push(rehearse(&sale, json!({"buyers": 1, "start_in_s": 1})).await);
    }
    sale.admin.post(&sale.path("/rehearsals"), json!({})).await.refused(409, "REHEARSALS_TOO_MANY");
    let shown = async || sale.admin.get("/api/v1/openings").await.ok()["openings"].as_array().unwrap().len();
    assert_eq!(shown().await, 12);

    wait_live(&server.buyers(), &copies[0]).await;
    let token = sessions(&sale.admin, &copies[0], 0, 1).await.remove(0).1;
    sale.admin.delete(&path(&copies[0], "/rehearsal")).await.ok();
    sale.admin.delete(&path(&copies[0], "/rehearsal")).await.ok();
    assert_eq!(shown().await, 11);
    let buyer = server.buyers().with_token(&token);
    buyer
        .post(&path(&copies[0], "/picks"), json!({"key": "too-late-1", "unit": 0}))
        .await
        .refused(404, "NOT_FOUND");
    rehearse(&sale, json!({"buyers": 1})).await;

    server.stop().await;
    let server = home.serve().await;
    server.buyers().get(&path(&copies[0], "")).await.refused(404, "NOT_FOUND");
    server.buyers().get(&path(&copies[1], "")).await.ok();
}

/// OP-38: the command line makes a rehearsal without a console, while no server runs on the data.
#[tokio::test]
async fn op_38_a_rehearsal_is_made_by_a_command() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    server.stop().await;
    let rehearse = ["opening", "rehearse", "--opening", &sale.opening];
    let with = |more: &[&'static str]| [rehearse.as_slice(), more].concat();
    let refused = home.run(&with(&["--buyers", "0"])).await;
    assert!(!refused.status.success());
    assert_eq!(String::from_utf8_lossy(&refused.stderr), "kaipan: --buyers must be from 1 to 50000\n");
    let made = home.run(&with(&["--buyers", "3", "--start-in", "5m", "--open-for", "10m", "--json"])).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!((&made["rehearsal"], &made["registrations"]["total"]), (&json!(true), &json!(3)), "{made}");

    let server = home.serve().await;
    let admin = admin(&server).await;
    assert_eq!(sessions(&admin, &made, 0, 10).await.len(), 3);
    let log = admin.get(&format!("/api/v1/log?opening={}", sale.opening)).await.ok();
    let newest = &log["entries"][0];
    assert_eq!((&newest["action"], &newest["staff"]), (&json!("REHEARSAL_CREATED"), &json!("command line")));
}

/// OP-38: a command clears what is over, or the one that is named, and leaves the sale and its openings alone. What it did
/// stands in the log; the journal stays. On Postgres the server that runs beside it lets the rehearsal go.
///
/// Mutation that turned it red: `finished` that takes every rehearsal.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_38_rehearsals_are_cleared_by_a_command(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    let over = rehearse(&sale, json!({"buyers": 2, "start_in_s": 1, "open_for_s": 1})).await;
    let due = rehearse(&sale, json!({"buyers": 2, "start_in_s": 600})).await;
    let id = |opening: &Value| opening["id"].as_str().unwrap().to_owned();
    let closed = async {
        while server.buyers().get(&path(&over, "")).await.ok()["phase"] != "closed" {
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), closed).await.expect("it closes");
    let beside = match database {
        Database::Postgres => Some(server),
        Database::Sqlite => {
            let why = refused(&home.run(&["opening", "clear-rehearsals"]).await);
            assert!(why.contains("in use by kaipan serve"), "{why}");
            assert!(server.stop().await.success());
            None
        }
    };

    let clear = async |more: &[&str]| home.run(&[&["opening", "clear-rehearsals"], more].concat()).await;
    assert_eq!(told(&clear(&[]).await), format!("cleared {}\t演练 · 首开\n", id(&over)));
    assert!(told(&clear(&[]).await).starts_with("no rehearsal is over"));
    let listed = told(&home.run(&["opening", "list"]).await);
    let lists = |opening: &str| listed.contains(opening);
    assert_eq!((lists(&id(&over)), lists(&id(&due)), lists(&sale.opening)), (false, true, true), "{listed}");
    let why = refused(&clear(&["--opening", &sale.opening]).await);
    assert_eq!(why, "kaipan: the opening is not a rehearsal\n");
    let nowhere = refused(&clear(&["--opening", "01JZZZZZZZZZZZZZZZZZZZZZZZ"]).await);
    assert!(nowhere.contains("there is no opening 01JZZZZZZZZZZZZZZZZZZZZZZZ"), "{nowhere}");
    assert!(told(&clear(&["--opening", &id(&due)]).await).contains(&id(&due)));

    let server = match beside {
        Some(server) => server,
        None => home.serve().await,
    };
    let gone = async {
        while server.buyers().get(&path(&due, "")).await.status != 404 {
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), gone).await.expect("no server serves it");
    server.buyers().get(&path(&over, "")).await.refused(404, "NOT_FOUND");
    server.buyers().get(&sale.path("")).await.ok();
    let admin = admin(&server).await;
    for opening in [&over, &due] {
        let log = admin.get(&format!("/api/v1/log?opening={}", id(opening))).await.ok();
        let newest = &log["entries"][0];
        assert_eq!(
            (&newest["action"], &newest["staff"]),
            (&json!("REHEARSAL_CLEARED"), &json!("command line"))
        );
        assert_eq!(Books::read(&home, &id(opening)).await.faults(), Vec::<String>::new());
    }
}
