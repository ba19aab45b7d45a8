//! `kaipan demo`: an opening with a crowd, on this machine.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::refuse;
use super::values::span;
use crate::demo::{self, Lan, Options};
use crate::telemetry::{self, LogFormat};

const START_IN_MIN: Duration = Duration::from_secs(5);
const START_IN_MAX: Duration = Duration::from_secs(3_600);

#[derive(Args)]
pub struct Arguments {
    /// Where the demo lives; without it a folder of the user's own data
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,

    /// Load the demo project, then end
    #[arg(long)]
    exit_after_load: bool,

    /// Let phones of the same network in, at this machine's address or the given one
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true)]
    lan: Option<Option<IpAddr>>,

    /// How soon the opening starts, such as 20s or 2m
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = start_in)]
    start_in: Duration,

    /// The buyers' port
    #[arg(long, default_value_t = 8_080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// The console's port
    #[arg(long, default_value_t = 8_081, value_parser = clap::value_parser!(u16).range(1..))]
    console_port: u16,

    /// The demo page's port; this one is never open to the network
    #[arg(long, default_value_t = 8_082, value_parser = clap::value_parser!(u16).range(1..))]
    demo_port: u16,

    /// How many simulated buyers [default: as many as this machine carries]
    #[arg(long, value_name = "N")]
    buyers: Option<usize>,

    /// How long the crowd taps after the start
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = span)]
    tap_for: Duration,
}

pub fn run(arguments: Arguments) -> ExitCode {
    let Some(data_dir) = arguments.data_dir.or_else(own_folder) else {
        return refuse("there is no home folder for the demo's data: name one with --data-dir");
    };
    let options = Options {
        data_dir,
        exit_after_load: arguments.exit_after_load,
        lan: arguments.lan.map(|given| given.map_or(Lan::Found, Lan::Given)),
        start_in: arguments.start_in,
        buyers_port: arguments.port,
        console_port: arguments.console_port,
        demo_port: arguments.demo_port,
        buyers_max: arguments.buyers,
        tap_for: arguments.tap_for,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(error),
    };
    if let Err(error) = telemetry::init_logs(LogFormat::default(), "warn") {
        return refuse(error);
    }
    match runtime.block_on(demo::run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(error),
    }
}

/// Such as `~/.local/share/kaipan/demo`.
fn own_folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "kaipan").map(|folders| folders.data_local_dir().join("demo"))
}

/// A start that leaves time to load, and does not keep a newcomer waiting for ever.
fn start_in(text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    if span < START_IN_MIN || span > START_IN_MAX {
        return Err(format!("{text:?} is out of range: from 5s to 60m"));
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [("20s", 20), ("2m", 120), ("1m30s", 90), ("45", 45)] {
            assert_eq!(start_in(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "2h", "1m30", "-5s", "1s", "61m", "99999999999999999999m"] {
            assert!(start_in(text).is_err(), "{text}");
        }
    }
}
