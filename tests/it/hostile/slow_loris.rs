//! Thousands of connections that send their head a byte at a time, and never end it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Beset, raw, roomy, size};

/// `docs/operations.md`: a head takes 15 s at most. The rest is for a busy machine.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
const SLACK: Duration = Duration::from_secs(10);
/// What a connection that has said half a head may cost the server: twice what it was seen to.
const KIB_EACH: f64 = 32.0;

/// A byte every half second until the server ends it; how long that took.
async fn trickle(mut socket: TcpStream) -> Duration {
    let began = Instant::now();
    let mut answer = [0; 256];
    for byte in b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: ".iter().chain(std::iter::repeat(&b'a')) {
        if began.elapsed() > HEAD_WITHIN + SLACK || socket.write_all(&[*byte]).await.is_err() {
            break;
        }
        let read = timeout(Duration::from_millis(500), socket.read(&mut answer)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            break;
        }
    }
    began.elapsed()
}

/// Mutation that turned it red: no `header_read_timeout` in the accept loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_trickle_in_are_cut_and_buyers_are_answered_meanwhile() {
    let count = size(5_000, 500);
    let beset = Beset::new(&roomy()).await;
    let buyer = beset.sale.buyer(0).await;
    let before_mib = beset.resident_mib().await;
    let port = beset.port();
    let loris = async {
        let sockets = raw::many(count, |_| raw::connect(port)).await;
        let trickling: Vec<_> = sockets.into_iter().map(|socket| tokio::spawn(trickle(socket))).collect();
        sleep(Duration::from_secs(5)).await;
        assert!(beset.figure("kaipan_connections{door=\"buyers\"}").await >= count as f64);
        let grown_mib = beset.resident_mib().await - before_mib;
        let mut longest = Duration::ZERO;
        let mut shortest = Duration::MAX;
        for trickled in trickling {
            let took = trickled.await.unwrap();
            (shortest, longest) = (shortest.min(took), longest.max(took));
        }
        (grown_mib, shortest, longest)
    };
    let ((grown_mib, shortest, longest), taps) = beset.tapping_while(&buyer, "loris", loris).await;
    println!("{count} sockets: {grown_mib:.1} MiB, cut after {shortest:?} to {longest:?}");
    assert!(taps.count >= 50, "{taps:?}");
    assert!(longest < HEAD_WITHIN + SLACK, "{longest:?}");
    assert!(shortest > HEAD_WITHIN / 2, "a slow phone would have been cut too: {shortest:?}");
    assert!(grown_mib < count as f64 * KIB_EACH / 1_024.0 + 16.0, "{grown_mib} MiB for {count}");
    beset.until("kaipan_connections{door=\"buyers\"}", Duration::from_secs(5), |open| open < 20.0).await;
}
