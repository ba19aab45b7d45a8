//! The staff log, and the outbox page.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::log_read;
use crate::console::auth::Who;
use crate::console::{Console, problems};
use crate::domain::ids::OpeningId;
use crate::domain::phone::Phone;
use crate::domain::time::Micros;
use crate::http::{Path, Problem, Query};
use crate::identity::Right;
use crate::messaging::{Language, Reason};

#[derive(Serialize, ToSchema)]
pub struct Message {
    id: String,
    to_masked: String,
    text: String,
    /// Only where staff may tell it: it was not sent, or could not be.
    code: Option<String>,
    created_ms: i64,
    /// shown, queued, sending, sent, failed
    state: &'static str,
    reason: Option<&'static str>,
    /// The provider's own code.
    detail: Option<String>,
    attempts: i64,
    settled_ms: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub struct Messages {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
pub struct To {
    phone: Option<String>,
}

/// What was to be sent and what became of it, newest first.
#[utoipa::path(get, path = "/api/v1/openings/{id}/outbox", params(("phone" = Option<String>, Query)),
    responses((status = 200, body = Messages)))]
pub async fn outbox(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Query(to): Query<To>,
) -> Result<Json<Messages>, Problem> {
    who.may(Right::Outbox)?;
    let phone = match &to.phone {
        Some(text) => Some(Phone::parse(text).map_err(|_| Problem::malformed("phone"))?),
        None => None,
    };
    let messages = console.0.outbox.newest(&id, phone.as_ref()).await.map_err(Problem::internal)?;
    let messages = messages.into_iter().map(|message| {
        let told = message.is_told_by_staff();
        let said = if told { message.message } else { message.message.hidden() };
        Message {
            id: message.id.to_string(),
            to_masked: message.to_masked,
            text: said.text(Language::ZhCn),
            code: said.code().filter(|_| told).map(str::to_owned),
            created_ms: message.created_at.ms(),
            state: message.state.as_str(),
            reason: message.reason.map(Reason::as_str),
            detail: message.detail,
            attempts: message.attempts,
            settled_ms: message.settled_at.map(Micros::ms),
        }
    });
    let looked_for = phone.as_ref().map_or("", |phone| phone.as_str());
    let params = phone.as_ref().map_or_else(|| json!({}), |phone| json!({ "phone": phone.masked() }));
    log_read(&console, &who, Some(&id), "OUTBOX_READ", params, looked_for).await?;
    Ok(Json(Messages { messages: messages.collect() }))
}

#[derive(Serialize, ToSchema)]
pub struct Entry {
    /// Its place in the chain.
    row: Option<i64>,
    at_ms: i64,
    staff: String,
    action: String,
    object: String,
    #[schema(value_type = Object)]
    params: Value,
}

#[derive(Serialize, ToSchema)]
pub struct Entries {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
pub struct Of {
    opening: Option<OpeningId>,
}

/// What staff did and why, newest first.
#[utoipa::path(get, path = "/api/v1/log", params(("opening" = Option<String>, Query)),
    responses((status = 200, body = Entries)))]
pub async fn entries(
    State(console): State<Console>,
    who: Who,
    Query(of): Query<Of>,
) -> Result<Json<Entries>, Problem> {
    who.may(Right::Audit)?;
    let logged = console.0.staff.log(of.opening.as_ref()).await.map_err(problems::staff)?;
    let entries = logged.into_iter().map(|entry| Entry {
        row: entry.seq,
        at_ms: entry.at.ms(),
        staff: entry.staff,
        action: entry.action,
        object: entry.object,
        params: entry.params,
    });
    // Reasons may name somebody.
    log_read(&console, &who, of.opening.as_ref(), "LOG_READ", json!({}), "").await?;
    Ok(Json(Entries { entries: entries.collect() }))
}

#[derive(Serialize, ToSchema)]
pub struct Chain {
    /// Every row up to this one is as it was written.
    rows: i64,
    /// Of the last of them, in hexadecimal: to be written down elsewhere.
    hash: Option<String>,
    wrong: Option<WrongRow>,
}

#[derive(Serialize, ToSchema)]
pub struct WrongRow {
    row: Option<i64>,
    fault: &'static str,
}

/// Checks the chain of the staff log from its first row.
#[utoipa::path(get, path = "/api/v1/log/check", responses((status = 200, body = Chain)))]
pub async fn check(State(console): State<Console>, who: Who) -> Result<Json<Chain>, Problem> {
    who.may(Right::Audit)?;
    let checked = console.0.staff.check_log(console.now()).await.map_err(problems::staff)?;
    Ok(Json(Chain {
        rows: checked.rows,
        hash: checked.hash.map(hex::encode),
        wrong: checked.wrong.map(|wrong| WrongRow { row: wrong.seq, fault: wrong.fault.as_str() }),
    }))
}
