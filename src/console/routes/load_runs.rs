//! Load runs: started in a rehearsal made for them, watched, ended, and their reports.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::console::Console;
use crate::console::auth::Who;
use crate::console::load::{self, Asked, Run, Scenario};
use crate::domain::ids::{OpeningId, RowId};
use crate::http::{Body, Code, Path, Problem};
use crate::identity::Right;
use crate::limits::{LOAD_RUN_BUYERS_MAX, LOAD_RUN_START_IN_S_MAX, LOAD_RUN_START_IN_S_MIN};

/// The usual time from the question to the taps: enough to connect everybody.
const START_IN_S_USUAL: i64 = 60;
/// A limit of ten minutes is none.
const P99_MS_MAX: i64 = 600_000;
/// A report is a page of its own that loads nothing, runs nothing and is framed by nobody.
const REPORT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                             form-action 'none'; frame-ancestors 'none'; sandbox";

#[derive(Deserialize, ToSchema)]
pub struct NewLoadRun {
    scenario: String,
    buyers: i64,
    start_in_s: Option<i64>,
    limits: Option<Limits>,
}

#[derive(Default, Deserialize, ToSchema)]
pub struct Limits {
    /// 99 of 100 answers within.
    answer_p99_ms: Option<i64>,
}

impl NewLoadRun {
    fn asked(self) -> Result<Asked, Problem> {
        let scenario = Scenario::from_name(&self.scenario).ok_or_else(|| Problem::field("scenario"))?;
        if !(1..=LOAD_RUN_BUYERS_MAX).contains(&self.buyers) {
            return Err(Problem::field("buyers").with("min", 1).with("max", LOAD_RUN_BUYERS_MAX));
        }
        let start_in_s = self.start_in_s.unwrap_or(START_IN_S_USUAL);
        let (min, max) = (LOAD_RUN_START_IN_S_MIN, LOAD_RUN_START_IN_S_MAX);
        if !(min..=max).contains(&start_in_s) {
            return Err(Problem::field("start_in_s").with("min", min).with("max", max));
        }
        let p99_ms = self.limits.unwrap_or_default().answer_p99_ms;
        if p99_ms.is_some_and(|ms| !(1..=P99_MS_MAX).contains(&ms)) {
            return Err(Problem::field("limits.answer_p99_ms").with("min", 1).with("max", P99_MS_MAX));
        }
        Ok(Asked { scenario, buyers: self.buyers, start_in_s, p99_ms })
    }
}

#[derive(Serialize, ToSchema)]
pub struct LoadRunList {
    /// The code of what stands against a run now, and its params; absent when one may be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal>,
    buyers_max: i64,
    runs: Vec<Run>,
}

#[derive(Serialize, ToSchema)]
pub struct Refusal {
    code: &'static str,
    #[schema(value_type = Object)]
    params: serde_json::Map<String, serde_json::Value>,
}

/// Copies the opening and lets simulated buyers loose on the copy.
#[utoipa::path(post, path = "/api/v1/openings/{id}/load-runs", request_body = NewLoadRun,
    responses((status = 201, body = Run)))]
pub async fn start(
    State(console): State<Console>,
    who: Who,
    Path(id): Path<OpeningId>,
    Body(body): Body<NewLoadRun>,
) -> Result<(StatusCode, Json<Run>), Problem> {
    who.may(Right::Rehearse)?;
    who.in_person()?;
    let run = load::start(&console, &who, &id, body.asked()?).await?;
    Ok((StatusCode::CREATED, Json(run)))
}

/// Runs of this server, newest first, the one under way among them.
#[utoipa::path(get, path = "/api/v1/load-runs", responses((status = 200, body = LoadRunList)))]
pub async fn list(State(console): State<Console>, who: Who) -> Result<Json<LoadRunList>, Problem> {
    who.may(Right::View)?;
    let refusal = console.0.load.refusal(&console.0.openings);
    let refusal = refusal.map(|problem| Refusal { code: problem.code.as_str(), params: problem.params });
    let runs = on_disk(&console, |load| load.reports().list(load.current().as_ref())).await?;
    Ok(Json(LoadRunList { refusal, buyers_max: LOAD_RUN_BUYERS_MAX, runs }))
}

/// The report as a page.
#[utoipa::path(get, path = "/api/v1/load-runs/{run}/report.html",
    responses((status = 200, content_type = "text/html", body = String)))]
pub async fn html(
    State(console): State<Console>,
    who: Who,
    Path(run): Path<RowId>,
) -> Result<Response, Problem> {
    who.may(Right::View)?;
    let page = file(&console, run, "report.html").await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(REPORT_POLICY)),
    ];
    Ok((headers, page).into_response())
}

/// The report as data, schema `kaipan.load-report/1`.
#[utoipa::path(get, path = "/api/v1/load-runs/{run}/report.json",
    responses((status = 200, body = serde_json::Value)))]
pub async fn json(
    State(console): State<Console>,
    who: Who,
    Path(run): Path<RowId>,
) -> Result<Response, Problem> {
    who.may(Right::View)?;
    let report = file(&console, run, "report.json").await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], report).into_response())
}

/// Ends a run before its time. One that has ended stays as it is.
#[utoipa::path(delete, path = "/api/v1/load-runs/{run}", responses((status = 204)))]
pub async fn stop(
    State(console): State<Console>,
    who: Who,
    Path(run): Path<RowId>,
) -> Result<StatusCode, Problem> {
    who.may(Right::Rehearse)?;
    if console.0.load.stop(&run) {
        return Ok(StatusCode::NO_CONTENT);
    }
    let known = on_disk(&console, move |load| load.reports().read(&run)).await?;
    known.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| Code::NotFound.into())
}

async fn file(console: &Console, run: RowId, name: &'static str) -> Result<Vec<u8>, Problem> {
    on_disk(console, move |load| load.reports().file(&run, name)).await?.ok_or_else(|| Code::NotFound.into())
}

async fn on_disk<T: Send + 'static>(
    console: &Console,
    read: impl FnOnce(&load::LoadRuns) -> T + Send + 'static,
) -> Result<T, Problem> {
    let load = console.0.load.clone();
    tokio::task::spawn_blocking(move || read(&load)).await.map_err(Problem::internal)
}
