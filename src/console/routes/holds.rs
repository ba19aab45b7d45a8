//! The cashier's desk, and what staff may do to a hold.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::lifecycle::{check_reason, write_log};
use super::lists::search_shown;
use super::log_read;
use crate::console::auth::Who;
use crate::console::wire::{self, Hold, HoldReason, Holds, NewPayment, PaymentDone, Reason, Refunds};
use crate::console::{Console, problems};
use crate::domain::ids::{ClaimId, OpeningId};
use crate::domain::money::Fen;
use crate::http::{Body, Code, Path, Problem, Query};
use crate::identity::Right;
use crate::opening::Live;
use crate::opening::answer::{Claim, ClaimState};
use crate::opening::cashier::{self, Method};
use crate::opening::job::Command;

#[derive(Deserialize)]
pub struct Find {
    /// A claim code, the end of a phone, part of a name or of a unit.
    #[serde(default)]
    q: String,
    /// `held`, `sold`, `lapsed`, `released`, `given_up`; all if absent.
    state: Option<String>,
}

/// Claims with the people behind them, newest first.
#[utoipa::path(get, path = "/api/v1/openings/{id}/holds",
    params(("q" = Option<String>, Query), ("state" = Option<String>, Query)),
    responses((status = 200, body = Holds)))]
pub async fn list(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Query(find): Query<Find>,
) -> Result<Json<Holds>, Problem> {
    who.may(Right::Cashier)?;
    let state = match &find.state {
        Some(name) => Some(ClaimState::from_name(name).ok_or_else(|| Problem::malformed("state"))?),
        None => None,
    };
    let live = console.live(&id)?;
    let claims = live.all_claims().into_iter().filter(|claim| state.is_none_or(|state| claim.state == state));
    let mut holds = with_people(&console, &live, claims.collect()).await?;
    let q = find.q.trim();
    holds.retain(|hold| matches(hold, q));
    holds.sort_by_key(|hold| std::cmp::Reverse(hold.seq));
    let params = if q.is_empty() { json!({}) } else { json!({ "q": search_shown(q) }) };
    log_read(&console, &who, Some(&id), "HOLDS_READ", params, q).await?;
    Ok(Json(Holds { holds }))
}

fn matches(hold: &Hold, q: &str) -> bool {
    q.is_empty()
        || hold.code.eq_ignore_ascii_case(q)
        || hold.registration.eq_ignore_ascii_case(q)
        || hold.phone_tail.ends_with(q)
        // A whole phone is found by its end as well.
        || (q.len() == 11 && q.ends_with(&hold.phone_tail) && !hold.phone_tail.is_empty())
        || hold.name.contains(q)
        || hold.unit_label.contains(q)
}

/// Claims as the console shows them.
pub async fn with_people(
    console: &Console,
    live: &Live,
    claims: Vec<Arc<Claim>>,
) -> Result<Vec<Hold>, Problem> {
    let mut read = console.0.db.read().await.map_err(problems::store)?;
    let people = cashier::people_with_claims(&mut read, &console.0.vault, &live.facts.id)
        .await
        .map_err(problems::person)?;
    let hold = |claim: Arc<Claim>| wire::hold(&live.facts, &claim, people.get(&claim.registration));
    Ok(claims.into_iter().map(hold).collect())
}

async fn one(console: &Console, live: &Live, claim: &ClaimId) -> Result<Hold, Problem> {
    let claim = live.claim(claim).ok_or_else(|| Problem::new(Code::NotFound))?;
    with_people(console, live, vec![claim]).await?.pop().ok_or_else(|| Problem::new(Code::NotFound))
}

/// Records a payment and applies it; the hold becomes a deal when its deposit is reached.
#[utoipa::path(post, path = "/api/v1/openings/{id}/holds/{claim}/payments", request_body = NewPayment,
    responses((status = 200, body = PaymentDone)))]
pub async fn pay(
    State(console): State<Console>,
    who: Who,
    Path((id, claim)): Path<(OpeningId, ClaimId)>,
    Body(body): Body<NewPayment>,
) -> Result<Json<PaymentDone>, Problem> {
    who.may(Right::Cashier)?;
    let live = console.live(&id)?;
    let payment = cashier::Payment {
        claim: claim.clone(),
        generation: body.generation,
        method: Method::from_name(&body.method).ok_or_else(|| Problem::field("method"))?,
        reference: body.reference,
        amount: Fen(body.amount_fen),
        by: who.id(),
    };
    let row = cashier::pay(&console.0.db, &live, payment, console.now()).await.map_err(problems::payment)?;
    let params = json!({ "payment": row.id.as_str(), "amount_fen": row.amount_fen.0 });
    write_log(&console, &who, &id, "PAYMENT_RECORDED", claim.as_str(), params).await?;
    let hold = one(&console, &live, &claim).await?;
    let names = staff_names(&console).await?;
    let by = names.get(&row.recorded_by);
    Ok(Json(PaymentDone { payment: wire::payment(row.clone(), by), hold }))
}

/// Accounts by id, for the desk: a cashier may not list staff, but sees who took a payment.
async fn staff_names(console: &Console) -> Result<HashMap<String, String>, Problem> {
    let members = console.0.staff.list().await.map_err(problems::staff)?;
    Ok(members.into_iter().map(|member| (member.id.to_string(), member.name)).collect())
}

/// Ends a hold with a reason; the unit is free everywhere.
#[utoipa::path(post, path = "/api/v1/openings/{id}/holds/{claim}/release", request_body = HoldReason,
    responses((status = 200, body = Hold)))]
pub async fn release(
    State(console): State<Console>,
    who: Who,
    Path((id, claim)): Path<(OpeningId, ClaimId)>,
    Body(HoldReason { generation, reason }): Body<HoldReason>,
) -> Result<Json<Hold>, Problem> {
    let command = Command::Release { claim: claim.clone(), generation, reason: reason.clone(), by: who.id() };
    act(&console, &who, &id, &claim, command, "HOLD_RELEASED", &reason).await
}

/// Gives a hold its time once more; once.
#[utoipa::path(post, path = "/api/v1/openings/{id}/holds/{claim}/extend", request_body = HoldReason,
    responses((status = 200, body = Hold)))]
pub async fn extend(
    State(console): State<Console>,
    who: Who,
    Path((id, claim)): Path<(OpeningId, ClaimId)>,
    Body(HoldReason { generation, reason }): Body<HoldReason>,
) -> Result<Json<Hold>, Problem> {
    let command = Command::Extend { claim: claim.clone(), generation, reason: reason.clone(), by: who.id() };
    act(&console, &who, &id, &claim, command, "HOLD_EXTENDED", &reason).await
}

/// A lapsed hold is held again, if unit and quota are free.
#[utoipa::path(post, path = "/api/v1/openings/{id}/holds/{claim}/revive", request_body = HoldReason,
    responses((status = 200, body = Hold)))]
pub async fn revive(
    State(console): State<Console>,
    who: Who,
    Path((id, claim)): Path<(OpeningId, ClaimId)>,
    Body(HoldReason { generation, reason }): Body<HoldReason>,
) -> Result<Json<Hold>, Problem> {
    let command = Command::Revive { claim: claim.clone(), generation, reason: reason.clone(), by: who.id() };
    act(&console, &who, &id, &claim, command, "HOLD_REVIVED", &reason).await
}

async fn act(
    console: &Console,
    who: &Who,
    id: &OpeningId,
    claim: &ClaimId,
    command: Command,
    action: &'static str,
    reason: &str,
) -> Result<Json<Hold>, Problem> {
    who.may(Right::Control)?;
    check_reason(Some(reason))?;
    let live = console.live(id)?;
    live.claim_command(command).await.map_err(problems::command)?;
    write_log(console, who, id, action, claim.as_str(), json!({ "reason": reason })).await?;
    Ok(Json(one(console, &live, claim).await?))
}

/// What has to be paid back: money for holds that ended, and surplus.
#[utoipa::path(get, path = "/api/v1/openings/{id}/refunds", responses((status = 200, body = Refunds)))]
pub async fn refunds(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
) -> Result<Json<Refunds>, Problem> {
    who.may(Right::Cashier)?;
    let mut read = console.0.db.read().await.map_err(problems::store)?;
    let rows = cashier::refunds(&mut read, &id).await.map_err(problems::store)?;
    drop(read);
    let names = staff_names(&console).await?;
    let refunds = rows.into_iter().map(|row| {
        let by = names.get(&row.recorded_by);
        wire::payment(row.clone(), by)
    });
    Ok(Json(Refunds { refunds: refunds.collect() }))
}

/// Takes the pick from a device its owner no longer has.
#[utoipa::path(post, path = "/api/v1/openings/{id}/registrations/{code}/device-reset", request_body = Reason,
    responses((status = 204)))]
pub async fn reset_device(
    State(console): State<Console>,
    who: Who,
    Path((id, code)): Path<(OpeningId, String)>,
    Body(body): Body<Reason>,
) -> Result<StatusCode, Problem> {
    who.may(Right::Control)?;
    let reset = console.0.buyers.reset_device(&id, &code, &body.reason, &who.actor(), console.now()).await;
    reset.map_err(problems::buyer)?;
    Ok(StatusCode::NO_CONTENT)
}
