//! The figures: Kaipan measured beside servers that do less, on the same cores, with the same bytes on the wire.
//!
//! This crate must not know the server's code, as the load test must not: what it shares with Kaipan is the wire
//! (`docs/protocol.md`) and the command line. Nothing here is a promise of the product; everything is a way to see
//! whether one is kept.
//!
//! In reading order: small things ([`failure`], [`clock`], [`stats`], [`plot`]), the wire ([`http`], [`frames`]), the servers to
//! compare with ([`baselines`]), the [`load`] that one process makes on one core with the load test's raw clients, and
//! the [`driver`] that starts servers and load, takes medians and judges them.

/// One clock for every process of a measurement.
pub mod clock;
/// What went wrong, in words for whoever reads the table.
pub mod failure;
/// Figures over an axis, as SVG.
pub mod plot;
/// Medians, percentiles, ratios.
pub mod stats;

/// What a frame or an answer of the protocol says, read without a JSON parser.
pub mod frames;
/// A small client for what is not measured.
pub mod http;

/// The servers that Kaipan is compared with.
pub mod baselines;
/// Starts, measures, compares, prints.
pub mod driver;
/// One core's worth of buyers, told by the driver what to do.
pub mod load;
