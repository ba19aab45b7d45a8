//! `kaipan-bench`: measures, prints the table, keeps it. `kaipan-bench load` is one of its own load processes.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kaipan_bench::driver::rows::ROWS;
use kaipan_bench::driver::{self, Options};
use kaipan_bench::failure::Outcome;
use kaipan_bench::load;

#[derive(Parser)]
#[command(name = "kaipan-bench", version, about = "Measures Kaipan beside its baselines, on the same cores")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure; the exit status is 1 when a row could not run. A missed goal is told, not an error
    Run {
        /// Every row in full, medians of five; else the short form
        #[arg(long)]
        full: bool,
        /// Only these rows, or those of a part: single, cluster
        #[arg(long, value_delimiter = ',', value_name = "NAME")]
        rows: Vec<String>,
        /// Runs of each row [default: 5, short 3]
        #[arg(long, value_name = "N")]
        runs: Option<usize>,
        /// Use no more cores than these: half for the server, half for the load
        #[arg(long, value_name = "N")]
        cores: Option<usize>,
        /// Where raw output is kept
        #[arg(long, default_value = "target/bench", value_name = "FOLDER")]
        out: PathBuf,
        /// Write the table between its markers in this page
        #[arg(long, value_name = "FILE")]
        markdown: Option<PathBuf>,
    },
    /// Say which rows there are
    Rows,
    #[command(hide = true)]
    Load,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            // Nothing is left to do when standard error itself is gone.
            drop(writeln!(io::stderr(), "kaipan-bench: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Outcome<bool> {
    match command {
        Command::Run { full, rows, runs, cores, out, markdown } => {
            driver::raise_files()?;
            let form = if full { "full" } else { "short" };
            let out = out.join(format!("{}-{form}", kaipan_bench::clock::stamp()));
            driver::run(&Options { full, rows, runs, cores, out, markdown })
        }
        Command::Rows => {
            for row in ROWS {
                // A closed pipe is no failure.
                drop(writeln!(io::stdout(), "{:<14} {}", row.name, row.about));
            }
            Ok(true)
        }
        Command::Load => load::serve().map(|()| true),
    }
}
