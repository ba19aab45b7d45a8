//! What can be said of the source tree without running it: who imports whom, tidiness, and whether the files of a deployment
//! agree with each other and with the program.
//!
//! A test target of its own, beside the black-box suite in `tests/it/`, because it needs no server and must be quick
//! enough to run after every edit: `cargo test --test tree`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot read the tree has failed"
)]

mod deploy;
mod layers;
mod source;
mod tidy;
