//! Two gateways with Redis and a Sentinel between them, behind nginx with TLS, by the files of `deploy/` that
//! docker-compose.yml uses (OP-85): a buyer may be on either, comes back to the other when one dies or drains, and finds
//! the truth there.

mod nginx;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::{Duration, Instant, sleep};

use crate::harness::{Api, Books, Buyer, Database, Ended, Home, Link, Plan, Redis, Sale};
use nginx::{Files, Proxy};

/// Six, so that each gateway has some: the proxy sends a connection to where fewest are.
const LINKS: usize = 6;
/// Longer than nginx leaves a gateway out that it could not reach.
const BACK_WITHIN: Duration = Duration::from_secs(20);

struct Seat<'a> {
    buyer: &'a Buyer,
    link: Link,
}

impl<'a> Seat<'a> {
    async fn take(door: u16, sale: &Sale, buyer: &'a Buyer) -> Self {
        let mut link = Link::open(door, &sale.opening, Some(&buyer.token)).await.unwrap();
        link.frame("snapshot").await;
        Self { buyer, link }
    }

    /// The board as it is now, or how the connection ended.
    async fn board(&mut self) -> Result<Value, Ended> {
        // Into a connection that has ended it may go or not; what comes back says which.
        self.link.send(json!({"t": "snapshot"})).await.ok();
        self.link.wait_for(|frame| frame["t"] == "snapshot").await
    }

    /// One tap and its final answer.
    async fn pick(&mut self, key: &str, unit: u64) -> Value {
        self.link.pick(key, unit).await.unwrap();
        self.link.answer(key, unit).await.unwrap()
    }
}

/// Parts those whose connection lives from those whose gateway is gone.
async fn parted(seats: Vec<Seat<'_>>) -> (Vec<Seat<'_>>, Vec<Seat<'_>>) {
    let (mut alive, mut ended) = (Vec::new(), Vec::new());
    for mut seat in seats {
        match seat.board().await {
            Ok(_) => alive.push(seat),
            Err(_) => ended.push(seat),
        }
    }
    (alive, ended)
}

/// The page's way back: it tries until it is let in.
async fn back(door: u16, sale: &Sale) {
    let deadline = Instant::now() + BACK_WITHIN;
    while let Err(error) = Link::open(door, &sale.opening, None).await {
        assert!(Instant::now() < deadline, "nobody is let in: {error}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// One dies, one is added, one drains; over the proxy nobody needs to know which.
///
/// Mutations that turned it red: `proxy_next_upstream off` (the first way back meets the dead gateway), `Upgrade` not passed
/// on, the second gateway left out of the upstream, a certificate without the name of the host.
#[tokio::test]
async fn postgres_buyers_come_back_to_another_gateway_through_the_proxy() {
    let mut home = Home::new(Database::Postgres).await;
    home.settings.push(("KAIPAN_PUBLIC_ORIGINS", "https://localhost"));
    home.settings.push(("KAIPAN_TRUSTED_PROXIES", "127.0.0.1"));
    let redis = Redis::watched().await;
    home.settings.push(("KAIPAN_REDIS_URLS", redis.url().leak()));
    let first = home.serve().await;
    let mut sale = Sale::publish(&first, &Plan { buyers: 2, homes_each: 4, ..Plan::default() }).await;
    let second = home.serve_another().await.expect("Postgres takes a second server");
    let proxy = Proxy::of_compose(&first, &second).await;
    let door = proxy.door().await;
    sale.enter_by(door);
    let (one, other) = (sale.buyer(0).await, sale.buyer(1).await);
    sale.started().await;
    // What is for the collector alone stays inside.
    assert_eq!(sale.onlooker().get("/metrics").await.status, 404);

    let mut seats = Vec::new();
    for n in 0..LINKS {
        seats.push(Seat::take(door, &sale, if n % 2 == 0 { &one } else { &other }).await);
    }
    assert_eq!(seats[0].pick("over-the-proxy", 0).await["answer"], "yes");
    for seat in &mut seats {
        let mut board = seat.board().await.unwrap();
        while !board["status"].as_str().unwrap().starts_with('1') {
            seat.link.frame("board").await;
            board = seat.board().await.unwrap();
        }
    }

    // One dies: its buyers are let in by the other at once, who knows what was theirs. The rest notice nothing.
    first.kill().await;
    let (alive, ended) = parted(seats).await;
    assert!(!alive.is_empty() && !ended.is_empty(), "{} alive, {} ended", alive.len(), ended.len());
    let mut seats = alive;
    for seat in ended {
        seats.push(Seat::take(door, &sale, seat.buyer).await);
    }
    let mine = one.me().await;
    assert_eq!(mine["claims"].as_array().unwrap().len(), 1, "{mine}");
    for (n, seat) in seats.iter_mut().enumerate() {
        let late = seat.pick(&format!("too-late-{n}"), 0).await;
        let whose = if std::ptr::eq(seat.buyer, &raw const one) { "ALREADY_YOURS" } else { "TAKEN" };
        assert_eq!(late["code"], whose, "{late}");
    }
    assert_eq!(other.pick("over-http", 1).await["answer"], "yes");

    // It comes back, the other drains: each buyer is told, and let in by the first.
    let first = home.serve().await;
    let told = join_all(seats.iter_mut().map(|seat| seat.link.wait_for(|_| false)));
    let (stopped, told) = tokio::join!(second.stop(), told);
    assert!(stopped.success());
    for end in told {
        assert_eq!(end.unwrap_err().close_code(), Some(1001));
    }
    back(door, &sale).await;
    let mut seat = Seat::take(door, &sale, &one).await;
    assert_eq!(seat.pick("after-both", 2).await["answer"], "yes");
    assert_eq!(Books::read(&home, &sale.opening).await.faults(), Vec::<String>::new());
    drop(first);
}

/// A gateway that dies with a request in its hands: it may have decided it. A tap is not sent to the next one, since the page
/// asks what became of it; a read is.
///
/// Mutation that turned it red: `non_idempotent` added to `proxy_next_upstream`.
#[tokio::test]
async fn nginx_repeats_no_tap_that_a_gateway_was_sent() {
    let seen = Arc::new(AtomicU32::new(0));
    let mut addresses = Vec::new();
    for address in ["172.30.80.11:8080", "172.30.80.12:8080"] {
        let dying = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push((address.to_owned(), dying.local_addr().unwrap().to_string()));
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = dying.accept().await {
                if socket.read(&mut [0; 4_096]).await.is_ok_and(|bytes| bytes > 0) {
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let proxy = Files::new("compose/upstreams/kaipan.conf", &addresses).serve().await;
    let through = Api::new(proxy.door().await);
    assert_eq!(through.post("/api/v1/openings/any/picks", json!({})).await.status, 502);
    assert_eq!(seen.load(Ordering::Relaxed), 1, "the tap came to one gateway");
    assert_eq!(through.get("/api/v1/openings/any").await.status, 502);
    assert!(seen.load(Ordering::Relaxed) > 1, "somebody else was asked");
}

/// nginx reads the files for one machine as well, and is asked in a way that notices.
#[test]
fn nginx_takes_the_files_for_one_machine() {
    let tested = |port: &str| {
        let address = [("127.0.0.1:8080".to_owned(), format!("127.0.0.1:{port}"))];
        Files::new("nginx/upstreams.conf", &address).tested()
    };
    let taken = tested("8080");
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    assert!(!tested("no-port").status.success());
}
