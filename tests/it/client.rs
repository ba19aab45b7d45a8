//! The buyers of a burst in a process of their own, so that the server's end is not theirs.
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

use crate::harness::{Ended, Link};

/// Longer than a killed server takes to come back.
const RECONNECT_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(120);

#[derive(Serialize, Deserialize)]
pub struct Burst {
    pub port: u16,
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
    Tapped(Tap),
    /// The final answer: yes or no, never `in_progress` or `unknown`.
    Answered(Tap, Value),
    /// The socket ended under the buyer, with this close code if with any.
    Left {
        registration: String,
        close_code: Option<u16>,
    },
}

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
        if let Line::Answered(tap, answer) = line
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
    for tapper in burst.buyers {
        let (opening, record) = (burst.opening.clone(), Arc::clone(&record));
        running.spawn(async move { tap_all(burst.port, &opening, tapper, &record).await });
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

/// One tap after the other; after a lost connection the open one is asked about, never repeated under another key.
async fn tap_all(port: u16, opening: &str, tapper: Tapper, record: &Mutex<File>) {
    let mut link = connect(port, opening, &tapper.token).await;
    for tap in &tapper.taps {
        write(record, &Line::Tapped(tap.clone()));
        let mut sent = link.pick(&tap.key, tap.unit).await.map_err(Ended::Broken);
        let answer = loop {
            let answer = match sent {
                Ok(()) => link.answer(&tap.key, tap.unit).await,
                Err(end) => Err(end),
            };
            match answer {
                Ok(frame) => break frame,
                Err(end) => {
                    let registration = tapper.registration.clone();
                    write(record, &Line::Left { registration, close_code: end.close_code() });
                    link = connect(port, opening, &tapper.token).await;
                    sent = link.ask(&tap.key).await.map_err(Ended::Broken);
                }
            }
        };
        write(record, &Line::Answered(tap.clone(), answer));
    }
}

async fn connect(port: u16, opening: &str, token: &str) -> Link {
    let deadline = Instant::now() + RECONNECT_WITHIN;
    loop {
        match Link::open(port, opening, Some(token)).await {
            Ok(link) => return link,
            Err(error) => assert!(Instant::now() < deadline, "no connection: {error}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}
