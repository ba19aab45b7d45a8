//! The real server against clients that mean ill, are broken, or are only many and slow, while a buyer taps and is
//! answered. Black box: what is known here stands in `docs/protocol.md`, `docs/operations.md` and `docs/metrics.md`.
//!
//! Small in `make test`; `make soak` sets `KAIPAN_HOSTILE=full` for the numbers that an opening has to stand.

mod clock;
mod drain;
mod half_open;
mod oversize;
mod raw;
mod slow_loris;
mod stalled;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Buyer, Database, Home, Link, Plan, Sale, Server, allow_sockets};

/// The promise is a second. These tests share an unoptimised server's machine with each other; what they look for, a
/// server that stops answering, is not a matter of moments.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// How many of something to send against the server.
fn size(full: usize, small: usize) -> usize {
    let all = std::env::var("KAIPAN_HOSTILE").is_ok_and(|size| size == "full");
    let count = if all { full } else { small };
    allow_sockets(count);
    count
}

/// A server with a sale that has begun.
struct Beset {
    /// Held for its folder.
    _home: Home,
    server: Server,
    sale: Sale,
}

/// What a buyer's taps came to while something else went on.
#[derive(Debug)]
struct Taps {
    count: usize,
    slowest: Duration,
}

impl Beset {
    async fn new(plan: &Plan) -> Self {
        let home = Home::new(Database::Sqlite).await;
        let server = home.serve().await;
        let sale = Sale::publish(&server, plan).await;
        sale.started().await;
        Self { _home: home, server, sale }
    }

    fn port(&self) -> u16 {
        self.server.buyers_port
    }

    /// A sample of the metrics' page, by name and labels.
    async fn figure(&self, sample: &str) -> f64 {
        figure(&self.server, sample).await
    }

    async fn resident_mib(&self) -> f64 {
        self.figure("process_resident_memory_bytes").await / 1_048_576.0
    }

    /// Waits until a figure is as wanted; says what it was last.
    async fn until(&self, sample: &str, within: Duration, wanted: impl Fn(f64) -> bool) {
        let deadline = Instant::now() + within;
        loop {
            let value = self.figure(sample).await;
            if wanted(value) {
                return;
            }
            assert!(Instant::now() < deadline, "{sample} is {value} after {within:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs `work`, while a buyer taps one home after the other over a WebSocket, and every fifth over HTTP on a connection
    /// of its own. Each tap is answered in time, or the test fails there.
    async fn tapping_while<T>(&self, buyer: &Buyer, name: &str, work: impl Future<Output = T>) -> (T, Taps) {
        let mut link = self.sale.link(&self.server, buyer).await;
        link.frame("mine").await;
        let mut taps = Taps { count: 0, slowest: Duration::ZERO };
        let mut work = std::pin::pin!(work);
        let work = loop {
            tokio::select! {
                biased;
                done = &mut work => break done,
                () = sleep(Duration::from_millis(100)) => {}
            }
            let key = format!("{name}-{:05}", taps.count);
            let began = Instant::now();
            // The work goes on while the answer is waited for.
            let answer = self.tap(&mut link, buyer, &key, taps.count);
            let mut answer = std::pin::pin!(timeout(ANSWER_WITHIN, answer));
            let done = tokio::select! {
                done = &mut work => Some(done),
                answered = &mut answer => {
                    answered.unwrap_or_else(|_| panic!("tap {} waits longer than {ANSWER_WITHIN:?}", taps.count));
                    None
                }
            };
            if let Some(done) = done {
                answer
                    .await
                    .unwrap_or_else(|_| panic!("tap {} waits longer than {ANSWER_WITHIN:?}", taps.count));
                taps.note(began.elapsed());
                break done;
            }
            taps.note(began.elapsed());
        };
        println!("{name}: {taps:?}");
        (work, taps)
    }

    async fn tap(&self, link: &mut Link, buyer: &Buyer, key: &str, n: usize) {
        let unit = n as u64;
        let answer = if n % 5 == 4 {
            buyer.pick(key, unit).await
        } else {
            link.pick(key, unit).await.unwrap();
            link.answer(key, unit).await.unwrap_or_else(|end| panic!("tap {n}: {end}"))
        };
        assert!(matches!(answer["answer"].as_str(), Some("yes" | "no")), "{answer}");
    }
}

impl Taps {
    fn note(&mut self, took: Duration) {
        self.count += 1;
        self.slowest = self.slowest.max(took);
    }
}

async fn figure(server: &Server, sample: &str) -> f64 {
    server.figure(sample).await.unwrap_or_else(|| panic!("no {sample}"))
}

/// A sale with room for a tap every tenth of a second: more than one buyer's quota, so that later ones are refused, which
/// is an answer too.
fn roomy() -> Plan {
    Plan { homes: 900, homes_each: 90, buyers: 2, starts_in_ms: 2_500, ..Plan::default() }
}
