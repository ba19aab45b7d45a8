//! The server's half of RFC 6455 as far as a measurement needs it: the handshake's key, masked frames in, plain frames
//! out. No fragments and no extensions: who sends one is not measured here.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::failure::{Failure, Outcome};

pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// A pick is the longest thing that a client says.
const PAYLOAD_BYTES_MAX: u64 = 4 * 1024;

pub struct Parsed {
    pub opcode: u8,
    pub mask: Option<[u8; 4]>,
    /// Where in the buffer the payload is; its end is the frame's.
    pub payload: Range<usize>,
}

/// The first frame in `bytes`; `None` while it is not all there.
pub fn parse(bytes: &[u8]) -> Outcome<Option<Parsed>> {
    let &[first, second, ..] = bytes else { return Ok(None) };
    let masked = second & 0x80 != 0;
    let (length, mut at) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (u64::from(u16::from_be_bytes([a, b])), 4),
            _ => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) {
            Some(bytes) => (u64::from_be_bytes(bytes), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    if length > PAYLOAD_BYTES_MAX {
        return Err(Failure(format!("a WebSocket frame of {length} bytes")));
    }
    if first & 0x80 == 0 || first & 0x0f == 0 {
        return Err(Failure::new("a fragmented WebSocket frame"));
    }
    let mut mask = None;
    if masked {
        let Some(bytes) = bytes.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) else {
            return Ok(None);
        };
        mask = Some(bytes);
        at += 4;
    }
    let end = at + usize::try_from(length).unwrap_or(usize::MAX);
    Ok((bytes.len() >= end).then_some(Parsed { opcode: first & 0x0f, mask, payload: at..end }))
}

pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Appends the head of a frame as a server sends it.
pub fn head(out: &mut Vec<u8>, opcode: u8, length: usize) {
    out.push(0x80 | opcode);
    match length {
        0..126 => out.push(length as u8),
        126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Appends a whole frame.
pub fn frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    head(out, opcode, payload.len());
    out.extend_from_slice(payload);
}

/// What the server says to the client's key.
pub fn accept_of(key: &str) -> String {
    let hash = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    STANDARD.encode(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_standard_gets_the_answer_of_the_standard() {
        assert_eq!(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    /// The load's own client writes the frames, so that the two halves check each other.
    #[test]
    fn what_a_client_writes_is_read_and_only_when_whole() {
        for length in [0, 1, 125, 126, 4_096] {
            let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut bytes = Vec::new();
            kaipan_loadtest::raw::ws::text(&mut bytes, &payload);
            assert!(parse(&bytes[..bytes.len() - 1]).unwrap().is_none(), "{length}: cut short");
            bytes.push(0x81);
            let Parsed { opcode, mask, payload: place } = parse(&bytes).unwrap().unwrap();
            assert_eq!((opcode, place.end), (TEXT, bytes.len() - 1));
            unmask(&mut bytes[place.clone()], mask.unwrap());
            assert_eq!(bytes[place], payload, "{length}");
        }
    }

    #[test]
    fn what_is_written_a_client_reads() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let mut bytes = Vec::new();
            frame(&mut bytes, TEXT, &vec![b'x'; length]);
            let (read, used) = kaipan_loadtest::raw::ws::cut(&bytes).unwrap().unwrap();
            assert_eq!((read.payload.len(), used), (length, bytes.len()));
        }
    }

    #[test]
    fn what_would_grow_without_bound_is_refused() {
        let mut bytes = vec![0x81, 127];
        bytes.extend_from_slice(&(1_u64 << 40).to_be_bytes());
        assert!(parse(&bytes).is_err());
        assert!(parse(&[0x01, 0]).is_err(), "a first fragment");
    }
}
