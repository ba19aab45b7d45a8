//! CO-6: what staff did and read stands in a log that can not be changed unseen. The rows are spoilt here as somebody with
//! the database in his hands would, and `kaipan audit check` and the console have to say so.

use rstest::rstest;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

use crate::harness::{Api, Database, Home, Plan, Sale, Server, admin, staff, told};

/// The database itself, beside the server.
enum Hands {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Hands {
    async fn on(home: &Home) -> Self {
        match home.database_url() {
            Some(url) => Self::Postgres(PgPool::connect(url).await.unwrap()),
            None => {
                let file = home.data_dir().join("kaipan.db");
                Self::Sqlite(SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap())
            }
        }
    }

    /// Statements, the same text on both.
    async fn run(&self, statements: &str) {
        for statement in statements.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            let text = AssertSqlSafe(statement.to_owned());
            match self {
                Self::Sqlite(pool) => drop(sqlx::query(text).execute(pool).await.unwrap()),
                Self::Postgres(pool) => drop(sqlx::query(text).execute(pool).await.unwrap()),
            }
        }
    }

    async fn number(&self, query: &str) -> i64 {
        let text = AssertSqlSafe(query.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(text).fetch_one(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(text).fetch_one(pool).await.unwrap(),
        }
    }
}

/// The status and the document of `kaipan audit check`.
async fn check(home: &Home, more: &[&str]) -> (Option<i32>, Value) {
    let output = home.run(&[&["audit", "check", "--json"], more].concat()).await;
    let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), document)
}

/// Makes a dozen rows of all kinds.
async fn some_work(server: &Server) -> Api {
    let boss = admin(server).await;
    for n in 0..4 {
        boss.post("/api/v1/projects", json!({"name": format!("项目 {n}")})).await.ok();
    }
    Sale::publish(server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    boss
}

/// Everything that can be done to rows is found, the first wrong row is named, and put right again the log is sound.
///
/// Mutations that turned it red: the object not hashed; rows outside the chain not looked for; the last row not compared with
/// the head.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn co_6_a_row_that_was_touched_in_the_database_is_found(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let boss = some_work(&server).await;
    let hands = Hands::on(&home).await;
    let rows = hands.number("SELECT MAX(seq) FROM staff_log").await;
    assert!(rows >= 10, "{rows}");

    let sound = json!({"rows": rows, "wrong": null});
    let (status, whole) = check(&home, &[]).await;
    assert_eq!(
        (status, &whole["rows"], &whole["wrong"]),
        (Some(0), &sound["rows"], &sound["wrong"]),
        "{whole}"
    );
    let written_down = format!("{rows}:{}", whole["hash"].as_str().unwrap());
    // The door says the same; looking at the log is in the log.
    let door = boss.get("/api/v1/log/check").await.ok();
    assert_eq!(door, whole);

    let keep = "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT * FROM staff_log;
                DROP TABLE IF EXISTS kept_head; CREATE TABLE kept_head AS SELECT * FROM staff_log_head";
    let restore = "DELETE FROM staff_log; INSERT INTO staff_log SELECT * FROM kept;
                   DELETE FROM staff_log_head; INSERT INTO staff_log_head SELECT * FROM kept_head";
    hands.run(keep).await;
    let beyond = rows + 1;
    let copy = "(id, org_id, staff_id, staff, action, object, params_sealed, at, hash, seq)
                SELECT '01ARZ3NDEKTSV4RRFFQ69G5FAV', org_id, staff_id, staff, action, object, params_sealed, at, hash";
    let cases: Vec<(String, Value)> = vec![
        ("UPDATE staff_log SET object = 'another' WHERE seq = 3".into(), json!({"row": 3, "fault": "CHANGED"})),
        ("UPDATE staff_log SET staff = 'somebody' WHERE seq = 4".into(), json!({"row": 4, "fault": "CHANGED"})),
        ("UPDATE staff_log SET staff_id = NULL WHERE seq = 4".into(), json!({"row": 4, "fault": "CHANGED"})),
        ("UPDATE staff_log SET action = 'LOGGED_IN' WHERE seq = 5".into(), json!({"row": 5, "fault": "CHANGED"})),
        ("UPDATE staff_log SET at = at - 1 WHERE seq = 6".into(), json!({"row": 6, "fault": "CHANGED"})),
        (
            format!("UPDATE staff_log SET opening_id = NULL WHERE seq = {rows}"),
            json!({"row": rows, "fault": "CHANGED"}),
        ),
        (
            "UPDATE staff_log SET params_sealed = (SELECT params_sealed FROM staff_log WHERE seq = 2) WHERE seq = 7".into(),
            json!({"row": 7, "fault": "CHANGED"}),
        ),
        ("UPDATE staff_log SET hash = NULL WHERE seq = 2".into(), json!({"row": 2, "fault": "CHANGED"})),
        ("DELETE FROM staff_log WHERE seq = 1".into(), json!({"row": 1, "fault": "MISSING"})),
        ("DELETE FROM staff_log WHERE seq = 5".into(), json!({"row": 5, "fault": "MISSING"})),
        (format!("DELETE FROM staff_log WHERE seq = {rows}"), json!({"row": rows, "fault": "MISSING"})),
        // Row 5 gone, and all that came after it moved up.
        (
            "DELETE FROM staff_log WHERE seq = 5; UPDATE staff_log SET seq = -seq WHERE seq > 5;
             UPDATE staff_log SET seq = -seq - 1 WHERE seq < 0; UPDATE staff_log_head SET seq = seq - 1"
                .into(),
            json!({"row": 5, "fault": "CHANGED"}),
        ),
        // Two whole rows with each other's numbers.
        (
            "UPDATE staff_log SET seq = -1 WHERE seq = 8; UPDATE staff_log SET seq = 8 WHERE seq = 9;
             UPDATE staff_log SET seq = 9 WHERE seq = -1"
                .into(),
            json!({"row": 8, "fault": "CHANGED"}),
        ),
        (
            format!("INSERT INTO staff_log {copy}, NULL FROM kept WHERE seq = 3"),
            json!({"row": null, "fault": "UNCHAINED"}),
        ),
        (
            format!("INSERT INTO staff_log {copy}, {beyond} FROM kept WHERE seq = 3"),
            json!({"row": beyond, "fault": "BEYOND_HEAD"}),
        ),
        (
            format!("INSERT INTO staff_log {copy}, {beyond} FROM kept WHERE seq = 3; UPDATE staff_log_head SET seq = {beyond}"),
            json!({"row": beyond, "fault": "CHANGED"}),
        ),
        (
            "UPDATE staff_log_head SET hash = (SELECT hash FROM staff_log WHERE seq = 1)".into(),
            json!({"row": rows, "fault": "ANOTHER"}),
        ),
        ("DELETE FROM staff_log_head".into(), json!({"row": null, "fault": "HEAD_MISSING"})),
    ];
    for (touch, wrong) in cases {
        hands.run(&touch).await;
        let (status, found) = check(&home, &[]).await;
        assert_eq!((status, &found["wrong"]), (Some(1), &wrong), "{touch}: {found}");
        hands.run(restore).await;
        assert_eq!(check(&home, &[]).await.0, Some(0), "put right after {touch}");
    }

    // A log whose end is gone with its head is a sound shorter one, but not for whoever wrote the last row down.
    assert_eq!(check(&home, &["--known", &written_down]).await.0, Some(0));
    let cut = format!(
        "DELETE FROM staff_log WHERE seq > {rows} - 2;
         UPDATE staff_log_head SET seq = {rows} - 2, hash = (SELECT hash FROM staff_log WHERE seq = {rows} - 2)"
    );
    hands.run(&cut).await;
    assert_eq!(check(&home, &[]).await.0, Some(0));
    let (status, found) = check(&home, &["--known", &written_down]).await;
    assert_eq!((status, &found["wrong"]["fault"]), (Some(1), &json!("MISSING")), "{found}");
    // Nor can what follows be made to look like it.
    boss.post("/api/v1/projects", json!({"name": "后来"})).await.ok();
    boss.post("/api/v1/projects", json!({"name": "后来二"})).await.ok();
    let (status, found) = check(&home, &["--known", &written_down]).await;
    assert_eq!((status, &found["wrong"]["fault"]), (Some(1), &json!("ANOTHER")), "{found}");

    // In words, for a person.
    hands.run("UPDATE staff_log SET object = 'another' WHERE seq = 3").await;
    let said = home.run(&["audit", "check"]).await;
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("WRONG: row 3 (id ") && said.contains("sound up to row 2\n"), "{said}");
}

/// What can not be looked at is no verdict: 2, and nothing is made on the way.
#[tokio::test]
async fn co_6_a_check_that_can_not_look_says_so() {
    let home = Home::empty(Database::Sqlite).await;
    let refused = async |why: &str| {
        let output = home.run(&["audit", "check"]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(why), "{:?} {said}", output.status);
    };
    refused("keyring").await;
    assert!(!home.keyring().exists() && !home.data_dir().exists());
    told(&home.run(&["staff", "add", "boss", "--role", "admin"]).await);
    assert_eq!(check(&home, &[]).await.0, Some(0));
    assert_eq!(home.run(&["audit", "check", "--known", "3:xyz"]).await.status.code(), Some(1), "a flag");
    let other = Home::empty(Database::Sqlite).await;
    told(&other.run(&["staff", "add", "boss", "--role", "admin"]).await);
    std::fs::copy(other.keyring(), home.keyring()).unwrap();
    refused("another keyring").await;
}

/// A database from before the chain: the first start chains its rows and says so; no later start takes a row in.
///
/// Mutation that turned it red: rows without a number chained at every start.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn co_6_rows_from_before_the_chain_are_chained_once(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    some_work(&server).await;
    assert!(server.stop().await.success());
    let hands = Hands::on(&home).await;
    let rows = hands.number("SELECT MAX(seq) FROM staff_log").await;
    hands
        .run("UPDATE staff_log SET seq = NULL, hash = NULL; UPDATE staff_log_head SET seq = 0, hash = NULL")
        .await;
    let (status, found) = check(&home, &[]).await;
    assert_eq!((status, &found["wrong"]["fault"]), (Some(1), &json!("UNCHAINED")), "{found}");

    let server = home.serve().await;
    let (status, found) = check(&home, &[]).await;
    assert_eq!((status, &found["rows"]), (Some(0), &json!(rows + 1)), "{found}");
    let boss = admin(&server).await;
    let log = boss.get("/api/v1/log").await.ok();
    let chained =
        log["entries"].as_array().unwrap().iter().find(|entry| entry["action"] == "LOG_CHAINED").unwrap();
    assert_eq!(
        (&chained["staff"], &chained["params"], &chained["row"]),
        (&json!("the server"), &json!({"rows": rows}), &json!(rows + 1))
    );

    assert!(server.stop().await.success());
    hands
        .run(
            "INSERT INTO staff_log (id, org_id, staff, action, object, params_sealed, at)
             SELECT '01ARZ3NDEKTSV4RRFFQ69G5FAV', org_id, staff, action, object, params_sealed, at FROM staff_log WHERE seq = 1",
        )
        .await;
    let _server = home.serve().await;
    assert_eq!(check(&home, &[]).await.1["wrong"], json!({"row": null, "fault": "UNCHAINED"}));
}

/// Whoever is shown what is personal leaves an entry before the answer leaves: once for a page that asks again and again,
/// once more for another search; and of what was searched for only as much as people read aloud.
///
/// Mutations that turned it red: the outbox not logged; a search not told from another; the phone written out.
#[tokio::test]
async fn co_6_every_read_of_what_is_personal_is_in_the_log() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    let manager = staff(&server, &sale.admin, "manager", "manager").await;
    let auditor = staff(&server, &sale.admin, "auditor", "auditor").await;
    let phone = &sale.people[0].phone;
    sale.onlooker().post(&sale.path("/sign-in/code"), json!({"phone": phone})).await.ok();

    let reads: [(&Api, String, &str, Value); 9] = [
        (&sale.admin, sale.path("/outbox"), "OUTBOX_READ", json!({})),
        (
            &sale.admin,
            sale.path(&format!("/outbox?phone={phone}")),
            "OUTBOX_READ",
            json!({"phone": format!("{}****{}", &phone[..3], &phone[7..])}),
        ),
        (&manager, sale.path("/registrations"), "ROSTER_READ", json!({})),
        (
            &manager,
            sale.path(&format!("/registrations?q={phone}")),
            "ROSTER_READ",
            json!({"q": format!("****{}", &phone[7..])}),
        ),
        (&manager, sale.path("/holds"), "HOLDS_READ", json!({})),
        (&manager, sale.path("/holds?q=RC00001"), "HOLDS_READ", json!({"q": "RC00001"})),
        (&auditor, sale.path("/truth"), "TRUTH_EXPORTED", json!({})),
        (&auditor, sale.path("/results.csv"), "RESULTS_EXPORTED", json!({"format": "csv", "rows": 0})),
        (&auditor, format!("/api/v1/log?opening={}", sale.opening), "LOG_READ", json!({})),
    ];
    let entries = async || {
        let log = sale.admin.get("/api/v1/log").await.ok();
        let log = log["entries"].as_array().unwrap().clone();
        let told = log
            .iter()
            .map(|entry| (entry["staff"].clone(), entry["action"].clone(), entry["params"].clone()));
        told.collect::<Vec<_>>()
    };
    let before = entries().await.len();
    for (api, path, action, params) in &reads {
        assert_eq!(api.get(path).await.status, 200, "{path}");
        if !action.ends_with("EXPORTED") {
            assert_eq!(api.get(path).await.status, 200, "{path} again");
        }
        let who = if std::ptr::eq(*api, &sale.admin) {
            "admin"
        } else if std::ptr::eq(*api, &manager) {
            "manager"
        } else {
            "auditor"
        };
        assert_eq!(entries().await[0], (json!(who), json!(action), params.clone()), "{path}");
    }
    // One each, and the admin's own look at the whole log, from the first of them.
    assert_eq!(entries().await.len(), before + reads.len() + 1);
    assert_eq!(check(&home, &[]).await.0, Some(0));
}
