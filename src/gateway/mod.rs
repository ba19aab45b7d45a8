//! The buyers' door: HTTP and WebSocket, and the types of its wire.
//!
//! It turns requests into calls of `opening` and `identity` and their values into JSON. It decides nothing that the
//! database would have to know, holds no claim and no unit, and never waits for the database on a buyers' loop: that work
//! goes through [`Backend`](crate::http::Backend).

mod core;
mod deals;
mod gcra;
mod open;
mod problems;
mod rates;
mod routes;
mod session;
mod socket;
mod tap;
#[cfg(test)]
mod testing;
mod tokens;
mod wire;

pub use core::{Core, Gateway, Parts};
pub use routes::{api_document, router};
pub use tap::Tap;
