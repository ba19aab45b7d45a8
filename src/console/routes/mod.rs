//! The routes, one file a subject.

mod holds;
mod imports;
mod lifecycle;
mod lists;
mod live;
mod load_runs;
mod log;
mod openings;
pub(super) mod rehearsals;
mod results;
mod second_factor;
mod server;
mod session;
mod sessions;
mod staff;
mod status;
mod truth;

use axum::Router;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use crate::domain::ids::OpeningId;
use crate::identity::Actor;
use crate::identity::staff::{LogEntry, log_staff_action};
use crate::store::{LedgerTx, StoreError, Tx};

use super::auth::Who;
use super::problems;
use crate::http::Problem;
pub(super) use lifecycle::write_log_of;

fn api() -> OpenApiRouter<Console> {
    let info = InfoBuilder::new()
        .title("Kaipan, staff's door")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The console's API; see docs/protocol.md"))
        .build();
    OpenApiRouter::with_openapi(OpenApiBuilder::new().info(info).build())
        .routes(routes!(session::log_in, session::show, session::log_out))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(sessions::change_password))
        .routes(routes!(sessions::list_of, sessions::end_all_of))
        .routes(routes!(second_factor::show, second_factor::begin))
        .routes(routes!(second_factor::confirm))
        .routes(routes!(second_factor::remove))
        .routes(routes!(second_factor::reset))
        .routes(routes!(second_factor::require))
        .routes(routes!(staff::list, staff::add))
        .routes(routes!(staff::change))
        .routes(routes!(staff::set_password))
        .routes(routes!(openings::projects, openings::add_project))
        .routes(routes!(openings::list, openings::add))
        .routes(routes!(openings::show, openings::change))
        .merge(imports::routes())
        .routes(routes!(lists::units))
        .routes(routes!(lists::withhold))
        .routes(routes!(lists::unwithhold))
        .routes(routes!(lists::registrations))
        .routes(routes!(lifecycle::preflight))
        .routes(routes!(lifecycle::check))
        .routes(routes!(lifecycle::publish))
        .routes(routes!(lifecycle::unpublish))
        .routes(routes!(lifecycle::pause))
        .routes(routes!(lifecycle::resume))
        .routes(routes!(lifecycle::end))
        .routes(routes!(lifecycle::archive))
        .routes(routes!(lifecycle::disable))
        .routes(routes!(live::board))
        .routes(routes!(live::stream))
        .routes(routes!(live::summary))
        .routes(routes!(holds::list))
        .routes(routes!(holds::pay))
        .routes(routes!(holds::release))
        .routes(routes!(holds::extend))
        .routes(routes!(holds::revive))
        .routes(routes!(holds::refunds))
        .routes(routes!(holds::reset_device))
        .routes(routes!(results::xlsx))
        .routes(routes!(results::csv))
        .routes(routes!(rehearsals::add))
        .routes(routes!(rehearsals::clear))
        .routes(routes!(rehearsals::sign_in))
        .routes(routes!(truth::truth))
        .routes(routes!(load_runs::start))
        .routes(routes!(load_runs::list))
        .routes(routes!(load_runs::html))
        .routes(routes!(load_runs::json))
        .routes(routes!(load_runs::stop))
        .routes(routes!(server::state))
        .routes(routes!(status::show))
        .routes(routes!(log::outbox))
        .routes(routes!(log::entries))
        .routes(routes!(log::check))
}

/// The door's API. Pages and health are mounted around it.
pub fn router(console: Console) -> Router {
    api().split_for_parts().0.with_state(console)
}

/// What `/api/openapi.json` shows on this door.
pub fn api_document() -> OpenApi {
    api().split_for_parts().1
}

/// Writes the staff log in the transaction that does what it says.
async fn log(
    console: &Console,
    tx: &mut Tx,
    by: &Actor,
    opening: Option<&OpeningId>,
    action: &'static str,
    object: &str,
    params: serde_json::Value,
) -> Result<(), Problem> {
    let entry = LogEntry { opening, action, object, params };
    log_staff_action(tx, &console.0.vault, by, &entry, console.now()).await.map_err(problems::staff)
}

/// The same, for a transaction on an opening.
async fn log_on(
    console: &Console,
    tx: &mut LedgerTx,
    who: &Who,
    opening: &OpeningId,
    action: &'static str,
    params: serde_json::Value,
) -> Result<(), Problem> {
    let tx = tx.db().ok_or_else(|| problems::store(StoreError::Corrupt("no database".to_owned())))?;
    log(console, tx, &who.actor(), Some(opening), action, opening.as_str(), params).await
}

/// Logs that somebody is about to be shown what is personal; `looked_for` tells one such read from another.
async fn log_read(
    console: &Console,
    who: &Who,
    opening: Option<&OpeningId>,
    action: &'static str,
    params: serde_json::Value,
    looked_for: &str,
) -> Result<(), Problem> {
    let object = opening.map_or("staff_log", |opening| opening.as_str());
    let entry = LogEntry { opening, action, object, params };
    let logged = console.0.staff.log_read(&who.actor(), &entry, looked_for, console.now()).await;
    logged.map_err(problems::staff)
}
