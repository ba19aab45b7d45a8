//! `kaipan demo`: an opening with a crowd on one machine. It loads the demo project, then supervises two other
//! processes, `kaipan serve` and `kaipan-loadtest`, and serves a page of its own on loopback where the server can be
//! killed and the demo started again.
//!
//! It must not reach into the server: once that runs, everything here goes over the public wire, as the crowd does.
//! Killing is done to the process from outside; `serve` has no route for it.
//!
//! ```text
//!   kaipan demo ──┬── load: project, spreadsheets, opening, log-ins      (before the server runs, same data folder)
//!                 ├── server ── kaipan serve        stdin: lifeline       logs/serve.log
//!                 ├── fakes ─── kaipan-fakes        stdin: lifeline · stdout: where it listens
//!                 ├── crowd ─── kaipan-loadtest crowd   stdin: plan, then lifeline · stdout: figures
//!                 ├── audit ─── kaipan opening dump, kaipan-loadtest audit   when the crowd is done
//!                 └── page ──── 127.0.0.1 only      state · kill · again
//! ```
//!
//! A lifeline is a pipe that the child reads to its end: however this process ends, SIGKILL included, the pipe closes
//! and the children leave.

use std::path::PathBuf;
use std::time::Duration;

/// What is printed in the terminal.
mod announce;
/// From the crowd's record and the server's dump to the last line.
mod audit;
/// The crowd and its figures.
mod crowd;
/// A WeChat to try sign-in with.
mod fakes;
/// The folder of a demo: what it may hold, and what "start again" may remove.
mod folder;
/// The demo project from its spreadsheets, the opening, the log-ins of this run.
mod load;
/// The board's counts, and sign-in codes for the newcomer.
mod newcomers;
/// The page's own door.
mod page;
/// Addresses and ports.
mod ports;
/// One `kaipan serve` after another.
mod server;
/// Loading, playing, starting again, stopping.
mod stage;
/// What the page and the terminal are told.
mod state;
/// A few requests over the public wire.
mod wire;

pub use ports::Lan;
pub use stage::run;

/// What the command line asked for.
#[derive(Debug, Clone)]
pub struct Options {
    pub data_dir: PathBuf,
    /// Load, then end.
    pub exit_after_load: bool,
    pub lan: Option<Lan>,
    pub start_in: Duration,
    pub buyers_port: u16,
    pub console_port: u16,
    pub demo_port: u16,
    /// How many simulated buyers; by the machine's size if absent.
    pub buyers_max: Option<usize>,
    /// How long the crowd taps after the start.
    pub tap_for: Duration,
}

/// Why a demo could not go on: a sentence for the terminal.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(pub String);

impl DemoError {
    fn because(what: &str) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_owned();
        move |error| Self(format!("{what}: {error}"))
    }
}
