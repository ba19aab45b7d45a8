//! `kaipan opening check|publish|unpublish`: what freezes an opening and lets it go again.

use serde_json::json;

use super::{OnOpening, open, show};
use crate::cli::desk::{Failure, print_json, say};
use crate::console::wire;
use crate::domain::ids::OpeningId;
use crate::opening::preflight::Preflight;
use crate::opening::publish::{self, PublishError};

pub async fn check(on: OnOpening) -> Result<(), Failure> {
    let OnOpening { opening, form } = on;
    let desk = open(form.data).await?;
    let mut tx = desk.begin_on(&opening).await?;
    let found = match publish::check(&mut tx, &opening).await {
        Ok(found) => found,
        Err(error) => return Err(refused(error, &opening, form.json)?),
    };
    desk.finish(tx, &opening, "OPENING_CHECKED", json!({})).await?;
    if form.json {
        return Ok(print_json(&wire::preflight(found))?);
    }
    print_findings(&found)?;
    show::after(&desk, &opening, false, "checked").await
}

/// A server that runs on Postgres begins to serve it within moments; on SQLite the next one does.
pub async fn publish(on: OnOpening) -> Result<(), Failure> {
    let OnOpening { opening, form } = on;
    let desk = open(form.data).await?;
    let mut tx = desk.begin_on(&opening).await?;
    let frozen = match publish::publish(&mut tx, &opening).await {
        Ok(frozen) => frozen,
        Err(error) => return Err(refused(error, &opening, form.json)?),
    };
    let hashes = json!({ "units_hash": frozen.units_hash, "roster_hash": frozen.roster_hash });
    desk.finish(tx, &opening, "OPENING_PUBLISHED", hashes).await?;
    show::after(&desk, &opening, form.json, "published").await
}

pub async fn unpublish(on: OnOpening) -> Result<(), Failure> {
    let OnOpening { opening, form } = on;
    let desk = open(form.data).await?;
    let mut tx = desk.begin_on(&opening).await?;
    if let Err(error) = publish::unpublish(&mut tx, &opening, None).await {
        return Err(refused(error, &opening, form.json)?);
    }
    desk.finish(tx, &opening, "OPENING_UNPUBLISHED", json!({})).await?;
    show::after(&desk, &opening, form.json, "unpublished").await
}

/// Findings that stop it go where its answer would have gone; the sentence about them to standard error.
fn refused(error: PublishError, opening: &OpeningId, json: bool) -> Result<Failure, Failure> {
    match error {
        PublishError::Unknown => Ok(Failure::OpeningUnknown(opening.clone())),
        PublishError::Preflight(found) => {
            if json {
                print_json(&wire::preflight((*found).clone()))?;
            } else {
                print_findings(&found)?;
            }
            Ok(PublishError::Preflight(found).into())
        }
        other => Ok(other.into()),
    }
}

fn print_findings(found: &Preflight) -> Result<(), Failure> {
    for finding in &found.findings {
        let count = finding.count.map_or_else(String::new, |count| format!("\t{count}"));
        let first = finding.first.as_ref().map_or_else(String::new, |first| format!("\tfirst: {first}"));
        say(&format!(
            "{}\t{}\t{}{count}{first}",
            finding.severity.as_str(),
            finding.code,
            finding.page.as_str()
        ))?;
    }
    Ok(())
}
