//! `kaipan serve`: the server, until it is told to stop.

use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::Args;

use super::{lifeline, refuse};
use crate::app;
use crate::config::Settings;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: Settings,

    /// End when standard input ends: for a supervisor that holds its other end
    #[arg(long, hide = true)]
    lifeline: bool,
}

pub fn run(arguments: Arguments) -> ExitCode {
    let cores = available_parallelism().map_or(1, usize::from);
    let config = match arguments.settings.resolve(cores) {
        Ok(config) => config,
        Err(error) => return refuse(error),
    };
    if arguments.lifeline {
        lifeline::follow();
    }
    match app::serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(error),
    }
}
