//! Raw clients: a few threads with thousands of connections each, so that the generator is not the bottleneck.
//!
//! They know HTTP/1.1 with `Content-Length`, RFC 6455 frames and nothing else: whoever uses them brings the bytes of a
//! request and says which message answers it. So the same client measures Kaipan and any server it is compared with.
//!
//! ```text
//!   Driver (what to send, what it means)        closed loop · open loop · a scenario's buyers
//!      │ ▲
//!      ▼ │ events: open, message, closed
//!   Net (sockets of one thread)                 epoll, one shared read buffer, bounded write buffers
//!      │ ▲
//!      ▼ │ http::cut · ws::cut                  bytes to messages, without a copy where a read brought whole ones
//! ```
//!
//! No TLS: a load test speaks to the door itself, or to a proxy on its own network.

/// Requests to bytes, bytes to answers.
pub mod http;
/// Handshake and frames.
pub mod ws;

/// The sockets of one thread and the loop that serves them.
pub mod net;

/// What a thread did with its time.
pub mod effort;

/// Many connections that send by a given pace: closed loop, fixed moments, or one that makes the others hear.
pub mod pace;
/// Kaipan's picks as bytes, and which message answers them.
pub mod picks;

pub use effort::Effort;
pub use net::{Driver, Event, Net, Opens, drive};
