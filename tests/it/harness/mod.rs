//! What the chapters stand on: databases, server processes, clients, an opening in a few lines, an audit.
//!
//! Every wait has a limit here, so that a hanging server fails a test instead of stopping the run. Nothing of the
//! product's own code is used: what the harness knows comes from `docs/protocol.md` and `migrations/`.

mod api;
mod authenticator;
mod books;
mod fleet;
mod guard;
mod home;
mod link;
mod machines;
mod output;
mod ports;
mod postgres;
mod proxy;
mod redis;
mod sale;
mod server;
mod sheets;

pub use api::{Api, Reply};
pub use authenticator::Authenticator;
pub use books::Books;
pub use fleet::{Fleet, Gateway};
pub use home::{Database, Home, binary};
pub use link::{Ended, Link};
pub use machines::Machines;
pub use output::{refused, said, told};
pub use ports::{allow_sockets, free_port};
pub use postgres::{Cluster, binaries as postgres_binaries};
pub use proxy::{Fate, Proxy};
pub use redis::Redis;
pub use sale::{Buyer, Plan, Sale, add_admin, admin, draft, now_ms, now_us, staff};
pub use server::Server;
pub use sheets::{people, price_list, roster};
