//! The black-box suite: the real `kaipan` binary on real databases, spoken to as its users speak to it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod sockets;
