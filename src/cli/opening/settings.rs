//! `kaipan opening create|set`: name, window, hold, deposits, quotas, favourites.

use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{Form, OnOpening, open, overview, project_of, refused, show};
use crate::cli::desk::Failure;
use crate::cli::values::{Moment, OfKind, bound_of_kind, count_of_kind, span, time_zone, yuan_of_kind};
use crate::domain::kind::{PerKind, UnitKind};
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::identity::staff::LogEntry;
use crate::limits::{FAVOURITES_MAX, HOLD_S_MAX, NAME_CHARS_MAX, OPENING_S_MAX, QUOTA_MAX, REASON_CHARS_MAX};
use crate::opening::drafts::{self, Intent, Project, Settings};

#[derive(Args)]
pub struct Create {
    /// The project it belongs to, by name or id
    #[arg(long, value_name = "NAME|ID")]
    project: String,
    #[arg(long)]
    name: String,
    /// When picks are taken from: 2026-12-01T10:00:00+08:00, or '2026-12-01 10:00' in the project's time zone
    #[arg(long, value_name = "TIME")]
    start: Moment,
    /// When picks are taken no more
    #[arg(long, value_name = "TIME")]
    end: Moment,
    #[command(flatten)]
    terms: Terms,
    #[command(flatten)]
    form: Form,
}

#[derive(Args)]
pub struct Set {
    #[command(flatten)]
    on: OnOpening,
    #[arg(long)]
    name: Option<String>,
    /// When picks are taken from: 2026-12-01T10:00:00+08:00, or '2026-12-01 10:00' in the project's time zone
    #[arg(long, value_name = "TIME")]
    start: Option<Moment>,
    /// When picks are taken no more
    #[arg(long, value_name = "TIME")]
    end: Option<Moment>,
    #[command(flatten)]
    terms: Terms,
}

#[derive(Args)]
struct Terms {
    /// How long a unit is held for its deposit, such as 15m [usual: 15m]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    hold: Option<Duration>,
    /// How many favourites a buyer may keep [usual: 10]
    #[arg(long, value_name = "N")]
    favourites: Option<i64>,
    /// The deposit of one kind of unit in yuan, such as home=50000; one flag a kind [usual: 0]
    #[arg(long, value_name = "KIND=YUAN", value_parser = yuan_of_kind)]
    deposit: Vec<OfKind<Fen>>,
    /// How many units of one kind a registration may take, such as home=1; one flag a kind [usual: 1]
    #[arg(long, value_name = "KIND=N", value_parser = count_of_kind)]
    quota: Vec<OfKind<i64>>,
    /// How many units of one kind a household may take, or none for no bound [usual: none]
    #[arg(long, value_name = "KIND=N", value_parser = bound_of_kind)]
    household_quota: Vec<OfKind<Option<i64>>>,
}

pub async fn create(create: Create) -> Result<(), Failure> {
    let Create { project, name, start, end, terms, form } = create;
    let desk = open(form.data).await?;
    let project = find_project(drafts::projects(&mut desk.read().await?).await?, &project)?;
    let zone = zone_of(&project)?;
    let mut settings = Settings {
        name,
        start_at: at("--start", start, &zone)?,
        end_at: at("--end", end, &zone)?,
        hold: Micros::from_secs(Settings::HOLD_S_USUAL),
        favourites_max: Settings::FAVOURITES_USUAL,
        deposit: PerKind::default(),
        quota: Settings::QUOTA_USUAL,
        household_quota: PerKind::default(),
    };
    terms.apply(&mut settings)?;
    let mut tx = desk.begin().await?;
    let created = drafts::create_opening(&mut tx, &project.id, &settings, Intent::Sale, desk.now).await;
    let id = created.map_err(refused)?;
    let entry =
        LogEntry { opening: Some(&id), action: "OPENING_CREATED", object: id.as_str(), params: json!({}) };
    desk.log(&mut tx, &entry).await?;
    tx.commit().await?;
    show::after(&desk, &id, form.json, "created").await
}

pub async fn set(set: Set) -> Result<(), Failure> {
    let Set { on: OnOpening { opening, form }, name, start, end, terms } = set;
    if name.is_none() && start.is_none() && end.is_none() && terms.is_empty() {
        return Err(Failure::Flag("set", "needs at least one flag that says what to change".to_owned()));
    }
    let desk = open(form.data).await?;
    let mut read = desk.read().await?;
    let before = overview(&mut read, &opening).await?;
    let zone = zone_of(&project_of(&mut read, &before).await?)?;
    drop(read);
    let mut settings = before.settings;
    if let Some(name) = name {
        settings.name = name;
    }
    if let Some(start) = start {
        settings.start_at = at("--start", start, &zone)?;
    }
    if let Some(end) = end {
        settings.end_at = at("--end", end, &zone)?;
    }
    terms.apply(&mut settings)?;
    let mut tx = desk.begin_on(&opening).await?;
    let changed = drafts::change_opening(&mut tx, &opening, &settings).await;
    changed.map_err(refused)?;
    desk.finish(tx, &opening, "OPENING_CHANGED", json!({})).await?;
    show::after(&desk, &opening, form.json, "changed").await
}

impl Terms {
    fn is_empty(&self) -> bool {
        self.hold.is_none()
            && self.favourites.is_none()
            && self.deposit.is_empty()
            && self.quota.is_empty()
            && self.household_quota.is_empty()
    }

    fn apply(self, settings: &mut Settings) -> Result<(), Failure> {
        if let Some(hold) = self.hold {
            settings.hold = Micros::from_secs(i64::try_from(hold.as_secs()).unwrap_or(i64::MAX));
        }
        if let Some(favourites) = self.favourites {
            settings.favourites_max = favourites;
        }
        put("--deposit", self.deposit, &mut settings.deposit)?;
        put("--quota", self.quota, &mut settings.quota)?;
        put("--household-quota", self.household_quota, &mut settings.household_quota)
    }
}

/// A kind that is named twice is a slip, whichever of the two was meant.
fn put<T>(flag: &'static str, values: Vec<OfKind<T>>, into: &mut PerKind<T>) -> Result<(), Failure> {
    let mut named: Vec<UnitKind> = Vec::new();
    for OfKind { kind, value } in values {
        if named.contains(&kind) {
            return Err(Failure::Flag(flag, format!("names {} twice", kind.as_str())));
        }
        named.push(kind);
        *into.get_mut(kind) = value;
    }
    Ok(())
}

fn find_project(projects: Vec<Project>, named: &str) -> Result<Project, Failure> {
    let is_it = |project: &Project| project.name == named.trim() || project.id.as_str() == named;
    let unknown = || Failure::Flag("--project", format!("names no project: {named:?}"));
    projects.into_iter().find(is_it).ok_or_else(unknown)
}

fn zone_of(project: &Project) -> Result<TimeZone, Failure> {
    let unknown = || format!("is in a time zone that this machine does not know: {}", project.time_zone);
    time_zone(&project.time_zone).ok_or_else(|| Failure::Flag("--project", unknown()))
}

fn at(flag: &'static str, moment: Moment, zone: &TimeZone) -> Result<Micros, Failure> {
    let ambiguous = || "is skipped or repeated by the clocks of the project; give its offset".to_owned();
    moment.in_zone(zone).ok_or_else(|| Failure::Flag(flag, ambiguous()))
}

/// The flag that sets a field of the wire, and what its value must be.
pub fn flag_of(field: &str) -> (&'static str, String) {
    let (days, hours) = (OPENING_S_MAX / 86_400, HOLD_S_MAX / 3_600);
    match field {
        "name" => ("--name", format!("must have 1 to {NAME_CHARS_MAX} characters")),
        "start_ms" => ("--start", "must be a moment after 1970".to_owned()),
        "end_ms" => ("--end", format!("must lie after the start, by at most {days} days")),
        "hold_s" => ("--hold", format!("must be from 1s to {hours} hours")),
        "favourites_max" => ("--favourites", format!("must be from 0 to {FAVOURITES_MAX}")),
        "deposit_fen" => ("--deposit", "must not be negative".to_owned()),
        "quota" => ("--quota", format!("must be from 0 to {QUOTA_MAX}")),
        "household_quota" => ("--household-quota", format!("must be from 0 to {QUOTA_MAX}, or none")),
        "reason" => ("--reason", format!("must have 1 to {REASON_CHARS_MAX} characters")),
        _ => ("a flag", format!("has a value that is not possible: {field}")),
    }
}
