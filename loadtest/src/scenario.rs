//! The scenarios: thousands of simulated buyers over the raw clients, by an agenda that is made before the first byte
//! leaves, with an audit and a verdict at the end.
//!
//! ```text
//!   plan ── agenda ──┬─ hall 0 ─┐
//!    │               ├─ hall 1 ─┤ live: counters ── progress
//!   prepare          └─ … ──────┘                            server: /metrics
//!    (copy, sessions,     │ notes                                │
//!     clock)              └──────────── run: settle, truth, audit, report ──┘
//! ```

/// What is asked for: flags over a file.
pub mod settings;

/// The same with every default filled in.
pub mod plan;

/// Everybody's moments, from a seed.
pub mod agenda;
/// Boards, each folded from the frames that its buyer got.
pub mod fold;
/// One thread's share of the buyers.
pub mod hall;
/// Counters that the threads share while the run goes on.
pub mod live;
/// What one thread writes down.
pub mod notes;

/// Whether this machine can make the load, and did.
pub mod machine;
/// The demo's people as a scenario.
pub mod mixed;
/// Log-in, rehearsal copy, sessions, clock.
pub mod prepare;
/// A line, or a bar, while it runs.
pub mod progress;
/// One run from plan to report.
pub mod run;
/// The server's CPU and memory.
pub mod server;

/// The command line of a run: flags or a file in, files and a verdict out.
pub mod command;
