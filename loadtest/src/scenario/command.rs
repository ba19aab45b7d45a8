//! `kaipan-loadtest burst` and the other scenarios: flags and a file in; a verdict, a report and an exit status out.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::plan::{Plan, Scenario};
use super::progress::Progress;
use super::run::{Ended, run as play, write_record};
use super::settings::Settings;
use crate::report::commands::{Exit, tell};
use crate::report::{Report, html};

#[derive(Debug, Args)]
pub struct RunArgs {
    /// A TOML file with any of these settings, such as `buyers = 10000` or `within = "100ms"`; a flag wins over it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Runs a scenario to its verdict. The error is a sentence: it could not run.
pub fn run(scenario: Scenario, args: RunArgs) -> Result<Exit, String> {
    let plan = plan(scenario, args)?;
    let mut progress = Progress::begin();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let ended = runtime.block_on(play(&plan, &mut progress));
    progress.end();
    let mut out = io::stdout();
    match ended? {
        Ended::Refused(why) => {
            writeln!(out, "{why}").map_err(|error| error.to_string())?;
            Ok(Exit::Refused)
        }
        Ended::Report(mut report, entries) => {
            report.command = std::env::args().collect();
            if let Some(path) = &plan.record {
                write_record(path, &entries).map_err(named(path))?;
            }
            if let Some(folder) = &plan.out {
                write(folder, &report).map_err(named(folder))?;
            }
            figures(&mut out, &report)
                .and_then(|()| tell(&mut out, &report))
                .map_err(|error| error.to_string())?;
            Ok(report.verdict.into())
        }
    }
}

fn plan(scenario: Scenario, args: RunArgs) -> Result<Plan, String> {
    let Some(path) = &args.file else { return args.settings.plan(scenario) };
    let text = std::fs::read_to_string(path).map_err(named(path))?;
    let settings = args.settings.over(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    settings.plan(scenario)
}

fn named(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

fn write(folder: &Path, report: &Report) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("report.json"), report.to_json()?)?;
    std::fs::write(folder.join("report.html"), html::page(report))
}

/// What was measured, in a few lines.
fn figures(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let counts = |counts: &std::collections::BTreeMap<String, u64>| {
        counts.iter().map(|(code, count)| format!("{code} {count}")).collect::<Vec<_>>().join(" · ")
    };
    writeln!(
        out,
        "{}: {} buyers · {} taps · {} · unanswered {}",
        report.scenario,
        report.buyers,
        report.sent,
        counts(&report.answers),
        report.unanswered
    )?;
    for (name, histogram) in &report.histograms {
        let ms = |us: u64| us as f64 / 1_000.0;
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| ms(histogram.at(quantile)));
        let (max, count) = (ms(histogram.max_us()), histogram.count());
        writeln!(
            out,
            "{name}: p50 {p50:.1} ms · p99 {p99:.1} ms · p99.9 {p999:.1} ms · max {max:.1} ms · {count}"
        )?;
    }
    if !report.errors.is_empty() {
        writeln!(out, "not answers: {}", counts(&report.errors))?;
    }
    let (generator, audit) = (&report.generator, &report.audit);
    let busiest = generator.busiest_second();
    writeln!(out, "generator: lag p99 {:.1} ms · busiest thread {busiest}", generator.lag_ms.p99)?;
    writeln!(out, "audit: {} taps and {} boards compared with the truth", audit.taps, audit.boards)?;
    if let Some(knee) = report.plan.get("knee_per_s") {
        writeln!(out, "last rate within the limits: {knee} taps a second")?;
    }
    Ok(())
}
