//! The command line: one file a command. It turns flags into settings, calls the layers below and says in words what
//! came of it; no rule of the product lives here.

mod audit;
mod backup;
mod demo;
mod desk;
mod import;
mod keys;
mod lifeline;
mod migrate;
mod opening;
mod project;
mod restore;
mod serve;
mod staff;
mod status;
mod values;

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
    /// Check the log of what staff did and read
    Audit(audit::Arguments),
    /// Look after a backup
    Backup(backup::Arguments),
    /// Play an opening on this machine, with a simulated crowd
    Demo(demo::Arguments),
    /// The keys that seal personal data: list, rotate and retire them, beside running servers
    Keys(keys::Arguments),
    /// Prepare the database for this program, and serve nothing
    Migrate(migrate::Arguments),
    /// Prepare, publish and read openings
    Opening(opening::Arguments),
    /// Projects, to which openings belong
    Project(project::Arguments),
    /// Make a database of a backup, on a machine that has none
    Restore(restore::Arguments),
    /// Serve buyers and staff until SIGTERM or Ctrl-C
    Serve(serve::Arguments),
    /// Accounts of staff
    Staff(staff::Arguments),
    /// See every gateway, Redis, the database and the openings, and what is wrong
    Status(status::Arguments),
    /// Read a price list or a roster into a draft
    Import(import::Arguments),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to do when the output itself is gone.
            drop(error.print());
            // Not clap's 2, which `kaipan import` has for a file that was taken in part, and `kaipan status` for no look.
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match cli.command {
        Command::Audit(arguments) => audit::run(arguments),
        Command::Backup(arguments) => backup::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Keys(arguments) => keys::run(arguments),
        Command::Migrate(arguments) => migrate::run(arguments),
        Command::Opening(arguments) => opening::run(arguments),
        Command::Project(arguments) => project::run(arguments),
        Command::Restore(arguments) => restore::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Staff(arguments) => staff::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Import(arguments) => import::run(arguments),
    }
}

/// Says on standard error why the command did nothing, in one line.
fn refuse(why: impl std::fmt::Display) -> ExitCode {
    // Nothing is left to do when standard error itself is gone.
    drop(writeln!(std::io::stderr(), "kaipan: {why}"));
    ExitCode::FAILURE
}
