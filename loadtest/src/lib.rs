//! The simulated crowd: buyers and a cashier who know of Kaipan only what `docs/protocol.md` says.
//!
//! This crate must not know the server's code: no type, no constant and no table of it. What the two share is the
//! wire, so a mistake in the server's types cannot hide from the crowd that measures it.
//!
//! In reading order: what is asked for ([`plan`], [`size`]), what a simulated buyer wants and when ([`taste`],
//! [`schedule`]), the wire ([`wire`], [`http`], [`sign_in`], [`sessions`], [`link`], [`eyes`]), one buyer's life ([`tap`],
//! [`buyer`]), the [`cashier`], what is written down ([`record`], [`counts`]), the whole run ([`run`]), and
//! afterwards the comparison with the server's truth ([`audit`]).

/// What the supervisor hands over on standard input: addresses, people, a log-in, where to write.
pub mod plan;
/// How many buyers this machine can carry.
pub mod size;

/// When taps fall: many in the first second, the rest over two minutes.
pub mod schedule;
/// Which units a simulated buyer wants.
pub mod taste;

/// One anonymous connection that reads the board for everybody.
pub mod eyes;
/// Requests with their refusals, retried where that is safe.
pub mod http;
/// One buyer's WebSocket, reconnecting by itself.
pub mod link;
/// The tokens of buyers who are signed in.
pub mod sessions;
/// Phone, code from the staff's outbox, registration.
pub mod sign_in;
/// The crowd's own copy of the wire's types.
pub mod wire;

/// One simulated buyer from sign-in to the end.
pub mod buyer;
/// The simulated cashier.
pub mod cashier;
/// What to do next about one tap, until it is a yes or a no. Pure.
pub mod tap;

/// Live figures for the demo page.
pub mod counts;
/// The append-only record of taps and answers.
pub mod record;
/// Puts it all together.
pub mod run;

/// Compares the record with claims and journal. Pure, but for reading the two files.
pub mod audit;

/// Wall time in Unix milliseconds: only for stamps in the record and the offset to the server's clock.
pub fn now_ms() -> i64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    t.tv_sec.saturating_mul(1_000).saturating_add(t.tv_nsec / 1_000_000)
}
