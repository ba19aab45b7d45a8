//! Units and registrations of an opening.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use super::{log_on, log_read};
use crate::console::auth::Who;
use crate::console::wire::{self, RegistrationLine, Registrations, Units, Unwithhold, Withhold};
use crate::console::{Console, problems};
use crate::domain::ids::{OpeningId, UnitOrd};
use crate::domain::phone::Phone;
use crate::domain::text::mask_name;
use crate::http::{Body, Path, Problem, Query};
use crate::identity::Right;
use crate::limits::{NAME_CHARS_MAX, REGISTRATIONS_LISTED_MAX};
use crate::opening::cashier::{self, Person};
use crate::opening::drafts;

#[utoipa::path(get, path = "/api/v1/openings/{id}/units", responses((status = 200, body = Units)))]
pub async fn units(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<Json<Units>, Problem> {
    who.may(Right::View)?;
    let mut read = console.0.db.read().await.map_err(problems::store)?;
    let lines = drafts::units(&mut read, &id).await.map_err(problems::store)?;
    Ok(Json(Units { units: lines.into_iter().map(wire::unit).collect() }))
}

/// Takes units off the offer, before publication.
#[utoipa::path(post, path = "/api/v1/openings/{id}/units/withhold", request_body = Withhold,
    responses((status = 200, body = Units)))]
pub async fn withhold(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Body(body): Body<Withhold>,
) -> Result<Json<Units>, Problem> {
    set_withheld(console, who, id, &body.units, Some(&body.reason)).await
}

/// Puts withheld units back on offer, before publication.
#[utoipa::path(post, path = "/api/v1/openings/{id}/units/unwithhold", request_body = Unwithhold,
    responses((status = 200, body = Units)))]
pub async fn unwithhold(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Body(body): Body<Unwithhold>,
) -> Result<Json<Units>, Problem> {
    set_withheld(console, who, id, &body.units, None).await
}

async fn set_withheld(
    console: Console,
    who: Who,
    id: OpeningId,
    units: &[UnitOrd],
    reason: Option<&str>,
) -> Result<Json<Units>, Problem> {
    who.may(Right::Prepare)?;
    let mut tx = console.begin(&id).await.map_err(problems::store)?;
    drafts::withhold(&mut tx, &id, units, reason).await.map_err(problems::draft)?;
    let action = if reason.is_some() { "UNITS_WITHHELD" } else { "UNITS_UNWITHHELD" };
    log_on(&console, &mut tx, &who, &id, action, json!({ "units": units, "reason": reason })).await?;
    tx.commit().await.map_err(problems::store)?;
    let mut read = console.0.db.read().await.map_err(problems::store)?;
    let lines = drafts::units(&mut read, &id).await.map_err(problems::store)?;
    Ok(Json(Units { units: lines.into_iter().map(wire::unit).collect() }))
}

/// As long as the codes that people read from a list.
const SEARCH_TAIL: usize = 8;

#[derive(Deserialize)]
pub struct Page {
    /// Part of a code or name, or the end of a phone or document number.
    #[serde(default)]
    q: String,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

/// The roster, masked.
#[utoipa::path(get, path = "/api/v1/openings/{id}/registrations",
    params(("q" = Option<String>, Query), ("offset" = Option<usize>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Registrations)))]
pub async fn registrations(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Query(page): Query<Page>,
) -> Result<Json<Registrations>, Problem> {
    who.may(Right::People)?;
    let mut read = console.0.db.read().await.map_err(problems::store)?;
    let people = cashier::roster(&mut read, &console.0.vault, &id).await.map_err(problems::person)?;
    let q = page.q.trim();
    let found: Vec<Person> =
        people.into_iter().map(|(_, person)| person).filter(|person| matches(person, q)).collect();
    let params = if q.is_empty() { json!({}) } else { json!({ "q": search_shown(q) }) };
    log_read(&console, &who, Some(&id), "ROSTER_READ", params, q).await?;
    let limit = page.limit.unwrap_or(REGISTRATIONS_LISTED_MAX).min(REGISTRATIONS_LISTED_MAX);
    Ok(Json(Registrations {
        total: found.len(),
        registrations: found.into_iter().skip(page.offset).take(limit).map(line).collect(),
    }))
}

/// What was searched for, as the log has it: of a phone or a document its end.
pub fn search_shown(q: &str) -> String {
    let long_number = q.len() > SEARCH_TAIL && q.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if long_number { tail(q) } else { q.chars().take(NAME_CHARS_MAX).collect() }
}

fn matches(person: &Person, q: &str) -> bool {
    q.is_empty()
        || person.code.contains(q)
        || person.name.contains(q)
        || person.document.ends_with(q)
        || person.phone.as_deref().is_some_and(|phone| phone.ends_with(q))
}

fn line(person: Person) -> RegistrationLine {
    RegistrationLine {
        name_masked: mask_name(&person.name),
        phone_masked: person
            .phone
            .and_then(|phone| Phone::parse(&phone).ok())
            .map(|phone| phone.masked())
            .unwrap_or_default(),
        document_masked: tail(&person.document),
        code: person.code,
        document_kind: person.document_kind,
        consultant: person.consultant,
        group: person.group,
        eligibility: person.eligibility,
        lot_number: person.lot_number,
        earnest_fen: person.earnest.0,
    }
}

/// The last four characters, as a person reads them from the document.
fn tail(document: &str) -> String {
    let skip = document.chars().count().saturating_sub(4);
    format!("****{}", document.chars().skip(skip).collect::<String>())
}
