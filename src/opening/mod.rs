//! L3 · The opening: from a published sale to a sold-out board. What Kaipan exists for.
//!
//! In reading order: what a buyer is told, how an opening lives, what is frozen at publication, the journal; then the
//! way of a pick (gate 1 in [`live`], the group in `committer`, the transaction in `script`); then what time does
//! (`keeper`), what everybody sees ([`board`]) and how it all comes up again after a crash (`recover`).
//!
//! It knows nothing of HTTP, WebSocket, cookies or words in any language. Time comes in as an argument.

/// Yes, no with a reason, not known yet; claims.
pub mod answer;
/// The board at a journal sequence, and its ticks.
pub mod board;
/// Payments for holds, refunds, and who is behind a hold.
pub mod cashier;
/// The opening's own clock.
pub mod clock;
/// Preparing: projects, settings, withheld units.
pub mod drafts;
/// Claims and journal for audits.
pub mod dump;
/// The journal's entries.
pub mod event;
/// What a running opening knows of units and buyers.
pub mod facts;
/// A buyer's ordered list of units.
pub mod favourites;
/// What an opening knows of itself, for the metrics.
mod figures;
/// What memory says of a pick, before anybody is asked.
mod gate1;
/// What can be asked of the committer.
pub mod job;
/// How people name a unit.
pub mod label;
/// Phases and what they mean for a pick.
pub mod lifecycle;
/// One published opening in this process.
pub mod live;
/// What this process believes of the claims.
pub mod memory;
/// The published openings of this process.
pub mod openings;
/// What must be right before publication, and the hashes of what it freezes.
pub mod preflight;
/// Check, publish, unpublish.
pub mod publish;
/// An isolated copy of an opening, with simulated buyers.
pub mod rehearse;
/// Counts for console and metrics.
pub mod stats;
/// A pick after its first look.
pub mod tried;

/// Spreadsheets in: price list and roster, read without a database, then stored in a draft.
pub mod prepare;

/// Several gateways: gate 2 and the stream.
pub mod gate2;

mod committer;
mod follow;
mod history;
mod keeper;
mod keys;
mod recover;
mod script;
mod set_back;
mod settings;
#[cfg(test)]
mod sim;
#[cfg(test)]
pub(crate) mod testing;

pub use figures::LiveFigures;
pub use live::{Live, PickError};
pub use openings::Openings;
pub use recover::RecoverError;
