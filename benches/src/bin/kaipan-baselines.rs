//! `kaipan-baselines`: one of the servers that Kaipan is compared with, until its standard input ends.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use kaipan_bench::baselines::evalsha::Redis;
use kaipan_bench::baselines::front::{self, Decider};
use kaipan_bench::baselines::update::Postgres;
use kaipan_bench::baselines::{reference, sheet};
use kaipan_bench::failure::{Outcome, While};

#[derive(Parser)]
#[command(name = "kaipan-baselines", version, about = "Servers that do less than Kaipan, to compare it with")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A bare axum endpoint: every pick is TAKEN
    Axum(Door),
    /// The same endpoint with one EVALSHA a request
    Evalsha {
        #[command(flatten)]
        door: Door,
        #[arg(long)]
        redis: String,
    },
    /// The same endpoint with one UPDATE a request
    Update {
        #[command(flatten)]
        door: Door,
        #[arg(long)]
        postgres: String,
        #[arg(long)]
        units: u32,
    },
    /// A hand-written epoll server: echo and fan-out over WebSocket
    Reference {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        units: u32,
    },
    /// Read a spreadsheet with calamine alone; prints rows, cells and nanoseconds
    Sheet { file: PathBuf },
}

#[derive(Args)]
struct Door {
    #[arg(long)]
    listen: SocketAddr,
    /// Headers that each answer carries beyond those of the framework: JSON, a list of pairs
    #[arg(long)]
    headers: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to do when standard error itself is gone.
            drop(writeln!(io::stderr(), "kaipan-baselines: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Outcome<()> {
    if let Command::Sheet { file } = &command {
        let read = sheet::read(file)?;
        return writeln!(io::stdout(), "{} {} {}", read.rows, read.cells, read.took_ns).during("printing");
    }
    std::thread::spawn(|| {
        // The driver holds the other end: when it is gone, however it ended, so is this.
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    if let Command::Reference { listen, units } = command {
        return reference::serve(listen, units).map(|never| match never {});
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().during("a runtime")?;
    runtime.block_on(async {
        match command {
            Command::Axum(Door { listen, headers }) => {
                front::serve(listen, headers.as_deref(), Decider::Nobody).await
            }
            Command::Evalsha { door: Door { listen, headers }, redis } => {
                let redis = Redis::open(&redis).await?;
                front::serve(listen, headers.as_deref(), Decider::Redis(redis)).await
            }
            Command::Update { door: Door { listen, headers }, postgres, units } => {
                let postgres = Postgres::open(&postgres, units).await?;
                front::serve(listen, headers.as_deref(), Decider::Postgres(postgres)).await
            }
            Command::Reference { .. } | Command::Sheet { .. } => Ok(()),
        }
    })
}
