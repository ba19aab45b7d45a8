//! The doors' toolkit against clients that misbehave, over real sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use kaipan::http::accept::{Door, SocketTimeouts, listen, serve};
use kaipan::http::origin::Origins;
use kaipan::http::shell::{Service, Shell, Wrap};
use kaipan::http::shortcut::NoShortcut;
use kaipan::http::{Code, Drain, Problem, loops};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SHORT: SocketTimeouts =
    SocketTimeouts { header_read: Duration::from_millis(300), write_stall: Duration::from_millis(500) };

fn wrap(router: Router) -> Service<NoShortcut> {
    Wrap::new(Shell {
        door: "buyers",
        origins: Origins::default(),
        trusted_proxies: Vec::new(),
        request_timeout: Duration::from_secs(1),
        body_bytes_max: 1_024,
        in_flight_max: 100,
        drain: Drain::default(),
    })
    .around(router.fallback(async || Problem::new(Code::NotFound)), NoShortcut)
}

fn app() -> Service<NoShortcut> {
    // Far more than the kernel buffers for a reader that does not read.
    let flood = Bytes::from(vec![b'x'; 64 * 1_024 * 1_024]);
    wrap(
        Router::new()
            .route("/", get(async || "here"))
            .route("/echo", post(async |body: Bytes| body))
            .route("/flood", get(async move || flood.clone()))
            .route(
                "/slow",
                get(async || {
                    tokio::time::sleep(Duration::from_millis(400)).await;
                    "late but whole"
                }),
            ),
    )
}

async fn start(connections_max: usize, drain: &Drain) -> SocketAddr {
    let listener = listen("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::new("buyers", connections_max, SHORT);
    tokio::spawn(serve(listener, app(), door, drain.clone()));
    address
}

/// Sends `request` and reads until the server closes.
async fn talk(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // A refused request may be cut while we still send.
    drop(socket.write_all(request).await);
    let mut answer = Vec::new();
    drop(tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await.unwrap());
    String::from_utf8_lossy(&answer).into_owned()
}

/// Mutation that turned it red: no `header_read_timeout`, so that the head may take for ever.
#[tokio::test]
async fn a_head_that_trickles_in_is_cut() {
    let address = start(10, &Drain::default()).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    let mut cut = false;
    for byte in b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
        if socket.write_all(&[*byte]).await.is_err() {
            cut = true;
            break;
        }
        let mut answer = [0; 256];
        let read = tokio::time::timeout(Duration::from_millis(25), socket.read(&mut answer)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            cut = true;
            break;
        }
    }
    assert!(cut && began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let address = start(10, &Drain::default()).await;
    let long_header = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(64 * 1_024));
    assert!(talk(address, long_header.as_bytes()).await.starts_with("HTTP/1.1 431"));

    let many_headers = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(200));
    assert!(talk(address, many_headers.as_bytes()).await.starts_with("HTTP/1.1 431"));

    let body = "b".repeat(2_000);
    let long_body = format!(
        "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(talk(address, long_body.as_bytes()).await.starts_with("HTTP/1.1 413"));

    let chunked = format!(
        "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert!(talk(address, chunked.as_bytes()).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_body_that_never_comes_is_timed_out() {
    let address = start(10, &Drain::default()).await;
    let request = b"POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 10\r\n\r\nabc";
    let answer = talk(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("TIMED_OUT"), "{answer}");
}

/// A client asks for much and reads nothing: its place must come free again.
/// Mutation that turned it red: no guard under hyper, which itself waits for a reader for ever.
#[tokio::test]
async fn a_reader_that_never_reads_loses_its_place() {
    let address = start(1, &Drain::default()).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert_eq!(talk(address, request).await, "", "the only place is taken");
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert!(talk(address, request).await.ends_with("here"));
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_at_once() {
    let address = start(2, &Drain::default()).await;
    let _first = TcpStream::connect(address).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut third = TcpStream::connect(address).await.unwrap();
    let read = tokio::time::timeout(Duration::from_millis(200), third.read(&mut [0; 8])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
}

#[tokio::test]
async fn a_drain_finishes_what_began_and_takes_nothing_new() {
    let drain = Drain::default();
    let address = start(10, &drain).await;
    let running = tokio::spawn(async move {
        talk(address, b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await // keep-alive: the drain closes it
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    drain.begin();
    assert!(drain.finished(Duration::from_secs(2)).await);
    assert!(running.await.unwrap().ends_with("late but whole"));
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}

/// Every loop listens on the one port, each on its own thread, and all end with the drain.
#[tokio::test]
async fn loops_share_a_port_and_end_together() {
    let drain = Drain::default();
    let door = Door::new("buyers", 100, SHORT);
    let started = loops::start("127.0.0.1:0".parse().unwrap(), 3, &door, &drain, |core, _lateness| {
        wrap(Router::new().route("/", get(async move || format!("core {core}"))))
    })
    .unwrap();
    let mut cores = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let answer = talk(started.address, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        cores.insert(answer.rsplit("core ").next().unwrap().to_owned());
    }
    assert_eq!(cores.len(), 3, "{cores:?}");
    drain.begin();
    tokio::time::timeout(Duration::from_secs(5), started.ended()).await.unwrap();
}
