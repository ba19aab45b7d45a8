//! What a run came to, as one JSON file of the schema `kaipan.load-report/1`: what was asked, what was measured, what the
//! audit found, and the verdict. Everything else (the page with the plots, a merge, a comparison) is made from it.
//!
//! It names registrations and units, never people or passwords, so it may be handed around.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::audit;

/// What can be done with the files from the command line.
pub mod commands;
/// Two reports side by side.
pub mod compare;
/// Durations, exactly.
pub mod histogram;
/// The report as a page.
pub mod html;
/// The verdict and its reasons, from what the report itself says.
pub mod judge;
/// Several machines' reports as one.
pub mod merge;
/// The page's plots.
pub mod plot;
/// What happened when.
pub mod series;
/// Every word of a report, in two languages.
pub mod words;

pub use histogram::Histogram;
pub use series::Series;

pub const SCHEMA: &str = "kaipan.load-report/1";
/// A report of a whole day with every series and histogram stays below this; a longer file is not one.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Findings of a kind that are named one by one; all of them are counted.
const EXAMPLES_OF_A_KIND_MAX: usize = 5;

/// Names in `histograms`; all three are in microseconds from the *intended* moment.
pub mod names {
    /// From the moment a tap was to be sent to its yes or no.
    pub const ANSWER: &str = "answer";
    /// From a change's answer to its arrival at each board.
    pub const BOARD: &str = "board";
    /// From the moment a connection was to be made to its `hello`.
    pub const CONNECT: &str = "connect";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub schema: String,
    pub scenario: String,
    /// The intended start T, by the server's clock, in Unix milliseconds; the series are relative to it.
    pub started_ms: i64,
    pub took_s: f64,
    pub target: Target,
    /// As run, every default filled in, with the seed; no password.
    pub plan: serde_json::Map<String, serde_json::Value>,
    /// What was typed, an argument each. Files and openings that it names may be gone by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    pub generator: Generator,
    pub buyers: u64,
    /// Taps that were sent, each once, however often it had to be asked for.
    pub sent: u64,
    /// Final answers by code: `YES` and the reasons of a no.
    pub answers: BTreeMap<String, u64>,
    /// What came back and was no answer, by code: `SLOW_DOWN`, `LINK_LOST` ….
    pub errors: BTreeMap<String, u64>,
    pub unanswered: u64,
    /// By name, see [`names`]; a scenario may add its own.
    pub histograms: BTreeMap<String, Histogram>,
    pub series: Series,
    pub audit: Audit,
    pub limits: Vec<Limit>,
    pub verdict: Verdict,
    /// Why it is not a pass, in words, Chinese first; empty for a pass.
    pub reasons: Vec<String>,
    /// The runs that were merged into this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub buyers_url: String,
    pub opening: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
}

/// The machine that made the load, and whether it kept its own schedule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    pub version: String,
    pub cpus: u32,
    pub threads: u32,
    /// The busiest second of its busiest thread, 0 to 1; 0 when none was measured, as in a run of less than a second.
    pub cpu_max_share: f64,
    /// How late taps left, against the moment they were intended for.
    pub lag_ms: LagMs,
    pub saturated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LagMs {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Such as `Linux 6.1.0 x86_64`.
    pub system: String,
    pub processor: String,
    pub memory_bytes: u64,
}

/// What was said to buyers against what the server stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    pub clean: bool,
    /// Taps on the record and boards that were compared: an audit of nothing is not clean.
    pub taps: u64,
    pub boards: u64,
    /// Every kind of finding by its code, also those that were looked for and not found.
    pub findings: BTreeMap<String, u64>,
    /// The first findings of each kind.
    pub examples: Vec<audit::Finding>,
}

/// A figure that may not exceed its limit. The unit stands last in the name: `answer_p99_ms`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    pub name: String,
    pub limit: f64,
    pub value: f64,
    pub ok: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Fail,
    /// The generator was the bottleneck: its figures say nothing of the server.
    Refused,
}

/// One of the runs of a merged report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub file: String,
    pub buyers: u64,
    pub sent: u64,
    pub generator: Generator,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{file}: {source}")]
    Io { file: String, source: std::io::Error },
    #[error("{file}: larger than 64 MiB, which no load report is")]
    TooLarge { file: String },
    #[error("{file}: not JSON: {source}")]
    NotJson { file: String, source: serde_json::Error },
    #[error("{file}: not a load report: it names no schema")]
    NoSchema { file: String },
    #[error("{file}: its schema is `{schema}`, this program reads `{SCHEMA}`")]
    OtherSchema { file: String, schema: String },
    #[error("{file}: says `{SCHEMA}`, but {source}")]
    Shape { file: String, source: serde_json::Error },
}

impl Report {
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let file = path.display().to_string();
        let io = |source| ReadError::Io { file: path.display().to_string(), source };
        if std::fs::metadata(path).map_err(io)?.len() > FILE_BYTES_MAX {
            return Err(ReadError::TooLarge { file });
        }
        Self::parse(&file, &std::fs::read(path).map_err(io)?)
    }

    /// `file` is only for the sentence of an error.
    pub fn parse(file: &str, text: &[u8]) -> Result<Self, ReadError> {
        let file = file.to_owned();
        let value: serde_json::Value = match serde_json::from_slice(text) {
            Ok(value) => value,
            Err(source) => return Err(ReadError::NotJson { file, source }),
        };
        // The schema first: of another one, a missing field would be the wrong complaint.
        match value.get("schema").and_then(serde_json::Value::as_str) {
            None => Err(ReadError::NoSchema { file }),
            Some(SCHEMA) => serde_json::from_value(value).map_err(|source| ReadError::Shape { file, source }),
            Some(schema) => Err(ReadError::OtherSchema { schema: schema.to_owned(), file }),
        }
    }

    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Final answers of either kind.
    pub fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    pub fn yes(&self) -> u64 {
        self.answers.get("YES").copied().unwrap_or(0)
    }
}

impl Generator {
    /// The busiest second of the busiest thread, as it is shown. A thread that sends and hears is never at 0: that is a run
    /// in which no whole second was measured, and "0 %" would say that the generator had nothing to do.
    pub fn busiest_second(&self) -> String {
        if self.cpu_max_share > 0.0 { words::figure("share", self.cpu_max_share) } else { "–".to_owned() }
    }
}

impl Audit {
    pub fn of(verdict: &audit::Verdict) -> Self {
        let mut findings: BTreeMap<String, u64> =
            audit::Finding::CODES.iter().map(|code| ((*code).to_owned(), 0)).collect();
        let mut examples = Vec::new();
        for finding in &verdict.findings {
            let count = findings.entry(finding.code().to_owned()).or_default();
            *count += finding.times();
            // A few of each kind: a thousand lost yeses must not hide the one home that was sold twice.
            if examples.iter().filter(|shown: &&audit::Finding| shown.code() == finding.code()).count()
                < EXAMPLES_OF_A_KIND_MAX
            {
                examples.push(finding.clone());
            }
        }
        Self {
            clean: verdict.is_clean(),
            taps: verdict.taps as u64,
            boards: verdict.boards,
            findings,
            examples,
        }
    }

    /// Counts by code, in the order in which the audit names its findings; what only a newer program knows comes last.
    pub fn by_gravity(&self) -> impl Iterator<Item = (&str, u64)> {
        let rank =
            |code: &str| audit::Finding::CODES.iter().position(|known| *known == code).unwrap_or(usize::MAX);
        let mut counts: Vec<_> = self.findings.iter().map(|(code, count)| (code.as_str(), *count)).collect();
        counts.sort_by_key(|(code, _)| rank(code));
        counts.into_iter()
    }
}

#[cfg(test)]
mod tests;
