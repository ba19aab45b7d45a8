//! Results as .xlsx and .csv. Each export is logged before it leaves.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::lifecycle::write_log;
use crate::console::auth::Who;
use crate::console::export::{self, ResultRow};
use crate::console::wire::unit_label;
use crate::console::{Console, problems};
use crate::domain::ids::OpeningId;
use crate::domain::phone::Phone;
use crate::http::{Path, Problem};
use crate::identity::Right;
use crate::opening::cashier;

#[utoipa::path(get, path = "/api/v1/openings/{id}/results.xlsx",
    responses((status = 200, content_type = export::XLSX, body = Vec<u8>)))]
pub async fn xlsx(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<Response, Problem> {
    let rows = rows(&console, &who, &id, "xlsx").await?;
    let bytes = export::xlsx(&rows).map_err(Problem::internal)?;
    Ok(download(bytes, export::XLSX, "xlsx"))
}

#[utoipa::path(get, path = "/api/v1/openings/{id}/results.csv",
    responses((status = 200, content_type = "text/csv", body = String)))]
pub async fn csv(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<Response, Problem> {
    let rows = rows(&console, &who, &id, "csv").await?;
    let bytes = export::csv(&rows).map_err(Problem::internal)?;
    Ok(download(bytes, "text/csv; charset=utf-8", "csv"))
}

fn download(bytes: Vec<u8>, media_type: &'static str, ending: &str) -> Response {
    let disposition = format!("attachment; filename=\"results.{ending}\"");
    ([(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes)
        .into_response()
}

/// Every grant, in journal order.
async fn rows(console: &Console, who: &Who, id: &OpeningId, format: &str) -> Result<Vec<ResultRow>, Problem> {
    who.may(Right::Export)?;
    let live = console.live(id)?;
    let mut read = console.0.db.read().await.map_err(problems::store)?;
    let people =
        cashier::people_with_claims(&mut read, &console.0.vault, id).await.map_err(problems::person)?;
    drop(read);
    let mut claims = live.all_claims();
    claims.sort_by_key(|claim| claim.seq);
    let row = |claim: &crate::opening::answer::Claim| {
        let person = people.get(&claim.registration);
        let unit = live.facts.unit(claim.unit);
        ResultRow {
            seq: claim.seq,
            unit: unit_label(&live.facts, claim.unit),
            kind: unit.map_or("", |unit| unit.kind.as_str()),
            total_fen: unit.map_or(0, |unit| unit.total.0),
            state: claim.state.as_str(),
            registration: person.map(|p| p.code.clone()).unwrap_or_default(),
            name: person.map(|p| p.name.clone()).unwrap_or_default(),
            phone: person
                .and_then(|p| Phone::parse(p.phone.as_deref()?).ok())
                .map(|phone| phone.masked())
                .unwrap_or_default(),
            consultant: person.map(|p| p.consultant.clone()).unwrap_or_default(),
            deposit_fen: claim.deposit.0,
            paid_fen: claim.paid.0,
            created_at: claim.created_at,
        }
    };
    let rows: Vec<ResultRow> = claims.iter().map(|claim| row(claim)).collect();
    let params = json!({ "format": format, "rows": rows.len() });
    write_log(console, who, id, "RESULTS_EXPORTED", id.as_str(), params).await?;
    Ok(rows)
}
