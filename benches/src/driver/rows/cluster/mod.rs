//! Two gateways on one Postgres and one Redis: what they do together, beside one of them, a single server, and services on the
//! same stores. Everything that serves has the server's half of the cores: each gateway its own part of it, Postgres and Redis
//! all of it.

pub mod gates;
pub mod losers;
pub mod picks;
pub mod rebuild;
