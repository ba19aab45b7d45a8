//! Sockets that speak HTTP and WebSocket byte by byte, so that they can also misspeak.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

const WITHIN: Duration = Duration::from_secs(30);

pub async fn connect(port: u16) -> TcpStream {
    timeout(WITHIN, TcpStream::connect(("127.0.0.1", port))).await.expect("accepted in time").unwrap()
}

/// Like a phone at the edge of its network: little room to receive, small segments, so that the server's own buffers for
/// it stay small too. Loopback's usual segments of 64 KiB would let megabytes wait in the kernel.
pub async fn connect_narrow(port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.set_tcp_mss(1_000).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    timeout(WITHIN, socket.connect(address)).await.expect("accepted in time").unwrap()
}

/// `count` of what `open` opens, some at a time.
pub async fn many<T: Send + 'static, F>(count: usize, open: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let mut opened = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    for n in 0..count {
        opening.spawn(open(n));
        if opening.len() >= 200 {
            opened.push(opening.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(done) = opening.join_next().await {
        opened.push(done.unwrap());
    }
    opened
}

/// Reads the head of an answer, no further.
pub async fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let read = async {
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
    };
    timeout(WITHIN, read).await.expect("an answer in time");
    String::from_utf8(head).unwrap()
}

/// Reads a whole answer with its `content-length`, so that the connection can go on.
pub async fn answer(socket: &mut TcpStream) -> (String, String) {
    let head = head(socket).await;
    let length =
        head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    timeout(WITHIN, socket.read_exact(&mut body)).await.expect("a body in time").unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// Whether the other side ended the connection, politely or not, within this time; what it says meanwhile is dropped.
pub async fn ends(socket: &mut TcpStream, within: Duration) -> bool {
    let mut sink = vec![0; 65_536];
    let end = async { while !matches!(socket.read(&mut sink).await, Ok(0) | Err(_)) {} };
    timeout(within, end).await.is_ok()
}

/// Asks for a WebSocket as an onlooker, and reads no more than the head of the answer.
pub async fn upgrade(socket: &mut TcpStream, opening: &str) {
    let request = format!(
        "GET /api/v1/openings/{opening}/ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: kaipan.v1\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let head = head(socket).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
}

/// A frame of a client, whole: FIN and opcode, the length as the payload has it, a mask of zeros.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame_head(first, payload.len() as u64);
    frame.extend_from_slice(payload);
    frame
}

/// The beginning of a frame that claims to be `length` long.
pub fn frame_head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..=125 => head.push(0x80 | length as u8),
        126..=0xffff => {
            head.push(0x80 | 126);
            head.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            head.push(0x80 | 127);
            head.extend_from_slice(&length.to_be_bytes());
        }
    }
    head.extend_from_slice(&[0; 4]);
    head
}

/// Reads frames until a close frame; its code, or `None` when the connection ended without one.
pub async fn close_code(socket: &mut TcpStream) -> Option<u16> {
    let read = async {
        loop {
            let first = socket.read_u8().await.ok()?;
            let length = match socket.read_u8().await.ok()? {
                126 => u64::from(socket.read_u16().await.ok()?),
                127 => socket.read_u64().await.ok()?,
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            socket.read_exact(&mut payload).await.ok()?;
            if first & 0x0f == 8 {
                return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            }
        }
    };
    timeout(WITHIN, read).await.expect("an end in time")
}

/// Ends it as a crash or a dead battery behind a NAT would at best: a reset, no goodbye.
pub fn reset(socket: TcpStream) {
    SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
}
