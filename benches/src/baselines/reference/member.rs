//! One socket of the reference: handshake, picks echoed with a pre-encoded answer, frames written straight through.

use std::io::{self, Write};

use kaipan_loadtest::raw;
use memchr::memmem;
use mio::net::TcpStream;

use super::room::{Frame, Room};
use super::websocket::{
    CLOSE, PING, PONG, Parsed, TEXT, accept_of, frame, head as frame_head, parse, unmask,
};
use crate::frames::number_after;

/// What may wait for a reader that does not read; beyond, it is cut. Nothing is skipped here.
const PENDING_BYTES_MAX: usize = 1024 * 1024;

pub enum Said {
    Fine,
    Gone,
}

pub struct Member {
    pub stream: TcpStream,
    open: bool,
    /// Bytes of a request or frame that is not all there.
    partial: Vec<u8>,
    /// Bytes that the socket did not take yet.
    pending: Vec<u8>,
    seq: u64,
}

impl Member {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, open: false, partial: Vec::new(), pending: Vec::new(), seq: 0 }
    }

    pub fn flush(&mut self) -> Said {
        while !self.pending.is_empty() {
            match self.stream.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Said::Fine,
                Err(_) => return Said::Gone,
            }
        }
        Said::Fine
    }

    fn say(&mut self, mut bytes: &[u8]) -> Said {
        while self.pending.is_empty() && !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return Said::Gone,
            }
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > PENDING_BYTES_MAX { Said::Gone } else { Said::Fine }
    }

    /// A board frame, unless the greeting showed it already.
    pub fn board(&mut self, frame: &Frame) -> Said {
        if !self.open || frame.to <= self.seq {
            return Said::Fine;
        }
        self.seq = frame.to;
        self.say(&frame.bytes)
    }

    pub fn hear(&mut self, bytes: &mut [u8], room: &Room) -> Said {
        if self.partial.is_empty() {
            return match self.take(bytes, room) {
                Ok(taken) => {
                    self.partial.extend_from_slice(&bytes[taken..]);
                    Said::Fine
                }
                Err(()) => Said::Gone,
            };
        }
        self.partial.extend_from_slice(bytes);
        let mut all = std::mem::take(&mut self.partial);
        match self.take(&mut all, room) {
            Ok(taken) => {
                all.drain(..taken);
                self.partial = all;
                Said::Fine
            }
            Err(()) => Said::Gone,
        }
    }

    /// Handles what is whole; how many bytes that was.
    fn take(&mut self, bytes: &mut [u8], room: &Room) -> Result<usize, ()> {
        let mut at = 0;
        if !self.open {
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            at = end + 4;
            self.greet(&bytes[..at], room)?;
        }
        // The answers to one read leave in one write.
        let mut out = Vec::new();
        while let Some(Parsed { opcode, mask, payload }) = parse(&bytes[at..]).map_err(drop)? {
            let payload = at + payload.start..at + payload.end;
            at = payload.end;
            let text = &mut bytes[payload];
            if let Some(mask) = mask {
                unmask(text, mask);
            }
            match opcode {
                TEXT => answer(text, room, &mut out),
                PING => frame(&mut out, PONG, text),
                CLOSE => return Err(()),
                _ => {}
            }
        }
        if out.is_empty() {
            return Ok(at);
        }
        match self.say(&out) {
            Said::Fine => Ok(at),
            Said::Gone => Err(()),
        }
    }

    fn greet(&mut self, head: &[u8], room: &Room) -> Result<(), ()> {
        // A plain request asks whether the server is there.
        let key = raw::http::value(head, b"sec-websocket-key").and_then(|key| std::str::from_utf8(key).ok());
        let Some(key) = key else {
            let ready = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nready";
            return match self.say(ready) {
                Said::Fine => Ok(()),
                Said::Gone => Err(()),
            };
        };
        let mut bytes = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {}\r\nsec-websocket-protocol: kaipan.v1\r\n\r\n",
            accept_of(key)
        )
        .into_bytes();
        let (seq, greeting) = room.greeting();
        bytes.extend_from_slice(&greeting);
        (self.open, self.seq) = (true, seq);
        match self.say(&bytes) {
            Said::Fine => Ok(()),
            Said::Gone => Err(()),
        }
    }
}

/// The answer's text around the key and the unit; a yes is as long as one of Kaipan's.
fn answer(text: &[u8], room: &Room, out: &mut Vec<u8>) {
    let unit = number_after(text, b"\"unit\":").and_then(|unit| u32::try_from(unit).ok());
    let key = memmem::find(text, b"\"key\":\"").map(|at| &text[at + 7..]);
    let key = key.and_then(|rest| Some(&rest[..memchr::memchr(b'"', rest)?]));
    let (Some(unit), Some(key)) = (unit, key) else { return };
    let mut digits = Vec::with_capacity(10);
    raw::http::number(&mut digits, u64::from(unit));
    let parts: [&[u8]; 5] = if room.take(unit) {
        [
            br#"{"t":"answer","answer":"yes","key":""#,
            key,
            br#"","claim":{"id":"01BX5ZZKBKACTAV9WEVGEMMVRZ","unit":"#,
            &digits,
            br#","state":"held","generation":1,"code":"K7Q2M9","deposit_fen":0,"paid_fen":0,"deadline_ms":1763784900000,"created_ms":1763784000000,"seq":12345,"extended":false}}"#,
        ]
    } else {
        [
            br#"{"t":"answer","answer":"no","key":""#,
            key,
            br#"","code":"TAKEN","params":{"unit":"#,
            &digits,
            b"}}",
        ]
    };
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(length + 4);
    frame_head(out, TEXT, length);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}
