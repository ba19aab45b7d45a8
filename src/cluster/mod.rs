//! L2 · Gate 2: Redis between several gateways. A noticeboard that only tells news; the database decides
//! (`docs/decisions/0010-several-gateways.md`).
//!
//! It knows no opening's rules and no database: units are numbers, taps are texts, entries are bytes.

mod gate2;
mod limit;
mod link;
#[cfg(test)]
mod model;
mod scripts;
mod sentinels;
#[cfg(test)]
pub mod sim;
#[cfg(test)]
mod tests;
mod words;

pub use gate2::{Gate2, Gate2Error};
pub use limit::Bucket;
pub use link::{Health, Link, LinkError};
pub use sentinels::Sentinels;
pub use words::{News, Noted, Said, Tap, Word};
