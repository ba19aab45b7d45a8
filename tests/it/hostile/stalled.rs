//! Readers that stop reading: the board turns, they ask for more and more of it, and take nothing.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

use super::{Beset, raw, roomy, size};
use crate::harness::{Link, Plan};

const ONLOOKERS: &str = "kaipan_sockets{kind=\"anonymous\"}";
/// What a reader that takes nothing may keep waiting in the server, beside its own few KiB.
const KIB_EACH: f64 = 64.0;

/// A reader that takes no byte for 15 s is let go; the rest is for a busy machine.
const CUT_WITHIN: Duration = Duration::from_secs(25);

/// The board has 900 homes, so each snapshot is a KiB; two hundred are more than the kernels' buffers of such a reader.
const SNAPSHOTS: usize = 190;

/// Mutation that turned it red: the hub's sweep not looking at how long a line has stalled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_never_read_cost_little_and_hold_up_nobody() {
    let count = size(1_000, 100);
    let beset = Beset::new(&Plan { buyers: 2, ..roomy() }).await;
    let buyer = beset.sale.buyer(0).await;
    let mut screen = Link::open(beset.port(), &beset.sale.opening, None).await.unwrap();
    let mut seq = screen.frame("snapshot").await["seq"].as_i64().unwrap();
    let before_mib = beset.resident_mib().await;
    let (port, opening) = (beset.port(), beset.sale.opening.clone());

    let stalling = async {
        let opening = opening.clone();
        let sockets = raw::many(count, move |_| {
            let opening = opening.clone();
            async move {
                let mut socket = raw::connect_narrow(port).await;
                raw::upgrade(&mut socket, &opening).await;
                let wishes = raw::frame(0x81, br#"{"t":"snapshot"}"#).repeat(SNAPSHOTS);
                socket.write_all(&wishes).await.unwrap();
                socket
            }
        })
        .await;
        let began = Instant::now();
        let mut most_mib: f64 = 0.0;
        // They are cut when they have taken nothing for 15 s: the memory is looked at until then, and the reader beside
        // them sees every change.
        while beset.figure(ONLOOKERS).await > 1.0 {
            assert!(began.elapsed() < CUT_WITHIN, "{} left", beset.figure(ONLOOKERS).await);
            most_mib = most_mib.max(beset.resident_mib().await - before_mib);
            sleep(Duration::from_millis(250)).await;
        }
        drop(sockets);
        (most_mib, began.elapsed())
    };
    let ((most_mib, lasted), taps) = beset.tapping_while(&buyer, "stalled", stalling).await;
    println!("{count} stalled readers: {most_mib:.1} MiB at most, the last cut after {lasted:?}");
    assert!(taps.count >= 30, "{taps:?}");
    assert!(lasted > Duration::from_secs(5), "cut at once: then nobody was stalled");
    assert!(most_mib < count as f64 * KIB_EACH / 1_024.0 + 24.0, "{most_mib} MiB for {count}");

    // The screen missed nothing: ticks join, and end where the board is.
    let board = beset.sale.onlooker().get(&beset.sale.path("/board")).await.ok();
    while seq < board["seq"].as_i64().unwrap() {
        let tick = screen.frame("board").await;
        assert_eq!(tick["from"], seq, "a gap on a screen that reads");
        seq = tick["to"].as_i64().unwrap();
    }
}
