//! An opening from nothing to the buyers' door, by the command line alone (OP-3, OP-11, OP-13, OP-16).

use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{Database, Home, admin, people, price_list, refused, roster, said, told};

/// The usual way to say "this opening" and "as JSON".
fn on<'a>(command: &[&'a str], opening: &'a str) -> Vec<&'a str> {
    [&["opening"], command, &["--opening", opening, "--json"]].concat()
}

async fn document(home: &Home, arguments: &[&str]) -> Value {
    serde_json::from_str(&told(&home.run(arguments).await)).unwrap()
}

/// A project and a draft in it, with a window that lies years ahead.
async fn draft(home: &Home) -> String {
    let project = document(home, &["project", "add", "云栖", "--json"]).await;
    assert_eq!(project["time_zone"], "Asia/Shanghai");
    let window = ["--start", "2035-12-01 10:00", "--end", "2035-12-01T12:30:00+08:00"];
    let terms = ["--hold", "20m", "--favourites", "5", "--deposit", "home=50,000.50", "--quota", "parking=2"];
    let create = ["opening", "create", "--project", "云栖", "--name", "首开", "--household-quota", "home=1"];
    let opening = document(home, &[&create[..], &window, &terms, &["--json"]].concat()).await;
    assert_eq!((&opening["state"], &opening["project"]), (&json!("draft"), &project["id"]), "{opening}");
    opening["id"].as_str().unwrap().to_owned()
}

async fn import(home: &Home, which: &str, csv: Vec<u8>, opening: &str) {
    let file = home.file(&format!("{which}.csv"));
    std::fs::write(&file, csv).unwrap();
    told(&home.run(&["import", which, file.to_str().unwrap(), "--opening", opening]).await);
}

/// OP-3, OP-11, OP-13, OP-16: project, settings, both sheets, a withheld unit, check, publish; buyers then see all of
/// it, and the staff log says that it was done at the command line. Before the start it can be taken back.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_3_an_opening_is_prepared_and_published_by_commands_alone(#[case] database: Database) {
    let home = Home::new(database).await;
    told(&home.run(&["migrate"]).await);
    let opening = draft(&home).await;
    import(&home, "price-list", price_list(8), &opening).await;
    import(&home, "roster", roster(&people(2), 1), &opening).await;

    // By label, in full width and with a space, and by ordinal; one is put back.
    let withhold = on(&["withhold", "--reason", "样板间", "１#-1单元- 102", "4"], &opening);
    let units = document(&home, &withhold).await;
    assert_eq!(
        (&units["units"][1]["status"], &units["units"][4]["status"]),
        (&json!("withheld"), &json!("withheld"))
    );
    document(&home, &on(&["unwithhold", "1#-1单元-201"], &opening)).await;
    let found = document(&home, &on(&["check"], &opening)).await;
    assert_eq!(found["ok"], true, "{found}");
    let published = document(&home, &on(&["publish"], &opening)).await;
    assert_eq!((&published["state"], &published["units"]["withheld"]), (&json!("published"), &json!(1)));

    let server = home.serve().await;
    let path = |rest: &str| format!("/api/v1/openings/{opening}{rest}");
    let public = server.buyers().get(&path("")).await.ok();
    let start_ms: jiff::Timestamp = "2035-12-01T02:00:00Z".parse().unwrap();
    let expected = json!({
        "id": opening, "name": "首开", "project_name": "云栖", "phase": "published", "participants": 2,
        "start_ms": start_ms.as_millisecond(), "end_ms": start_ms.as_millisecond() + 9_000_000, "hold_s": 1_200,
        "favourites_max": 5, "quota": {"home": 1, "parking": 2, "shop": 1, "storage": 1},
        "deposit_fen": {"home": 5_000_050, "parking": 0, "shop": 0, "storage": 0},
        "units_hash": published["units_hash"], "roster_hash": published["roster_hash"], "simulated": false,
        "rehearsal": false,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&public[field], value, "{field} of {public}");
    }
    assert_eq!(server.buyers().get(&path("/board")).await.ok()["status"], "03000000");
    let admin = admin(&server).await;
    let log = admin.get(&format!("/api/v1/log?opening={opening}")).await.ok();
    let entries = log["entries"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["staff"] == "command line"), "{log}");
    let actions: Vec<&str> = entries.iter().rev().map(|entry| entry["action"].as_str().unwrap()).collect();
    let ends = (actions.first(), actions.last());
    assert_eq!(
        (actions.len(), ends),
        (7, (Some(&"OPENING_CREATED"), Some(&"OPENING_PUBLISHED"))),
        "{actions:?}"
    );

    // Reading goes on beside the server. Writing waits for it on SQLite; on Postgres the published lists refuse.
    assert_eq!(document(&home, &on(&["show"], &opening)).await["units_hash"], public["units_hash"]);
    let listed = document(&home, &["opening", "list", "--json"]).await;
    assert_eq!(listed["openings"][0]["id"], opening.as_str());
    let why = refused(&home.run(&on(&["set", "--name", "二开"], &opening)).await);
    let expected = if database == Database::Sqlite { "in use by kaipan serve" } else { "published" };
    assert!(why.contains(expected), "{why}");

    assert!(server.stop().await.success());
    let back = document(&home, &on(&["unpublish"], &opening)).await;
    assert_eq!((&back["state"], &back["units_hash"]), (&json!("checked"), &Value::Null));
    let renamed = document(&home, &on(&["set", "--name", "二开"], &opening)).await;
    assert_eq!((&renamed["state"], &renamed["hold_s"]), (&json!("draft"), &json!(1_200)));
    document(&home, &on(&["unwithhold", "1"], &opening)).await;
    document(&home, &on(&["check"], &opening)).await;
    let again = document(&home, &on(&["publish"], &opening)).await;
    assert_ne!(again["units_hash"], public["units_hash"], "one more unit on offer, another hash");
    let server = home.serve().await;
    assert_eq!(server.buyers().get(&path("")).await.ok()["name"], "二开");
    assert_eq!(server.buyers().get(&path("/board")).await.ok()["status"], "00000000");
}

/// What is wrong is named by its flag, with exit code 1, and nothing is stored.
/// Mutation that turned it red: amounts rounded to the fen.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_3_a_value_that_is_not_possible_is_named_and_stores_nothing(#[case] database: Database) {
    let home = Home::empty(database).await;
    let opening = draft(&home).await;
    import(&home, "price-list", price_list(4), &opening).await;
    let before = [home.run(&["project", "list"]).await, home.run(&on(&["show"], &opening)).await];
    let units = document(&home, &on(&["show", "--units"], &opening)).await;

    let create = ["opening", "create", "--project", "云栖", "--name", "二开"];
    let window = ["--start", "2035-12-01 10:00", "--end", "2035-12-01 12:00"];
    let set = ["opening", "set", "--opening", &opening];
    let withhold = ["opening", "withhold", "--opening", &opening];
    let nowhere = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let long = "长".repeat(501);
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&["project", "add"], &[], "<NAME>"),
        (&["project", "add"], &[" "], "NAME"),
        (&["project", "add"], &["云栖"], "NAME"),
        (&create, &[], "--start"),
        (&["opening", "create", "--name", "二开", "--project", "没有"], &window, "--project"),
        (&create, &["--start", "2035-12-01", "--end", "2035-12-02 10:00"], "--start"),
        (&create, &["--start", "2035-12-01 10:00", "--end", "2035-12-01 10:00"], "--end"),
        (&create, &["--start", "2035-12-01 10:00", "--end", "2036-12-01 10:00"], "--end"),
        (&set, &[], "flag"),
        (&set, &["--name", ""], "--name"),
        (&set, &["--end", "2035-12-01 09:00"], "--end"),
        (&set, &["--hold", "soon"], "--hold"),
        (&set, &["--hold", "0s"], "--hold"),
        (&set, &["--hold", "99999m"], "--hold"),
        (&set, &["--favourites", "101"], "--favourites"),
        (&set, &["--deposit", "home=0.005"], "--deposit"),
        (&set, &["--deposit", "villa=5"], "--deposit"),
        (&set, &["--deposit", "home=-1"], "--deposit"),
        (&set, &["--deposit", "home=1", "--deposit", "home=2"], "--deposit"),
        (&set, &["--quota", "home=1001"], "--quota"),
        (&set, &["--quota", "home=one"], "--quota"),
        (&set, &["--household-quota", "home=-1"], "--household-quota"),
        (&["opening", "set", "--name", "二开"], &["--opening", "first"], "--opening"),
        (&["opening", "set", "--name", "二开"], &["--opening", nowhere], nowhere),
        (&withhold, &["1"], "--reason"),
        (&withhold, &["--reason", " ", "1"], "--reason"),
        (&withhold, &["--reason", &long, "1"], "--reason"),
        (&withhold, &["--reason", "样板间"], "<UNIT>"),
        (&withhold, &["--reason", "样板间", "1", "1#-1单元-999"], "UNIT"),
        (&withhold, &["--reason", "样板间", "4"], "UNIT"),
        (&["opening", "publish"], &["--opening", &opening], "draft"),
        (&["opening", "unpublish"], &["--opening", &opening], "draft"),
        (&["opening", "check"], &["--opening", &opening], "pre-flight"),
        (&["opening", "check"], &["--opening", nowhere], nowhere),
    ];
    for (command, rest, named) in cases {
        let output = home.run(&[*command, *rest].concat()).await;
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?} {rest:?}: {said}");
        assert!(said.contains(named), "{command:?} {rest:?}: {said}");
    }
    // Which obstacles there are, in the form that was asked for.
    let obstacles = home.run(&on(&["check"], &opening)).await;
    let obstacles: Value = serde_json::from_slice(&obstacles.stdout).unwrap();
    assert_eq!(
        (&obstacles["ok"], &obstacles["findings"][0]["code"]),
        (&json!(false), &json!("NO_REGISTRATIONS"))
    );

    let after = [home.run(&["project", "list"]).await, home.run(&on(&["show"], &opening)).await];
    let timeless = |output: &std::process::Output| {
        let text = told(output);
        text.lines().filter(|line| !line.contains("now_ms")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(after.each_ref().map(timeless), before.each_ref().map(timeless));
    assert_eq!(document(&home, &on(&["show", "--units"], &opening)).await, units);
    assert_eq!(
        document(&home, &["opening", "list", "--json"]).await["openings"].as_array().unwrap().len(),
        1
    );
}
