//! The staff log, and the outbox page of the built-in sender.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::console::auth::Who;
use crate::console::{Console, problems};
use crate::domain::ids::OpeningId;
use crate::domain::phone::Phone;
use crate::http::{Path, Problem, Query};
use crate::identity::Right;
use crate::messaging::Language;

#[derive(Serialize, ToSchema)]
pub struct Message {
    id: String,
    to_masked: String,
    text: String,
    code: Option<String>,
    created_ms: i64,
}

#[derive(Serialize, ToSchema)]
pub struct Messages {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
pub struct To {
    phone: Option<String>,
}

/// What the built-in sender was asked to send, newest first.
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
    let messages = messages.into_iter().map(|message| Message {
        id: message.id.to_string(),
        to_masked: message.to_masked,
        text: message.message.text(Language::ZhCn),
        code: message.message.code().map(str::to_owned),
        created_ms: message.created_at.ms(),
    });
    Ok(Json(Messages { messages: messages.collect() }))
}

#[derive(Serialize, ToSchema)]
pub struct Entry {
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
        at_ms: entry.at.ms(),
        staff: entry.staff,
        action: entry.action,
        object: entry.object,
        params: entry.params,
    });
    Ok(Json(Entries { entries: entries.collect() }))
}
