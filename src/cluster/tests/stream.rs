//! The stream of journal entries: kept in order and once by Redis itself.

use redis::AsyncCommands;
use tokio::time::Instant;

use super::{Board, EPOCH, STREAM};
use crate::cluster::words::{News, Noted};
use crate::limits::{GATE2_FORGET_S, REDIS_STREAM_BLOCK_MS, STREAM_KEPT, STREAM_PAGE};

fn entry(seq: i64) -> News {
    // Bytes that are no text, and the longest numbers.
    let noted = Noted {
        kind: "Held".to_owned(),
        version: i64::MAX,
        at: 1_800_000_000_000_000 + seq,
        body: vec![0, 255, b'\r', b'\n', u8::try_from(seq % 251).unwrap()],
    };
    News { seq, word: None, entry: Some(noted) }
}

impl Board {
    async fn told(&self, seqs: &[i64]) {
        let news: Vec<News> = seqs.iter().map(|seq| entry(*seq)).collect();
        self.gate.tell(EPOCH, &news).await.unwrap();
    }

    async fn read(&self, after: i64) -> Vec<i64> {
        let mut follower = self.gate.follower().await.unwrap();
        let entries = self.gate.next(&mut follower, EPOCH, after).await.unwrap();
        for (seq, noted) in &entries {
            assert_eq!(Some(noted), entry(*seq).entry.as_ref(), "as it was told");
        }
        entries.into_iter().map(|(seq, _)| seq).collect()
    }
}

/// Mutation that turned it red: an entry added without a look at the last one (Redis refuses the whole call).
#[tokio::test]
async fn redis_the_stream_has_each_entry_once_and_in_order() {
    let board = Board::sealed().await;
    let table: &[(&[i64], &[i64])] = &[
        (&[1, 2, 3], &[1, 2, 3]),
        // Told again, by itself or with a newer one.
        (&[1, 2, 3], &[1, 2, 3]),
        (&[3, 4], &[1, 2, 3, 4]),
        // Late: whoever follows has read it from the journal.
        (&[2], &[1, 2, 3, 4]),
        // After a gap: whoever follows sees that one is missing.
        (&[7], &[1, 2, 3, 4, 7]),
        (&[6, 8, 5, 9], &[1, 2, 3, 4, 7, 8, 9]),
        (&[], &[1, 2, 3, 4, 7, 8, 9]),
    ];
    for (told, stands) in table {
        board.told(told).await;
        assert_eq!(board.read(0).await, *stands, "after {told:?}");
    }
    assert_eq!(board.read(4).await, [7, 8, 9]);
}

/// Mutations that turned it red: a read that does not wait; an id of somebody else's taken for a sequence.
#[tokio::test]
async fn redis_a_follower_waits_for_an_entry_and_comes_back_without_one() {
    let mut board = Board::sealed().await;
    let asked = Instant::now();
    assert_eq!(board.read(0).await, Vec::<i64>::new(), "there is no stream yet");
    assert!(asked.elapsed().as_millis() >= u128::from(REDIS_STREAM_BLOCK_MS), "it waited");

    let (read, ()) = tokio::join!(board.read(0), async {
        let mut raw = board.raw.clone();
        // Told only when the follower waits at the server.
        loop {
            let waiting: String = redis::cmd("INFO").arg("clients").query_async(&mut raw).await.unwrap();
            if waiting.contains("blocked_clients:1") {
                break;
            }
        }
        board.told(&[1]).await;
    });
    assert_eq!(read, [1]);

    // Somebody else's entry ends the page; the journal has the rest.
    board.told(&[2]).await;
    let () = redis::cmd("XADD")
        .arg(STREAM)
        .arg("3-7")
        .arg(&["k", "Held", "v", "1", "a", "1", "b", "x"])
        .query_async(&mut board.raw)
        .await
        .unwrap();
    board.told(&[4]).await;
    assert_eq!(board.read(0).await, [1, 2]);
}

/// Mutations that turned it red: `MAXLEN` left out; no end set to the stream.
#[tokio::test]
async fn redis_the_stream_keeps_the_newest_and_goes_with_its_epoch() {
    let mut board = Board::sealed().await;
    let last = i64::try_from(STREAM_KEPT + 3_000).unwrap();
    board.told(&(1..=last).collect::<Vec<_>>()).await;
    let kept: usize = board.raw.xlen(STREAM).await.unwrap();
    // Redis drops whole nodes, of a hundred entries.
    assert!((STREAM_KEPT..STREAM_KEPT + 200).contains(&kept), "{kept}");
    assert_eq!(board.read(last - 2).await, [last - 1, last]);
    assert_eq!(board.read(0).await.len(), STREAM_PAGE);
    let ttl: i64 = board.raw.ttl(STREAM).await.unwrap();
    assert!((GATE2_FORGET_S - 60..=GATE2_FORGET_S).contains(&ttl), "{ttl} s");

    board.gate.rebuild(EPOCH + 1, &[]).await.unwrap();
    let keys: Vec<String> = board.raw.keys("*").await.unwrap();
    assert_eq!(keys, ["kp:{opening}:4:seal"]);
}
