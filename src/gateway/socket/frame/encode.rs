//! The server's frames: never masked, never in fragments.

use super::{CONTROL_BYTES_MAX, FIN, LENGTH_16, LENGTH_64, op};

/// Appends a text frame with this payload.
pub fn text(out: &mut Vec<u8>, payload: &[u8]) {
    text_with(out, |out| out.extend_from_slice(payload));
}

/// Appends a text frame whose payload `write` appends.
pub fn text_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    // Room for the middle one of the three heads; a shorter payload moves two bytes to the front.
    out.extend_from_slice(&[FIN | op::TEXT, LENGTH_16, 0, 0]);
    let from = out.len();
    write(out);
    let length = out.len() - from;
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < LENGTH_16 => {
            out.copy_within(from.., at + 2);
            out.truncate(at + 2 + length);
            put(out, at + 1, &[short]);
        }
        (_, Ok(middle)) => put(out, at + 2, &middle.to_be_bytes()),
        _ => {
            out.splice(at + 4..at + 4, [0; 6]);
            put(out, at + 1, &[LENGTH_64]);
            put(out, at + 2, &(length as u64).to_be_bytes());
        }
    }
}

pub fn ping(out: &mut Vec<u8>) {
    control(out, op::PING, &[]);
}

/// The answer to a ping repeats its payload.
pub fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    control(out, op::PONG, payload);
}

/// The last frame. A client that closed without a code gets none back.
pub fn close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    match code {
        None => control(out, op::CLOSE, &[]),
        Some(code) => {
            let mut payload = code.to_be_bytes().to_vec();
            payload.extend_from_slice(reason.as_bytes());
            control(out, op::CLOSE, &payload);
        }
    }
}

fn control(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    debug_assert!(payload.len() <= CONTROL_BYTES_MAX, "a control frame is short");
    let length = u8::try_from(payload.len()).unwrap_or(0);
    out.extend_from_slice(&[FIN | opcode, length]);
    out.extend_from_slice(payload.get(..usize::from(length)).unwrap_or_default());
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
