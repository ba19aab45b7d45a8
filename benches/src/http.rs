//! A small blocking client for what happens off the clock: preparing an opening, looking at health and metrics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use kaipan_loadtest::raw::http::{Answer, cut};
use serde_json::Value;

use crate::failure::{Failure, Outcome, While};

/// Longer than anything asked off the clock takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One answer, whole.
pub struct Reply {
    pub status: u16,
    /// Names in lower case, in the order of the wire.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The body of a success as JSON.
    pub fn json(&self, asked: &str) -> Outcome<Value> {
        if (200..300).contains(&self.status) {
            return serde_json::from_slice(&self.body).during(asked);
        }
        Err(Failure(format!("{asked}: {} {}", self.status, String::from_utf8_lossy(&self.body))))
    }
}

/// A connection that is kept between requests.
pub struct Client {
    address: SocketAddr,
    stream: TcpStream,
    token: Option<String>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Outcome<Self> {
        let doing = format!("connecting to {address}");
        let stream = TcpStream::connect_timeout(&address, TIMEOUT).during(&doing)?;
        stream.set_read_timeout(Some(TIMEOUT)).during(&doing)?;
        stream.set_nodelay(true).during(&doing)?;
        Ok(Self { address, stream, token: None })
    }

    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub fn get(&mut self, path: &str) -> Outcome<Reply> {
        self.send("GET", path, None)
    }

    pub fn post(&mut self, path: &str, body: &Value) -> Outcome<Reply> {
        self.send("POST", path, Some(body))
    }

    fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> Outcome<Reply> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        if let Some(token) = &self.token {
            request += &format!("authorization: Bearer {token}\r\n");
        }
        request += &format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let doing = format!("{method} {path}");
        self.stream.write_all(request.as_bytes()).during(&doing)?;
        self.reply(&doing)
    }

    fn reply(&mut self, doing: &str) -> Outcome<Reply> {
        let mut bytes = Vec::new();
        let mut room = vec![0; 64 * 1024];
        loop {
            if let Some((Answer { status, head, body }, _)) = cut(&bytes).during(doing)? {
                let text = String::from_utf8_lossy(head);
                let headers = text.lines().skip(1).filter_map(|line| line.split_once(':'));
                let headers = headers
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                    .collect();
                return Ok(Reply { status, headers, body: body.to_vec() });
            }
            let count = self.stream.read(&mut room).during(doing)?;
            if count == 0 {
                return Err(Failure(format!("{doing}: the server closed the connection")));
            }
            bytes.extend_from_slice(&room[..count]);
        }
    }
}
