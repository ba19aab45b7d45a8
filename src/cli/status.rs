//! `kaipan status`: every gateway, Redis, the database and the openings, as they say themselves or by their silence. It looks
//! into the database and asks no server, so it works when none answers.
//!
//! It ends with 0 when nobody needs to do anything, with 1 when a person has to look, with 2 when it could not look itself.

mod table;
mod words;

use std::process::ExitCode;

use clap::Args;

use super::desk::{Failure, print_json, run_look};
use crate::app::data::open_to_read;
use crate::config::DataSettings;
use crate::console::wire::status::status;
use crate::domain::time::Clock;
use crate::status::{is_well, judge, look};

#[derive(Args)]
pub struct Arguments {
    /// Print JSON, as the console's API has it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataSettings,
}

pub fn run(arguments: Arguments) -> ExitCode {
    run_look(show(arguments))
}

/// Whether all is well.
async fn show(arguments: Arguments) -> Result<bool, Failure> {
    let db = open_to_read(&arguments.data.resolve()).await?;
    let seen = look(&db, &Clock::system()).await?;
    db.close().await;
    let found = judge(&seen);
    if arguments.json {
        print_json(&status(&seen))?;
    } else {
        table::print(&seen, &found)?;
    }
    Ok(is_well(&found))
}
