//! What whoever sends buyers here is told (`/readyz`), and when; and what whoever starts a server without its database.

use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Api, Database, Fleet, Home, Link, Plan, Proxy, Reply, Sale, free_port, said};

/// On Postgres five seconds after the last commit, on SQLite eleven; a busy machine takes longer.
const SEEN_WITHIN: Duration = Duration::from_secs(40);

/// Asks as often as a careless monitor does, until the answer has this status.
async fn until(door: &Api, status: u16) -> Reply {
    let answered = async {
        loop {
            let reply = door.get("/readyz").await;
            if reply.status == status {
                return reply;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SEEN_WITHIN, answered).await.unwrap_or_else(|_| panic!("/readyz never said {status}"))
}

fn why(reply: &Reply) -> Value {
    let params = reply.refused(503, "NOT_READY");
    assert!(params["for_ms"].as_u64() > Some(5_000), "{params}");
    params["why"].clone()
}

/// OP-85: a gateway that Postgres does not answer sends newcomers to the others within seconds, and keeps those who are
/// connected: their boards stand. The other gateway is not touched; when the database is back, so is this one.
/// Mutations that turned it red: `/readyz` looks at the start and the drain alone; a commit leaves no mark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_op_85_a_gateway_without_its_database_takes_no_newcomers() {
    let fleet = Fleet::start(2, None).await;
    let (cut, whole) = (&fleet.gateways[0], &fleet.gateways[1]);
    let sale = Sale::publish(cut.server(), &Plan::default()).await;
    let buyer = sale.buyer(0).await;
    sale.started().await;
    let mut link = Link::open(cut.server().buyers_port, &sale.opening, Some(&buyer.token)).await.unwrap();
    link.frame("mine").await;

    cut.postgres.hold();
    let held = Instant::now();
    let reply = until(&cut.buyers(), 503).await;
    assert_eq!(why(&reply), "DATABASE_SILENT");
    // The row's time is over for the others sooner than this gateway gives itself up.
    assert!(held.elapsed() > Duration::from_secs(3), "{:?}: a moment is no silence", held.elapsed());
    assert_eq!(why(&cut.server().staff().get("/readyz").await), "DATABASE_SILENT", "both doors say the same");
    assert_eq!(cut.server().figure("kaipan_ready").await, Some(0.0));
    assert_eq!(cut.buyers().get("/healthz").await.status, 200, "it lives");
    assert_eq!(whole.buyers().get("/readyz").await.status, 200, "the database answers the other one");
    // Nobody was thrown out, and the board can be read.
    link.send(serde_json::json!({"t": "snapshot"})).await.unwrap();
    assert_eq!(link.frame("snapshot").await["status"].as_str().map(str::len), Some(12));
    assert_eq!(cut.buyers().get(&sale.path("/board")).await.status, 200);

    cut.postgres.open();
    until(&cut.buyers(), 200).await;
    link.pick("after-the-silence", 3).await.unwrap();
    assert_eq!(link.answer("after-the-silence", 3).await.unwrap()["answer"], "yes");
}

/// On SQLite the same when nothing is committed any more: here somebody holds the file's only place for a writer.
#[tokio::test]
async fn sqlite_a_server_that_can_not_write_takes_no_newcomers() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let file = SqliteConnectOptions::new().filename(home.data_dir().join("kaipan.db"));
    let mut other = file.busy_timeout(Duration::from_secs(10)).connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(why(&until(&server.buyers(), 503).await), "DATABASE_SILENT");
    other.execute("ROLLBACK").await.unwrap();
    until(&server.buyers(), 200).await;
    other.close().await.unwrap();
    assert!(server.stop().await.success());
}

/// Starts a server on this address, which can not be, and gives its one sentence.
async fn refused_start(home: &Home, url: &str) -> String {
    let output = home.run(&["serve", "--database-url", url]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let last = said(&output).lines().last().unwrap_or_default().to_owned();
    assert!(!said(&output).contains("secret"), "{}", said(&output));
    last
}

/// OP-84: a server that finds no database says where it looked, as whom, and what came back, never with the password.
/// Mutation that turned it red: the pool's own error handed on ("pool timed out").
#[tokio::test]
async fn postgres_op_84_a_start_without_a_database_says_what_is_wrong() {
    let home = Home::empty(Database::Postgres).await;
    let (nobody, url) = (free_port(), home.database_url().unwrap());
    let at = |port: u16, database: &str| format!("postgres://kaipan:secret@127.0.0.1:{port}/{database}");
    let refused = refused_start(&home, &at(nobody, "sale")).await;
    let place = format!("127.0.0.1:{nobody} (database sale, user kaipan)");
    assert!(refused.contains(&place) && refused.contains("Connection refused"), "{refused}");

    let port = url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0.parse().unwrap();
    let missing = refused_start(&home, &at(port, "no_such")).await;
    assert!(missing.contains("database \"no_such\" does not exist"), "{missing}");

    // A machine that takes the connection, or the packets, and says nothing.
    let hole = Proxy::to(port).await;
    hole.hold();
    let silent = refused_start(&home, &at(hole.port, "sale")).await;
    assert!(silent.contains("nothing answered within 6 s"), "{silent}");
}

/// Whoever starts while another server migrates waits for it, however long that takes; a session that sells gives up a lock
/// after five seconds. Seen red with migrations on a connection of the pool.
#[tokio::test]
async fn postgres_a_start_waits_for_another_servers_migration() {
    let home = Home::empty(Database::Postgres).await;
    assert!(home.serve().await.stop().await.success());
    let mut other = sqlx::PgConnection::connect(home.database_url().unwrap()).await.unwrap();
    let mut migrating = other.begin().await.unwrap();
    migrating.execute("LOCK TABLE _sqlx_migrations").await.unwrap();
    let (server, ()) = tokio::join!(home.serve(), async {
        sleep(Duration::from_secs(7)).await;
        migrating.commit().await.unwrap();
    });
    assert!(server.stop().await.success());
}
