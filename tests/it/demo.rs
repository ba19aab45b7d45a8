//! The demo as a newcomer meets it: loaded, played by the crowd, killed in the middle, audited, left without a trace.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::harness::{Api, binary, free_port};

/// The demo's roster: a registration's phone and document follow from the sheet.
const PHONE: &str = "19900000001";
const DOCUMENT: &str = "990000195908140014";

struct Demo {
    folder: TempDir,
    child: Option<Child>,
    page: Api,
    ports: [u16; 3],
}

impl Demo {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("kaipan-demo-").tempdir().unwrap();
        let ports = [free_port(), free_port(), free_port()];
        Self { folder, child: None, page: Api::new(ports[2]), ports }
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("NO_COLOR", "1")
            .arg("demo")
            .arg("--data-dir")
            .arg(self.data_dir())
            .kill_on_drop(true);
        for (flag, port) in ["--port", "--console-port", "--demo-port"].iter().zip(self.ports) {
            command.arg(flag).arg(port.to_string());
        }
        command
    }

    /// Starts it; what it says goes into `said.txt`.
    fn start(&mut self, arguments: &[&str]) {
        let said = fs::OpenOptions::new().create(true).append(true).open(self.said_path()).unwrap();
        let mut command = self.command();
        command.args(arguments).stdout(said.try_clone().unwrap()).stderr(said);
        self.child = Some(command.spawn().unwrap());
    }

    fn said_path(&self) -> PathBuf {
        self.folder.path().join("said.txt")
    }

    fn said(&self) -> String {
        let logs =
            ["serve.log", "crowd.log", "audit.log"].map(|name| self.data_dir().join("logs").join(name));
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let tail =
            |text: String| text.lines().rev().take(15).map(|line| format!("{line}\n")).collect::<String>();
        logs.iter().fold(read(&self.said_path()), |said, log| said + &tail(read(log)))
    }

    /// Waits until the page's state is as asked.
    async fn until(&self, what: &str, within: Duration, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + within;
        let mut last = Value::Null;
        while Instant::now() < deadline {
            if let Some(reply) = self.page.try_get("/api/demo/state").await {
                last = reply.ok();
                if is(&last) {
                    return last;
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("not {what} after {within:?}: {last:#}\n{}", self.said());
    }

    async fn press(&self, button: &str) {
        let request = self.page.request(reqwest::Method::POST, &format!("/api/demo/{button}"));
        let reply = self.page.send(request.header("x-kaipan-demo", "1")).await.unwrap();
        assert_eq!(reply.status, 202, "{button}: {}", self.said());
    }

    async fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let id = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{}", self.said());
    }
}

async fn build_the_crowd() -> PathBuf {
    build("kaipan-loadtest").await
}

/// Another crate's program, which cargo does not build for this test.
async fn build(program: &str) -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--package", program]);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(build.status().await.unwrap().success());
    binary().with_file_name(program)
}

fn is_alive(pid: u64) -> bool {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}

fn raw_copy(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { bytes.extend(raw_copy(&path)) } else { bytes.extend(fs::read(path).unwrap()) }
    }
    bytes
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn the_demo_loads_and_ends() {
    let demo = Demo::new();
    let output = demo.command().arg("--exit-after-load").output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("726 units, 10000 registrations"), "{said}");
    let copy = raw_copy(&demo.data_dir());
    assert!(holds(&copy, "RC00002"), "what stands there in the clear is found");
    assert!(!holds(&copy, PHONE) && !holds(&copy, DOCUMENT));
}

#[tokio::test]
async fn a_taken_port_is_one_sentence() {
    let mut demo = Demo::new();
    // Taken before it is named, so that no other test can come in between.
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    demo.ports[0] = taken.local_addr().unwrap().port();
    let output = demo.command().output().await.unwrap();
    drop(taken);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    let sentence =
        format!("kaipan: port {} is used by another program: choose another with --port\n", demo.ports[0]);
    assert_eq!(said, sentence);
}

/// OP-91, in twenty seconds instead of five minutes.
#[tokio::test]
async fn the_crowd_plays_the_server_is_killed_and_the_line_is_clean() {
    let crowd = build_the_crowd().await;
    let mut demo = Demo::new();
    demo.start(&["--start-in", "10s", "--tap-for", "8s", "--buyers", "80"]);
    let minute = Duration::from_secs(60);

    // The newcomers' codes came through the public wire.
    let has_codes = |state: &Value| {
        state["newcomers"].as_array().is_some_and(|all| all.iter().all(|one| one["code"].is_string()))
    };
    demo.until("with codes", minute, has_codes).await;
    demo.until("tapping", minute, |state| state["crowd"]["taps"].as_u64() > Some(30)).await;
    demo.press("kill").await;
    let back = demo
        .until("back", minute, |state| state["server"]["kills"] == 1 && state["server"]["state"] == "up")
        .await;
    let server = back["server"]["pid"].as_u64().unwrap();

    let done = demo.until("done", 2 * minute, |state| state["stage"] == "done").await;
    assert_eq!(done["verdict"]["clean"], true, "{done:#}\n{}", demo.said());
    let line = done["verdict"]["line_en"].as_str().unwrap().to_owned();
    assert!(line.ends_with("sold · 0 double · 0 yes lost · every tap answered"), "{line}");
    assert!(done["verdict"]["sold"].as_u64() > Some(10), "{line}");
    assert!(demo.said().contains(&line), "the terminal says it too");
    assert_eq!(done["crowd"]["simulated"], true);
    assert_eq!(done["crowd"]["sign_in_failed"], 0, "{}", demo.said());
    assert!(done["crowd"]["reconnects"].as_u64() > Some(40), "{done:#}");

    // Stopped and started, it is the same demo, and its audit says the same.
    demo.stop().await;
    assert!(!is_alive(server));
    demo.start(&["--tap-for", "8s", "--buyers", "80"]);
    let again = demo.until("done again", minute, |state| state["stage"] == "done").await;
    assert_eq!(again["opening"], done["opening"]);
    assert_eq!(again["verdict"]["line_en"].as_str(), Some(line.as_str()), "{}", demo.said());
    demo.stop().await;

    planted_lies_show(&crowd, &demo.data_dir(), &line).await;
    let copy = raw_copy(&demo.data_dir());
    assert!(!holds(&copy, PHONE) && !holds(&copy, DOCUMENT), "record, logs and database name nobody");
}

/// What unit tests show on planted records, on this run's own record and truth.
async fn planted_lies_show(crowd: &Path, data: &Path, clean: &str) {
    let record = fs::read_to_string(data.join("crowd.jsonl")).unwrap();
    let truth: Value = serde_json::from_slice(&fs::read(data.join("truth.json")).unwrap()).unwrap();
    assert_eq!(line_of(crowd, data, &record, &truth).await, clean);

    let is_yes = |line: &str| line.contains(r#""e":"yes""#);
    let yes: Value = serde_json::from_str(record.lines().find(|line| is_yes(line)).unwrap()).unwrap();
    let mut lost = truth.clone();
    lost["claims"].as_array_mut().unwrap().retain(|claim| claim["id"] != yes["claim"]);
    assert!(line_of(crowd, data, &record, &lost).await.contains("1 yes lost"));

    let mut double = truth.clone();
    let twin = truth["claims"].as_array().unwrap().iter().find(|claim| claim["state"] == "sold").unwrap();
    let mut twin = twin.clone();
    (twin["id"], twin["key"]) = ("01ARZ3NDEKTSV4RRFFQ69G5FAV".into(), "planted-01".into());
    double["claims"].as_array_mut().unwrap().push(twin);
    assert!(line_of(crowd, data, &record, &double).await.contains("1 double"));

    let unanswered: String = record
        .lines()
        .filter(|line| !line.contains(yes["key"].as_str().unwrap()) || !is_yes(line))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(line_of(crowd, data, &unanswered, &truth).await.ends_with("1 tap unanswered"));

    let mut gap = truth.clone();
    let middle = truth["journal"].as_array().unwrap().len() / 2;
    gap["journal"].as_array_mut().unwrap().remove(middle);
    assert!(line_of(crowd, data, &record, &gap).await.contains("in the journal"));
}

/// The audit's English line for a record and a truth.
async fn line_of(crowd: &Path, scratch: &Path, record: &str, truth: &Value) -> String {
    let (record_file, truth_file) = (scratch.join("planted.jsonl"), scratch.join("planted.json"));
    fs::write(&record_file, record).unwrap();
    fs::write(&truth_file, truth.to_string()).unwrap();
    let mut audit = Command::new(crowd);
    audit.args(["audit", "--json", "--record"]).arg(record_file).arg("--truth").arg(truth_file);
    let output = audit.output().await.unwrap();
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.success(), verdict["clean"] == true);
    verdict["line_en"].as_str().unwrap().to_owned()
}

/// Mutation caught: the lifeline not followed by `serve`.
#[tokio::test]
async fn starting_again_is_a_new_opening_and_a_killed_demo_leaves_no_server_behind() {
    build_the_crowd().await;
    let mut demo = Demo::new();
    demo.start(&["--start-in", "2m", "--buyers", "5"]);
    let minute = Duration::from_secs(60);
    let up = |state: &Value| state["server"]["state"] == "up" && state["crowd"]["signed_in"] == 5;
    let first = demo.until("up", minute, up).await;
    let old_server = first["server"]["pid"].as_u64().unwrap();
    demo.press("again").await;
    let again = |state: &Value| up(state) && state["opening"]["id"] != first["opening"]["id"];
    let state = demo.until("started again", minute, again).await;
    assert!(!is_alive(old_server), "one server at a time");
    assert_ne!(state["staff"]["password"], first["staff"]["password"], "a log-in of its own for each run");
    let server = state["server"]["pid"].as_u64().unwrap();
    assert!(is_alive(server));
    demo.child.take().unwrap().kill().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_alive(server) {
        assert!(Instant::now() < deadline, "the server outlives its demo");
        sleep(Duration::from_millis(50)).await;
    }
}

/// OP-2: a newcomer tries WeChat; the demo brings one. Mutation caught: the server not told of it.
#[tokio::test]
async fn op_2_a_newcomer_tries_sign_in_by_the_demos_wechat() {
    build_the_crowd().await;
    build("kaipan-fakes").await;
    let mut demo = Demo::new();
    demo.start(&["--start-in", "2m", "--buyers", "5"]);
    let up = |state: &Value| state["server"]["state"] == "up";
    let state = demo.until("up", Duration::from_secs(60), up).await;
    let opening = state["opening"]["id"].as_str().unwrap();
    let links = state["links"].as_array().unwrap();
    let link = links.iter().find(|link| link["what"] == "wechat").expect("a link to try it")["url"].as_str();
    assert_eq!(link.unwrap(), format!("http://127.0.0.1:{}/o/{opening}?in=wechat", demo.ports[0]));

    let redirect = reqwest::redirect::Policy::none();
    let browser = reqwest::Client::builder().no_proxy().redirect(redirect).build().unwrap();
    let door = format!("http://127.0.0.1:{}/api/v1/openings/{opening}/sign-in/wechat", demo.ports[0]);
    let started = browser.post(&door).send().await.unwrap();
    let cookie = started.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let started: Value = started.json().await.unwrap();
    let agree =
        browser.get(started["authorize_url"].as_str().unwrap()).header("cookie", "fake_wechat_user=lin");
    let back = agree.send().await.unwrap().headers()["location"].to_str().unwrap().to_owned();
    let page = browser.get(back).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(page.headers()["location"], format!("/o/{opening}?wechat=WECHAT_KNOWN"));
    let finish =
        browser.post(format!("{door}/finish")).header("cookie", &cookie).json(&serde_json::json!({}));
    let unbound: Value = finish.send().await.unwrap().json().await.unwrap();
    assert_eq!(unbound["code"], "WECHAT_UNBOUND", "the first time a code binds it: {unbound}");
    demo.stop().await;
}
