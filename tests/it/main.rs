//! The black-box suite: the real `kaipan` binary on real databases, spoken to as its users speak to it.
//!
//! One binary, so that it is linked once. `harness` starts what a test needs; every other module is a chapter of tests.
//! Tests that hold for both databases are rstest cases named `sqlite` and `postgres`:
//! `cargo test --test it -- sqlite` runs without Postgres.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod audit;
mod backup;
mod burst;
mod chaos;
mod cli;
mod client;
mod committers;
mod composed;
mod demo;
mod devices;
mod door;
mod feed;
mod forgery;
mod frames;
mod harness;
mod hold;
mod hostile;
mod import;
mod keys;
mod load;
mod load_runs;
mod metrics;
mod overload;
mod pick;
mod prepare;
mod proxied;
mod ready;
mod rehearsal;
mod roles;
mod second;
mod second_factor;
mod secrets;
mod sessions;
mod sms;
mod sockets;
mod sql;
mod staff;
mod status;
mod tap;
mod together;
mod wechat;
