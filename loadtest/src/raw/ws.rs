//! The client's half of RFC 6455: handshake, masked frames out, whole frames in.

use super::http::{Broken, request, value};

/// The sample nonce of RFC 6455 and what a server must make of it. One nonce for all connections: it guards against
/// caches, and there is none between.
const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Masks guard against proxies that mistake a frame for a request; a constant one is allowed to this client only
/// because there is no script behind it. Not zero, so that the server has to unmask.
const MASK: [u8; 4] = *b"kpan";
/// A board of 20,000 units is 20 KB; a longer message is not one of ours.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub op: Op,
    pub payload: &'a [u8],
}

/// The request of the handshake. `headers` are whole lines, each with its end: session and subprotocol.
pub fn handshake(path: &str, headers: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let lines = format!(
        "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {NONCE}\r\n{headers}"
    );
    request(&mut out, "GET", path, &lines, None);
    out
}

/// Is the server's answer to the handshake a yes?
pub fn accepted(status: u16, head: &[u8]) -> Result<(), Broken> {
    if status == 101 && value(head, b"sec-websocket-accept") == Some(ACCEPT) {
        Ok(())
    } else {
        Err(Broken::Refused(status))
    }
}

/// Appends a text frame.
pub fn text(out: &mut Vec<u8>, payload: &[u8]) {
    frame(out, 0x1, payload);
}

pub fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    frame(out, 0xA, payload);
}

/// A close with the code 1000, "normal".
pub fn close(out: &mut Vec<u8>) {
    frame(out, 0x8, &1_000_u16.to_be_bytes());
}

fn frame(out: &mut Vec<u8>, op: u8, payload: &[u8]) {
    out.push(FIN | op);
    match payload.len() {
        length @ 0..=125 => out.push(MASKED | u8::try_from(length).unwrap_or(0)),
        length @ 126..=0xFFFF => {
            out.push(MASKED | 126);
            out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
        length => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// The first whole frame in `bytes` and how many bytes it takes; none if more must be read.
pub fn cut(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Broken> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    let op = match first {
        0x81 => Op::Text,
        0x82 => Op::Binary,
        0x88 => Op::Close,
        0x89 => Op::Ping,
        0x8A => Op::Pong,
        _ => return Err(Broken::Frame),
    };
    let (start, length) = match second {
        length @ 0..=125 => (2, u64::from(length)),
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (4, u64::from(u16::from_be_bytes([a, b]))),
            _ => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|eight| <[u8; 8]>::try_from(eight).ok()) {
            Some(eight) => (10, u64::from_be_bytes(eight)),
            None => return Ok(None),
        },
        // A server never masks.
        _ => return Err(Broken::Frame),
    };
    let length = usize::try_from(length).map_err(|_| Broken::TooLong)?;
    if length > MESSAGE_BYTES_MAX {
        return Err(Broken::TooLong);
    }
    let Some(payload) = bytes.get(start..start + length) else { return Ok(None) };
    Ok(Some((Frame { op, payload }, start + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_server(op: u8, payload: &[u8]) -> Vec<u8> {
        let mut masked = Vec::new();
        frame(&mut masked, op, payload);
        // The same frame without its mask.
        let head = masked.len() - payload.len() - 4;
        let mut plain = masked[..head].to_vec();
        plain[1] &= 0x7F;
        plain.extend_from_slice(payload);
        plain
    }

    #[test]
    fn frames_of_every_length_are_cut_and_only_when_whole() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; length];
            let mut bytes = from_server(0x1, &payload);
            let whole = bytes.len();
            for short in (0..whole.min(16)).chain([whole - 1]) {
                assert_eq!(cut(&bytes[..short]).unwrap(), None, "{short} of {whole}");
            }
            bytes.extend_from_slice(b"\x81");
            let (frame, used) = cut(&bytes).unwrap().unwrap();
            assert_eq!((frame.op, frame.payload.len(), used), (Op::Text, length, whole));
        }
    }

    #[test]
    fn what_a_server_may_not_send_is_broken() {
        let mut masked = Vec::new();
        text(&mut masked, b"hello");
        assert_eq!(cut(&masked), Err(Broken::Frame), "masked");
        assert_eq!(cut(b"\x01\x00"), Err(Broken::Frame), "a fragment");
        assert_eq!(cut(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), Err(Broken::TooLong));
    }

    #[test]
    fn the_mask_comes_off_again() {
        let mut masked = Vec::new();
        text(&mut masked, b"{\"t\":\"snapshot\"}");
        assert_eq!(masked[..2], [0x81, 0x80 | 16]);
        let plain: Vec<u8> =
            masked[6..].iter().zip(masked[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        assert_eq!(plain, b"{\"t\":\"snapshot\"}");
    }

    #[test]
    fn only_the_right_accept_opens_the_socket() {
        let head =
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        assert_eq!(accepted(101, head), Ok(()));
        assert_eq!(
            accepted(101, b"HTTP/1.1 101 x\r\nsec-websocket-accept: other\r\n"),
            Err(Broken::Refused(101))
        );
        assert_eq!(accepted(503, head), Err(Broken::Refused(503)));
    }
}
