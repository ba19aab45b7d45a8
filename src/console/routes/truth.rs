//! The opening's truth for an audit: what `kaipan opening dump --json` prints, read at one moment, sent in pieces.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::lifecycle::write_log;
use super::openings::read;
use crate::console::Console;
use crate::console::auth::Who;
use crate::domain::ids::OpeningId;
use crate::http::{Path, Problem};
use crate::identity::Right;
use crate::opening::dump::Dump;

/// Every claim and every journal entry. The answer has no length: one that ends early ends with an error.
#[utoipa::path(get, path = "/api/v1/openings/{id}/truth",
    responses((status = 200, description = "`{claims, journal}`, see docs/protocol.md", body = serde_json::Value)))]
pub async fn truth(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<Response, Problem> {
    who.may(Right::Audit)?;
    read(&console, &id).await?;
    write_log(&console, &who, &id, "TRUTH_EXPORTED", id.as_str(), json!({})).await?;
    let dump = Dump::new(console.0.db.clone(), id);
    // One piece at a time, made when the one before has been taken: a slow reader costs one page of memory.
    let pieces = futures_util::stream::try_unfold(dump, |mut dump| async move {
        Ok::<_, crate::store::StoreError>(dump.next().await?.map(|piece| (piece, dump)))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
