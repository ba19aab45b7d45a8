//! More taps than one loop can answer: most are answered, the others are told when to come back, and a monitor hears that
//! the server lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Database, Home, Plan, Sale};

/// What waits at once: connections × taps sent without waiting for the answers. Half a second of work for an optimised
/// loop, several seconds for one that is not. The first of them are made before any is sent, so that the loop has them
/// all however little of the machine is left for this side.
const CONNECTIONS: usize = 400;
const TAPS_AT_ONCE: usize = 64;
/// Seen often enough to be no accident.
const REFUSALS: usize = 50;
const WITHIN: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    answered: AtomicUsize,
    refused: AtomicUsize,
}

/// One connection that sends taps in bundles until it is told to stop, and looks at every answer.
async fn tap(port: u16, head: String, who: usize, tally: Arc<Tally>, start: Arc<Barrier>) {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut unread = Vec::new();
    let bundle = |round: usize| {
        (0..TAPS_AT_ONCE).fold(String::new(), |mut bundle, tap| {
            let body = json!({"key": format!("tap-{who}-{round}-{tap}"), "unit": 0}).to_string();
            bundle.push_str(&format!("{head}content-length: {}\r\n\r\n{body}", body.len()));
            bundle
        })
    };
    let (mut round, mut next) = (0, bundle(0));
    start.wait().await;
    while !tally.stop.load(Ordering::Relaxed) {
        socket.write_all(next.as_bytes()).await.unwrap();
        round += 1;
        next = bundle(round);
        for _ in 0..TAPS_AT_ONCE {
            let (status, retry_after, body) = answer(&mut socket, &mut unread).await;
            match status {
                200 => {
                    assert_eq!(body["code"], "NOT_OPEN_YET", "{body}");
                    tally.answered.fetch_add(1, Ordering::Relaxed);
                }
                429 => {
                    assert_eq!(body["code"], "SLOW_DOWN", "{body}");
                    let wait_ms = body["params"]["retry_after_ms"].as_u64().unwrap();
                    assert!((1_000..=2_000).contains(&wait_ms), "{body}");
                    assert_eq!(retry_after, wait_ms.div_ceil(1_000), "{body}");
                    tally.refused.fetch_add(1, Ordering::Relaxed);
                }
                _ => panic!("{status} {body}"),
            }
        }
    }
}

/// The next answer on a connection: status, `Retry-After` or 0, body.
async fn answer(socket: &mut TcpStream, unread: &mut Vec<u8>) -> (u16, u64, Value) {
    loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(unread[..end].to_vec()).unwrap();
            let header = |name: &str| {
                let line = head.lines().find(|line| line.starts_with(name));
                line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            };
            let whole = end + 4 + usize::try_from(header("content-length:")).unwrap();
            if unread.len() >= whole {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                let body = serde_json::from_slice(&unread[end + 4..whole]).unwrap();
                let retry_after = header("retry-after:");
                unread.drain(..whole);
                return (status, retry_after, body);
            }
        }
        let mut piece = [0; 4_096];
        let read = timeout(WITHIN, socket.read(&mut piece)).await.expect("an answer comes").unwrap();
        assert!(read > 0, "cut off without an answer");
        unread.extend_from_slice(&piece[..read]);
    }
}

/// OP-41: nobody is left without an answer, and at most one in nine is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn op_41_a_loop_that_stays_late_refuses_some_with_a_time_and_stays_healthy() {
    let mut home = Home::new(Database::Sqlite).await;
    home.settings.push(("KAIPAN_BUYERS_THREADS", "1"));
    let server = home.serve().await;
    // A rehearsal, whose buyers may tap as often as they like; it starts later, so that a tap costs the database nothing.
    let sale = Sale::publish(&server, &Plan::default()).await;
    let copy =
        sale.admin.post(&sale.path("/rehearsals"), json!({"buyers": 20, "start_in_s": 3_000})).await.ok();
    let path = format!("/api/v1/openings/{}", copy["id"].as_str().unwrap());
    let made = sale.admin.post(&format!("{path}/sessions"), json!({"first": 0, "count": 20})).await.ok();
    let tokens: Vec<&str> =
        made["sessions"].as_array().unwrap().iter().map(|one| one["token"].as_str().unwrap()).collect();

    let (tally, start) = (Arc::new(Tally::default()), Arc::new(Barrier::new(CONNECTIONS)));
    let mut taps = JoinSet::new();
    for who in 0..CONNECTIONS {
        let token = tokens[who % tokens.len()];
        let head = format!(
            "POST {path}/picks HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\n"
        );
        taps.spawn(tap(server.buyers_port, head, who, Arc::clone(&tally), Arc::clone(&start)));
    }
    let deadline = Instant::now() + WITHIN;
    let mut looks = 0;
    while tally.refused.load(Ordering::Relaxed) < REFUSALS {
        assert!(Instant::now() < deadline, "nobody was refused: {:?} answered", tally.answered);
        for probe in ["/healthz", "/readyz"] {
            let reply = timeout(WITHIN, server.buyers().get(probe)).await.expect("a monitor is answered");
            assert_eq!(reply.status, 200, "{probe}");
        }
        looks += 1;
        sleep(Duration::from_millis(50)).await;
    }
    tally.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = timeout(WITHIN, taps.join_next()).await.expect("every tap is answered") {
        ended.unwrap();
    }
    let (answered, refused) = (tally.answered.load(Ordering::Relaxed), tally.refused.load(Ordering::Relaxed));
    assert!(looks > 0 && answered >= 8 * refused, "{answered} answered, {refused} refused, {looks} looks");

    let page = server.buyers().get("/metrics").await.text();
    let line = page.lines().find(|line| line.starts_with("kaipan_loop_refused_total")).unwrap();
    assert_eq!(line.rsplit(' ').next().unwrap().parse::<usize>().unwrap(), refused);
}
