//! OP-1, OP-38: the load tool against a real server: a rehearsal copy, a burst, and the audit of every answer and every
//! board.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Database, Fleet, Home, Plan, Redis, Sale, Server, binary};

/// Another crate's program, which cargo does not build for this test.
async fn load_tool() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--package", "kaipan-loadtest"]);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(build.status().await.unwrap().success());
    binary().with_file_name("kaipan-loadtest")
}

async fn run(home: &Home, token: &str, opening: &str, arguments: &[&str], out: &Path) -> (Output, Value) {
    let mut command = loading(home, token, opening, arguments, out).await;
    let output = tokio::time::timeout(Duration::from_secs(120), command.output()).await.unwrap().unwrap();
    (output, report(out))
}

async fn loading(home: &Home, token: &str, opening: &str, arguments: &[&str], out: &Path) -> Command {
    let mut command = loading_of(token, opening, arguments, out).await;
    command.args(["--buyers-url", &at(home.buyers_port), "--staff-url", &at(home.staff_port)]);
    command
}

fn at(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The buyers at both gateways, half and half; sessions and truth from the first one's staff.
async fn loading_at_two(fleet: &Fleet, sale: &Sale, arguments: &[&str], out: &Path) -> Command {
    let mut command = loading_of(sale.admin.token().unwrap(), &sale.opening, arguments, out).await;
    let [first, second] = [0, 1].map(|gateway| fleet.gateways[gateway].server());
    command.args(["--buyers-url", &at(first.buyers_port), "--gateway", &at(second.buyers_port)]);
    command.args(["--staff-url", &at(first.staff_port)]);
    command
}

/// All but the addresses.
async fn loading_of(token: &str, opening: &str, arguments: &[&str], out: &Path) -> Command {
    let mut command = Command::new(load_tool().await);
    command.args(arguments).arg("--out").arg(out);
    command.args(["--opening", opening, "--threads", "2", "--seed", "7", "--p99", "10s"]);
    command.env("KAIPAN_LOADTEST_TOKEN", token).kill_on_drop(true);
    command
}

fn report(out: &Path) -> Value {
    let report = std::fs::read(out.join("report.json")).unwrap_or_default();
    serde_json::from_slice(&report).unwrap_or_default()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Three hundred buyers tap for forty homes within a tenth of a second, nine of ten over the WebSocket; every answer and
/// every board is compared with the server's truth, and the sale itself is untouched.
#[tokio::test]
async fn op_1_a_burst_is_audited_answer_by_answer() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { homes: 40, buyers: 3, ..Plan::default() }).await;
    let token = sale.admin.token().unwrap();
    let out = home.file("load");
    let record = home.file("record.jsonl");
    let arguments = [
        "burst",
        "--rehearse",
        "--buyers",
        "300",
        "--over-http",
        "10",
        "--connect-per-s",
        "300",
        "--record",
        record.to_str().unwrap(),
    ];
    let (output, report) = run(&home, token, &sale.opening, &arguments, &out).await;
    assert!(output.status.success(), "{}", said(&output));

    assert_eq!(
        (&report["scenario"], &report["verdict"]),
        (&json!("burst"), &json!("pass")),
        "{}",
        said(&output)
    );
    assert_eq!(
        (&report["buyers"], &report["sent"], &report["unanswered"]),
        (&json!(300), &json!(300), &json!(0))
    );
    let answers = report["answers"].as_object().unwrap();
    let yes = answers["YES"].as_u64().unwrap();
    assert!((10..=40).contains(&yes), "{answers:?}");
    assert_eq!(answers["TAKEN"].as_u64().unwrap() + yes, 300, "{answers:?}");
    // The sockets' boards, and the one that everybody can read.
    assert_eq!(
        (&report["audit"]["clean"], &report["audit"]["boards"]),
        (&json!(true), &json!(271)),
        "{report:#}"
    );
    assert_eq!(report["histograms"]["answer"]["count"], 300);
    // A server closes HTTP connections that wait for long; then they were made twice.
    assert!(report["histograms"]["connect"]["count"].as_u64().unwrap() >= 300);
    assert!(report["histograms"]["board"]["count"].as_u64().unwrap() >= 270);
    assert!(!report["series"]["server"].as_array().unwrap().is_empty(), "CPU and memory of the server");

    let copy = report["target"]["opening"].as_str().unwrap();
    assert_ne!(copy, sale.opening);
    let board = server.buyers().get(&sale.path("/board")).await.ok();
    assert_eq!(board["status"], "0".repeat(40), "the sale is as it was");

    // The same audit by hand: the record of the run beside the dump of the copy, and beside the sale's own.
    for (opening, clean) in [(copy, true), (sale.opening.as_str(), false)] {
        let dump = home.run(&["opening", "dump", "--json", "--opening", opening]).await;
        let truth = home.file("truth.json");
        std::fs::write(&truth, &dump.stdout).unwrap();
        let mut audit = Command::new(load_tool().await);
        audit.arg("audit").arg("--record").arg(&record).arg("--truth").arg(&truth);
        assert_eq!(audit.output().await.unwrap().status.success(), clean, "{opening}");
    }
}

/// Somebody in the copy has a home, and this server shows it: the load is under way.
async fn under_way(sale: &Sale, server: &Server) {
    let copy = async {
        loop {
            let listed = sale.admin.get("/api/v1/openings").await.ok();
            let openings = listed["openings"].as_array().unwrap();
            if let Some(copy) = openings.iter().find(|one| one["rehearsal"] == true) {
                let id = copy["id"].as_str().unwrap();
                let board = server.buyers().get(&format!("/api/v1/openings/{id}/board")).await;
                // Before it is published it has none.
                if board.status == 200 && board.ok()["status"].as_str().unwrap().contains('1') {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), copy).await.expect("the load begins");
}

/// A server that is killed in the middle of a load: whoever had tapped asks for the truth, everybody comes back, and in
/// the end every tap has its answer and the audit is clean.
/// Mutation that turned it red: no timer for connecting again.
#[tokio::test]
async fn op_41_a_load_outlives_a_killed_server() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { homes: 200, buyers: 3, ..Plan::default() }).await;
    let out = home.file("load");
    let arguments =
        ["soak", "--rehearse", "--buyers", "80", "--per-s", "60", "--for", "6s", "--over-http", "10"];
    let mut command = loading(&home, sale.admin.token().unwrap(), &sale.opening, &arguments, &out).await;
    command.args(["--lag", "5s", "--connect-per-s", "200"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let output = tokio::spawn(async move { child.wait_with_output().await.unwrap() });

    under_way(&sale, &server).await;
    server.kill().await;
    let _back = home.serve().await;

    let output = tokio::time::timeout(Duration::from_secs(120), output).await.unwrap().unwrap();
    let report = report(&out);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!((&report["verdict"], &report["unanswered"]), (&json!("pass"), &json!(0)), "{}", said(&output));
    assert!(report["errors"]["LINK_LOST"].as_u64().unwrap() >= 60, "{}", said(&output));
    assert!(report["sent"].as_u64().unwrap() > 250, "{}", said(&output));
    assert_eq!(report["audit"]["boards"], 71, "{}", said(&output));
}

/// OP-85: the buyers of one burst at two gateways, with Redis between them; every answer and the boards at both are compared
/// with the one truth.
/// Mutations that turned it red: all seats at the first gateway; the second one's board not read.
#[tokio::test]
async fn op_85_a_burst_over_two_gateways_is_audited_at_both() {
    let redis = Redis::alone().await;
    let fleet = Fleet::start(2, Some(&redis)).await;
    let sale = Sale::publish(fleet.gateways[0].server(), &Plan { homes: 40, ..Plan::default() }).await;
    let out = fleet.home.file("load");
    let arguments = [
        "burst",
        "--rehearse",
        "--buyers",
        "300",
        "--over-http",
        "10",
        "--connect-per-s",
        "300",
        "--lag",
        "5s",
    ];
    let mut command = loading_at_two(&fleet, &sale, &arguments, &out).await;
    let output = tokio::time::timeout(Duration::from_secs(120), command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let report = report(&out);
    assert_eq!((&report["verdict"], &report["sent"]), (&json!("pass"), &json!(300)), "{}", said(&output));
    assert_eq!(report["audit"]["boards"], 272, "the sockets' and one at each gateway: {}", said(&output));
    let copy = report["target"]["opening"].as_str().unwrap();
    for gateway in &fleet.gateways {
        let picks = gateway.server().figure(&format!("kaipan_picks_total{{opening=\"{copy}\"}}")).await;
        assert!(picks.is_some_and(|picks| picks >= 140.0), "{picks:?} picks at one of two gateways");
    }
}

/// OP-85: one of two gateways dies in the middle of a load: its buyers go to the other one and ask there for what they had
/// tapped. Every tap has its answer in the end, and the audit says which gateway it could not look at.
/// Mutation that turned it red: a lost connection tried again at the gateway that is gone.
#[tokio::test]
async fn op_85_a_load_over_two_gateways_outlives_one_of_them() {
    let redis = Redis::alone().await;
    let mut fleet = Fleet::start(2, Some(&redis)).await;
    let sale = Sale::publish(fleet.gateways[0].server(), &Plan { homes: 200, ..Plan::default() }).await;
    let out = fleet.home.file("load");
    let arguments =
        ["soak", "--rehearse", "--buyers", "80", "--per-s", "60", "--for", "6s", "--over-http", "10"];
    let mut command = loading_at_two(&fleet, &sale, &arguments, &out).await;
    command.args(["--lag", "5s", "--connect-per-s", "200"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let output = tokio::spawn(async move { child.wait_with_output().await.unwrap() });
    under_way(&sale, fleet.gateways[1].server()).await;
    let away = at(fleet.gateways[1].server().buyers_port);
    fleet.gateways[1].kill().await;

    let output = tokio::time::timeout(Duration::from_secs(120), output).await.unwrap().unwrap();
    let report = report(&out);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!((&report["verdict"], &report["unanswered"]), (&json!("pass"), &json!(0)), "{}", said(&output));
    assert!(report["errors"]["LINK_LOST"].as_u64().unwrap() >= 30, "{}", said(&output));
    assert!(report["sent"].as_u64().unwrap() > 250, "{}", said(&output));
    assert_eq!(report["plan"]["gateways_away"], json!([away]));
    assert_eq!(report["audit"]["boards"], 71, "{}", said(&output));
}
