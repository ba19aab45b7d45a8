//! `kaipan opening withhold|unwithhold`: units off the offer with a reason, and back on it.

use clap::Args;
use serde_json::json;

use super::{OnOpening, open, overview, refused, show};
use crate::cli::desk::{Failure, say};
use crate::domain::ids::UnitOrd;
use crate::domain::text::compact;
use crate::opening::drafts::{self, UnitLine};

#[derive(Args)]
pub struct Withhold {
    #[command(flatten)]
    on: OnOpening,
    /// Why; the staff log keeps it
    #[arg(long)]
    reason: String,
    /// Units as people name them (1#-1单元-1203, B1-001), or by ordinal
    #[arg(required = true, value_name = "UNIT")]
    units: Vec<String>,
}

#[derive(Args)]
pub struct Unwithhold {
    #[command(flatten)]
    on: OnOpening,
    /// Units as people name them (1#-1单元-1203, B1-001), or by ordinal
    #[arg(required = true, value_name = "UNIT")]
    units: Vec<String>,
}

pub async fn withhold(withhold: Withhold) -> Result<(), Failure> {
    set_withheld(withhold.on, &withhold.units, Some(&withhold.reason)).await
}

pub async fn unwithhold(unwithhold: Unwithhold) -> Result<(), Failure> {
    set_withheld(unwithhold.on, &unwithhold.units, None).await
}

async fn set_withheld(on: OnOpening, named: &[String], reason: Option<&str>) -> Result<(), Failure> {
    let OnOpening { opening, form } = on;
    let desk = open(form.data).await?;
    let mut read = desk.read().await?;
    overview(&mut read, &opening).await?;
    // Read before the transaction: an ordinal never comes to mean another unit.
    let lines = drafts::units(&mut read, &opening).await?;
    drop(read);
    let found: Vec<&UnitLine> = named.iter().map(|name| find(&lines, name)).collect::<Result<_, _>>()?;
    let units: Vec<UnitOrd> =
        found.iter().filter_map(|line| u32::try_from(line.ord).ok().map(UnitOrd)).collect();

    let mut tx = desk.begin_on(&opening).await?;
    let changed = drafts::withhold(&mut tx, &opening, &units, reason).await;
    changed.map_err(refused)?;
    let action = if reason.is_some() { "UNITS_WITHHELD" } else { "UNITS_UNWITHHELD" };
    desk.finish(tx, &opening, action, json!({ "units": units, "reason": reason })).await?;

    if form.json {
        return show::print_units(&mut desk.read().await?, &opening, true).await;
    }
    let done = if reason.is_some() { "withheld" } else { "on offer again" };
    for line in found {
        say(&format!("{}\t{}\t{done}", line.ord, line.label()))?;
    }
    Ok(())
}

/// By label, whatever spaces and widths it was typed with; a number that is no label is an ordinal.
fn find<'l>(lines: &'l [UnitLine], named: &str) -> Result<&'l UnitLine, Failure> {
    let refused = |why: String| Failure::Flag("UNIT", why);
    let wanted = compact(named);
    let mut called = lines.iter().filter(|line| compact(&line.label()).eq_ignore_ascii_case(&wanted));
    match (called.next(), called.next()) {
        (Some(line), None) => Ok(line),
        (Some(one), Some(other)) => Err(refused(format!(
            "{named:?} is the label of several units: {} and {}; give an ordinal",
            one.ord, other.ord
        ))),
        (None, _) => {
            let ordinal: Option<i64> = wanted.parse().ok();
            let line = lines.iter().find(|line| Some(line.ord) == ordinal);
            line.ok_or_else(|| refused(format!("{named:?} is no unit of this opening")))
        }
    }
}
