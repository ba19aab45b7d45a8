//! Price lists and rosters, uploaded. The file itself is not kept.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Multipart, State};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::console::auth::Who;
use crate::console::{Console, problems};
use crate::domain::ids::OpeningId;
use crate::http::{Code, Path, Problem, Query};
use crate::identity::{Actor, Right};
use crate::limits::{IMPORT_BYTES_MAX, IMPORTS_AT_ONCE};
use crate::opening::prepare::{
    self, FileProblem, ImportError, ImportOptions, ImportReport, Importer, Reading,
};

/// Reading a workbook takes memory and a core; more at once are asked to come back.
static AT_ONCE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(IMPORTS_AT_ONCE);

/// The form around the file, beyond its bytes.
const FORM_BYTES: usize = 16 * 1024;

pub fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(price_list))
        .routes(routes!(roster))
        .layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX + FORM_BYTES))
}

#[derive(Deserialize)]
pub struct How {
    /// `good_rows` (default) or `all_or_nothing`.
    mode: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

impl How {
    fn options(&self) -> Result<ImportOptions, Problem> {
        let all_or_nothing = match self.mode.as_deref() {
            None | Some("good_rows") => false,
            Some("all_or_nothing") => true,
            Some(_) => return Err(Problem::malformed("mode")),
        };
        Ok(ImportOptions { all_or_nothing, dry_run: self.dry_run })
    }
}

#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "only described: the multipart form of an upload")]
pub struct Upload {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// A price list (一房一价表); before publication.
#[utoipa::path(post, path = "/api/v1/openings/{id}/import/price-list",
    params(("mode" = Option<String>, Query), ("dry_run" = Option<bool>, Query)),
    request_body(content = Upload, content_type = "multipart/form-data"),
    responses((status = 200, description = "ImportReport, see docs/protocol.md", body = serde_json::Value)))]
pub async fn price_list(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Query(how): Query<How>,
    form: Multipart,
) -> Result<Json<ImportReport>, Problem> {
    who.may(Right::Prepare)?;
    let options = how.options()?;
    let reading = read(form, prepare::read_price_list).await?;
    let by = who.actor();
    importer(&console, &by).price_list(&id, &reading, options).await.map(Json).map_err(refused)
}

/// A roster (认筹名单); before publication.
#[utoipa::path(post, path = "/api/v1/openings/{id}/import/roster",
    params(("mode" = Option<String>, Query), ("dry_run" = Option<bool>, Query)),
    request_body(content = Upload, content_type = "multipart/form-data"),
    responses((status = 200, description = "ImportReport, see docs/protocol.md", body = serde_json::Value)))]
pub async fn roster(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Query(how): Query<How>,
    form: Multipart,
) -> Result<Json<ImportReport>, Problem> {
    who.may(Right::Prepare)?;
    let options = how.options()?;
    let reading = read(form, prepare::read_roster).await?;
    let by = who.actor();
    importer(&console, &by).roster(&id, reading, options).await.map(Json).map_err(refused)
}

/// It writes the staff log itself, in the transaction that stores the rows.
fn importer<'a>(console: &'a Console, by: &'a Actor) -> Importer<'a> {
    Importer { db: &console.0.db, vault: &console.0.vault, by, now: console.now() }
}

/// The field `file` of the form, read on a thread of its own.
async fn read<R: Send + 'static>(
    form: Multipart,
    reader: fn(&[u8], &str) -> Result<Reading<R>, FileProblem>,
) -> Result<Reading<R>, Problem> {
    let _place = AT_ONCE.try_acquire().map_err(|_| Problem::slow_down(2_000))?;
    let (name, bytes) = file(form).await?;
    let read = tokio::task::spawn_blocking(move || reader(&bytes, &name)).await.map_err(Problem::internal)?;
    read.map_err(|problem| {
        Problem::new(Code::FileUnreadable).with("reason", problem.code()).with("detail", problem.params())
    })
}

async fn file(mut form: Multipart) -> Result<(String, Bytes), Problem> {
    let broken = |error: axum::extract::multipart::MultipartError| {
        if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
            Problem::new(Code::BodyTooLarge).with("max", IMPORT_BYTES_MAX)
        } else {
            Problem::malformed("file")
        }
    };
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some("file") {
            let name = field.file_name().unwrap_or_default().to_owned();
            return Ok((name, field.bytes().await.map_err(broken)?));
        }
    }
    Err(Problem::malformed("file"))
}

fn refused(error: ImportError) -> Problem {
    match error {
        ImportError::OpeningUnknown => Code::NotFound.into(),
        ImportError::AlreadyPublished => Code::AlreadyPublished.into(),
        ImportError::Busy => Problem::slow_down(2_000),
        ImportError::Store(error) => problems::store(error),
        ImportError::Log(error) => problems::staff(error),
        ImportError::Vault(error) => Problem::internal(error),
        ImportError::Cancelled(error) => Problem::internal(error),
    }
}
