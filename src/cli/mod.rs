//! The command line: one file a command. It turns flags into settings, calls the layers below and says in words what
//! came of it; no rule of the product lives here.

mod demo;
mod import;
mod lifeline;
mod opening;
mod serve;
mod staff;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "kaipan", version, about = "Kaipan (开盘): online unit selection for real-estate openings")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play an opening on this machine, with a simulated crowd
    Demo(demo::Arguments),
    /// What an opening's data says
    Opening(opening::Arguments),
    /// Serve buyers and staff until SIGTERM or Ctrl-C
    Serve(serve::Arguments),
    /// Accounts of staff
    Staff(staff::Arguments),
    /// Read a price list or a roster into a draft
    Import(import::Arguments),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Opening(arguments) => opening::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Staff(arguments) => staff::run(arguments),
        Command::Import(arguments) => import::run(arguments),
    }
}

/// Says on standard error why the command did nothing, in one line.
fn refuse(why: impl std::fmt::Display) -> ExitCode {
    // Nothing is left to do when standard error itself is gone.
    drop(writeln!(std::io::stderr(), "kaipan: {why}"));
    ExitCode::FAILURE
}
