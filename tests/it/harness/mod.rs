//! What the chapters stand on: databases, server processes, clients, an opening in a few lines, an audit.
//!
//! Every wait has a limit here, so that a hanging server fails a test instead of stopping the run. Nothing of the
//! product's own code is used: what the harness knows comes from `docs/protocol.md` and `migrations/`.

mod api;
mod books;
mod home;
mod link;
mod output;
mod ports;
mod postgres;
mod sale;
mod server;
mod sheets;

pub use api::Api;
pub use books::Books;
pub use home::{Database, Home, binary};
pub use link::{Ended, Link};
pub use output::{refused, said, told};
pub use ports::free_port;
pub use sale::{Buyer, Plan, Sale, admin, draft, now_ms, staff};
pub use server::Server;
pub use sheets::{people, price_list, roster};
