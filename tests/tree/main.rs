//! What can be said of the source tree without building or running it: who imports whom, and tidiness.
//!
//! A test target of its own, beside the black-box suite in `tests/it/`, because it needs no server and must be quick
//! enough to run after every edit: `cargo test --test tree`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read the tree has failed")]

mod layers;
mod source;
mod tidy;
