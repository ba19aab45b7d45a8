//! OP-94: load runs from the console. The load tool here is a script that does as it is told, so that every way a run can
//! end is met; what the real one measures is its own suite's business.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::harness::{Api, Database, Home, Plan, Sale, now_ms};

/// A sale that starts in two hours, so that nothing forbids a run, on a server whose load tool is this script.
async fn stage(script: &str) -> (Home, crate::harness::Server, Sale) {
    let mut home = Home::new(Database::Sqlite).await;
    home.loadtest = home.file("kaipan-loadtest");
    std::fs::write(&home.loadtest, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&home.loadtest, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 7_200_000, ..Plan::default() }).await;
    (home, server, sale)
}

fn burst() -> Value {
    json!({"scenario": "burst", "buyers": 20, "start_in_s": 30, "limits": {"answer_p99_ms": 250}})
}

async fn start(sale: &Sale) -> Value {
    sale.admin.post(&sale.path("/load-runs"), burst()).await.ok()
}

async fn runs(api: &Api) -> Vec<Value> {
    api.get("/api/v1/load-runs").await.ok()["runs"].as_array().unwrap().clone()
}

/// Waits until the newest run is in none of the states on the way.
async fn ended(api: &Api) -> Value {
    let ended = async {
        loop {
            let newest = runs(api).await.remove(0);
            if !["preparing", "running"].contains(&newest["state"].as_str().unwrap()) {
                return newest;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), ended).await.expect("the run ends")
}

async fn written(path: &std::path::Path) -> String {
    let written = async {
        loop {
            match std::fs::read_to_string(path) {
                Ok(text) if text.ends_with("END\n") => return text,
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(Duration::from_secs(30), written).await.expect("the script writes")
}

/// OP-94: the child gets its pass by the environment and nothing else of the server's; the pass opens its rehearsal
/// alone and dies with the run; stopping ends the child, keeps the record and clears the copy.
/// Mutations caught: the token among the arguments; `opens` true for any opening; the copy left.
#[tokio::test]
async fn op_94_a_runs_pass_opens_its_rehearsal_alone_and_dies_with_it() {
    // exec: the process that is stopped is the one that reads the pipe.
    let script = r#"here=$(dirname "$0"); { echo "$@"; env; echo END; } > "$here/told"; exec cat"#;
    let (home, server, sale) = stage(script).await;
    let run = start(&sale).await;
    assert_eq!((&run["state"], &run["by"], &run["buyers"]), (&json!("running"), &json!("admin"), &json!(20)));
    let rehearsal = run["rehearsal"].as_str().unwrap();
    let folder = home.data_dir().join("reports").join(run["run"].as_str().unwrap());

    let told = written(&home.file("told")).await;
    let token = told.lines().find_map(|line| line.strip_prefix("KAIPAN_LOADTEST_TOKEN=")).unwrap();
    let expected = format!(
        "burst --buyers-url http://127.0.0.1:{} --staff-url http://127.0.0.1:{} --opening {rehearsal} --buyers 20 \
         --p99 250ms --lag 250ms --out {}",
        server.buyers_port,
        server.staff_port,
        folder.display()
    );
    assert_eq!(told.lines().next(), Some(expected.as_str()));
    assert!(!told.contains("KAIPAN_KEYRING") && !told.contains("KAIPAN_DATA_DIR"), "{told}");

    let child = server.staff().with_token(token);
    let of = |opening: &str, rest: &str| format!("/api/v1/openings/{opening}{rest}");
    let made = child.post(&of(rehearsal, "/sessions"), json!({"first": 0, "count": 100})).await.ok();
    assert_eq!(made["sessions"].as_array().unwrap().len(), 20);
    assert!(child.get(&of(rehearsal, "/truth")).await.ok()["journal"].is_array());
    child.get(&of(&sale.opening, "/truth")).await.refused(403, "FORBIDDEN");
    child
        .post(&of(&sale.opening, "/sessions"), json!({"first": 0, "count": 1}))
        .await
        .refused(403, "FORBIDDEN");
    child.get("/api/v1/staff").await.refused(403, "FORBIDDEN");
    child.post(&of(rehearsal, "/rehearsals"), json!({})).await.refused(403, "FORBIDDEN");
    child.post(&of(rehearsal, "/load-runs"), burst()).await.refused(403, "FORBIDDEN");
    let end = json!({"reason": "x"});
    assert_eq!(child.post(&of(rehearsal, "/end"), end).await.refused(403, "FORBIDDEN")["right"], "control");

    let busy = sale.admin.post(&sale.path("/load-runs"), burst()).await.refused(409, "LOAD_RUN_BUSY");
    assert_eq!(busy["run"], run["run"]);
    let path = format!("/api/v1/load-runs/{}", run["run"].as_str().unwrap());
    sale.admin.delete(&path).await.ok();
    let stopped = ended(&sale.admin).await;
    assert_eq!((&stopped["state"], &stopped["verdict"]), (&json!("stopped"), &json!(null)), "{stopped}");
    child.get(&of(rehearsal, "/truth")).await.refused(401, "SESSION_ENDED");
    server.buyers().get(&of(rehearsal, "")).await.refused(404, "NOT_FOUND");
    sale.admin.delete(&path).await.ok();
    sale.admin.get(&format!("{path}/report.html")).await.refused(404, "NOT_FOUND");
    sale.admin.delete("/api/v1/load-runs/01ARZ3NDEKTSV4RRFFQ69G5FAV").await.refused(404, "NOT_FOUND");

    let log = sale.admin.get(&format!("/api/v1/log?opening={}", sale.opening)).await.ok();
    let actions: Vec<&str> =
        log["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert!(actions.starts_with(&["REHEARSAL_CREATED", "LOAD_RUN_STARTED"]), "{actions:?}");
}

/// OP-94: what the tool wrote is kept, listed and shown under a policy that lets it run nothing; a tool that fails is
/// quoted. Mutation caught: the shell's own policy over the report's.
#[tokio::test]
async fn op_94_a_report_is_kept_and_shown_and_a_failure_says_why() {
    let report = json!({
        "verdict": "fail", "reasons": ["慢 | slow"], "histograms": {"answer": {"unit": "us", "p99": 12_345}},
    });
    let script = format!(
        r#"while [ "$1" != --out ]; do shift; done
        [ -e "$(dirname "$0")/broken" ] && {{ echo "no such door" >&2; exit 2; }}
        echo '{report}' > "$2/report.json"; echo '<p>report' > "$2/report.html"; exit 1"#
    );
    let (home, server, sale) = stage(&script).await;
    let before_ms = now_ms();
    let run = start(&sale).await;
    let done = ended(&sale.admin).await;
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!((&done["verdict"], &done["p99_ms"]), (&json!("fail"), &json!(12.345)));
    assert_eq!(done["reasons"], json!(["慢 | slow"]));
    assert_eq!((&done["opening"], &done["name"]), (&json!(sale.opening), &json!("首开")));
    assert!(done["start_ms"].as_u64().unwrap() >= before_ms + 30_000);
    let path = format!("/api/v1/load-runs/{}", run["run"].as_str().unwrap());
    let page = sale.admin.get(&format!("{path}/report.html")).await;
    assert_eq!((page.status, page.text().as_str()), (200, "<p>report\n"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';") && policy.ends_with("sandbox"), "{policy}");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(sale.admin.get(&format!("{path}/report.json")).await.ok(), report);

    std::fs::write(home.file("broken"), "").unwrap();
    start(&sale).await;
    let failed = ended(&sale.admin).await;
    assert_eq!(
        (&failed["state"], &failed["reasons"]),
        (&json!("failed"), &json!(["no such door"])),
        "{failed}"
    );
    assert_eq!(runs(&sale.admin).await.len(), 2);

    // A server that comes later shows them too.
    server.stop().await;
    let server = home.serve().await;
    let states: Vec<Value> =
        runs(&crate::harness::admin(&server).await).await.iter().map(|run| run["state"].clone()).collect();
    assert_eq!(states, ["failed", "done"]);
}

/// OP-94: a sale has the machine for itself, nobody asks for more than the bounds, and without a tool the answer says so.
/// The child goes with the server. Mutations caught: `is_near` false; `shut_down` left out.
#[tokio::test]
async fn op_94_no_run_disturbs_a_sale_or_outlives_its_server() {
    let script = r#"echo $$ > "$(dirname "$0")/pid"; echo END >> "$(dirname "$0")/pid"; exec cat"#;
    let (home, server, sale) = stage(script).await;
    for (body, field) in [
        (json!({"scenario": "flood", "buyers": 1}), "scenario"),
        (json!({"scenario": "burst", "buyers": 0}), "buyers"),
        (json!({"scenario": "burst", "buyers": 10_001}), "buyers"),
        (json!({"scenario": "burst", "buyers": 1, "start_in_s": 4}), "start_in_s"),
        (json!({"scenario": "burst", "buyers": 1, "limits": {"answer_p99_ms": 0}}), "limits.answer_p99_ms"),
    ] {
        let params = sale.admin.post(&sale.path("/load-runs"), body).await.refused(422, "FIELD_INVALID");
        assert_eq!(params["field"], field);
    }
    start(&sale).await;
    let pid = written(&home.file("pid")).await;
    let pid = rustix::process::Pid::from_raw(pid.lines().next().unwrap().parse().unwrap()).unwrap();
    rustix::process::test_kill_process(pid).unwrap();
    server.stop().await;
    assert!(rustix::process::test_kill_process(pid).is_err(), "the child left with its server");

    let server = home.serve().await;
    let admin = crate::harness::admin(&server).await;
    assert_eq!(runs(&admin).await[0]["state"], "stopped");
    std::fs::remove_file(home.file("pid")).unwrap();
    admin.post(&sale.path("/load-runs"), burst()).await.ok();
    let pid = written(&home.file("pid")).await;
    let pid = rustix::process::Pid::from_raw(pid.lines().next().unwrap().parse().unwrap()).unwrap();
    server.kill().await;
    let gone = async {
        while rustix::process::test_kill_process(pid).is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.expect("the child leaves with a server that was killed");

    let server = home.serve().await;
    let admin = crate::harness::admin(&server).await;
    assert_eq!(runs(&admin).await[0]["state"], "failed", "a report will not come any more");
    admin.post(&sale.path("/unpublish"), json!({})).await.ok();
    admin.patch(&sale.path(""), json!({"start_ms": now_ms() + 3_000_000})).await.ok();
    admin.post(&sale.path("/check"), json!({})).await.ok();
    admin.post(&sale.path("/publish"), json!({})).await.ok();
    let near = admin.post(&sale.path("/load-runs"), burst()).await.refused(409, "OPENING_NEAR");
    assert_eq!((&near["opening"], &near["name"]), (&json!(sale.opening), &json!("首开")));
    assert_eq!(admin.get("/api/v1/load-runs").await.ok()["refusal"]["code"], "OPENING_NEAR");

    std::fs::remove_file(&home.loadtest).unwrap();
    server.stop().await;
    let server = home.serve().await;
    let admin = crate::harness::admin(&server).await;
    admin.post(&sale.path("/load-runs"), burst()).await.refused(409, "LOAD_TEST_MISSING");
    let state = admin.get("/api/v1/server").await.ok();
    assert_eq!((&state["database"], &state["openings"][0]["id"]), (&json!("sqlite"), &json!(sale.opening)));
    assert!(
        state["memory_bytes"].as_f64().unwrap() > 1e6 && state["cpu_s"].as_f64().unwrap() > 0.0,
        "{state}"
    );
}

/// OP-94: the rehearsal of a run whose server was killed is put away at the next start; one that somebody made stays.
/// Seen red when the start did not look for what was left.
#[tokio::test]
async fn op_94_a_killed_servers_rehearsal_is_put_away_at_the_next_start() {
    let (home, server, sale) = stage("exec cat").await;
    let own =
        sale.admin.post(&sale.path("/rehearsals"), json!({"buyers": 1, "start_in_s": 3_600})).await.ok();
    let run = start(&sale).await;
    server.kill().await;

    let server = home.serve().await;
    let admin = crate::harness::admin(&server).await;
    let kept = runs(&admin).await.remove(0);
    assert_eq!((&kept["run"], &kept["state"]), (&run["run"], &json!("failed")));
    assert!(kept["ended_ms"].is_i64(), "{kept}");
    let of = |opening: &Value| format!("/api/v1/openings/{}", opening.as_str().unwrap());
    server.buyers().get(&of(&run["rehearsal"])).await.refused(404, "NOT_FOUND");
    server.buyers().get(&of(&own["id"])).await.ok();
    let log = admin.get(&format!("/api/v1/log?opening={}", run["rehearsal"].as_str().unwrap())).await.ok();
    let cleared =
        log["entries"].as_array().unwrap().iter().find(|entry| entry["action"] == "REHEARSAL_CLEARED");
    assert_eq!(cleared.unwrap()["staff"], "the server", "{log}");
}
