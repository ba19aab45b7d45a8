//! RFC 6455 over a real socket, in the order of the Autobahn test suite's sections, as far as a server of bounded text
//! messages has them. An echo is a `time` frame with its own number; blanks make it as long as a case wants.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::{Database, Home, Plan, Sale, Server};

const WITHIN: Duration = Duration::from_secs(10);

const TEXT: u8 = 0x81;
const TEXT_BEGINS: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// A client that says bytes and reads frames, and knows no rules.
struct Raw {
    socket: TcpStream,
    bytes: Vec<u8>,
}

/// What the server sent.
#[derive(Debug, Clone, PartialEq)]
enum Got {
    Text(String),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// The end of the stream.
    End,
}

impl Raw {
    /// An onlooker's socket; `early` is said in the same segment as the handshake.
    async fn open(server: &Server, sale: &Sale, early: &[u8]) -> Self {
        Self::open_with(server, sale, early, None).await
    }

    /// With so small a buffer that the server soon waits for its reader.
    async fn open_with(server: &Server, sale: &Sale, early: &[u8], buffer_bytes: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = buffer_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], server.buyers_port));
        let mut socket = socket.connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let request = format!(
            "GET /api/v1/openings/{}/ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: kaipan.v1\r\n\r\n",
            sale.opening
        );
        socket.write_all(&[request.as_bytes(), early].concat()).await.unwrap();
        let mut raw = Self { socket, bytes: Vec::new() };
        let head = loop {
            if let Some(end) = raw.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8(raw.bytes.drain(..end + 4).collect()).unwrap().to_lowercase();
            }
            assert!(raw.more().await, "{:?}", String::from_utf8_lossy(&raw.bytes));
        };
        assert!(head.starts_with("http/1.1 101"), "{head}");
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        assert!(head.contains("sec-websocket-protocol: kaipan.v1"), "{head}");
        assert!(!head.contains("sec-websocket-extensions"), "{head}");
        for tag in ["hello", "snapshot"] {
            let Got::Text(text) = raw.next().await else { panic!("no {tag}") };
            assert!(text.contains(&format!(r#""t":"{tag}""#)), "{text}");
        }
        raw
    }

    async fn more(&mut self) -> bool {
        let read = timeout(WITHIN, self.socket.read_buf(&mut self.bytes)).await.expect("bytes in time");
        read.is_ok_and(|count| count > 0)
    }

    /// Sends bytes; a server that has had enough may refuse them.
    async fn say(&mut self, bytes: &[u8]) {
        drop(self.socket.write_all(bytes).await);
    }

    /// The next frame, whose head must be the server's: whole, unmasked, in the shortest form.
    async fn next(&mut self) -> Got {
        loop {
            if let Some((first, payload)) = self.frame() {
                let text = || String::from_utf8(payload.clone()).unwrap();
                match first {
                    TEXT => return Got::Text(text()),
                    PONG => return Got::Pong(payload),
                    CLOSE => {
                        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                        return Got::Close(code);
                    }
                    // The server's own, twenty seconds apart: a slow machine may see one.
                    PING => continue,
                    other => panic!("{other:x}"),
                }
            }
            if !self.more().await {
                assert!(self.bytes.is_empty(), "cut inside a frame");
                return Got::End;
            }
        }
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, second, rest @ ..] = &self.bytes[..] else { return None };
        let (length, head) = match second {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            length if *length < 126 => (usize::from(*length), 2),
            other => panic!("masked or longer than a board of twelve: {other}"),
        };
        let first = *first;
        let payload = self.bytes.get(head..head + length)?.to_vec();
        self.bytes.drain(..head + length);
        Some((first, payload))
    }

    /// What comes until a close or the end.
    async fn all(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        loop {
            let got = self.next().await;
            let is_last = matches!(got, Got::Close(_) | Got::End);
            all.push(match got {
                // The moment differs.
                Got::Text(text) => Got::Text(text.split(r#","now_ms""#).next().unwrap().to_owned()),
                other => other,
            });
            if is_last {
                return all;
            }
        }
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A `time` frame's text of so many bytes.
fn time(c: u32, bytes: usize) -> Vec<u8> {
    let mut text = format!(r#"{{"t":"time","c":{c}}}"#);
    text.extend(std::iter::repeat_n(' ', bytes.saturating_sub(text.len())));
    text.into_bytes()
}

fn told(c: u32) -> Got {
    Got::Text(format!(r#"{{"t":"time","c":{c}"#))
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// How a case's bytes are sent.
#[derive(Debug, Clone, Copy)]
enum Chop {
    Whole,
    Bytes,
}

async fn sale() -> (Home, Server, Sale) {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    // So far ahead that the opening says nothing meanwhile.
    let sale = Sale::publish(&server, &Plan { starts_in_ms: 3_000_000, ..Plan::default() }).await;
    (home, server, sale)
}

/// A name, what is said, and what is to come back.
type Case<'a> = (&'a str, Vec<Vec<u8>>, Vec<Got>);

/// Says the frames on a socket of their own, and compares all that comes back with `expected`.
async fn check(server: &Server, sale: &Sale, cases: Vec<Case<'_>>) {
    for (name, frames, expected) in cases {
        for chop in [Chop::Whole, Chop::Bytes] {
            let bytes = frames.concat();
            let mut raw = Raw::open(server, sale, b"").await;
            match chop {
                Chop::Whole => raw.say(&bytes).await,
                Chop::Bytes => {
                    // The first bytes one by one, each in a segment; long payloads would only take time.
                    let (first, rest) = bytes.split_at(bytes.len().min(40));
                    for byte in first {
                        raw.say(&[*byte]).await;
                        tokio::task::yield_now().await;
                    }
                    raw.say(rest).await;
                }
            }
            assert_eq!(raw.all().await, expected, "{name}, {chop:?}");
        }
    }
}

/// Every case ends with a close, so that nothing is waited for that must not come.
fn goodbye() -> Vec<u8> {
    close(1000, b"")
}

const BYE: Got = Got::Close(Some(1000));
const PROTOCOL: Got = Got::Close(Some(1002));

#[tokio::test]
async fn sections_1_to_4_sizes_pings_reserved_bits_and_opcodes() {
    let (_home, server, sale) = sale().await;
    let mut cases = vec![
        ("1.2 binary", vec![frame(BINARY, b"x")], vec![Got::Close(Some(1003))]),
        ("2.1 an empty ping", vec![frame(PING, b""), goodbye()], vec![Got::Pong(vec![]), BYE]),
        (
            "2.4 the longest",
            vec![frame(PING, &[0xFE; 125]), goodbye()],
            vec![Got::Pong(vec![0xFE; 125]), BYE],
        ),
        ("2.5 longer", vec![frame(PING, &[0; 126])], vec![PROTOCOL]),
        ("2.7 a pong nobody asked for", vec![frame(PONG, b"x"), goodbye()], vec![BYE]),
        (
            "2.10 ten",
            (0..10).map(|n| frame(PING, &[n])).chain([goodbye()]).collect(),
            (0..10).map(|n| Got::Pong(vec![n])).chain([BYE]).collect(),
        ),
        (
            "3.2 a reserved bit after a good frame",
            vec![frame(TEXT, &time(1, 0)), frame(TEXT | 0x40, b"{}")],
            vec![told(1), PROTOCOL],
        ),
        ("4.1 opcode 3", vec![frame(0x83, b"")], vec![PROTOCOL]),
        ("4.2 opcode 11", vec![frame(0x8B, b"")], vec![PROTOCOL]),
    ];
    for bytes in [0, 125, 126, 127, 128, 4_096] {
        let text = time(7, bytes);
        cases.push(("1.1 text", vec![frame(TEXT, &text), goodbye()], vec![told(7), BYE]));
    }
    check(&server, &sale, cases).await;
}

#[tokio::test]
async fn sections_5_and_6_fragments_and_utf_8() {
    let (_home, server, sale) = sale().await;
    let text = time(5, 0);
    let (one, rest) = text.split_at(4);
    let (two, three) = rest.split_at(5);
    let malformed = |field: &str| {
        Got::Text(format!(r#"{{"t":"error","code":"MALFORMED","params":{{"field":"{field}"}}}}"#))
    };
    let cases = vec![
        ("5.1 a ping in fragments", vec![frame(0x09, b"")], vec![PROTOCOL]),
        (
            "5.19 three, and pings in between",
            vec![
                frame(TEXT_BEGINS, one),
                frame(PING, b"1"),
                frame(GOES_ON, two),
                frame(PING, b"2"),
                frame(ENDS, three),
                goodbye(),
            ],
            vec![Got::Pong(b"1".to_vec()), Got::Pong(b"2".to_vec()), told(5), BYE],
        ),
        ("5.9 nothing to continue", vec![frame(ENDS, b"x")], vec![PROTOCOL]),
        ("5.18 a second message inside", vec![frame(TEXT_BEGINS, one), frame(TEXT, &text)], vec![PROTOCOL]),
        ("6.1 good", vec![frame(TEXT, "\"κόσμε\"".as_bytes()), goodbye()], vec![malformed(""), BYE]),
        (
            "6.2 cut inside a character",
            vec![frame(TEXT_BEGINS, b"\"\xE4\xB8"), frame(ENDS, b"\x87\""), goodbye()],
            vec![malformed(""), BYE],
        ),
        ("6.3 bad", vec![frame(TEXT, b"\xC0\xAF")], vec![Got::Close(Some(1007))]),
        (
            "6.4 bad before the end",
            vec![frame(TEXT_BEGINS, b"\xF4"), frame(GOES_ON, b"\x90")],
            vec![Got::Close(Some(1007))],
        ),
    ];
    check(&server, &sale, cases).await;
}

#[tokio::test]
async fn sections_7_and_9_closing_and_limits() {
    let (_home, server, sale) = sale().await;
    let mut cases = vec![
        ("7.1.1 a close is answered", vec![close(1000, b"bye")], vec![BYE]),
        ("7.1.3 and what follows it is not", vec![close(1000, b""), frame(PING, b"x")], vec![BYE]),
        ("7.3.1 without a code", vec![frame(CLOSE, b"")], vec![Got::Close(None)]),
        ("7.3.2 half a code", vec![frame(CLOSE, b"\x03")], vec![PROTOCOL]),
        ("7.5.1 a reason that is no text", vec![close(1000, b"\xFF")], vec![Got::Close(Some(1007))]),
        ("9 one byte too long", vec![frame(TEXT, &time(1, 4_097))], vec![Got::Close(Some(1009))]),
        (
            "9.3 too long in fragments",
            vec![frame(TEXT_BEGINS, &[b' '; 4_000]), frame(ENDS, &[b' '; 97])],
            vec![Got::Close(Some(1009))],
        ),
        ("not masked", vec![vec![TEXT, 2, b'{', b'}']], vec![PROTOCOL]),
        ("a length in a longer form", vec![vec![TEXT, 0xFE, 0, 2, 0, 0, 0, 0, b'{', b'}']], vec![PROTOCOL]),
        ("pings without end", vec![frame(PING, b"").repeat(400)], Vec::new()),
    ];
    for code in [1001, 1003, 1011, 3000, 4999] {
        cases.push(("7.7 good codes", vec![close(code, b"")], vec![Got::Close(Some(code))]));
    }
    for code in [0, 999, 1005, 1006, 2999, 5000] {
        cases.push(("7.9 bad codes", vec![close(code, b"")], vec![PROTOCOL]));
    }
    let flood = cases.iter().position(|(name, ..)| name.starts_with("pings")).unwrap();
    let (_, frames, _) = cases.remove(flood);
    check(&server, &sale, cases).await;

    let mut raw = Raw::open(&server, &sale, b"").await;
    raw.say(&frames.concat()).await;
    let all = raw.all().await;
    assert_eq!(all.last(), Some(&Got::Close(Some(1008))), "{all:?}");
    assert!((200..400).contains(&all.len()), "{}", all.len());
}

/// The stream ends behind a close, whoever began it and whatever the client still sends.
#[tokio::test]
async fn after_a_close_the_stream_ends() {
    let (_home, server, sale) = sale().await;
    let mut raw = Raw::open(&server, &sale, b"").await;
    raw.say(&goodbye()).await;
    assert_eq!(raw.next().await, BYE);
    assert_eq!(raw.next().await, Got::End);

    let mut raw = Raw::open(&server, &sale, b"").await;
    raw.say(&frame(0x83, b"")).await;
    // More than a socket buffer, behind the frame that ends it: the goodbye must not be lost for it.
    raw.say(&vec![b'x'; 100_000]).await;
    assert_eq!(raw.next().await, PROTOCOL);
    let ended = Instant::now();
    assert_eq!(raw.next().await, Got::End);
    assert!(ended.elapsed() < Duration::from_secs(5), "{:?}", ended.elapsed());
}

/// Bytes that come in one segment with the handshake are frames like any others.
/// Mutation that turned it red: hyper's buffer dropped when the socket is taken out of it.
#[tokio::test]
async fn what_comes_with_the_handshake_is_heard() {
    let (_home, server, sale) = sale().await;
    let early = [frame(TEXT, &time(3, 0)), frame(PING, b"p"), frame(TEXT_BEGINS, &time(4, 0)[..5])].concat();
    let mut raw = Raw::open(&server, &sale, &early).await;
    raw.say(&[frame(ENDS, &time(4, 0)[5..]), goodbye()].concat()).await;
    assert_eq!(raw.all().await, [told(3), Got::Pong(b"p".to_vec()), told(4), BYE]);
}

/// OP-41: a reader that stops reading is owed the newest board, not every one; what it gets in the end is whole, in
/// order, and true. Nobody else waits for it.
#[tokio::test]
async fn a_reader_that_falls_behind_is_skipped_to_the_newest_board() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { homes: 3_000, ..Plan::default() }).await;
    let buyer = sale.buyer(0).await;
    sale.started().await;
    let mut slow = Raw::open_with(&server, &sale, b"", Some(4_096)).await;
    let asks: Vec<u8> = frame(TEXT, br#"{"t":"snapshot"}"#).repeat(190);
    slow.say(&asks).await;
    let mut link = sale.link(&server, &buyer).await;
    let tapped = Instant::now();
    assert_eq!(buyer.pick("while-one-sleeps", 17).await["answer"], "yes");
    link.frame("board").await;
    assert!(tapped.elapsed() < Duration::from_secs(2), "{:?}", tapped.elapsed());
    let now = sale.onlooker().get(&sale.path("/board")).await.ok();

    let (mut snapshots, mut seq) = (0, 0);
    while Some(seq) != now["seq"].as_i64() {
        let Got::Text(text) = slow.next().await else { panic!("cut off") };
        let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
        match frame["t"].as_str() {
            Some("snapshot") => {
                snapshots += 1;
                seq = frame["seq"].as_i64().unwrap();
                if Some(seq) == now["seq"].as_i64() {
                    assert_eq!(frame["status"], now["status"]);
                }
            }
            Some("board") => {
                assert_eq!(frame["from"].as_i64(), Some(seq), "without a gap");
                seq = frame["to"].as_i64().unwrap();
            }
            _ => {}
        }
    }
    assert!((1..190).contains(&snapshots), "{snapshots} of 190 that were asked for");
}

/// A reader that never reads holds a seat and some kernel memory for fifteen seconds, and not for ever.
/// Mutation that turned it red: the sweep not looking at how long a line has stalled.
#[tokio::test]
async fn a_reader_that_never_reads_is_cut() {
    let home = Home::new(Database::Sqlite).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { homes: 3_000, ..Plan::default() }).await;
    let mut asleep = Raw::open_with(&server, &sale, b"", Some(4_096)).await;
    let _awake = Raw::open(&server, &sale, b"").await;
    asleep.say(&frame(TEXT, br#"{"t":"snapshot"}"#).repeat(190)).await;
    let stalled = Instant::now();
    while sockets(&server).await != 1 {
        assert!(stalled.elapsed() < Duration::from_secs(25), "still there");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert!(stalled.elapsed() > Duration::from_secs(13), "{:?}", stalled.elapsed());
}

/// How many onlookers' sockets the server counts.
async fn sockets(server: &Server) -> u64 {
    figure(server, r#"kaipan_sockets{kind="anonymous"}"#).await
}

/// One line of `/metrics`.
async fn figure(server: &Server, name: &str) -> u64 {
    let page = server.buyers().get("/metrics").await.text();
    let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
    line.trim().parse::<f64>().unwrap() as u64
}

/// What sockets cost is given back: round after round the same. How much it is, in a process that had free memory
/// before, this cannot tell; the row `idle` of the benches does.
#[tokio::test]
async fn sockets_that_leave_give_back_what_they_cost() {
    const SOCKETS: u64 = 2_000;
    let (_home, server, sale) = sale().await;
    let resident = async || figure(&server, "process_resident_memory_bytes").await;
    let mut rounds = Vec::new();
    for _ in 0..4 {
        rounds.push(resident().await);
        let mut open = Vec::new();
        for _ in 0..SOCKETS {
            open.push(Raw::open(&server, &sale, b"").await);
        }
        for mut raw in open {
            raw.say(&goodbye()).await;
            assert_eq!(raw.next().await, BYE);
        }
        let left = Instant::now();
        while sockets(&server).await > 0 {
            assert!(left.elapsed() < WITHIN, "sockets stay");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    // The first round also pays for what every later one uses again.
    let grown = resident().await.saturating_sub(rounds[2]);
    // Less than any socket costs: one that is not given back is some 2.5 KB and more. The rest is the allocator's noise.
    assert!(grown < SOCKETS * 2_048, "{grown} bytes since the third round: {rounds:?}");
}
