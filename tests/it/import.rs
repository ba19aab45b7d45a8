//! `kaipan import`, the command: what it prints, and what its exit code means (OP-11, OP-23). And a large one that a
//! publication meets.

use std::process::Output;
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::harness::{Database, Home, Plan, Sale, admin, draft};

const PRICE_LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/price-list.xlsx");
const ROSTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/roster.xlsx");
const DIRTY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/roster-dirty.xlsx");

fn said(output: &Output) -> (Option<i32>, Value) {
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// A dry run says everything and touches nothing: neither a folder nor a keyring.
#[tokio::test]
async fn op_11_a_dry_run_needs_no_database() {
    let home = Home::empty(Database::Sqlite).await;
    let run = async |arguments: &[&str]| home.run(&[&["import"], arguments].concat()).await;

    let (code, report) = said(&run(&["price-list", PRICE_LIST, "--dry-run", "--json"]).await);
    assert_eq!((code, &report["accepted"], &report["stored"]), (Some(0), &json!(726), &json!(false)));
    assert_eq!(report["by_kind"], json!({"home": 474, "parking": 240, "shop": 12}));
    assert_eq!(report["total_fen"], 172_477_523_600_i64);

    let (code, report) = said(&run(&["roster", DIRTY, "--dry-run", "--json"]).await);
    assert_eq!((code, &report["accepted"]), (Some(2), &json!(190)));
    assert_eq!(report["earnest_total_fen"], 950_000_000);
    assert_eq!(
        report["refused"][0],
        json!({"sheet": "认筹名单", "row": 57, "column": "证件号码", "reason": "DOCUMENT_CHECK_DIGIT",
            "value": "990000196802160550"})
    );
    assert_eq!(report["refused"].as_array().map(Vec::len), Some(10));
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(2));

    let (code, _) = said(&run(&["roster", DIRTY, "--dry-run", "--json", "--all-or-nothing"]).await);
    assert_eq!(code, Some(1));
    // English, as all commands, unless Chinese is asked for; sheet and header as the file has them.
    let text = async |arguments: &[&str]| String::from_utf8(run(arguments).await.stdout).unwrap();
    let english = text(&["roster", DIRTY, "--dry-run"]).await;
    let row = "  认筹名单, row 57, \"证件号码\": the check digit of the document number is wrong: 990000196802160550 \
               [DOCUMENT_CHECK_DIGIT]";
    for line in
        ["roster-dirty.xlsx: 190 registrations, 9,500,000.00 yuan of earnest money", "Refused rows: 10", row]
    {
        assert!(english.lines().any(|found| found == line), "{line}: {english}");
    }
    let chinese = text(&["roster", DIRTY, "--dry-run", "--lang", "zh"]).await;
    let row =
        "  认筹名单 第 57 行「证件号码」：证件号码的校验位不符：990000196802160550 [DOCUMENT_CHECK_DIGIT]";
    for line in ["roster-dirty.xlsx：可收 190 份登记，诚意金 9,500,000.00 元", "拒收的行：10", row]
    {
        assert!(chinese.lines().any(|found| found == line), "{line}: {chinese}");
    }

    std::fs::write(home.file("x.xls"), [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]).unwrap();
    let (code, report) =
        said(&run(&["roster", home.file("x.xls").to_str().unwrap(), "--dry-run", "--json"]).await);
    assert_eq!((code, &report["file"]["code"]), (Some(1), &json!("FILE_OLD_OR_PROTECTED")));
    let old = text(&["roster", home.file("x.xls").to_str().unwrap(), "--dry-run"]).await;
    assert!(old.starts_with("x.xls: an old .xls or a password-protected workbook"), "{old}");
    let missing = run(&["roster", "/nowhere.xlsx", "--dry-run"]).await;
    let why = String::from_utf8(missing.stderr).unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(why.starts_with("kaipan: /nowhere.xlsx can't be read: "), "{why}");
    let nowhere = run(&["roster", ROSTER]).await;
    assert_eq!(nowhere.status.code(), Some(1), "an import without a dry run needs an opening");
    assert!(!home.data_dir().exists() && !home.keyring().exists());
}

/// Stored by the command, seen through the door, logged; beside a running server it is refused in one sentence.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_11_the_command_stores_what_the_door_shows(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let opening = draft(&admin(&server).await, &Plan::default()).await;
    let import = async |what: &str, file: &str| {
        home.run(&["import", what, file, "--opening", &opening, "--json"]).await
    };
    if matches!(database, Database::Sqlite) {
        let refused = import("price-list", PRICE_LIST).await;
        let why = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), why.lines().count()), (Some(1), 1), "{why}");
        assert!(why.contains("kaipan serve"), "{why}");
    }
    server.stop().await;

    let (code, report) = said(&import("price-list", PRICE_LIST).await);
    assert_eq!((code, &report["added"], &report["stored"]), (Some(0), &json!(726), &json!(true)));
    let (code, report) = said(&import("roster", DIRTY).await);
    assert_eq!((code, &report["added"], &report["stored"]), (Some(2), &json!(190), &json!(true)));
    let (code, report) = said(&import("roster", ROSTER).await);
    // The dirty roster is the beginning of the clean one, with other lots.
    assert_eq!((code, &report["added"], &report["missing"]), (Some(0), &json!(9_810), &json!([])));
    let (_, report) = said(&import("roster", ROSTER).await);
    assert_eq!((&report["unchanged"], &report["changed"]), (&json!(10_000), &json!([])));

    let server = home.serve().await;
    let admin = admin(&server).await;
    let stored = admin.get(&format!("/api/v1/openings/{opening}")).await.ok();
    assert_eq!(stored["units"]["total_fen"], 172_477_523_600_i64);
    assert_eq!(stored["registrations"], json!({"total": 10_000, "earnest_fen": 50_000_000_000_i64}));
    let log = admin.get(&format!("/api/v1/log?opening={opening}")).await.ok();
    let by_command: Vec<_> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["staff"] == "command line")
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(by_command, ["ROSTER_IMPORTED", "ROSTER_IMPORTED", "PRICE_LIST_IMPORTED"]);
}

/// OP-11: a publication waits for the part of an import that is in flight, and freezes nothing of it: what it added is
/// gone, what it changed is as it was.
///
/// Mutation that turned it red: `withdraw` that reads `staged_by` without taking the opening's row.
#[tokio::test]
async fn op_11_a_publication_waits_for_the_part_in_flight() {
    let home = Home::new(Database::Postgres).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    sale.admin.post(&sale.path("/unpublish"), json!({})).await.ok();

    // What an import of two parts has done when its first is written and not committed.
    let mut import = PgConnection::connect(home.database_url().unwrap()).await.unwrap();
    let mark = "UPDATE opening SET staged_by = 'import', staged_until = 9000000000000000,
                    registrations_staged_from = 4 WHERE id = $1";
    assert_eq!(sqlx::query(mark).bind(&sale.opening).execute(&mut import).await.unwrap().rows_affected(), 1);
    import.execute("BEGIN").await.unwrap();
    let stored =
        "SELECT ord, earnest_fen, document_bidx FROM registration WHERE opening_id = $1 ORDER BY ord";
    let stored = || sqlx::query_as::<_, (i64, i64, Vec<u8>)>(stored).bind(&sale.opening);
    let before = stored().fetch_all(&mut import).await.unwrap();
    let part = [
        "UPDATE opening SET staged_until = staged_until + 1 WHERE id = $1 AND staged_by = 'import'",
        "INSERT INTO registration (opening_id, ord, org_id, id, code, name_sealed, document_kind, document_sealed,
             document_bidx, eligibility, consultant, group_name, quota_home, earnest_fen)
         SELECT opening_id, 4, org_id, 'part', 'part', name_sealed, document_kind, document_sealed, name_sealed,
             eligibility, consultant, group_name, quota_home, earnest_fen
         FROM registration WHERE opening_id = $1 AND ord = 0",
        "INSERT INTO registration_aside (staged_by, opening_id, ord, org_id, name_sealed, document_kind,
             document_sealed, document_bidx, phone_sealed, phone_bidx, eligibility, consultant, group_name,
             lot_number, quota_home, earnest_fen)
         SELECT 'import', opening_id, ord, org_id, name_sealed, document_kind,
             document_sealed, document_bidx, phone_sealed, phone_bidx, eligibility, consultant, group_name,
             lot_number, quota_home, earnest_fen
         FROM registration WHERE opening_id = $1 AND ord < 2",
        // Two people swap their documents.
        "UPDATE registration SET document_bidx = document_sealed WHERE opening_id = $1 AND ord < 2",
        "UPDATE registration SET earnest_fen = earnest_fen + 1, document_bidx =
             (SELECT a.document_bidx FROM registration_aside a
              WHERE a.opening_id = $1 AND a.ord = 1 - registration.ord)
         WHERE opening_id = $1 AND ord < 2",
    ];
    for sql in part {
        let written = sqlx::query(sql).bind(&sale.opening).execute(&mut import).await.unwrap();
        assert!(written.rows_affected() > 0, "{sql}");
    }
    assert_ne!(stored().fetch_all(&mut import).await.unwrap(), before);

    let path = sale.path("/publish");
    let publish = sale.admin.post(&path, json!({}));
    let commit = async {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_as::<_, (i64,)>(waiting).fetch_one(&mut import).await.unwrap().0 == 0 {
            tokio::task::yield_now().await;
        }
        import.execute("COMMIT").await.unwrap();
    };
    let both = async { tokio::join!(publish, commit) };
    let (published, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("it is published");
    published.ok();
    assert_eq!(stored().fetch_all(&mut import).await.unwrap(), before);
}
