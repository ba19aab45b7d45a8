//! Each script against a real Redis, the simulator's twin beside them, and the link while its server comes and goes.
//!
//! Every test starts a Redis of its own ([`server`]). Names contain `redis`, so that they can be run together.

mod limit;
mod link;
mod scripts;
mod server;
mod stream;
mod twin;

use std::time::Duration;

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

use super::gate2::Gate2;
use super::link::Link;
use super::words::Tap;
use server::Redis;

const EPOCH: i64 = 3;
const UNITS: &str = "kp:{opening}:3:units";
const STREAM: &str = "kp:{opening}:3:stream";
const SEAL: &str = "kp:{opening}:3:seal";
/// Taps are texts of somebody else's making: one with the colon that separates the parts of a word.
const MINE: &str = "7:tap-one";
const OTHERS: &str = "8:tap-two";

/// A gate 2 on a Redis of its own, and a way past it to what stands there.
struct Board {
    redis: Redis,
    link: Link,
    gate: Gate2,
    raw: MultiplexedConnection,
}

impl Board {
    async fn unsealed() -> Self {
        let redis = Redis::start();
        let link = redis.link().await;
        let gate = Gate2::new(link.clone(), "opening");
        let raw = redis.connection().await;
        Self { redis, link, gate, raw }
    }

    async fn sealed() -> Self {
        let board = Self::unsealed().await;
        board.gate.rebuild(EPOCH, &[]).await.unwrap();
        board
    }

    async fn put(&mut self, unit: u32, word: &str) {
        let () = self.raw.hset(UNITS, unit, word).await.unwrap();
    }

    async fn remove(&mut self, unit: u32) {
        let () = self.raw.hdel(UNITS, unit).await.unwrap();
    }

    async fn word(&mut self, unit: u32) -> Option<String> {
        self.raw.hget(UNITS, unit).await.unwrap()
    }

    /// By the server's clock.
    async fn now_ms(&mut self) -> i64 {
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut self.raw).await.unwrap();
        seconds * 1_000 + micros / 1_000
    }

    /// How often a command was carried out since the server started, as INFO names it.
    async fn calls(&mut self, command: &str) -> u64 {
        let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut self.raw).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
    }
}

fn tap(unit: u32, tap: &str, applied: i64) -> Tap {
    Tap { unit, tap: tap.to_owned(), applied }
}

/// Waits for what a server or the link's task does in its own time; there is no event to wait for.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(tokio::time::Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
