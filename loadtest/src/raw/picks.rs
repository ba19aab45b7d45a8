//! Kaipan's picks as bytes, over HTTP and over the WebSocket, and which message answers them. The servers that Kaipan is
//! compared with speak the same.

use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;

use super::http::{number, request};
use super::net::{Event, Opens};
use super::pace::{Client, Heard};
use super::ws;

pub const YES: usize = 0;
pub const NO: usize = 1;
/// An error that is no refusal for now, such as a 500.
pub const ERROR: usize = 2;

const SLOW_DOWN_PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Http,
    Ws,
}

/// Which unit the `nth` pick of a connection wants.
pub type Wants = Arc<dyn Fn(usize, u64) -> u32 + Send + Sync>;

/// A client of picks. Keys are `tTT-CCCCC-NNNNNNNN`, so no two are alike in one session of the generator.
pub struct Picks {
    opening: String,
    door: Door,
    run: String,
    /// A session for each connection; with fewer they are shared in turn, with none nobody is signed in.
    tokens: Arc<[String]>,
    wants: Wants,
    /// Everything of an HTTP request before its key and between the session and the body.
    path: String,
    body: Vec<u8>,
}

impl Picks {
    /// `units`: how many there are; each connection wants one after the other, from a place of its own.
    pub fn new(opening: &str, door: Door, run: usize, tokens: impl Into<Arc<[String]>>, units: u32) -> Self {
        let wants = move |conn: usize, nth: u64| {
            u32::try_from((conn as u64 * 7_919 + nth) % u64::from(units.max(1))).unwrap_or(0)
        };
        Self::wanting(opening, door, run, tokens, Arc::new(wants))
    }

    pub fn wanting(
        opening: &str,
        door: Door,
        run: usize,
        tokens: impl Into<Arc<[String]>>,
        wants: Wants,
    ) -> Self {
        Self {
            opening: opening.to_owned(),
            door,
            // Keys of another process or another run must not be these.
            run: format!("r{}{run:x}", crate::now_ms()),
            tokens: tokens.into(),
            wants,
            path: format!("/api/v1/openings/{opening}/picks"),
            body: Vec::with_capacity(96),
        }
    }

    fn session(&self, conn: usize) -> String {
        match self.tokens.len() {
            0 => String::new(),
            count => format!("authorization: Bearer {}\r\n", self.tokens[conn % count]),
        }
    }

    fn key(&self, conn: usize, nth: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(self.run.as_bytes());
        out.push(b'-');
        number(out, conn as u64);
        out.push(b'-');
        number(out, nth);
    }
}

impl Client for Picks {
    fn opens(&mut self, conn: usize) -> Opens {
        match self.door {
            Door::Http => Opens::Http,
            Door::Ws => {
                let headers = format!("sec-websocket-protocol: kaipan.v1\r\n{}", self.session(conn));
                let path = format!("/api/v1/openings/{}/ws", self.opening);
                Opens::Ws(ws::handshake(&path, &headers).into())
            }
        }
    }

    fn request(&mut self, conn: usize, nth: u64, out: &mut Vec<u8>) {
        let unit = (self.wants)(conn, nth);
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        body.extend_from_slice(match self.door {
            Door::Http => &br#"{"key":""#[..],
            Door::Ws => &br#"{"t":"pick","key":""#[..],
        });
        self.key(conn, nth, &mut body);
        body.extend_from_slice(br#"","unit":"#);
        number(&mut body, u64::from(unit));
        body.push(b'}');
        match self.door {
            Door::Http => request(out, "POST", &self.path, &self.session(conn), Some(&body)),
            Door::Ws => ws::text(out, &body),
        }
        self.body = body;
    }

    fn judge(&mut self, _conn: usize, event: &Event<'_>) -> Heard {
        match event {
            Event::Answer(answer) => match answer.status {
                200 => answered(answer.body),
                429 | 503 => Heard::Refused(pause(answer.body)),
                _ => Heard::Answer(ERROR),
            },
            Event::Text(text) => frame(text),
            Event::Open | Event::Closed(_) => Heard::Other,
        }
    }
}

/// A frame by its beginning; only an error is looked through.
pub fn frame(text: &[u8]) -> Heard {
    if text.starts_with(br#"{"t":"answer""#) {
        answered(text)
    } else if text.starts_with(br#"{"t":"board""#) {
        Heard::Board
    } else if text.starts_with(br#"{"t":"error""#) {
        match memmem::find(text, br#""SLOW_DOWN""#) {
            Some(_) => Heard::Refused(pause(text)),
            None => Heard::Answer(ERROR),
        }
    } else {
        Heard::Other
    }
}

fn answered(body: &[u8]) -> Heard {
    // The word is among the first fields; a claim's own fields come after it.
    let Some(at) = memmem::find(body, br#""answer":""#) else { return Heard::Answer(ERROR) };
    match &body[at + 10..] {
        [b'y', b'e', b's', b'"', ..] => Heard::Answer(YES),
        [b'n', b'o', b'"', ..] => Heard::Answer(NO),
        _ => Heard::NotYet,
    }
}

fn pause(body: &[u8]) -> Duration {
    let name = br#""retry_after_ms":"#;
    memmem::find(body, name)
        .and_then(|at| {
            let digits = body[at + name.len()..].split(|byte| !byte.is_ascii_digit()).next()?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        })
        .map_or(SLOW_DOWN_PAUSE, Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::http;

    #[test]
    fn the_protocols_own_frames_are_understood() {
        let cases: [(&[u8], Heard); 7] = [
            (include_bytes!("../../../tests/data/frames/server/answer-yes.json"), Heard::Answer(YES)),
            (include_bytes!("../../../tests/data/frames/server/answer-no-taken.json"), Heard::Answer(NO)),
            (include_bytes!("../../../tests/data/frames/server/answer-in-progress.json"), Heard::NotYet),
            (include_bytes!("../../../tests/data/frames/server/answer-unknown.json"), Heard::NotYet),
            (
                include_bytes!("../../../tests/data/frames/server/error-slow-down.json"),
                Heard::Refused(Duration::from_millis(250)),
            ),
            (include_bytes!("../../../tests/data/frames/server/board.json"), Heard::Board),
            (include_bytes!("../../../tests/data/frames/server/hello.json"), Heard::Other),
        ];
        for (text, heard) in cases {
            assert_eq!(frame(text), heard, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn picks_are_the_protocols_picks_with_keys_of_their_own() {
        let tokens = vec!["first".to_owned(), "second".to_owned()];
        let mut picks = Picks::new("OPENING", Door::Http, 0, tokens, 10);
        let (mut one, mut again, mut other) = (Vec::new(), Vec::new(), Vec::new());
        picks.request(1, 5, &mut one);
        picks.request(1, 5, &mut again);
        picks.request(1, 6, &mut other);
        assert_eq!(one, again, "the same request again has the same key");
        assert_ne!(one, other);
        let text = String::from_utf8(one).unwrap();
        assert!(text.starts_with("POST /api/v1/openings/OPENING/picks HTTP/1.1\r\n"), "{text}");
        assert!(text.contains("authorization: Bearer second\r\n"), "{text}");
        let body: serde_json::Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(body["unit"], (7_919 + 5) % 10);
        let key = body["key"].as_str().unwrap();
        assert!((8..=40).contains(&key.len()), "{key}");
    }

    #[test]
    fn an_http_refusal_is_no_answer() {
        let body = br#"{"code":"SLOW_DOWN","params":{"retry_after_ms":40}}"#;
        let answer = http::Answer { status: 429, head: b"", body };
        let mut picks = Picks::new("O", Door::Http, 0, Vec::new(), 10);
        assert_eq!(picks.judge(0, &Event::Answer(answer)), Heard::Refused(Duration::from_millis(40)));
    }
}
