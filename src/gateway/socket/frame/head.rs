//! The head of one client frame: two bytes, a longer length, the mask.

use super::{
    CONTROL_BYTES_MAX, FIN, LENGTH, LENGTH_16, LENGTH_64, MASKED, OPCODE, RESERVED, Refused, code, op,
};
use crate::limits::SOCKET_FRAME_BYTES_MAX;

/// Bytes of the longest head.
pub const HEAD_BYTES_MAX: usize = 14;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub fin: bool,
    pub opcode: u8,
    pub mask: [u8; 4],
    pub length: usize,
}

impl Head {
    pub fn is_control(self) -> bool {
        self.opcode >= op::CLOSE
    }

    /// Reads the head at the start of `bytes`, and says how long it is; `None` while bytes are missing. `message` is
    /// the length of the message that a continuation would continue. A wrong head is refused at the first byte that
    /// shows it, so that how the bytes arrive makes no difference.
    pub fn read(bytes: &[u8], message: Option<usize>) -> Result<Option<(Self, usize)>, Refused> {
        let [first, rest @ ..] = bytes else { return Ok(None) };
        let (fin, opcode) = (first & FIN != 0, first & OPCODE);
        if first & RESERVED != 0 {
            return Err(Refused::protocol("a reserved bit is set"));
        }
        match (opcode, message) {
            (op::CONTINUATION, None) => return Err(Refused::protocol("nothing to continue")),
            (op::TEXT | op::BINARY, Some(_)) => {
                return Err(Refused::protocol("the last message is not finished"));
            }
            (op::BINARY, None) => {
                return Err(Refused { code: code::UNSUPPORTED, reason: "text frames only" });
            }
            (op::CLOSE | op::PING | op::PONG, _) if !fin => {
                return Err(Refused::protocol("a control frame in fragments"));
            }
            (op::CONTINUATION | op::TEXT | op::CLOSE | op::PING | op::PONG, _) => {}
            _ => return Err(Refused::protocol("an unknown opcode")),
        }
        let [second, rest @ ..] = rest else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(Refused::protocol("a client's frames are masked"));
        }
        let short = second & LENGTH;
        if opcode >= op::CLOSE && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(Refused::protocol("a control frame of more than 125 bytes"));
        }
        let Some((length, rest)) = length(short, rest)? else { return Ok(None) };
        // Far from the end of the numbers on any machine, once it is compared.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if opcode < op::CLOSE && length > SOCKET_FRAME_BYTES_MAX.saturating_sub(message.unwrap_or(0)) {
            return Err(Refused { code: code::TOO_BIG, reason: "messages of at most 4096 bytes" });
        }
        let [a, b, c, d, after @ ..] = rest else { return Ok(None) };
        let head = Self { fin, opcode, mask: [*a, *b, *c, *d], length };
        Ok(Some((head, bytes.len() - after.len())))
    }
}

/// The payload's length, and what follows it. The shortest form is the only one (§5.2).
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Refused> {
    let (length, rest) = match short {
        LENGTH_16 => {
            let Some((long, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*long)), rest)
        }
        LENGTH_64 => {
            let Some((long, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(*long), rest)
        }
        short => return Ok(Some((u64::from(short), rest))),
    };
    let is_shortest = match short {
        LENGTH_16 => length >= u64::from(LENGTH_16),
        _ => length > u64::from(u16::MAX) && length >> 63 == 0,
    };
    if is_shortest { Ok(Some((length, rest))) } else { Err(Refused::protocol("a length in a wrong form")) }
}
