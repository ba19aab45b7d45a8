//! The composition root: builds everything once, hands each part what it needs, mounts the doors, and takes it all down
//! in order. The only place that knows every layer.

pub mod data;

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::domain::time::Clock;
use crate::http::accept::{self, Door, SocketTimeouts};
use crate::http::drain::Drain;
use crate::http::health::{self, Readiness};
use crate::http::loops::{self, Loops};
use crate::http::origin::Origins;
use crate::http::pages::Pages;
use crate::http::shell::{Shell, Wrap};
use crate::limits;
use crate::telemetry;

use data::{OpenData, OpenError};

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Data(#[from] OpenError),
    #[error("{0}")]
    Log(#[from] telemetry::BadFilter),
    #[error("metrics can not be recorded: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("the {door} door can not listen on {address}: {source}")]
    Listen { door: &'static str, address: SocketAddr, source: io::Error },
    #[error("threads or signals are not available: {0}")]
    System(#[from] io::Error),
}

/// Serves until SIGTERM or SIGINT, then drains. Everything that can be refused is refused before a door opens.
pub fn serve(config: &Config) -> Result<(), ServeError> {
    telemetry::init_logs(config.log_format, &config.log)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let metrics = telemetry::install_metrics()?;
    let backend = Builder::new_multi_thread().enable_all().thread_name("backend").build()?;
    let served = backend.block_on(run(config, metrics));
    // Whatever still runs after the drain had its time; it must not keep the process.
    backend.shutdown_timeout(limits::DRAIN_TIMEOUT);
    served
}

async fn run(config: &Config, metrics: PrometheusHandle) -> Result<(), ServeError> {
    let data = OpenData::open(&config.data, Clock::system(), "kaipan serve").await?;
    tokio::spawn(telemetry::upkeep(metrics.clone()));

    let doors = Doors { drain: Drain::default(), readiness: Readiness::default(), metrics };
    let staff = doors.open_staff(config)?;
    let buyers = doors.open_buyers(config)?;
    tracing::info!(buyers = %buyers.address, %staff, "doors are open");
    doors.readiness.ready();

    stop_signal().await?;
    tracing::info!("draining");
    doors.drain.begin();
    if !doors.drain.finished(limits::DRAIN_TIMEOUT).await {
        tracing::warn!("some clients did not leave in time");
    }
    buyers.ended().await;
    data.db.close().await;
    Ok(())
}

async fn stop_signal() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// What both doors share.
struct Doors {
    drain: Drain,
    readiness: Readiness,
    metrics: PrometheusHandle,
}

impl Doors {
    /// The buyers' door: one loop and one socket a core, away from the database's threads.
    fn open_buyers(&self, config: &Config) -> Result<Loops, ServeError> {
        let wrap = Wrap::new(Shell {
            door: "buyers",
            origins: Origins::new(config.public_origins.iter().cloned()),
            trusted_proxies: config.trusted_proxies.clone(),
            request_timeout: limits::REQUEST_TIMEOUT,
            body_bytes_max: limits::BUYER_BODY_BYTES_MAX,
            in_flight_max: limits::REQUESTS_IN_FLIGHT_MAX,
        });
        let pages = Pages::embedded(buyers_document);
        let health = self.health();
        let router_of = move |_core| wrap.around(with_pages(health.clone(), &pages));
        let door = Door::new("buyers", limits::BUYER_CONNECTIONS_MAX, SocketTimeouts::default());
        let address = config.buyers_listen;
        loops::start(address, config.buyers_threads, &door, &self.drain, router_of)
            .map_err(|source| ServeError::Listen { door: "buyers'", address, source })
    }

    /// The staff's door, on the runtime that also does the database's work. Answers where it listens.
    fn open_staff(&self, config: &Config) -> Result<SocketAddr, ServeError> {
        let wrap = Wrap::new(Shell {
            door: "staff",
            origins: Origins::new(config.staff_origins.iter().cloned()),
            trusted_proxies: config.trusted_proxies.clone(),
            request_timeout: limits::STAFF_REQUEST_TIMEOUT,
            body_bytes_max: limits::STAFF_BODY_BYTES_MAX,
            in_flight_max: limits::REQUESTS_IN_FLIGHT_MAX,
        });
        let router = wrap.around(with_pages(self.health(), &Pages::embedded(|_path| "console")));
        let address = config.staff_listen;
        let listen = |source| ServeError::Listen { door: "staff's", address, source };
        let socket = accept::listen(address, false).map_err(listen)?;
        let address = socket.local_addr().map_err(listen)?;
        let door = Door::new("staff", limits::STAFF_CONNECTIONS_MAX, SocketTimeouts::default());
        let served = accept::serve(socket, router, door, self.drain.clone());
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "the staff's door closed");
            }
        });
        Ok(address)
    }

    fn health(&self) -> Router {
        health::routes(self.readiness.clone(), self.drain.clone(), self.metrics.clone())
    }
}

/// Which page a path that is no file belongs to.
fn buyers_document(path: &str) -> &'static str {
    let first = path.split('/').next().unwrap_or_default();
    if first == "screen" { "screen" } else { "buyer" }
}

fn with_pages(router: Router, pages: &Pages) -> Router {
    let pages = pages.clone();
    router.fallback(async move |request: Request| {
        pages.answer(request.method(), request.uri(), request.headers())
    })
}
