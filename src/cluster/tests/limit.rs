//! The bucket that all gateways share, as a table: what stands there, the call, the answer, what stands there then; and
//! the names that they remember together.

use redis::AsyncCommands;

use super::Board;
use crate::cluster::limit::Bucket;
use crate::domain::time::Micros;

const KEY: &str = "kp:limit:who";
/// Three tries at once, then one each ten seconds.
const BUCKET: Bucket<'_> = Bucket { name: "who", every: Micros::from_secs(10), depth: Micros::from_secs(30) };
/// How much a bucket may leak while a table's line is played on a busy machine.
const LEAKS_S: std::ops::Range<f64> = 0.0..5.0;

impl Board {
    /// Seconds of tries in the bucket; none when there is no key.
    async fn filled_s(&mut self) -> Option<f64> {
        let empty_at: Option<i64> = self.raw.get(KEY).await.unwrap();
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut self.raw).await.unwrap();
        empty_at.map(|at| (at - seconds * 1_000_000 - micros) as f64 / 1e6)
    }
}

/// Mutations that turned it red: a refused try that counts; a bucket fuller than full after a
/// step of the clock; an empty one that goes on emptying; what does not read back taken for a full one.
#[tokio::test]
async fn redis_limit_counts_a_try_or_says_how_long_to_wait() {
    let mut board = Board::unsealed().await;
    // Seconds in the bucket before (`None`: no key), the answer in seconds, and seconds in it afterwards.
    let counted: &[(Option<i64>, Option<f64>, Option<f64>)] = &[
        (None, None, Some(10.0)),
        (Some(10), None, Some(20.0)),
        (Some(20), None, Some(30.0)),
        (Some(21), Some(1.0), Some(21.0)),
        (Some(30), Some(10.0), Some(30.0)),
        // Empty for an hour.
        (Some(-3_600), None, Some(10.0)),
        // The clock was stepped back, or another server's: full, and no fuller.
        (Some(3_600), Some(10.0), Some(3_600.0)),
    ];
    let forgiven: &[(Option<i64>, Option<f64>, Option<f64>)] = &[
        (None, None, None),
        (Some(5), None, None),
        (Some(-5), None, None),
        (Some(15), None, Some(5.0)),
        (Some(30), None, Some(20.0)),
        (Some(3_600), None, Some(20.0)),
    ];
    let close = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
        (Some(found), Some(expected)) => LEAKS_S.contains(&(expected - found)),
        (found, expected) => found.is_none() && expected.is_none(),
    };
    let mut faults = Vec::new();
    for (forgive, table) in [(false, counted), (true, forgiven)] {
        for (before, wait_s, after_s) in table {
            let () = board.raw.del(KEY).await.unwrap();
            if let Some(before) = before {
                let at = board.now_ms().await * 1_000 + before * 1_000_000;
                let () = board.raw.set(KEY, at).await.unwrap();
            }
            let wait = if forgive {
                board.link.give_back(BUCKET).await.unwrap();
                None
            } else {
                board.link.count(BUCKET).await.unwrap().map(|wait| wait.0 as f64 / 1e6)
            };
            let filled = board.filled_s().await;
            if !close(wait, *wait_s) || !close(filled, *after_s) {
                faults.push(format!("{before:?}, forgive {forgive}: {wait:?}, not {wait_s:?}; then {filled:?}, not {after_s:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Mutations that turned it red: the key without its end; `forgive` that leaves an empty bucket's key.
#[tokio::test]
async fn redis_a_bucket_goes_when_it_is_empty() {
    let mut board = Board::unsealed().await;
    board.link.count(BUCKET).await.unwrap();
    board.link.count(BUCKET).await.unwrap();
    let ttl: i64 = board.raw.pttl(KEY).await.unwrap();
    assert!((1..=20_000).contains(&ttl), "{ttl} ms");
    board.link.give_back(BUCKET).await.unwrap();
    let ttl: i64 = board.raw.pttl(KEY).await.unwrap();
    assert!((1..=10_000).contains(&ttl), "{ttl} ms");
    board.link.give_back(BUCKET).await.unwrap();
    let there: bool = board.raw.exists(KEY).await.unwrap();
    assert!(!there);
    // What does not read back is an empty bucket.
    let () = board.raw.set(KEY, "soon").await.unwrap();
    assert_eq!(board.link.count(BUCKET).await.unwrap(), None);
    let other = Bucket { name: "somebody else", ..BUCKET };
    for _ in 0..2 {
        assert_eq!(board.link.count(BUCKET).await.unwrap(), None);
    }
    assert!(board.link.count(BUCKET).await.unwrap().is_some());
    assert_eq!(board.link.count(other).await.unwrap(), None);
}

/// Mutation that turned it red: a name noted without an end.
#[tokio::test]
async fn redis_a_name_is_known_for_its_time() {
    let mut board = Board::unsealed().await;
    assert!(!board.link.is_noted("who").await.unwrap());
    board.link.note("who", 60).await.unwrap();
    assert!(board.link.is_noted("who").await.unwrap());
    assert!(!board.link.is_noted("somebody else").await.unwrap());
    let ttl: i64 = board.raw.ttl("kp:known:who").await.unwrap();
    assert!((1..=60).contains(&ttl), "{ttl} s");
}
