//! `kaipan opening list|show`: openings as they are, beside a running server or not.

use clap::Args;
use jiff::tz::TimeZone;

use super::{Form, OnOpening, overview, project_of};
use crate::app::data::open_to_read;
use crate::cli::desk::{Desk, Failure, print_json, say};
use crate::cli::values::{moment, time_zone, yuan};
use crate::console::wire::{self, OpeningAdmin, PerKind};
use crate::domain::ids::OpeningId;
use crate::domain::time::{Clock, Micros};
use crate::opening::drafts::{self, Overview};
use crate::store::Reader;

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    form: Form,
}

#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    on: OnOpening,
    /// List its units instead: ordinal, label, status, reason
    #[arg(long)]
    units: bool,
}

pub async fn list(list: List) -> Result<(), Failure> {
    let Form { json, data } = list.form;
    let db = open_to_read(&data.resolve()).await?;
    let openings: Vec<OpeningAdmin> =
        drafts::overviews(&mut db.read().await?).await?.into_iter().map(document).collect();
    if json {
        return Ok(print_json(&wire::Openings { openings })?);
    }
    for OpeningAdmin { id, state, project_name, name, .. } in openings {
        say(&format!("{id}\t{state}\t{project_name}\t{name}"))?;
    }
    Ok(())
}

pub async fn show(show: Show) -> Result<(), Failure> {
    let OnOpening { opening, form } = show.on;
    let db = open_to_read(&form.data.resolve()).await?;
    let mut read = db.read().await?;
    let found = overview(&mut read, &opening).await?;
    if show.units {
        return print_units(&mut read, &opening, form.json).await;
    }
    print(&mut read, found, form.json).await
}

/// What an opening is after a command changed it.
pub async fn after(desk: &Desk, opening: &OpeningId, json: bool, done: &str) -> Result<(), Failure> {
    let mut read = desk.read().await?;
    let found = overview(&mut read, opening).await?;
    if !json {
        say(&format!("{done} {opening}"))?;
    }
    print(&mut read, found, json).await
}

pub async fn print_units(read: &mut Reader, opening: &OpeningId, json: bool) -> Result<(), Failure> {
    let lines = drafts::units(read, opening).await?;
    if json {
        return Ok(print_json(&wire::Units { units: lines.into_iter().map(wire::unit).collect() })?);
    }
    for line in lines {
        let label = line.label();
        let unit = wire::unit(line);
        let reason = unit.withheld_reason.unwrap_or_default();
        say(&format!("{}\t{label}\t{}\t{reason}", unit.unit, unit.status))?;
    }
    Ok(())
}

/// The document of the console's API. No server is known here, so its addresses are paths.
fn document(overview: Overview) -> OpeningAdmin {
    wire::opening(overview, Clock::system().wall(), "")
}

async fn print(read: &mut Reader, found: Overview, json: bool) -> Result<(), Failure> {
    let zone = time_zone(&project_of(read, &found).await?.time_zone).unwrap_or(TimeZone::UTC);
    let opening = document(found);
    if json {
        return Ok(print_json(&opening)?);
    }
    let at = |ms| moment(Micros::from_ms(ms), &zone);
    let none = || "-".to_owned();
    let OpeningAdmin { units, registrations, .. } = &opening;
    let by_kind: Vec<String> = units.by_kind.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    for (what, value) in [
        ("project", opening.project_name.clone()),
        ("name", opening.name.clone()),
        ("state", opening.state.to_owned()),
        ("start", at(opening.start_ms)),
        ("end", at(opening.end_ms)),
        ("hold", format!("{} s", opening.hold_s)),
        ("favourites", opening.favourites_max.to_string()),
        ("deposit", per_kind(opening.deposit_fen, yuan)),
        ("quota", per_kind(opening.quota, |count| count.to_string())),
        ("household", per_kind(opening.household_quota, |bound| bound.map_or_else(none, |n| n.to_string()))),
        ("units", format!("{} ({}), {} withheld", units.total, by_kind.join(", "), units.withheld)),
        ("total", yuan(units.total_fen)),
        ("roster", format!("{}, earnest money {}", registrations.total, yuan(registrations.earnest_fen))),
        ("units hash", opening.units_hash.clone().unwrap_or_else(none)),
        ("roster hash", opening.roster_hash.clone().unwrap_or_else(none)),
    ] {
        say(&format!("{what:<12}{value}"))?;
    }
    Ok(())
}

fn per_kind<T>(values: PerKind<T>, text: impl Fn(T) -> String) -> String {
    let PerKind { home, parking, shop, storage } = values;
    format!("home {}, parking {}, shop {}, storage {}", text(home), text(parking), text(shop), text(storage))
}
