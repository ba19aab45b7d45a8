//! `kaipan-loadtest`: simulated buyers over the public wire, and the audit of what they were told.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kaipan_loadtest::crowd::plan::Plan;
use kaipan_loadtest::report::commands::{self, CompareArgs, MergeArgs, RenderArgs};
use kaipan_loadtest::scenario::command::{self, RunArgs};
use kaipan_loadtest::scenario::plan::Scenario;
use kaipan_loadtest::{audit, crowd, record, sheets};

#[derive(Parser)]
#[command(
    name = "kaipan-loadtest",
    version,
    about = "Simulated buyers over the public wire, and the audit of what they were told"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everybody taps once at the start, or within a moment
    Burst(Box<RunArgs>),
    /// Taps arrive faster and faster until a limit breaks
    Ramp(Box<RunArgs>),
    /// Taps arrive steadily for a long time
    Soak(Box<RunArgs>),
    /// Everybody connects at once, goes, and comes again
    Storm(Box<RunArgs>),
    /// Everybody watches a few changes
    Board(Box<RunArgs>),
    /// Sign-in, favourites, taps and the cashier, all at once
    Mixed(Box<RunArgs>),
    /// Write a price list and a roster of people who do not exist, for `kaipan import`
    Sheets {
        #[arg(long, default_value_t = 1_000)]
        units: u32,
        #[arg(long, default_value_t = 10_000)]
        registrations: u32,
        /// Where price-list.csv and roster.csv go
        folder: PathBuf,
    },
    /// Play the plan that comes on standard input, one line of JSON; the end of standard input ends the crowd.
    Crowd,
    /// Compare the crowd's record with the server's claims and journal.
    Audit {
        /// The record that `crowd` wrote.
        #[arg(long)]
        record: PathBuf,
        /// What `kaipan opening dump --json` printed.
        #[arg(long)]
        truth: PathBuf,
        /// Print the verdict as JSON instead of one line.
        #[arg(long)]
        json: bool,
    },
    /// Make the page of a report again
    Report(RenderArgs),
    /// Join the reports of several machines that loaded one opening together, and audit all their taps at once
    Merge(MergeArgs),
    /// Show two reports side by side
    Compare(CompareArgs),
}

/// Set by a supervisor that holds the other end of standard input. Not a flag: a report names the flags of its run, and
/// whoever types them again has no such pipe.
const LIFELINE_VARIABLE: &str = "KAIPAN_LOADTEST_LIFELINE";

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    let command = Cli::parse().command;
    if std::env::var_os(LIFELINE_VARIABLE).is_some() {
        leave_with_standard_input();
    }
    let outcome = match command {
        Command::Burst(args) => command::run(Scenario::Burst, *args).map(exit),
        Command::Ramp(args) => command::run(Scenario::Ramp, *args).map(exit),
        Command::Soak(args) => command::run(Scenario::Soak, *args).map(exit),
        Command::Storm(args) => command::run(Scenario::Storm, *args).map(exit),
        Command::Board(args) => command::run(Scenario::Board, *args).map(exit),
        Command::Mixed(args) => command::run(Scenario::Mixed, *args).map(exit),
        Command::Sheets { units, registrations, folder } => sheets::write(&folder, units, registrations)
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| format!("{}: {error}", folder.display())),
        Command::Crowd => play(),
        Command::Audit { record, truth, json } => judge(&record, &truth, json),
        Command::Report(args) => commands::render(&args).map(exit),
        Command::Merge(args) => commands::merged(&args, &mut io::stdout()).map(exit),
        Command::Compare(args) => commands::compared(&args, &mut io::stdout()).map(exit),
    };
    outcome.unwrap_or_else(|sentence| {
        tracing::error!("{sentence}");
        ExitCode::from(2)
    })
}

fn exit(exit: commands::Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

fn play() -> Result<ExitCode, String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| format!("no plan on standard input: {error}"))?;
    let plan: Plan = serde_json::from_str(&line).map_err(|error| format!("not a plan: {error}"))?;
    leave_with_standard_input();
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(crowd::run::run(&plan, &mut io::stdout())).map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// The supervisor holds the other end: when it is gone, however it ended, this program goes too.
fn leave_with_standard_input() {
    std::thread::spawn(|| {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

fn judge(record: &Path, truth: &Path, json: bool) -> Result<ExitCode, String> {
    let entries = record::read(record).map_err(|error| format!("{}: {error}", record.display()))?;
    let truth = audit::read_truth(truth)?;
    let verdict = audit::compare(&entries, &truth);
    let line = if json { verdict.to_json() } else { verdict.line() };
    writeln!(io::stdout(), "{line}").map_err(|error| error.to_string())?;
    Ok(if verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
