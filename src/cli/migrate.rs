//! `kaipan migrate`: brings the database to what this program expects, and serves nothing. Before an upgrade on
//! Postgres it shows, while the old servers still run, that the new schema applies.

use std::process::ExitCode;

use clap::Args;

use super::desk::{Desk, run as run_to_end, say};
use crate::config::DataSettings;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataSettings,
}

pub fn run(arguments: Arguments) -> ExitCode {
    run_to_end(async {
        // Opening the data migrates it, as every command that writes does.
        let desk = Desk::open(arguments.data, "kaipan migrate").await?;
        desk.data.db.close().await;
        Ok(say("the database is up to date")?)
    })
}
