//! `kaipan audit check`: whether the staff log is as it was written (CO-6). It reads beside a running server or without one, and
//! needs the keyring: nobody without it could have made the chain.
//!
//! It ends with 0 when every row is sound, with 1 when one is not, with 2 when it could not look.

use std::io;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::desk::{Failure, print_json, run_look, say};
use crate::app::data::open_to_audit;
use crate::config::DataSettings;
use crate::identity::staff::{Checked, Fault, Known, Wrong, check_chain, row_of};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Check the chain of the staff log; ends with 1 and names the first row that is wrong
    Check(Check),
}

#[derive(Args)]
struct Check {
    /// A row and its hash, as an earlier check printed them: finds a log whose end was cut off
    #[arg(long, value_name = "ROW:HASH", value_parser = known)]
    known: Option<Known>,
    /// Print JSON, as the console's API has it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataSettings,
}

fn known(text: &str) -> Result<Known, String> {
    let read = text.split_once(':').and_then(|(seq, hash)| {
        let hash = hex::decode(hash).ok().filter(|hash| hash.len() == 32)?;
        Some(Known { seq: seq.parse().ok().filter(|seq| *seq > 0)?, hash })
    });
    read.ok_or_else(|| "a row's number, a colon and 64 hexadecimal digits expected".to_owned())
}

pub fn run(arguments: Arguments) -> ExitCode {
    let What::Check(check) = arguments.what;
    run_look(look(check))
}

/// Whether every row is sound.
async fn look(check: Check) -> Result<bool, Failure> {
    let (db, vault) = open_to_audit(&check.data.resolve()).await?;
    let found = check_chain(&db, &vault, check.known.as_ref()).await?;
    let row = match found.wrong.as_ref().and_then(|wrong| wrong.id.as_deref()) {
        Some(id) => row_of(&db, id).await?,
        None => None,
    };
    db.close().await;
    if check.json {
        print_json(&document(&found))?;
    } else {
        print(&found)?;
        if let Some((at, staff, action)) = row {
            let at = jiff::Timestamp::from_microsecond(at.0)
                .map_or_else(|_| at.0.to_string(), |at| at.to_string());
            say(&format!("it says: {at}, {staff}, {action}"))?;
        }
    }
    Ok(found.wrong.is_none())
}

fn document(found: &Checked) -> Value {
    let wrong = found.wrong.as_ref().map(|wrong| json!({ "row": wrong.seq, "fault": wrong.fault.as_str() }));
    json!({ "rows": found.rows, "hash": found.hash.as_ref().map(hex::encode), "wrong": wrong })
}

fn print(found: &Checked) -> io::Result<()> {
    match &found.wrong {
        None => say(&format!("the staff log is sound up to row {}", found.rows))?,
        Some(wrong) => {
            say(&format!("the staff log is WRONG: {}", words(wrong)))?;
            say(&format!("sound up to row {}", found.rows))?;
        }
    }
    match &found.hash {
        Some(hash) => {
            say(&format!("to write down for the next check: --known {}:{}", found.rows, hex::encode(hash)))
        }
        None => Ok(()),
    }
}

fn words(wrong: &Wrong) -> String {
    let row = wrong.seq.map_or_else(|| "a row without a number".to_owned(), |seq| format!("row {seq}"));
    let id = wrong.id.as_ref().map_or_else(String::new, |id| format!(" (id {id})"));
    let what = match wrong.fault {
        Fault::Changed => "was changed, swapped, or put in",
        Fault::Missing => "is missing",
        Fault::Unchained => "was put in, or written by a program from before the chain",
        Fault::BeyondHead => "stands behind the end of the chain",
        Fault::Another => "is not the row that was written down",
        Fault::HeadMissing => return "the head of the chain is missing".to_owned(),
    };
    format!("{row}{id} {what}")
}
