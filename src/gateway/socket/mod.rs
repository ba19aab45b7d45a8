//! WebSockets of buyers and big screens: the protocol machine of `kaipan.v1`.
//!
//! ```text
//!   hyper ──101──▶ upgrade ──socket──▶ hub (one a core and opening, one task)
//!                                       │  kernel's events ──▶ read ──▶ frame ──▶ hear ──pick──▶ opening
//!   opening ──events, ticks──▶ tell ────┤                                           │
//!                                       └──▶ member ──▶ line ──▶ socket ◀──answer, at once
//! ```
//!
//! Nothing here decides anything about a pick; nothing here waits for a reader. Own framing and one task for all sockets
//! of a core: `docs/decisions/0007-own-framing.md` says what was measured.

mod frame;
mod hear;
mod hub;
mod hubs;
mod line;
mod member;
mod members;
mod meters;
mod pace;
mod place;
mod presence;
mod say;
mod tell;
#[cfg(test)]
mod tests;
pub mod upgrade;

pub use hubs::Hubs;
pub use pace::Allowance;
pub use presence::Presence;
