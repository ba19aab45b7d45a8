//! The toolkit of both doors: sockets, limits, errors, extractors, sessions' tokens, pages.
//!
//! It must not know what is sold, who buys or where anything is stored: no `store`, no `vault`, no `inventory`. What it
//! needs of them (a signing key, a readiness flag) is an argument.
//!
//! The way of one request, outermost first:
//!
//! ```text
//!   listener  SO_REUSEPORT, backlog 4096 ──▶ accept   one loop a core: caps, NODELAY, stalled-writer guard
//!      ──▶ hyper http1   head limits and time-out
//!      ──▶ shell         request id · client address · load shed · Origin · panic · time-out · metrics · headers
//!      ──▶ router        extractors that answer problem+json ──▶ handler ──▶ (database work) backend
//!      or  shortcut      the one route that everybody uses at once, without the router's layers
//! ```

pub mod accept;
pub mod address;
pub mod backend;
pub mod cookie;
pub mod drain;
pub mod extract;
pub mod figures;
pub mod guard_io;
pub mod health;
pub mod lateness;
pub mod loops;
pub mod openapi;
pub mod origin;
pub mod outgoing;
pub mod pages;
pub mod problem;
pub mod request_id;
pub mod shell;
pub mod shortcut;
pub mod token;

pub use backend::Backend;
pub use drain::Drain;
pub use extract::{Body, Path, Query};
pub use problem::{Code, Problem};
