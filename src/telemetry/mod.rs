//! Logs and figures about the running program. No business rule reads them.

pub mod names;
mod page;
mod process;
mod stage;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing::Level;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

pub use page::Page;
use process::Process;
pub use stage::stage;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people at a terminal.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Answers go from 0.1 ms (memory) to seconds (a database under load); the promise to buyers is one second.
const SECONDS_BUCKETS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Jobs of one commit: from a quiet opening's one to [`crate::limits::COMMIT_GROUP`].
const JOBS_BUCKETS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0];
/// Histograms and summaries keep samples until somebody folds them in.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// Starts logging to standard error. `filter` is in the language of `RUST_LOG`. A second call changes nothing, which is
/// what tests in one process need.
pub fn init_logs(format: LogFormat, filter: &str) -> Result<(), BadFilter> {
    let filter = EnvFilter::try_new(filter).map_err(|error| BadFilter(error.to_string()))?;
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(coloured).with_writer(std::io::stderr);
    let already_started = match format {
        LogFormat::Text => builder.finish().with(CountLines).try_init().is_err(),
        LogFormat::Json => builder.json().finish().with(CountLines).try_init().is_err(),
    };
    if already_started {
        tracing::debug!("logs were started before");
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("the log filter can not be read: {0}")]
pub struct BadFilter(String);

/// What is looked up when the page is asked for, beside the process's own figures.
type Collector = Box<dyn Fn(&mut Page) + Send + Sync>;

/// What is known about the running program, as a page. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    recorded: PrometheusHandle,
    process: Process,
    collector: Arc<OnceLock<Collector>>,
}

impl Metrics {
    /// Installs the process's recorder. Call once. `started_s`: when the process did, Unix time.
    pub fn install(started_s: f64) -> Result<Self, BuildError> {
        let jobs = Matcher::Full(names::COMMIT_JOBS.to_owned());
        let recorded = PrometheusBuilder::new()
            .set_buckets(SECONDS_BUCKETS)?
            .set_buckets_for_metric(jobs, JOBS_BUCKETS)?
            .install_recorder()?;
        names::describe();
        names::begin_at_zero();
        metrics::gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        count_panics();
        Ok(Self { recorded, process: Process { started_s }, collector: Arc::default() })
    }

    /// What else the page shows: looked up each time, so that a sample is of its own moment, and what is gone is gone.
    /// The first call counts.
    pub fn collect_with(&self, collector: impl Fn(&mut Page) + Send + Sync + 'static) {
        // A second collector would say everything twice.
        drop(self.collector.set(Box::new(collector)));
    }

    /// The page of `/metrics`, in Prometheus' text format.
    pub fn page(&self) -> String {
        let mut page = Page::default();
        self.process.write(&mut page);
        if let Some(collect) = self.collector.get() {
            collect(&mut page);
        }
        self.recorded.render() + &page.into_text()
    }

    /// Keeps the recorder's memory bounded; runs until the runtime ends.
    pub async fn upkeep(self) {
        let mut ticks = tokio::time::interval(UPKEEP_PERIOD);
        loop {
            ticks.tick().await;
            self.recorded.run_upkeep();
        }
    }
}

/// A task that panics is caught by its runtime and missed by everybody: here it is counted, and then reported as ever.
fn count_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        metrics::counter!(names::PANICS).increment(1);
        report(panic);
    }));
}

/// Counts what is logged, so that an alert can say "look into the log".
struct CountLines;

impl<S: tracing::Subscriber> Layer<S> for CountLines {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => return,
        };
        metrics::counter!(names::LOG_EVENTS, "level" => level).increment(1);
    }
}
