//! A few requests over the public wire, one connection each: the supervisor asks rarely, and a connection of its own
//! cannot be half dead after the server was killed.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer asked for here is an outbox page.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What the other side answered: its status, and JSON where there was some.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    /// The value, or the stable code of the refusal.
    pub fn ok(self) -> Result<Value, String> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        Err(self.body["code"].as_str().map_or_else(|| self.status.to_string(), str::to_owned))
    }
}

pub(super) async fn get(door: SocketAddr, path: &str, token: Option<&str>) -> Result<Answer, String> {
    send(door, Method::GET, path, token, None).await
}

pub(super) async fn post(
    door: SocketAddr,
    path: &str,
    token: Option<&str>,
    body: &Value,
) -> Result<Answer, String> {
    send(door, Method::POST, path, token, Some(body)).await
}

async fn send(
    door: SocketAddr,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Answer, String> {
    let exchange = exchange(door, method, path, token, body);
    tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| format!("{door} does not answer"))?
}

async fn exchange(
    door: SocketAddr,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Answer, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let stream = TcpStream::connect(door).await.map_err(|error| text(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    // Ends with the connection, which ends with `sender`.
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, door.to_string());
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let bytes = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Bytes::from(body.to_string())
        }
        None => Bytes::new(),
    };
    let request = request.body(Full::new(bytes)).map_err(|error| text(&error))?;
    let response = sender.send_request(request).await.map_err(|error| text(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}
