//! Joins the reports of several machines that loaded one opening at one T.
//!
//! Percentiles cannot be averaged, so histograms are added up count by count. An audit cannot be averaged either: a part
//! saw only its own taps, and the truth only as it was when that part ended. So the records of all parts are audited
//! again, together, against one truth read after the last of them.

use std::collections::{BTreeMap, HashSet};

use super::judge::judge;
use super::{Audit, Generator, Histogram, LagMs, Part, Report, SCHEMA, Series, Verdict};
use crate::audit::{self, Truth};
use crate::record::{Entry, What};

/// A report with the taps behind it.
pub struct Input {
    /// As the file was named, for sentences and for the list of parts.
    pub file: String,
    pub report: Report,
    pub record: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    #[error("a merge needs at least two reports")]
    TooFew,
    #[error("{first} and {other} are not parts of one run: their {what} differ ({left} and {right})")]
    Differ { first: String, other: String, what: &'static str, left: String, right: String },
    #[error(
        "{file}: it sent {sent} taps, the record given for it holds {recorded}: not the record of this run"
    )]
    RecordLength { file: String, sent: u64, recorded: u64 },
    #[error("{file}: the record given for it is of opening {recorded}, the report of {opening}")]
    RecordOpening { file: String, opening: String, recorded: String },
    #[error(
        "{file}: the tap {key} of {registration} is on another part's record too: is one part given twice?"
    )]
    Twice { file: String, registration: String, key: String },
}

/// One report of all parts, judged by the limits that the parts were judged by.
pub fn merge(inputs: &[Input], truth: &Truth) -> Result<Report, MergeError> {
    let [first, others @ ..] = inputs else { return Err(MergeError::TooFew) };
    if others.is_empty() {
        return Err(MergeError::TooFew);
    }
    for other in others {
        same_run(first, other)?;
    }
    records_fit(inputs)?;
    let entries: Vec<Entry> = inputs.iter().flat_map(|input| input.record.iter().cloned()).collect();
    let reports: Vec<&Report> = inputs.iter().map(|input| &input.report).collect();
    let mut merged = Report {
        schema: SCHEMA.to_owned(),
        scenario: first.report.scenario.clone(),
        started_ms: first.report.started_ms,
        took_s: reports.iter().map(|part| part.took_s).fold(0.0, f64::max),
        target: first.report.target.clone(),
        plan: plan(&reports),
        command: Vec::new(),
        generator: generator(inputs),
        buyers: sum(&reports, |part| part.buyers),
        sent: sum(&reports, |part| part.sent),
        answers: counts(&reports, |part| &part.answers),
        errors: counts(&reports, |part| &part.errors),
        unanswered: sum(&reports, |part| part.unanswered),
        histograms: histograms(&reports),
        series: Series::merged(&reports.iter().map(|part| &part.series).collect::<Vec<_>>()),
        audit: Audit::of(&audit::compare(&entries, truth)),
        limits: Vec::new(),
        verdict: Verdict::Refused,
        reasons: Vec::new(),
        parts: inputs.iter().flat_map(parts_of).collect(),
    };
    judge(&mut merged, &limits(&first.report));
    Ok(merged)
}

fn limits(report: &Report) -> Vec<(String, f64)> {
    report.limits.iter().map(|limit| (limit.name.clone(), limit.limit)).collect()
}

/// Parts of one run have the same scenario, opening, start and limits.
fn same_run(first: &Input, other: &Input) -> Result<(), MergeError> {
    let facts = |report: &Report| {
        [
            ("scenarios", report.scenario.clone()),
            ("openings", report.target.opening.clone()),
            ("start times", report.started_ms.to_string()),
            ("limits", format!("{:?}", limits(report))),
        ]
    };
    for ((what, left), (_, right)) in facts(&first.report).into_iter().zip(facts(&other.report)) {
        if left != right {
            let (first, other) = (first.file.clone(), other.file.clone());
            return Err(MergeError::Differ { first, other, what, left, right });
        }
    }
    Ok(())
}

/// Each record is of its report, and no tap is on two of them: audited under another part's name, a lost yes would look
/// like a contradiction, or a part given twice like twice the load.
fn records_fit(inputs: &[Input]) -> Result<(), MergeError> {
    let mut seen: HashSet<(&str, &str)> = HashSet::new();
    for Input { file, report, record } in inputs {
        let mut recorded = 0;
        for entry in record {
            match &entry.what {
                What::Run { opening, .. } if *opening != report.target.opening => {
                    return Err(MergeError::RecordOpening {
                        file: file.clone(),
                        opening: report.target.opening.clone(),
                        recorded: opening.clone(),
                    });
                }
                What::Tap { registration, key, .. } => {
                    recorded += 1;
                    if !seen.insert((registration, key)) {
                        let (registration, key) = (registration.clone(), key.clone());
                        return Err(MergeError::Twice { file: file.clone(), registration, key });
                    }
                }
                _ => {}
            }
        }
        if recorded != report.sent {
            return Err(MergeError::RecordLength { file: file.clone(), sent: report.sent, recorded });
        }
    }
    Ok(())
}

/// What all parts were asked stands once; where they differ, a list with a value a part.
fn plan(reports: &[&Report]) -> serde_json::Map<String, serde_json::Value> {
    let keys: BTreeMap<&String, ()> =
        reports.iter().flat_map(|report| report.plan.keys().map(|key| (key, ()))).collect();
    keys.into_keys()
        .map(|key| {
            let values: Vec<_> =
                reports.iter().map(|report| report.plan.get(key).cloned().unwrap_or_default()).collect();
            let same = values.windows(2).all(|pair| pair[0] == pair[1]);
            let value = if same { values.into_iter().next().unwrap_or_default() } else { values.into() };
            (key.clone(), value)
        })
        .collect()
}

/// All machines together: their sizes added up, of their troubles the worst.
fn generator(inputs: &[Input]) -> Generator {
    let all = || inputs.iter().map(|input| &input.report.generator);
    let worst = |figure: fn(&Generator) -> f64| all().map(figure).fold(0.0, f64::max);
    let mut versions: Vec<&str> = all().map(|generator| generator.version.as_str()).collect();
    versions.dedup();
    let why: Vec<String> = inputs
        .iter()
        .filter(|input| input.report.generator.saturated)
        .map(|input| format!("{}: {}", input.file, input.report.generator.why.as_deref().unwrap_or("?")))
        .collect();
    Generator {
        version: versions.join(", "),
        cpus: all().map(|generator| generator.cpus).sum(),
        threads: all().map(|generator| generator.threads).sum(),
        cpu_max_share: worst(|generator| generator.cpu_max_share),
        lag_ms: LagMs {
            p50: worst(|generator| generator.lag_ms.p50),
            p99: worst(|generator| generator.lag_ms.p99),
            max: worst(|generator| generator.lag_ms.max),
        },
        saturated: !why.is_empty(),
        why: (!why.is_empty()).then(|| why.join("; ")),
        machine: None,
    }
}

/// A report that was merged already stands for its own parts.
fn parts_of(input: &Input) -> Vec<Part> {
    if !input.report.parts.is_empty() {
        return input.report.parts.clone();
    }
    vec![Part {
        file: input.file.clone(),
        buyers: input.report.buyers,
        sent: input.report.sent,
        generator: input.report.generator.clone(),
    }]
}

fn sum(reports: &[&Report], figure: impl Fn(&Report) -> u64) -> u64 {
    reports.iter().map(|report| figure(report)).fold(0, u64::saturating_add)
}

fn counts(reports: &[&Report], of: impl Fn(&Report) -> &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (code, count) in reports.iter().flat_map(|report| of(report)) {
        let sum = sums.entry(code.clone()).or_default();
        *sum = sum.saturating_add(*count);
    }
    sums
}

fn histograms(reports: &[&Report]) -> BTreeMap<String, Histogram> {
    let mut sums: BTreeMap<String, Histogram> = BTreeMap::new();
    for (name, histogram) in reports.iter().flat_map(|report| &report.histograms) {
        sums.entry(name.clone()).or_default().merge(histogram);
    }
    sums
}

#[cfg(test)]
mod tests;
