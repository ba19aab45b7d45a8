//! Buyers who tap, give up what they got, and tap again until they are told to leave; each at one gateway's door, and at
//! the next one's when that is lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::SMALL;
use crate::client::{Doors, Line, Page, Tap};
use crate::harness::now_us;

/// Between an answer and the next tap: 100 to 300 ms.
const LOOKS_MS: std::ops::Range<u64> = 100..300;
/// Half of all taps go to the home that is called out just now, so that buyers at all gateways want it at once.
const CALLED_OUT_US: i64 = 100_000;
/// Longer than any fault of these tests lasts.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

pub struct Crowd {
    buyers: JoinSet<()>,
    record: Arc<Record>,
    stay: watch::Sender<bool>,
    /// As large as how many small ones.
    times: usize,
}

/// How buyers behave.
#[derive(Clone)]
pub struct Custom {
    pub opening: String,
    /// In their keys.
    pub name: &'static str,
    pub homes: u64,
}

struct Record {
    lines: Mutex<Vec<Line>>,
    answers: watch::Sender<usize>,
}

impl Record {
    fn write(&self, line: Line) {
        let is_answer = matches!(line, Line::Answered { .. });
        self.lines.lock().unwrap().push(line);
        if is_answer {
            self.answers.send_modify(|count| *count += 1);
        }
    }
}

impl Crowd {
    /// Registrations and tokens.
    pub async fn enter(custom: Custom, people: Vec<(String, String)>, doors: &Doors) -> Self {
        let seed: u64 = rand::random();
        println!("seed {seed}");
        let record = Arc::new(Record { lines: Mutex::default(), answers: watch::Sender::new(0) });
        let stay = watch::Sender::new(true);
        let mut buyers = JoinSet::new();
        let count = people.len();
        for (at, (registration, token)) in people.into_iter().enumerate() {
            let page = Page::open(Arc::clone(doors), at, custom.opening.clone(), registration, token);
            let buyer = Buyer {
                rng: StdRng::seed_from_u64(seed + at as u64),
                record: Arc::clone(&record),
                custom: custom.clone(),
            };
            let stay = stay.subscribe();
            buyers.spawn(async move { buyer.shop(page.await, stay).await });
        }
        let times = count.div_ceil(SMALL);
        let mut crowd = Self { buyers, record, stay, times };
        crowd.answered(SMALL).await;
        crowd
    }

    /// Waits until so many more taps are answered, or in a larger crowd as many times more.
    pub async fn answered(&mut self, more: usize) {
        let more = more * self.times;
        let mut answers = self.record.answers.subscribe();
        let wanted = *answers.borrow() + more;
        let mut answered =
            std::pin::pin!(timeout(ANSWERED_WITHIN, answers.wait_for(|count| *count >= wanted)));
        let all = loop {
            tokio::select! {
                all = &mut answered => break all.map(drop),
                Some(ended) = self.buyers.join_next() => ended.expect("a buyer stays"),
            }
        };
        let count = *self.record.answers.borrow();
        all.unwrap_or_else(|_| panic!("{count} answers, {wanted} were expected within {ANSWERED_WITHIN:?}"));
    }

    /// Everybody's last tap is answered; the record.
    pub async fn leave(mut self) -> Vec<Line> {
        self.stay.send_replace(false);
        let all = async {
            while let Some(ended) = self.buyers.join_next().await {
                ended.expect("a buyer leaves in peace");
            }
        };
        timeout(ANSWERED_WITHIN, all).await.expect("everybody is answered");
        std::mem::take(&mut self.record.lines.lock().unwrap())
    }
}

struct Buyer {
    rng: StdRng,
    record: Arc<Record>,
    custom: Custom,
}

impl Buyer {
    async fn shop(mut self, mut page: Page, mut stay: watch::Receiver<bool>) {
        let mut held = Vec::new();
        for n in 0.. {
            if !*stay.borrow() {
                return;
            }
            let called_out = (now_us() / CALLED_OUT_US).cast_unsigned() * 7 % self.custom.homes;
            let unit =
                if self.rng.random() { called_out } else { self.rng.random_range(0..self.custom.homes) };
            let key = format!("{}-{}-{n}", self.custom.name, page.registration);
            let tap = Tap { registration: page.registration.clone(), key, unit };
            let record = Arc::clone(&self.record);
            let answer = page.tap(tap, &move |line| record.write(line)).await;
            if answer["answer"] == "yes" {
                let claim = &answer["claim"];
                held.push((claim["id"].as_str().unwrap().to_owned(), claim["generation"].as_i64().unwrap()));
            }
            if !held.is_empty() && self.rng.random() {
                let (claim, generation) = held.remove(0);
                self.give_up(&mut page, claim, generation).await;
            }
            let looks = Duration::from_millis(self.rng.random_range(LOOKS_MS));
            // Whoever is told to leave does not look on.
            let _ = timeout(looks, stay.wait_for(|stay| !stay)).await;
        }
    }

    /// Insisted on like a tap: the generation makes a repetition safe.
    async fn give_up(&self, page: &mut Page, claim: String, generation: i64) {
        let path = format!("/api/v1/openings/{}/claims/{claim}/give-up", self.custom.opening);
        let sent_us = now_us();
        let deadline = Instant::now() + ANSWERED_WITHIN;
        loop {
            let door = page.door();
            let request = door.request(reqwest::Method::POST, &path).json(&json!({"generation": generation}));
            match door.send(request).await {
                Ok(reply) if reply.status == 200 => {
                    self.record.write(Line::GaveUp { claim, sent_us, at_us: now_us() });
                    return;
                }
                Ok(reply) => {
                    let said = reply.text();
                    assert!(
                        matches!(reply.status, 429 | 503),
                        "a home can not be given up: {} {said}",
                        reply.status
                    );
                }
                Err(_) => page.go_on().await,
            }
            assert!(Instant::now() < deadline, "not given up after {ANSWERED_WITHIN:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// How many answers of each kind: "yes", or the code of a no.
pub fn counts(record: &[Line]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in record {
        if let Line::Answered { answer, .. } = line {
            let said = answer["code"].as_str().or(answer["answer"].as_str());
            *counts.entry(said.unwrap_or("nothing").to_owned()).or_default() += 1;
        }
    }
    counts
}

/// How many taps were sent and answered between two moments.
pub fn between(record: &[Line], (from_us, until_us): (i64, i64)) -> usize {
    let mut sent: BTreeMap<&Tap, i64> = BTreeMap::new();
    let mut count = 0;
    for line in record {
        match line {
            Line::Tapped { tap, at_us } => drop(sent.insert(tap, *at_us)),
            Line::Answered { tap, at_us, .. } => {
                count +=
                    usize::from(sent.get(tap).is_some_and(|sent| *sent >= from_us) && *at_us <= until_us);
            }
            Line::Left { .. } | Line::GaveUp { .. } => {}
        }
    }
    count
}
