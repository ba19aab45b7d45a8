//! `kaipan opening`: what an opening's data says, for audits and notaries.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::refuse;
use crate::config::{Data, DataSettings};
use crate::domain::ids::OpeningId;
use crate::domain::time::Clock;
use crate::opening::dump;
use crate::store::{Db, Ledger, StoreError};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Print every claim and every journal entry of an opening; it may be running
    Dump {
        #[arg(long, value_name = "ID")]
        opening: OpeningId,
        /// As JSON, which is the only form there is
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        data: DataSettings,
    },
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("there is no database in {0}")]
    NoDatabase(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Output(#[from] io::Error),
}

pub fn run(arguments: Arguments) -> ExitCode {
    let What::Dump { opening, json: _, data } = arguments.what;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(error),
    };
    match runtime.block_on(print_dump(&data.resolve(), &opening)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(error),
    }
}

/// Reads beside the running server, so it takes no lock and makes nothing: neither a folder nor a database.
async fn print_dump(data: &Data, opening: &OpeningId) -> Result<(), Failure> {
    let db = match &data.database_url {
        Some(url) => Db::connect_postgres(url).await?,
        None if data.dir.join("kaipan.db").is_file() => Db::open_sqlite(&data.dir, Clock::system()).await?,
        None => return Err(Failure::NoDatabase(data.dir.display().to_string())),
    };
    let ledger = Ledger::from(db.clone());
    let dumped = dump::dump(&ledger, &mut db.read().await?, opening).await?;
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &dumped).map_err(io::Error::from)?;
    writeln!(out)?;
    db.close().await;
    Ok(())
}
