//! `kaipan opening rehearse|clear-rehearsals`: an isolated copy of an opening with simulated buyers, published to start soon,
//! and its end.

use std::time::Duration;

use clap::Args;

use super::{OnOpening, open, overview, show};
use crate::cli::desk::{Desk, Failure, say};
use crate::cli::values::span;
use crate::config::DataSettings;
use crate::domain::ids::OpeningId;
use crate::domain::time::Clock;
use crate::identity::Actor;
use crate::limits::{OPENING_S_MAX, REHEARSAL_BUYERS_MAX, REHEARSAL_START_IN_S_MAX};
use crate::opening::rehearse::{RehearseError, Rehearser, Wanted};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    on: OnOpening,
    /// Simulated buyers [usual: as many as the opening has registrations]
    #[arg(long, value_name = "N")]
    buyers: Option<i64>,
    /// How soon it starts
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "60s")]
    start_in: Duration,
    /// How long it stays open [usual: as long as the opening]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    open_for: Option<Duration>,
}

/// A server that runs on Postgres begins to serve it within moments; on SQLite the next one does.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { on: OnOpening { opening, form }, buyers, start_in, open_for } = arguments;
    let desk = open(form.data).await?;
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    let wanted = Wanted { buyers, start_in_s: seconds(start_in), open_for_s: open_for.map(seconds) };
    let clock = Clock::system();
    let copy = match rehearser(&desk, &clock).copy(&opening, &wanted).await {
        Ok(copy) => copy,
        Err(RehearseError::SourceUnknown) => return Err(Failure::OpeningUnknown(opening)),
        Err(RehearseError::Field(field)) => return Err(impossible(field)),
        Err(error) => return Err(error.into()),
    };
    show::after(&desk, &copy, form.json, "rehearsal").await
}

#[derive(Args)]
pub struct Clear {
    /// One rehearsal, in whatever phase it is [usual: all whose time is over]
    #[arg(long, value_name = "ID")]
    opening: Option<OpeningId>,
    #[command(flatten)]
    data: DataSettings,
}

/// A server that runs on Postgres stops serving them within moments.
pub async fn clear(clear: Clear) -> Result<(), Failure> {
    let desk = open(clear.data).await?;
    let clock = Clock::system();
    let rehearser = rehearser(&desk, &clock);
    let wanted = match clear.opening {
        Some(one) => vec![one],
        None => rehearser.finished().await?,
    };
    for id in &wanted {
        let rehearsal = overview(&mut desk.read().await?, id).await?;
        rehearser.clear(id).await?;
        say(&format!("cleared {id}\t{}", rehearsal.settings.name))?;
    }
    if wanted.is_empty() {
        say("no rehearsal is over; `--opening ID` clears one that is not")?;
    }
    Ok(())
}

fn rehearser<'a>(desk: &'a Desk, clock: &'a Clock) -> Rehearser<'a> {
    Rehearser { db: &desk.data.db, vault: &desk.data.vault, by: &Actor::CommandLine, clock }
}

fn impossible(field: &'static str) -> Failure {
    let (flag, max) = match field {
        "buyers" => ("--buyers", REHEARSAL_BUYERS_MAX),
        "start_in_s" => ("--start-in", REHEARSAL_START_IN_S_MAX),
        _ => ("--open-for", OPENING_S_MAX),
    };
    Failure::Flag(flag, format!("must be from 1 to {max}"))
}
