//! RFC 6455 as far as buyers need it: text messages of a bounded size, pings, pongs, and a close that is answered.
//! No extension is ever negotiated, so every reserved bit is an error.
//!
//! Pure: bytes in, messages out; no socket, no clock, no await. `tests.rs` goes through the sections of the Autobahn
//! test suite, and a property says that no way of cutting the stream into reads makes a difference.

mod decode;
mod encode;
mod head;
#[cfg(test)]
mod tests;

pub use decode::{Decoder, Heard};
pub use encode::{close, ping, pong, text, text_with};

/// Status codes of a close, as RFC 6455 §7.4.1 numbers them.
pub mod code {
    pub const AWAY: u16 = 1001;
    pub const PROTOCOL: u16 = 1002;
    pub const UNSUPPORTED: u16 = 1003;
    pub const NOT_UTF8: u16 = 1007;
    pub const POLICY: u16 = 1008;
    pub const TOO_BIG: u16 = 1009;
}

/// What a stream is cut for, and how its client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub code: u16,
    pub reason: &'static str,
}

impl Refused {
    const fn protocol(reason: &'static str) -> Self {
        Self { code: code::PROTOCOL, reason }
    }
}

/// Opcodes (§5.2).
mod op {
    pub const CONTINUATION: u8 = 0x0;
    pub const TEXT: u8 = 0x1;
    pub const BINARY: u8 = 0x2;
    pub const CLOSE: u8 = 0x8;
    pub const PING: u8 = 0x9;
    pub const PONG: u8 = 0xA;
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7F;
/// Values of the length bits that say "in the next two bytes" and "in the next eight".
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
/// The longest payload of a control frame.
const CONTROL_BYTES_MAX: usize = 125;
