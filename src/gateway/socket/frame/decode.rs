//! From a client's bytes to its messages, however the bytes arrive.
//!
//! A message that came whole is unmasked where it lies and borrowed from there. Only what is unfinished at the end of a
//! read is kept, in a box that a quiet connection does not have.

use super::head::{HEAD_BYTES_MAX, Head};
use super::{CONTROL_BYTES_MAX, Refused, code, op};
use crate::limits::SOCKET_FRAGMENTS_MAX;

/// One thing a client said.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'b> {
    Text(&'b str),
    Ping(&'b [u8]),
    Pong,
    /// It leaves, with its code if it gave one.
    Close(Option<u16>),
}

#[derive(Default)]
pub struct Decoder {
    unfinished: Option<Box<Unfinished>>,
}

#[derive(Default)]
struct Unfinished {
    /// The start of a frame's head.
    head: Vec<u8>,
    /// The frame whose payload is being read, and how much of it was.
    frame: Option<(Head, usize)>,
    /// A control frame's payload, in the middle of a message or not.
    control: Vec<u8>,
    message: Option<Message>,
    /// What was handed out lies in here until the next call.
    is_handed_out: bool,
}

/// A message of which at least the first head was read.
#[derive(Default)]
struct Message {
    bytes: Vec<u8>,
    /// How much of it is known to be UTF-8.
    checked: usize,
    frames: usize,
}

/// Where a finished frame's payload lies.
enum Payload<'b> {
    InPlace(&'b mut [u8]),
    Gathered,
}

impl Decoder {
    /// The next thing that is said in `input`, which moves on behind it; `None` when `input` is used up.
    pub fn next<'s, 'b: 's>(&'s mut self, input: &mut &'b mut [u8]) -> Result<Option<Heard<'s>>, Refused> {
        self.let_go();
        loop {
            let Some((head, payload)) = self.frame(input)? else { return Ok(None) };
            if head.is_control() {
                return match payload {
                    Payload::InPlace(payload) => control(head.opcode, payload).map(Some),
                    Payload::Gathered => {
                        let unfinished = self.unfinished.get_or_insert_default();
                        unfinished.is_handed_out = true;
                        control(head.opcode, &unfinished.control).map(Some)
                    }
                };
            }
            match payload {
                // One frame, whole: what nearly every message is.
                Payload::InPlace(payload) if head.fin && !self.is_in_message() => {
                    return whole(payload).map(|text| Some(Heard::Text(text)));
                }
                Payload::InPlace(payload) => self.message().take(payload)?,
                Payload::Gathered => {}
            }
            if head.fin {
                let unfinished = self.unfinished.get_or_insert_default();
                unfinished.is_handed_out = true;
                let bytes = unfinished.message.as_ref().map_or(&[][..], |message| &message.bytes);
                return whole(bytes).map(|text| Some(Heard::Text(text)));
            }
            // An empty fragment begins a message too.
            self.message().count()?;
        }
    }

    /// Bytes that it holds on to; for the tests of its bounds.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |unfinished| {
            let message = unfinished.message.as_ref().map_or(0, |message| message.bytes.capacity());
            unfinished.head.capacity() + unfinished.control.capacity() + message
        })
    }

    #[cfg(test)]
    pub fn unfinished_is_kept(&self) -> bool {
        self.unfinished.is_some()
    }

    fn is_in_message(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|unfinished| unfinished.message.is_some())
    }

    fn message(&mut self) -> &mut Message {
        self.unfinished.get_or_insert_default().message.get_or_insert_default()
    }

    /// Drops what the last call handed out, and the box when nothing is left in it.
    fn let_go(&mut self) {
        let Some(unfinished) = &mut self.unfinished else { return };
        if std::mem::take(&mut unfinished.is_handed_out) {
            if unfinished.control.is_empty() {
                unfinished.message = None;
            }
            unfinished.control = Vec::new();
        }
        if unfinished.message.is_none() && unfinished.frame.is_none() && unfinished.head.is_empty() {
            self.unfinished = None;
        }
    }

    /// Reads on to the end of the frame. A payload that is cut off is gathered as far as it came.
    fn frame<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<(Head, Payload<'b>)>, Refused> {
        let (head, done) = match self.unfinished.as_mut().and_then(|unfinished| unfinished.frame.take()) {
            Some(begun) => begun,
            None => match self.head(input)? {
                Some(head) => (head, 0),
                None => return Ok(None),
            },
        };
        let wanted = head.length - done;
        let arrived = std::mem::take(input);
        let (payload, rest) = arrived.split_at_mut(wanted.min(arrived.len()));
        *input = rest;
        let came = payload.len();
        unmask(payload, head.mask, done);
        if done == 0 && came == wanted {
            return Ok(Some((head, Payload::InPlace(payload))));
        }
        if head.is_control() {
            let unfinished = self.unfinished.get_or_insert_default();
            unfinished.control.reserve_exact(CONTROL_BYTES_MAX.saturating_sub(unfinished.control.len()));
            unfinished.control.extend_from_slice(payload);
        } else {
            self.message().take(payload)?;
        }
        if came == wanted {
            return Ok(Some((head, Payload::Gathered)));
        }
        self.unfinished.get_or_insert_default().frame = Some((head, done + came));
        Ok(None)
    }

    /// Reads on to the end of the head.
    fn head(&mut self, input: &mut &mut [u8]) -> Result<Option<Head>, Refused> {
        let (message, kept) = match &mut self.unfinished {
            Some(unfinished) => {
                let length = unfinished.message.as_ref().map(|message| message.bytes.len());
                (length, std::mem::take(&mut unfinished.head))
            }
            None => (None, Vec::new()),
        };
        if kept.is_empty() {
            let Some((head, length)) = Head::read(input, message)? else {
                if !input.is_empty() {
                    self.unfinished.get_or_insert_default().head = std::mem::take(input).to_vec();
                }
                return Ok(None);
            };
            skip(input, length);
            return Ok(Some(head));
        }
        // The rest of a head that was cut; at most a few bytes of what arrived belong to it.
        let mut bytes = kept;
        let before = bytes.len();
        let more = input.len().min(HEAD_BYTES_MAX - before);
        bytes.extend_from_slice(input.get(..more).unwrap_or_default());
        match Head::read(&bytes, message)? {
            Some((head, length)) => {
                skip(input, length - before);
                Ok(Some(head))
            }
            None => {
                skip(input, more);
                self.unfinished.get_or_insert_default().head = bytes;
                Ok(None)
            }
        }
    }
}

impl Message {
    /// Empty fragments would cost work and never come to the limit of bytes.
    fn count(&mut self) -> Result<(), Refused> {
        self.frames += 1;
        if self.frames > SOCKET_FRAGMENTS_MAX {
            return Err(Refused { code: code::POLICY, reason: "too many fragments" });
        }
        Ok(())
    }

    /// Takes more of the message, as long as it can still become UTF-8.
    fn take(&mut self, payload: &[u8]) -> Result<(), Refused> {
        self.bytes.extend_from_slice(payload);
        let new = self.bytes.get(self.checked..).unwrap_or_default();
        match str::from_utf8(new) {
            Ok(_) => self.checked = self.bytes.len(),
            // Cut inside a character: its other bytes are to come.
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }
}

const NOT_UTF8: Refused = Refused { code: code::NOT_UTF8, reason: "text that is not UTF-8" };

fn whole(bytes: &[u8]) -> Result<&str, Refused> {
    str::from_utf8(bytes).map_err(|_| NOT_UTF8)
}

fn control(opcode: u8, payload: &[u8]) -> Result<Heard<'_>, Refused> {
    Ok(match opcode {
        op::PING => Heard::Ping(payload),
        op::PONG => Heard::Pong,
        _ => Heard::Close(match payload {
            [] => None,
            [_] => return Err(Refused::protocol("half a close code")),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !may_be_sent(code) {
                    return Err(Refused::protocol("a close code that is never sent"));
                }
                whole(reason)?;
                Some(code)
            }
        }),
    })
}

/// Codes that may stand in a close frame: the registered ones, and those for libraries and programs (§7.4).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn skip(input: &mut &mut [u8], bytes: usize) {
    let all = std::mem::take(input);
    *input = all.get_mut(bytes..).unwrap_or_default();
}

/// Undoes the mask; `done` bytes of the payload came before.
fn unmask(payload: &mut [u8], mask: [u8; 4], done: usize) {
    let mut mask = mask;
    mask.rotate_left(done % 4);
    // Eight at a time: the payload of a pick is some fifty bytes.
    let wide = u64::from_ne_bytes(eight(mask));
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(eight) = <&mut [u8; 8]>::try_from(chunk) {
            *eight = (u64::from_ne_bytes(*eight) ^ wide).to_ne_bytes();
        }
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

fn eight(mask: [u8; 4]) -> [u8; 8] {
    let [a, b, c, d] = mask;
    [a, b, c, d, a, b, c, d]
}
