//! One WebSocket of the subprotocol `kaipan.v1`.

use std::fmt;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Longer than any answer takes; shorter than the server's ping.
const FRAME_WITHIN: Duration = Duration::from_secs(15);

pub struct Link {
    stream: WebSocketStream<TcpStream>,
    /// Frames that came while another one was waited for, oldest first.
    passed: Vec<Value>,
}

/// Why no more frames come.
#[derive(Debug)]
pub enum Ended {
    Closed(Option<CloseFrame>),
    Broken(Error),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Closed(None) => f.write_str("closed without a word"),
            Ended::Closed(Some(frame)) => write!(f, "closed: {frame}"),
            Ended::Broken(error) => write!(f, "broken: {error}"),
        }
    }
}

impl Ended {
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Ended::Closed(frame) => frame.as_ref().map(|frame| frame.code.into()),
            Ended::Broken(_) => None,
        }
    }
}

impl Link {
    /// Opens the feed of an opening; without a token as an onlooker.
    pub async fn open(port: u16, opening: &str, token: Option<&str>) -> Result<Self, Error> {
        Self::open_with(port, opening, token, &[("sec-websocket-protocol", "kaipan.v1")]).await
    }

    pub async fn open_with(
        port: u16,
        opening: &str,
        token: Option<&str>,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let url = format!("ws://127.0.0.1:{port}/api/v1/openings/{opening}/ws");
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let socket = TcpStream::connect(("127.0.0.1", port)).await.map_err(Error::Io)?;
        socket.set_nodelay(true).map_err(Error::Io)?;
        let (stream, _) = timeout(FRAME_WITHIN, client_async(request, socket)).await.expect("a handshake")?;
        Ok(Self { stream, passed: Vec::new() })
    }

    pub async fn send(&mut self, frame: Value) -> Result<(), Error> {
        self.send_text(&frame.to_string()).await
    }

    pub async fn send_text(&mut self, text: &str) -> Result<(), Error> {
        self.stream.send(Message::text(text)).await
    }

    pub async fn pick(&mut self, key: &str, unit: u64) -> Result<(), Error> {
        self.send(json!({"t": "pick", "key": key, "unit": unit})).await
    }

    pub async fn ask(&mut self, key: &str) -> Result<(), Error> {
        self.send(json!({"t": "ask", "key": key})).await
    }

    /// The next frame. Pings are answered on the way.
    pub async fn next(&mut self) -> Result<Value, Ended> {
        if !self.passed.is_empty() {
            return Ok(self.passed.remove(0));
        }
        timeout(FRAME_WITHIN, self.receive()).await.expect("a frame in time")
    }

    /// The next frame for which `wanted` holds; those before it are kept for later.
    pub async fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value, Ended> {
        if let Some(at) = self.passed.iter().position(&wanted) {
            return Ok(self.passed.remove(at));
        }
        let found = async {
            loop {
                let frame = self.receive().await?;
                if wanted(&frame) {
                    return Ok(frame);
                }
                self.passed.push(frame);
            }
        };
        match timeout(FRAME_WITHIN, found).await {
            Ok(found) => found,
            Err(_) => panic!("the frame did not come, only {:?}", self.passed),
        }
    }

    /// The next frame with this tag.
    pub async fn frame(&mut self, tag: &str) -> Value {
        self.wait_for(|frame| frame["t"] == tag).await.unwrap_or_else(|end| panic!("no {tag}: {end}"))
    }

    /// The final answer to this key: `in_progress` is repeated, `unknown` asked about, and who is told to slow down
    /// or that the server is not ready waits, as the page does.
    pub async fn answer(&mut self, key: &str, unit: u64) -> Result<Value, Ended> {
        loop {
            let frame = self
                .wait_for(|frame| {
                    matches!(frame["t"].as_str(), Some("answer" | "error")) && frame["key"] == key
                })
                .await?;
            if frame["code"] == "SLOW_DOWN" {
                sleep(Duration::from_millis(frame["params"]["retry_after_ms"].as_u64().unwrap())).await;
            }
            if frame["code"] == "NOT_READY" {
                sleep(Duration::from_millis(250)).await;
            }
            let again = match (frame["answer"].as_str(), frame["code"].as_str()) {
                (Some("in_progress"), _) | (_, Some("SLOW_DOWN" | "NOT_READY")) => self.pick(key, unit).await,
                (Some("unknown"), _) => self.ask(key).await,
                _ => return Ok(frame),
            };
            again.map_err(Ended::Broken)?;
        }
    }

    async fn receive(&mut self) -> Result<Value, Ended> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON frames")),
                Some(Ok(Message::Close(frame))) => return Err(Ended::Closed(frame)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Ended::Broken(error)),
                None => return Err(Ended::Closed(None)),
            }
        }
    }
}
