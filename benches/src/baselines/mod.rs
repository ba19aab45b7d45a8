//! The servers that Kaipan is compared with, each a fair and good version of what it is: the same request and answer
//! bytes on the wire, no sessions, no idempotency, no rate limits, no durable commit where its kind has none.
//!
//! `kaipan-baselines` runs one of them until its standard input ends, so that none outlives the driver.

/// One EVALSHA a request.
pub mod evalsha;
/// The endpoint that three of them share: axum as its own documentation shows it.
pub mod front;
/// A hand-written epoll server that echoes picks and fans boards out.
pub mod reference;
/// Reading a spreadsheet with calamine and doing nothing with it.
pub mod sheet;
/// One UPDATE a request.
pub mod update;
