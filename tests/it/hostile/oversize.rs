//! Heads, bodies and frames that are longer than anything honest: the right code, no memory for it, and a connection
//! that is either whole afterwards or closed, never in between.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Beset, raw, roomy};
use crate::harness::{Ended, Link};

const SOON: Duration = Duration::from_secs(5);

async fn say(socket: &mut TcpStream, bytes: &[u8]) {
    // A refused request may be cut while we still send.
    drop(socket.write_all(bytes).await);
}

/// Mutation that turned it red: no `max_buf_size` and `max_headers` in the accept loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_too_large_are_refused_and_closed() {
    let beset = Beset::new(&roomy()).await;
    let heads = [
        (
            "one long header",
            format!("GET /healthz HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(64 * 1_024)),
        ),
        ("many headers", format!("GET /healthz HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(200))),
        ("a long path", format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "p".repeat(64 * 1_024))),
        ("no end", format!("GET /healthz HTTP/1.1\r\nx: {}", "y".repeat(256 * 1_024))),
    ];
    for (what, request) in heads {
        let mut socket = raw::connect(beset.port()).await;
        say(&mut socket, request.as_bytes()).await;
        let head = raw::head(&mut socket).await;
        assert!(head.starts_with("HTTP/1.1 431") || head.starts_with("HTTP/1.1 414"), "{what}: {head}");
        assert!(raw::ends(&mut socket, SOON).await, "{what}: the connection stays open");
    }
    let buyer = beset.sale.buyer(0).await;
    assert_eq!(buyer.pick("after-the-heads", 1).await["answer"], "yes");
}

/// The rest of a refused body must not be read as the next request: the classic way to smuggle one in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_too_large_are_refused_and_nothing_in_them_is_a_request() {
    let beset = Beset::new(&roomy()).await;
    let buyer = beset.sale.buyer(0).await;
    let path = beset.sale.path("/picks");
    let own = format!("host: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json", buyer.token);
    // What follows the first 64 KiB is a whole pick, which must never be heard.
    let smuggled_body = r#"{"key":"smuggled-pick","unit":7}"#;
    let smuggled = format!(
        "POST {path} HTTP/1.1\r\n{own}\r\ncontent-length: {}\r\n\r\n{smuggled_body}",
        smuggled_body.len()
    );
    let body = format!("{}{smuggled}", " ".repeat(64 * 1_024));
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let cases = [
        (
            "a length",
            format!("POST {path} HTTP/1.1\r\n{own}\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        ),
        ("chunks", format!("POST {path} HTTP/1.1\r\n{own}\r\ntransfer-encoding: chunked\r\n\r\n{chunk}")),
    ];
    for (what, request) in cases {
        let mut socket = raw::connect(beset.port()).await;
        say(&mut socket, request.as_bytes()).await;
        let (head, problem) = raw::answer(&mut socket).await;
        assert!(head.starts_with("HTTP/1.1 413"), "{what}: {head}");
        assert!(problem.contains("BODY_TOO_LARGE"), "{what}: {problem}");
        // Either it is closed, or it answers the next request and that alone.
        say(&mut socket, b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let next = raw::head(&mut socket).await;
        assert!(next.is_empty() || next.starts_with("HTTP/1.1 200"), "{what}: {next}");
        assert!(raw::ends(&mut socket, SOON).await, "{what}");
    }
    assert_eq!(buyer.me().await["claims"].as_array().unwrap().len(), 0, "a pick was smuggled in");

    // Both lengths at once is the other classic.
    let mut socket = raw::connect(beset.port()).await;
    let both = format!(
        "POST {path} HTTP/1.1\r\n{own}\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    say(&mut socket, both.as_bytes()).await;
    let head = raw::head(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 4"), "{head}");
    assert!(raw::ends(&mut socket, SOON).await, "both lengths: the connection stays open");
    assert_eq!(buyer.me().await["claims"].as_array().unwrap().len(), 0, "a pick was smuggled in");
}

/// Mutation that turned it red: frames of any length taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_too_large_close_the_socket_and_cost_no_memory() {
    let beset = Beset::new(&roomy()).await;
    let opening = &beset.sale.opening;

    let mut link = Link::open(beset.port(), opening, None).await.unwrap();
    link.frame("snapshot").await;
    link.send_text(&format!("{{\"t\":\"time\",\"c\":1{}}}", " ".repeat(5_000))).await.unwrap();
    let end = loop {
        if let Err(end) = link.next().await {
            break end;
        }
    };
    assert!(matches!(end, Ended::Closed(_)) && end.close_code() == Some(1009), "{end}");

    // A frame that claims a gigabyte, or more than there is, and sends none of it; and one in a thousand pieces.
    let before_mib = beset.resident_mib().await;
    for length in [1 << 30, u64::MAX >> 1, u64::MAX] {
        let mut socket = raw::connect(beset.port()).await;
        raw::upgrade(&mut socket, opening).await;
        socket.write_all(&raw::frame_head(0x81, length)).await.unwrap();
        let code = raw::close_code(&mut socket).await;
        assert!(matches!(code, None | Some(1009 | 1002)), "{length}: {code:?}");
        assert!(raw::ends(&mut socket, SOON).await, "{length}: the socket stays open");
    }
    let mut socket = raw::connect(beset.port()).await;
    raw::upgrade(&mut socket, opening).await;
    say(&mut socket, &raw::frame(0x01, b"{\"t\":\"time\",\"c\":1")).await;
    for _ in 0..1_000 {
        say(&mut socket, &raw::frame(0x00, &[b' '; 100])).await;
    }
    let code = raw::close_code(&mut socket).await;
    assert!(matches!(code, None | Some(1009 | 1002)), "{code:?}");
    assert!(raw::ends(&mut socket, SOON).await, "the socket stays open");
    let grown_mib = beset.resident_mib().await - before_mib;
    assert!(grown_mib < 16.0, "{grown_mib} MiB");

    let buyer = beset.sale.buyer(0).await;
    assert_eq!(buyer.pick("after-the-frames", 1).await["answer"], "yes");
    assert_eq!(beset.figure("kaipan_panics_total").await, 0.0);
}
