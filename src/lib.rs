//! Kaipan (开盘): the opening of a real-estate sale, from two spreadsheets to a sold-out board.
//!
//! The modules in reading order (blank lines keep rustfmt from sorting it). Lower layers know nothing of higher ones;
//! `tests/tree/layers.rs` enforces the picture in `docs/ARCHITECTURE.md`.

/// L1 · Values: ids, money, time, phone numbers, identity documents. No I/O.
pub mod domain;

/// L1 · Every bound of the product, in one place.
pub mod limits;

/// L1 · The settings: flags, environment, file, defaults; and which pairs of them are risky.
pub mod config;

/// L1 · Logs, and every metric by name.
pub mod telemetry;

/// L2 · Gate 3's ground: transactions over SQLite and Postgres.
pub mod store;

/// L2 · Gate 2: Redis between several gateways.
pub mod cluster;

/// L2 · Field encryption, blind indexes, keys. Knows no database.
pub mod vault;

/// L2 · The doors' toolkit: sockets, limits, errors, extractors, tokens, pages. Knows nothing of what is sold.
pub mod http;

/// L2 · Child processes that cannot outlive this one.
pub mod child;

/// L2b · Messages to buyers and the outbox.
pub mod messaging;

/// L2b · What each gateway says of itself, and what is wrong with it. Nothing decides by it.
pub mod status;

/// L2b · WeChat: sign-in, tokens, codes, messages. Knows no opening and no buyer.
pub mod wechat;

/// L3 · Staff and their rights; buyers' sign-in, sessions and devices.
pub mod identity;

/// L3 · The opening: prepared from spreadsheets, then picked from a published sale to a sold-out board.
pub mod opening;

/// L4 · The buyers' door: HTTP, WebSocket and the types of its wire.
pub mod gateway;

/// L4 · The staff's door: the console's API.
pub mod console;

/// L5 · The composition root: builds everything, mounts the doors, takes it down in order.
pub mod app;

/// L5 · `kaipan demo`: an opening with a simulated crowd on one machine, over the public wire.
pub mod demo;

/// L5 · The command line, one file a command.
pub mod cli;
