//! Accounts of staff.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::session::{StaffView, view};
use crate::console::auth::Who;
use crate::console::{Console, problems};
use crate::domain::ids::StaffId;
use crate::http::{Body, Path, Problem};
use crate::identity::staff::{NewStaff, StaffChange};
use crate::identity::{Right, Role};

#[derive(Serialize, ToSchema)]
pub struct StaffList {
    staff: Vec<StaffView>,
    second_factor_required: bool,
}

#[derive(Deserialize, ToSchema)]
pub struct NewAccount {
    login: String,
    name: String,
    role: String,
    #[schema(value_type = String)]
    password: Zeroizing<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct AccountChange {
    role: Option<String>,
    disabled: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
pub struct NewPassword {
    #[schema(value_type = String)]
    password: Zeroizing<String>,
}

fn role(name: &str) -> Result<Role, Problem> {
    Role::from_name(name).ok_or_else(|| Problem::field("role"))
}

#[utoipa::path(get, path = "/api/v1/staff", responses((status = 200, body = StaffList)))]
pub async fn list(State(console): State<Console>, who: Who) -> Result<Json<StaffList>, Problem> {
    who.may(Right::Staff)?;
    let members = console.0.staff.list().await.map_err(problems::staff)?;
    let second_factor_required = console.0.staff.second_factor_required().await.map_err(problems::staff)?;
    Ok(Json(StaffList { staff: members.into_iter().map(view).collect(), second_factor_required }))
}

#[utoipa::path(post, path = "/api/v1/staff", request_body = NewAccount,
    responses((status = 201, body = StaffView)))]
pub async fn add(
    State(console): State<Console>,
    who: Who,
    Body(body): Body<NewAccount>,
) -> Result<(StatusCode, Json<StaffView>), Problem> {
    who.may(Right::Staff)?;
    let new =
        NewStaff { role: role(&body.role)?, login: body.login, name: body.name, password: body.password };
    let member = console.0.staff.add(&who.actor(), new, console.now()).await.map_err(problems::staff)?;
    Ok((StatusCode::CREATED, Json(view(member))))
}

/// Changes the role, disables or enables.
#[utoipa::path(patch, path = "/api/v1/staff/{id}", request_body = AccountChange,
    responses((status = 200, body = StaffView)))]
pub async fn change(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<StaffId>,
    Body(body): Body<AccountChange>,
) -> Result<Json<StaffView>, Problem> {
    who.may(Right::Staff)?;
    let change = StaffChange { role: body.role.as_deref().map(role).transpose()?, disabled: body.disabled };
    let changed = console.0.staff.change(&who.actor(), &id, change, console.now()).await;
    Ok(Json(view(changed.map_err(problems::staff)?)))
}

/// Resets a password; ends the account's sessions.
#[utoipa::path(post, path = "/api/v1/staff/{id}/password", request_body = NewPassword,
    responses((status = 204)))]
pub async fn set_password(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<StaffId>,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    who.may(Right::Staff)?;
    let set = console.0.staff.set_password(&who.actor(), &id, body.password, console.now()).await;
    set.map_err(problems::staff)?;
    Ok(StatusCode::NO_CONTENT)
}
