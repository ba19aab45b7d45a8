//! A buyer's page, and the buyers of a burst in a process of their own, so that the server's end is not theirs.
//!
//! This test binary starts itself again with only the ignored test below. The plan comes on standard input; what was
//! tapped and what was answered goes to a file, one JSON line each, written before the next step is taken.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Api, Ended, Link, now_us};

/// Longer than a killed server takes to come back.
const RECONNECT_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(120);

#[derive(Serialize, Deserialize)]
pub struct Burst {
    /// The doors of the gateways that serve.
    pub ports: Vec<u16>,
    pub opening: String,
    pub buyers: Vec<Tapper>,
    pub record: PathBuf,
}

#[derive(Serialize, Deserialize)]
pub struct Tapper {
    pub registration: String,
    pub token: String,
    pub taps: Vec<Tap>,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tap {
    pub registration: String,
    pub key: String,
    pub unit: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Line {
    Tapped {
        tap: Tap,
        at_us: i64,
    },
    /// The final answer: yes or no, never `in_progress` or `unknown`.
    Answered {
        tap: Tap,
        answer: Value,
        at_us: i64,
    },
    /// The socket ended under the buyer, with this close code if with any.
    Left {
        registration: String,
        close_code: Option<u16>,
    },
    /// A claim given up, and the server said so.
    GaveUp {
        claim: String,
        sent_us: i64,
        at_us: i64,
    },
}

/// The doors of the gateways that serve; a new one is found by whoever looks for the next.
pub type Doors = Arc<Mutex<Vec<u16>>>;

/// The running client process.
pub struct Burster {
    child: Child,
    record: PathBuf,
}

impl Burster {
    pub async fn start(burst: &Burst) -> Self {
        File::create(&burst.record).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "client::client_process", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&serde_json::to_vec(burst).unwrap()).await.unwrap();
        Self { child, record: burst.record.clone() }
    }

    /// Waits until the record holds this many answers, or the client has ended.
    pub async fn answered(&mut self, count: usize) {
        while self.child.try_wait().unwrap().is_none() {
            // Counted as text: parsing the growing record again and again would slow the burst down.
            let text = std::fs::read_to_string(&self.record).unwrap();
            if text.matches("{\"Answered\"").count() >= count {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for the end and gives the record.
    pub async fn finish(mut self) -> Vec<Line> {
        let status = timeout(ENDS_WITHIN, self.child.wait()).await.expect("the client ends").unwrap();
        assert!(status.success(), "the client failed; its messages are above");
        read(&self.record)
    }
}

/// The final answers of a record by tap; a tap that was answered twice differently is a fault of its own.
pub fn answers(record: &[Line]) -> BTreeMap<Tap, Value> {
    let mut answers = BTreeMap::new();
    for line in record {
        if let Line::Answered { tap, answer, .. } = line
            && let Some(before) = answers.insert(tap.clone(), answer.clone())
        {
            assert_eq!(before["answer"], answer["answer"], "two answers to {tap:?}");
        }
    }
    answers
}

fn read(record: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(record).unwrap();
    // The last line may be half written while the client runs.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the client process; other tests start it with a plan on standard input"]
async fn client_process() {
    let mut plan = Vec::new();
    std::io::stdin().read_to_end(&mut plan).unwrap();
    let burst: Burst = serde_json::from_slice(&plan).unwrap();
    let record = Arc::new(Mutex::new(File::options().append(true).open(&burst.record).unwrap()));
    let mut running = tokio::task::JoinSet::new();
    let doors = Arc::new(Mutex::new(burst.ports));
    for (at, tapper) in burst.buyers.into_iter().enumerate() {
        let (opening, doors, record) = (burst.opening.clone(), Arc::clone(&doors), Arc::clone(&record));
        running.spawn(async move {
            let write = |line: Line| write(&record, &line);
            let Tapper { registration, token, taps } = tapper;
            let mut page = Page::open(doors, at, opening, registration, token).await;
            for tap in taps {
                page.tap(tap, &write).await;
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

fn write(record: &Mutex<File>, line: &Line) {
    let mut text = serde_json::to_string(line).unwrap();
    text.push('\n');
    record.lock().unwrap().write_all(text.as_bytes()).unwrap();
}

/// A buyer's page: at one gateway's door, and at the next one's when that is lost.
pub struct Page {
    doors: Doors,
    /// Which of them it is at.
    at: usize,
    port: u16,
    opening: String,
    pub registration: String,
    token: String,
    link: Link,
}

impl Page {
    /// At the `at`th door, counted round.
    pub async fn open(doors: Doors, at: usize, opening: String, registration: String, token: String) -> Self {
        let (at, port, link) = connect(&doors, at, &opening, &token).await;
        Self { doors, at, port, opening, registration, token, link }
    }

    /// The door it is at.
    pub fn door(&self) -> Api {
        Api::new(self.port).with_token(&self.token)
    }

    /// To the next door.
    pub async fn go_on(&mut self) {
        (self.at, self.port, self.link) = connect(&self.doors, self.at + 1, &self.opening, &self.token).await;
    }

    /// One tap, insisted on until it is answered; after a lost connection it is asked about, never repeated under
    /// another key.
    pub async fn tap(&mut self, tap: Tap, write: &(dyn Fn(Line) + Sync)) -> Value {
        write(Line::Tapped { tap: tap.clone(), at_us: now_us() });
        let mut sent = self.link.pick(&tap.key, tap.unit).await.map_err(Ended::Broken);
        loop {
            let answer = match sent {
                Ok(()) => self.link.answer(&tap.key, tap.unit).await,
                Err(end) => Err(end),
            };
            match answer {
                Ok(answer) => {
                    write(Line::Answered { tap, answer: answer.clone(), at_us: now_us() });
                    return answer;
                }
                Err(end) => {
                    let registration = self.registration.clone();
                    write(Line::Left { registration, close_code: end.close_code() });
                    self.go_on().await;
                    sent = self.link.ask(&tap.key).await.map_err(Ended::Broken);
                }
            }
        }
    }
}

/// At the `at`th door, or at the next that opens.
async fn connect(doors: &Doors, mut at: usize, opening: &str, token: &str) -> (usize, u16, Link) {
    let deadline = Instant::now() + RECONNECT_WITHIN;
    loop {
        let port = {
            let doors = doors.lock().unwrap();
            at %= doors.len();
            doors[at]
        };
        match Link::open(port, opening, Some(token)).await {
            Ok(link) => return (at, port, link),
            Err(error) => assert!(Instant::now() < deadline, "no connection: {error}"),
        }
        at += 1;
        sleep(Duration::from_millis(50)).await;
    }
}
