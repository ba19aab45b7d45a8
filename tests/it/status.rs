//! `kaipan status` and the route that says the same: gateways that serve, end politely, and are killed (OP-85).

use std::collections::BTreeSet;
use std::process::Output;
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Cluster, Database, Home, Plan, Redis, Sale, Server, admin, free_port, said, staff};

/// A killed gateway is silent three seconds after its last word, on SQLite nine; a busy machine takes longer for ours.
const SOON: Duration = Duration::from_secs(40);

/// What `kaipan status --json` prints, and how it ends.
async fn look(home: &Home) -> (Value, i32) {
    let output = home.run(&["status", "--json"]).await;
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    (document, output.status.code().unwrap())
}

async fn for_people(home: &Home) -> (String, i32) {
    let Output { status, stdout, .. } = home.run(&["status"]).await;
    (String::from_utf8(stdout).unwrap(), status.code().unwrap())
}

/// Looks until the document is as it should be.
async fn until(home: &Home, what: &str, is: impl Fn(&Value) -> bool) -> (Value, i32) {
    let mut last = Value::Null;
    let seen = async {
        loop {
            let (document, code) = look(home).await;
            if is(&document) {
                return (document, code);
            }
            last = document;
            sleep(Duration::from_millis(50)).await;
        }
    };
    match timeout(SOON, seen).await {
        Ok(seen) => seen,
        Err(_) => panic!("{what} was never seen: {last:#}"),
    }
}

fn states(document: &Value) -> Vec<(&str, &str)> {
    let gateways = document["gateways"].as_array().unwrap().iter();
    gateways.map(|one| (one["name"].as_str().unwrap(), one["state"].as_str().unwrap())).collect()
}

fn troubles(document: &Value) -> Vec<&str> {
    document["troubles"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

fn gateway<'d>(document: &'d Value, name: &str) -> &'d Value {
    document["gateways"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

async fn serve(home: &Home, name: &str) -> Server {
    let mut command = home.command();
    command.args(["serve", "--gateway-name", name]);
    home.serve_by(command, free_port(), free_port()).await.unwrap()
}

/// OP-85: two gateways are seen with what they serve; one that is killed is silent, one that is told to stop drains and is
/// gone; the exit status says whether somebody has to look. Mutations that turned it red: the last word not said; a silent
/// gateway taken for one that serves.
#[tokio::test]
async fn postgres_op_85_gateways_are_seen_to_serve_to_fall_silent_and_to_go() {
    let home = Home::new(Database::Postgres).await;
    let (empty, code) = look(&home).await;
    assert_eq!((troubles(&empty), code), (vec!["NO_GATEWAY_READY"], 1), "{empty:#}");

    let (hall, office) = (serve(&home, "hall").await, serve(&home, "office").await);
    let plan = Plan { homes: 6, starts_in_ms: 5_000, ..Plan::default() };
    let sale = Sale::publish(&hall, &plan).await;
    let buyer = sale.buyer(0).await;
    let serves = |one: &Value| one["report"]["openings"][0]["id"] == sale.opening.as_str();
    until(&home, "the opening at the other gateway", |seen| serves(gateway(seen, "office"))).await;
    let _link = sale.link(&office, &buyer).await;
    let (both, code) = until(&home, "two gateways that serve", |document| {
        states(document) == [("hall", "ready"), ("office", "ready")]
            && document["gateways"].as_array().unwrap().iter().all(serves)
            && gateway(document, "office")["report"]["connected"] == 1
    })
    .await;
    assert_eq!((&both["well"], code, troubles(&both)), (&json!(true), 0, vec![]), "{both:#}");
    let office_row = gateway(&both, "office");
    assert_eq!(office_row["buyers_door"], format!("127.0.0.1:{}", office.buyers_port));
    assert_eq!(office_row["staff_door"], format!("127.0.0.1:{}", office.staff_port));
    assert!(
        office_row["report"]["clock_offset_us"].as_i64().unwrap().abs() < 50_000,
        "one machine, one clock"
    );
    assert!(office_row["report"]["database"]["round_trip_us"].as_i64().unwrap() > 0, "{office_row:#}");
    assert_eq!(
        (&both["database"]["kind"], &both["database"]["standby"]),
        (&json!("postgres"), &json!("none"))
    );

    sale.started().await;
    assert_eq!(buyer.pick("the-only-tap-of-all", 2).await["answer"], "yes");
    let sold = |document: &Value| {
        let here = |name| &gateway(document, name)["report"]["openings"][0];
        let both =
            ["hall", "office"].iter().all(|name| here(name)["holds"] == 1 && here(name)["armed"] == true);
        both && here("hall")["yes"].as_u64().unwrap() + here("office")["yes"].as_u64().unwrap() == 1
    };
    let (sold, code) = until(&home, "the hold at both gateways", sold).await;
    assert_eq!((code, troubles(&sold)), (0, vec![]), "{sold:#}");
    assert_eq!(
        sold["openings"][0]["journal_head"],
        gateway(&sold, "hall")["report"]["openings"][0]["board_seq"]
    );

    // The console's route says what the command says, to whoever may look.
    let auditor = staff(&hall, &sale.admin, "auditor", "auditor").await;
    let asked = auditor.get("/api/v1/status").await.ok();
    assert_eq!((states(&asked), &asked["openings"]), (states(&sold), &sold["openings"]));

    hall.kill().await;
    let (silent, code) =
        until(&home, "the killed gateway's silence", |seen| states(seen)[0] == ("hall", "silent")).await;
    assert_eq!((troubles(&silent), code), (vec!["GATEWAY_SILENT"], 1), "{silent:#}");
    let (words, code) = for_people(&home).await;
    assert!(words.contains("silent") && words.contains("nothing that was answered is lost"), "{words}");
    assert_eq!(code, 1, "{words}");
    assert!(!words.contains("张") && !words.contains(&sale.people[0].phone), "no buyer is named: {words}");

    // Started again under its name, what was before it is no more heard of.
    let hall = serve(&home, "hall").await;
    let (again, code) =
        until(&home, "the gateway that came back", |seen| states(seen)[0] == ("hall", "ready")).await;
    assert_eq!((states(&again).len(), code, troubles(&again)), (2, 0, vec![]), "{again:#}");

    // A buyer's pick that waits keeps a drain from ending at once; here the link does not, so both states may pass quickly.
    assert!(office.stop().await.success());
    let (gone, code) = until(&home, "the last word", |seen| states(seen)[1] == ("office", "gone")).await;
    assert_eq!((code, troubles(&gone)), (0, vec![]), "who ended politely needs nobody: {gone:#}");
    assert!(hall.stop().await.success());
    let (nobody, code) = look(&home).await;
    assert_eq!((troubles(&nobody), code), (vec!["NO_GATEWAY_READY"], 1), "{nobody:#}");
}

/// A server that was killed and is there again at once, under its name and at its doors, is one row: the process before it is
/// sure to be gone, long before its silence would say so.
/// Mutation that turned it red: the first word removes nothing.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_85_a_server_that_is_back_at_once_is_one_row(#[case] database: Database) {
    let home = Home::new(database).await;
    let again = async || {
        let mut command = home.command();
        command.args(["serve", "--gateway-name", "hall"]);
        home.serve_by(command, home.buyers_port, home.staff_port).await.unwrap()
    };
    let server = again().await;
    let (first, _) = until(&home, "the server", |seen| states(seen) == [("hall", "ready")]).await;
    let old = first["gateways"][0]["id"].clone();
    server.kill().await;
    let server = again().await;
    let spoke = |seen: &Value| seen["gateways"].as_array().unwrap().iter().any(|row| row["id"] != old);
    let (back, _) = until(&home, "the word of the new process", spoke).await;
    assert_eq!(back["gateways"].as_array().unwrap().len(), 1, "{back:#}");
    assert!(!troubles(&back).contains(&"NAME_SHARED"), "{back:#}");
    let (well, code) = until(&home, "that it is ready", |seen| states(seen) == [("hall", "ready")]).await;
    assert_eq!((troubles(&well), code), (vec![], 0), "{well:#}");
    assert!(server.stop().await.success());
}

/// A server that is told to stop says so at once, while those whom it serves still leave.
/// It takes no connection any more, and answers what is under way.
/// Mutations that turned it red: the drain not looked at; the last word not said.
#[tokio::test]
async fn postgres_op_85_a_gateway_that_drains_says_so_before_it_goes() {
    let home = Home::new(Database::Postgres).await;
    let server = serve(&home, "hall").await;
    until(&home, "the gateway", |seen| states(seen) == [("hall", "ready")]).await;
    // A request that has not sent its body keeps the drain waiting.
    let mut slow = tokio::net::TcpStream::connect(("127.0.0.1", server.staff_port)).await.unwrap();
    let head = "POST /api/v1/session HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut slow, head.as_bytes()).await.unwrap();
    admin(&server).await;
    let (buyers_port, staff_port) = (server.buyers_port, server.staff_port);
    let stopped = tokio::spawn(server.stop());
    let (draining, code) = until(&home, "the drain", |seen| states(seen) == [("hall", "draining")]).await;
    assert_eq!(
        (troubles(&draining), code),
        (vec!["NO_GATEWAY_READY", "GATEWAY_DRAINING"], 1),
        "{draining:#}"
    );
    // A proxy asks the next gateway then, before anything was sent; a 503 it would hand on to the buyer.
    for port in [buyers_port, staff_port] {
        let refused = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    // What is under way is answered.
    tokio::io::AsyncWriteExt::write_all(&mut slow, b"{\"a\":\"b\"}").await.unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut slow, &mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    drop(slow);
    assert!(stopped.await.unwrap().success());
    assert_eq!(states(&look(&home).await.0), [("hall", "gone")]);
}

/// On one server everything is there too, without Postgres, in the shape of the golden file that scripts are written
/// against.
#[tokio::test]
async fn op_85_a_single_server_on_sqlite_is_seen_too() {
    let home = Home::new(Database::Sqlite).await;
    let server = serve(&home, "desk").await;
    let sale = Sale::publish(&server, &Plan { homes: 3, starts_in_ms: 3_600_000, ..Plan::default() }).await;
    let served = |seen: &Value| seen["gateways"][0]["report"]["openings"][0]["id"] == sale.opening.as_str();
    let (document, code) = until(&home, "the server", served).await;
    assert_eq!(code, 0, "{document:#}");
    let golden = serde_json::from_str(include_str!("../data/status.json")).unwrap();
    assert_eq!(paths(&document).difference(&paths(&golden)).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(paths(&document).len() > 45, "{document:#}");
    let rehearsal = json!({"buyers": 2, "start_in_s": 600});
    for _ in 0..2 {
        sale.admin.post(&sale.path("/rehearsals"), rehearsal.clone()).await.ok();
    }
    let (words, code) = for_people(&home).await;
    assert_eq!(code, 0, "{words}");
    assert!(words.contains("2 rehearsals, with which nothing is wrong."), "{words}");
    assert_eq!(words.matches("OPENING").count(), 1, "{words}");
    assert_eq!(look(&home).await.0["openings"].as_array().unwrap().len(), 3);
    assert!(
        words.contains("desk") && words.contains("SQLite") && words.ends_with("All is well.\n"),
        "{words}"
    );

    server.kill().await;
    let (silent, code) = until(&home, "its silence", |seen| states(seen) == [("desk", "silent")]).await;
    assert_eq!((troubles(&silent), code), (vec!["NO_GATEWAY_READY", "GATEWAY_SILENT"], 1));
}

/// Where something stands in a document: `gateways[].report.connected`.
fn paths(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| paths(value).into_iter().map(move |rest| format!(".{name}{rest}")))
            .collect(),
        Value::Array(all) => {
            all.iter().flat_map(|one| paths(one).into_iter().map(|rest| format!("[]{rest}"))).collect()
        }
        // What is not known here may be an object elsewhere.
        Value::Null => BTreeSet::new(),
        _ => BTreeSet::from([String::new()]),
    }
}

/// A monitor must be able to tell "something is wrong" from "I could not look".
#[tokio::test]
async fn op_85_who_can_not_look_says_so_with_a_status_of_its_own() {
    let home = Home::empty(Database::Sqlite).await;
    let nothing = home.run(&["status"]).await;
    assert_eq!(nothing.status.code(), Some(2), "{}", said(&nothing));
    assert_eq!(said(&nothing).lines().count(), 1, "{}", said(&nothing));
    assert!(!home.data_dir().exists(), "looking makes nothing");
    let url = format!("postgres://kaipan@127.0.0.1:{}/kaipan", free_port());
    let nobody = home.run(&["status", "--json", "--database-url", &url]).await;
    assert_eq!((nobody.status.code(), nobody.stdout.len()), (Some(2), 0), "{}", said(&nobody));
}

/// OP-85: the clock of a gateway's machine is compared with the database's, also before any opening is armed; and a row
/// without a measured clock is no witness when openings compare theirs.
/// Mutation that turned it red: `clock_at` set by a gateway's own word.
#[tokio::test]
async fn postgres_op_85_clocks_are_told_and_an_unmeasured_one_is_no_witness() {
    let home = Home::new(Database::Postgres).await;
    let _server = serve(&home, "hall").await;
    let (seen, _) = until(&home, "the gateway", |seen| states(seen) == [("hall", "ready")]).await;
    assert!(gateway(&seen, "hall")["report"]["clock_offset_us"].is_i64(), "{seen:#}");
    let mut postgres = PgConnection::connect(home.database_url().unwrap()).await.unwrap();
    let witnesses: i64 =
        sqlx::query_scalar("SELECT count(*) FROM gateway WHERE COALESCE(clock_at, seen_at) > 0")
            .fetch_one(&mut postgres)
            .await
            .unwrap();
    assert_eq!(witnesses, 0, "no opening has compared its clock");

    // A machine ten minutes slow, as it would say itself.
    let slow = r#"{"clock":{"offset_us":600000000,"refuses":false}}"#;
    sqlx::query(
        "INSERT INTO gateway (id, org_id, started_at, seen_at, clock_offset_us, clock_at, name, version, state, alive_until,
                              report_version, report)
         SELECT 'slow', org_id, seen_at, seen_at, 0, 0, 'slow', version, 'ready', seen_at + 600000000, 1, $1
         FROM gateway WHERE name = 'hall'",
    )
    .bind(slow)
    .execute(&mut postgres)
    .await
    .unwrap();
    let (seen, code) = look(&home).await;
    let off = &seen["troubles"][0];
    assert_eq!(
        (&off["code"], &off["params"]["offset_us"], code),
        (&json!("CLOCK_OFF"), &json!(600_000_000), 1),
        "{seen:#}"
    );
    assert_eq!(off["gateway"], "slow");
}

/// An installation on Postgres whose gateways are told of this Redis.
async fn with_redis(url: &str) -> Home {
    let mut home = Home::new(Database::Postgres).await;
    home.settings.push(("KAIPAN_REDIS_URLS", url.to_owned().leak()));
    home
}

/// OP-85: two gateways on one Redis reach the same server; one that may evict, one that is gone, one that came back empty
/// are told, and in the end all is well under a new epoch.
/// Mutation that turned it red: each gateway tells of its own Redis as reachable once it was.
#[tokio::test]
async fn postgres_op_85_a_redis_is_followed_through_what_befalls_it() {
    let mut redis = Redis::alone().await;
    let home = with_redis(&redis.url()).await;
    let (hall, _office) = (serve(&home, "hall").await, serve(&home, "office").await);
    Sale::publish(&hall, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    let openings = |seen: &Value| {
        let at = |name: &str| gateway(seen, name)["report"]["openings"][0].clone();
        [at("hall"), at("office")]
    };
    let ready = |seen: &Value| openings(seen).iter().all(|one| one["gate2"]["state"] == "ready");
    let (well, code) = until(&home, "gate 2 ready at both", ready).await;
    assert_eq!((troubles(&well), code), (vec![], 0), "{well:#}");
    let server =
        |seen: &Value, name| gateway(seen, name)["report"]["redis"][0]["run_id"].as_str().unwrap().to_owned();
    assert_eq!(server(&well, "hall"), server(&well, "office"));
    let epoch = openings(&well)[0]["epoch"].as_i64().unwrap();

    redis.first.call::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let both = json!(["hall", "office"]);
    let at_both = |seen: &Value| seen["troubles"][0]["params"]["gateways"] == both;
    let evicts = |seen: &Value| troubles(seen) == ["REDIS_EVICTS"] && at_both(seen);
    let (evicts, code) = until(&home, "the eviction policy", evicts).await;
    assert_eq!((&evicts["troubles"][0]["params"]["policy"], code), (&json!("allkeys-lru"), 1));

    redis.first.kill();
    // One trouble for two gateways and what they sell.
    let lost = |seen: &Value| {
        let openings = &seen["troubles"][0]["params"]["openings"];
        troubles(seen) == ["REDIS_LOST"] && at_both(seen) && *openings == 1
    };
    until(&home, "the loss", lost).await;
    redis.restart_empty().await;
    let well_again = |seen: &Value| ready(seen) && troubles(seen).is_empty();
    let (back, code) = until(&home, "the new epoch at both", well_again).await;
    assert_eq!(code, 0, "{back:#}");
    assert!(openings(&back).iter().all(|one| one["epoch"].as_i64() > Some(epoch)), "{back:#}");
    assert_ne!(server(&back, "hall"), server(&well, "hall"), "another process answers");
}

/// OP-85: behind Sentinels the master is named, and what is left to take its place: without a replica, or without the
/// Sentinel, somebody has to look although everything still goes. After a failover it is the other server.
/// Found by it: the connection to a new master was opened twice, for an old word that the one
/// before was broken, and lost when the Sentinel died between the two.
#[tokio::test]
async fn postgres_op_85_who_could_take_a_masters_place_is_told() {
    let redis = Redis::watched().await;
    let home = with_redis(&redis.url()).await;
    let _hall = serve(&home, "hall").await;
    let seen_redis = |seen: &Value| gateway(seen, "hall")["report"]["redis"][0].clone();
    let watched = |seen: &Value| seen_redis(seen)["sentinels"]["reachable"] == 1 && troubles(seen).is_empty();
    let (well, code) = until(&home, "the Sentinel", watched).await;
    let here = seen_redis(&well);
    let first = format!("127.0.0.1:{}", redis.first.port);
    assert_eq!((&here["master"], &here["replicas"], code), (&json!(first), &json!(1), 0), "{well:#}");
    assert_eq!(here["sentinels"], json!({"named": 1, "reachable": 1, "known": 1, "refusal": null}));
    let (words, _) = for_people(&home).await;
    assert!(words.contains(&first) && words.contains("1/1"), "{words}");

    redis.first.kill();
    let second = format!("127.0.0.1:{}", redis.replica().port);
    let over = |seen: &Value| {
        seen_redis(seen)["master"] == second.as_str() && troubles(seen) == ["REDIS_NO_REPLICA"]
    };
    let (alone, code) = until(&home, "the failover", over).await;
    assert_eq!((&alone["troubles"][0]["params"]["master"], code), (&json!(second), 1), "{alone:#}");

    redis.sentinel().kill();
    let unwatched = |seen: &Value| troubles(seen).contains(&"SENTINELS_FEW");
    let (unwatched, code) = until(&home, "the Sentinel's death", unwatched).await;
    let few =
        unwatched["troubles"].as_array().unwrap().iter().find(|one| one["code"] == "SENTINELS_FEW").unwrap();
    assert_eq!(
        (&few["params"]["reachable"], &few["params"]["gateways"], code),
        (&json!(0), &json!(["hall"]), 1)
    );
    let (words, _) = for_people(&home).await;
    assert!(words.contains("0 of 1 Sentinels answer hall") && words.contains("has no replica"), "{words}");
}

/// OP-85: Postgres that waits for a standby which is not there answers no commit. The gateways' own words do not wait for
/// it, or they would all fall silent instead of saying why.
/// Mutation that turned it red: a gateway's word waits for the standby like any commit.
#[tokio::test]
async fn postgres_op_85_a_missing_standby_is_told_and_silences_nobody() {
    let cluster = Cluster::start();
    let home = Home::on(&cluster).await;
    let server = serve(&home, "hall").await;
    until(&home, "the gateway", |seen| states(seen) == [("hall", "ready")]).await;
    let mut postgres = PgConnection::connect(home.database_url().unwrap()).await.unwrap();
    for order in ["ALTER SYSTEM SET synchronous_standby_names = 'second'", "SELECT pg_reload_conf()"] {
        sqlx::raw_sql(order).execute(&mut postgres).await.unwrap();
    }
    let standby = |seen: &Value| gateway(seen, "hall")["report"]["database"]["standby"].clone();
    let (missing, code) = until(&home, "the missing standby", |seen| standby(seen) == "missing").await;
    assert_eq!((troubles(&missing), code), (vec!["STANDBY_MISSING"], 1), "{missing:#}");
    let said_ms = missing["gateways"][0]["seen_ms"].as_i64().unwrap();
    let later = |seen: &Value| seen["gateways"][0]["seen_ms"].as_i64().unwrap() > said_ms + 4_000;
    let (later, _) = until(&home, "more words", later).await;
    assert_eq!((states(&later), troubles(&later)), (vec![("hall", "ready")], vec!["STANDBY_MISSING"]));
    for order in ["ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"] {
        sqlx::raw_sql(order).execute(&mut postgres).await.unwrap();
    }
    until(&home, "all well again", |seen| seen["well"] == true).await;
    assert!(server.stop().await.success());
}

/// OP-85: without Redis the opening goes on, and the status says how; nobody spins meanwhile, so the drain ends at once.
/// Mutation that turned it red: the steward rings its own bell when nothing answers, which keeps a core busy for good.
#[tokio::test]
async fn postgres_op_85_a_lost_redis_is_told_with_what_is_done_meanwhile() {
    let home = with_redis(&format!("redis://127.0.0.1:{}", free_port())).await;
    let server = serve(&home, "hall").await;
    let sale = Sale::publish(&server, &Plan::default()).await;
    let buyer = sale.buyer(0).await;
    sale.started().await;
    assert_eq!(buyer.pick("without-any-redis-at-all", 2).await["answer"], "yes");
    let told =
        |seen: &Value| troubles(seen) == ["REDIS_LOST"] && seen["troubles"][0]["params"]["openings"] == 1;
    let (lost, code) = until(&home, "the lost Redis", told).await;
    assert_eq!(code, 1, "{lost:#}");
    let gate2 = &gateway(&lost, "hall")["report"]["openings"][0]["gate2"];
    assert_eq!(
        (&gate2["state"], &gate2["reason"], &gate2["stream_lag"]),
        (&json!("lost"), &json!("AWAY"), &json!(0))
    );
    let (words, _) = for_people(&home).await;
    assert!(
        words.contains("one opening go from memory straight to the database, at most 2000 a second"),
        "{words}"
    );

    let told_to_stop = Instant::now();
    assert!(server.stop().await.success());
    assert!(
        told_to_stop.elapsed() < Duration::from_secs(8),
        "something never rests: {:?}",
        told_to_stop.elapsed()
    );
}
