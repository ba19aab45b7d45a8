//! WebSockets of buyers and big screens: the protocol machine of `kaipan.v1`.
//!
//! ```text
//!   opening ──events──▶ hub (one a core and opening) ──▶ mailbox ──▶ connection ──▶ socket
//!           ──ticks ──▶     encodes once, in chunks       bounded     ▲    one task
//!                                                                     │
//!   socket ──pick──▶ connection ──▶ opening ──answer, at once─────────┘
//! ```
//!
//! Nothing here decides anything about a pick; nothing here may wait for a slow reader but its own connection.

mod connection;
mod hub;
mod mailbox;
mod presence;
pub mod upgrade;

pub use hub::Hubs;
pub use presence::Presence;
