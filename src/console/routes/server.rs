//! What this server is and how it fares, for the ops page: the figures of `/metrics` that a person looks at, as one
//! document.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::console::Console;
use crate::console::auth::Who;
use crate::http::Problem;
use crate::identity::Right;
use crate::opening::Live;
use crate::telemetry::names;

#[derive(Serialize, ToSchema)]
pub struct Server {
    version: &'static str,
    now_ms: i64,
    started_ms: i64,
    /// `sqlite` or `postgres`.
    database: &'static str,
    /// Processor time of all threads since the start.
    cpu_s: Option<f64>,
    cores: usize,
    memory_bytes: Option<f64>,
    files_open: Option<f64>,
    files_max: Option<f64>,
    /// WebSockets, by registration and anonymous.
    sockets: Option<f64>,
    connections: Option<f64>,
    /// Transactions of picks since the start, and the time they took together.
    commits: Option<f64>,
    commits_s: Option<f64>,
    disk_free_bytes: Option<f64>,
    /// The furthest that an opening's clock is from the database's.
    clock_offset_s: Option<f64>,
    openings: Vec<Running>,
}

/// An opening that runs in this process.
#[derive(Serialize, ToSchema)]
pub struct Running {
    id: String,
    name: String,
    state: &'static str,
    paused: bool,
    rehearsal: bool,
    simulated: bool,
    start_ms: i64,
    units: usize,
    registrations: usize,
    signed_in: usize,
    connected: usize,
    picks: u64,
    journal: i64,
}

/// This server's state.
#[utoipa::path(get, path = "/api/v1/server", responses((status = 200, body = Server)))]
pub async fn state(State(console): State<Console>, who: Who) -> Result<Json<Server>, Problem> {
    who.may(Right::View)?;
    let parts = &console.0;
    let page = parts.metrics.page();
    let sum = |name: &str| samples(&page, name).reduce(|a, b| a + b);
    let furthest = |a: f64, b: f64| if b.abs() > a.abs() { b } else { a };
    Ok(Json(Server {
        version: env!("CARGO_PKG_VERSION"),
        now_ms: console.now().ms(),
        started_ms: parts.started_at.ms(),
        database: if parts.db.is_sqlite() { "sqlite" } else { "postgres" },
        cpu_s: sum(names::PROCESS_CPU_SECONDS),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: sum(names::PROCESS_RESIDENT_BYTES),
        files_open: sum(names::PROCESS_OPEN_FDS),
        files_max: sum(names::PROCESS_MAX_FDS),
        sockets: sum(names::SOCKETS),
        connections: sum(names::CONNECTIONS),
        commits: sum(&format!("{}_count", names::COMMIT_SECONDS)),
        commits_s: sum(&format!("{}_sum", names::COMMIT_SECONDS)),
        disk_free_bytes: sum(names::DATA_FREE_BYTES),
        clock_offset_s: samples(&page, names::CLOCK_OFFSET).reduce(furthest),
        openings: parts.openings.list().iter().map(|live| running(&console, live)).collect(),
    }))
}

fn running(console: &Console, live: &Live) -> Running {
    let facts = &live.facts;
    let control = live.control();
    Running {
        id: facts.id.to_string(),
        name: facts.name.clone(),
        state: live.phase().as_str(),
        paused: control.paused,
        rehearsal: facts.rehearsal,
        simulated: facts.simulated,
        start_ms: control.start_at.ms(),
        units: facts.units.len(),
        registrations: facts.registrations.len(),
        signed_in: console.0.buyers.devices().signed_in(&facts.id, console.now()),
        connected: (console.0.connected)(&facts.id),
        picks: live.stats.picks(),
        journal: live.board().snapshot().seq,
    }
}

/// The values of a metric on the page, whatever their labels.
fn samples<'p>(page: &'p str, name: &'p str) -> impl Iterator<Item = f64> + use<'p> {
    page.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let fits = rest.starts_with('{') || rest.starts_with(' ');
        rest.rsplit(' ').next().filter(|_| fits)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation caught: the character after the name not looked at.
    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let page =
            "# HELP a_total x\n# TYPE a counter\na{k=\"x y\"} 2\na{k=\"z\"} 3.5\na_total 9\na 1\nb +Inf\n";
        assert_eq!(samples(page, "a").collect::<Vec<_>>(), [2.0, 3.5, 1.0]);
        assert_eq!(samples(page, "a_total").collect::<Vec<_>>(), [9.0]);
        assert_eq!(samples(page, "c").next(), None);
    }
}
