//! The load tool: simulated buyers who know of Kaipan only what `docs/protocol.md` says, and the figures they make.
//!
//! This crate must not know the server's code: no type, no constant and no table of it. What the two share is the
//! wire, so a mistake in the server's types cannot hide from the buyers who measure it.
//!
//! In reading order: the wire ([`wire`], [`http`]), what a buyer wants ([`taste`]) and does about one tap ([`tap`]),
//! the demo's people ([`crowd`]), what is written down ([`record`]), and afterwards the comparison with the server's
//! truth ([`audit`]) and the [`report`].

/// Requests with their refusals, retried where that is safe.
pub mod http;
/// The tool's own copy of the wire's types.
pub mod wire;

/// Raw clients: thousands of connections to a thread, for scenarios and for comparing servers.
pub mod raw;
/// What to do next about one tap, until it is a yes or a no. Pure.
pub mod tap;

/// Which units a simulated buyer wants.
pub mod taste;

/// The demo's people: sign-in, favourites, taps, cashier.
pub mod crowd;

/// The scenarios of the load tool, from plan to report.
pub mod scenario;

/// The append-only record of taps and answers.
pub mod record;

/// Spreadsheets of homes and people who do not exist.
pub mod sheets;

/// Compares the record with claims and journal. Pure, but for reading the two files.
pub mod audit;

/// What a run came to, as JSON and as a page; merged, compared and judged.
pub mod report;

/// Wall time in Unix milliseconds: only for stamps in the record and the offset to the server's clock.
pub fn now_ms() -> i64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    t.tv_sec.saturating_mul(1_000).saturating_add(t.tv_nsec / 1_000_000)
}
