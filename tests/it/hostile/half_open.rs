//! Peers that are there and say nothing, or are gone and did not say so.
//!
//! Not shown here: a handshake that is never completed (SYN without ACK) is the kernel's, whose bounds are in
//! `deploy/sysctl`; and a peer behind a cable that is cut, which loopback can not play: `TCP_USER_TIMEOUT` and the
//! silence limit, shown below, are what end it.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

use super::{Beset, raw, roomy, size};

const OPEN: &str = "kaipan_connections{door=\"buyers\"}";
const ONLOOKERS: &str = "kaipan_sockets{kind=\"anonymous\"}";

/// Mutation that turned it red: no `header_read_timeout` in the accept loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_never_say_a_word_are_cut_and_buyers_are_answered_meanwhile() {
    let count = size(5_000, 500);
    let beset = Beset::new(&roomy()).await;
    let buyer = beset.sale.buyer(0).await;
    let before_mib = beset.resident_mib().await;
    let port = beset.port();
    let silent = async {
        let mut sockets = raw::many(count, |_| raw::connect(port)).await;
        let connected = Instant::now();
        beset.until(OPEN, Duration::from_secs(10), |open| open >= count as f64).await;
        let grown_mib = beset.resident_mib().await - before_mib;
        for socket in &mut sockets {
            let left = Duration::from_secs(25).saturating_sub(connected.elapsed());
            assert!(raw::ends(socket, left).await, "still open after {:?}", connected.elapsed());
        }
        grown_mib
    };
    let (grown_mib, taps) = beset.tapping_while(&buyer, "silent", silent).await;
    println!("{count} sockets: {grown_mib:.1} MiB");
    assert!(taps.count >= 50, "{taps:?}");
    assert!(grown_mib < count as f64 * 32.0 / 1_024.0 + 16.0, "{grown_mib} MiB for {count}");
    beset.until(OPEN, Duration::from_secs(5), |open| open < 20.0).await;
}

/// A process that is killed, a phone whose battery dies: its end resets the connection, or half closes it.
/// Mutation that turned it red: a hub that keeps a socket whose read failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_whose_peer_is_gone_are_let_go() {
    let count = size(1_000, 200);
    let beset = Beset::new(&roomy()).await;
    let (port, opening) = (beset.port(), beset.sale.opening.clone());
    for round in 0..3 {
        let opening = opening.clone();
        let sockets = raw::many(count, move |_| {
            let opening = opening.clone();
            async move {
                let mut socket = raw::connect(port).await;
                raw::upgrade(&mut socket, &opening).await;
                socket
            }
        })
        .await;
        beset.until(ONLOOKERS, Duration::from_secs(10), |open| open >= count as f64).await;
        for (n, mut socket) in sockets.into_iter().enumerate() {
            match n % 3 {
                0 => raw::reset(socket),
                1 => drop(socket),
                // In the middle of a frame.
                _ => {
                    drop(socket.write_all(&raw::frame_head(0x81, 100)).await);
                    raw::reset(socket);
                }
            }
        }
        beset.until(ONLOOKERS, Duration::from_secs(10), |open| open == 0.0).await;
        beset.until(OPEN, Duration::from_secs(10), |open| open < 20.0).await;
        println!("round {round}: {:.1} MiB", beset.resident_mib().await);
    }
    assert_eq!(beset.figure("kaipan_panics_total").await, 0.0);
}

/// The kernel of a phone that sleeps still acknowledges; nobody there answers a ping.
/// Mutation that turned it red: the silence not looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes more than a minute; make soak runs it"]
async fn a_socket_that_answers_no_ping_is_given_up_after_a_minute() {
    let beset = Beset::new(&roomy()).await;
    let mut socket = raw::connect(beset.port()).await;
    raw::upgrade(&mut socket, &beset.sale.opening).await;
    let opened = Instant::now();
    sleep(Duration::from_secs(45)).await;
    assert_eq!(beset.figure(ONLOOKERS).await, 1.0, "given up too early");
    assert!(raw::ends(&mut socket, Duration::from_secs(40)).await, "{:?}", opened.elapsed());
    assert!(opened.elapsed() > Duration::from_secs(55), "{:?}", opened.elapsed());
    beset.until(ONLOOKERS, Duration::from_secs(5), |open| open == 0.0).await;
}
