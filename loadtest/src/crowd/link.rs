//! One buyer's WebSocket. It connects by itself, again after every end, and tells the buyer only what concerns a
//! buyer: up, down, and the frames that are not the board.
//!
//! The socket's buffers are small: two thousand of them live in this process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::crowd::counts::{Counts, add};
use crate::wire::Frame;

pub const SUBPROTOCOL: &str = "kaipan.v1";
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The server pings every 20 s; a link silent for longer is a link that is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// A buyer has one tap at a time, and a snapshot of claims; more than this unread means the buyer is gone.
const QUEUE: usize = 32;
const BUFFER_BYTES: usize = 4 * 1024;

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What the buyer hears.
#[derive(Debug)]
pub enum News {
    Up,
    Down,
    Frame(Frame),
}

/// The buyer's end of a link; dropping it closes the link.
pub struct Link {
    out: mpsc::Sender<String>,
    news: mpsc::Receiver<News>,
}

impl Link {
    /// Starts connecting; `counts` learns of connections that are up and of those that had to be made again.
    pub fn open(url: String, token: String, counts: Arc<Counts>) -> Self {
        let (out, outgoing) = mpsc::channel(QUEUE);
        let (tell, news) = mpsc::channel(QUEUE);
        tokio::spawn(keep(url, token, outgoing, tell, counts));
        Self { out, news }
    }

    /// Hands a frame to the socket. It may be lost if the link is down: the tap finds out by silence or `Down`.
    pub async fn send(&self, frame: String) {
        // The other end is gone only when this run is over.
        let _ = self.out.send(frame).await;
    }

    /// The next news; never, once the link's task has ended.
    pub async fn next(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }
}

/// Connects with the subprotocol and, for a buyer, the session.
pub async fn connect(url: &str, token: Option<&str>) -> Result<Socket, tungstenite::Error> {
    let mut request = url.into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    if let Some(token) = token {
        headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}"))?);
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(16 * BUFFER_BYTES);
    let connecting = connect_async_with_config(request, Some(config), true);
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected.map(|(socket, _)| socket),
        Err(_) => Err(tungstenite::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// A pause before the next attempt: doubling, with jitter, so that a restarted server is not met by everybody in the
/// same millisecond.
pub fn backoff(attempt: u32) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(BACKOFF_MAX);
    full.mul_f64(0.5 + 0.5 * rand::random::<f64>())
}

/// Board frames go to everybody, many times a second; only [`crate::crowd::eyes`] reads them.
fn is_board(text: &str) -> bool {
    text.starts_with(r#"{"t":"board""#) || text.starts_with(r#"{"t":"snapshot""#)
}

async fn keep(
    url: String,
    token: String,
    mut outgoing: mpsc::Receiver<String>,
    tell: mpsc::Sender<News>,
    counts: Arc<Counts>,
) {
    let mut attempt = 0;
    let mut connected_before = false;
    while !tell.is_closed() {
        let Ok(socket) = connect(&url, Some(&token)).await else {
            tokio::time::sleep(backoff(attempt)).await;
            attempt = attempt.saturating_add(1);
            continue;
        };
        attempt = 0;
        if connected_before {
            add(&counts.reconnects);
        }
        connected_before = true;
        add(&counts.connected);
        // What was queued while the link was down is stale: the tap asks again after `Up`.
        while outgoing.try_recv().is_ok() {}
        let goes_on = tell.send(News::Up).await.is_ok() && serve(socket, &mut outgoing, &tell).await;
        counts.connected.fetch_sub(1, Ordering::Relaxed);
        if !goes_on {
            return;
        }
        if tell.send(News::Down).await.is_err() {
            return;
        }
        tokio::time::sleep(backoff(0)).await;
    }
}

/// Until the connection ends (true) or the buyer does (false).
async fn serve(mut socket: Socket, outgoing: &mut mpsc::Receiver<String>, tell: &mpsc::Sender<News>) -> bool {
    loop {
        tokio::select! {
            frame = outgoing.recv() => {
                let Some(frame) = frame else {
                    // The buyer has finished; a close that fails is a close too.
                    let _ = socket.close(None).await;
                    return false;
                };
                if socket.send(Message::text(frame)).await.is_err() {
                    return true;
                }
            }
            incoming = tokio::time::timeout(SILENCE_MAX, socket.next()) => {
                let Ok(Some(Ok(message))) = incoming else { return true };
                let Message::Text(text) = message else { continue };
                if is_board(&text) {
                    continue;
                }
                let Ok(frame) = serde_json::from_str::<Frame>(&text) else {
                    tracing::warn!(frame = %text.as_str(), "a frame that the protocol does not know");
                    continue;
                };
                if matches!(frame, Frame::Other) {
                    continue;
                }
                if tell.send(News::Frame(frame)).await.is_err() {
                    return false;
                }
            }
        }
    }
}
