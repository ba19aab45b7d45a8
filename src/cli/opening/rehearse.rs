//! `kaipan opening rehearse`: an isolated copy of an opening with simulated buyers, published to start soon.

use std::time::Duration;

use clap::Args;

use super::{OnOpening, open, show};
use crate::cli::desk::Failure;
use crate::cli::values::span;
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
    let data = &desk.data;
    let rehearser = Rehearser { db: &data.db, vault: &data.vault, by: &Actor::CommandLine, clock: &clock };
    let copy = match rehearser.copy(&opening, &wanted).await {
        Ok(copy) => copy,
        Err(RehearseError::SourceUnknown) => return Err(Failure::OpeningUnknown(opening)),
        Err(RehearseError::Field(field)) => return Err(impossible(field)),
        Err(error) => return Err(error.into()),
    };
    show::after(&desk, &copy, form.json, "rehearsal").await
}

fn impossible(field: &'static str) -> Failure {
    let (flag, max) = match field {
        "buyers" => ("--buyers", REHEARSAL_BUYERS_MAX),
        "start_in_s" => ("--start-in", REHEARSAL_START_IN_S_MAX),
        _ => ("--open-for", OPENING_S_MAX),
    };
    Failure::Flag(flag, format!("must be from 1 to {max}"))
}
