//! The verdict, from what the report itself says: nobody sets it by hand, and a report read from a file can be judged
//! again.
//!
//! Refused beats everything: of a run whose generator could not keep its schedule nothing is known, good or bad, except
//! what the audit proves. A lie stays a lie however late it was asked for, so findings of the audit beat even that.

use super::words::{self, figure};
use super::{Histogram, Limit, Report, Verdict, names};

/// Reads a figure out of a report, if the run measured it.
type Figure = fn(&Report) -> Option<f64>;

/// What a limit may be set on. Each is *at most*.
pub const LIMITS: [(&str, Figure); 12] = [
    ("answer_p50_ms", |report| ms(report, names::ANSWER, |h| h.at(0.5))),
    ("answer_p99_ms", |report| ms(report, names::ANSWER, |h| h.at(0.99))),
    ("answer_p999_ms", |report| ms(report, names::ANSWER, |h| h.at(0.999))),
    ("answer_max_ms", |report| ms(report, names::ANSWER, Histogram::max_us)),
    ("board_p50_ms", |report| ms(report, names::BOARD, |h| h.at(0.5))),
    ("board_p99_ms", |report| ms(report, names::BOARD, |h| h.at(0.99))),
    ("board_max_ms", |report| ms(report, names::BOARD, Histogram::max_us)),
    ("connect_p99_ms", |report| ms(report, names::CONNECT, |h| h.at(0.99))),
    ("connect_max_ms", |report| ms(report, names::CONNECT, Histogram::max_us)),
    ("unanswered_count", |report| Some(report.unanswered as f64)),
    ("errors_share", |report| {
        let errors = report.errors.values().sum::<u64>() as f64;
        (report.sent > 0).then(|| errors / report.sent as f64)
    }),
    ("server_rss_mib", |report| {
        let most = report.series.server.iter().map(|row| row.rss_bytes).max()?;
        Some(most as f64 / (1024.0 * 1024.0))
    }),
];

fn ms(report: &Report, name: &str, figure: impl Fn(&Histogram) -> u64) -> Option<f64> {
    report.histograms.get(name).filter(|histogram| !histogram.is_empty()).map(|h| figure(h) as f64 / 1_000.0)
}

/// The figure that a limit is set on; `None` if there is no such limit, or the run did not measure it.
pub fn value(report: &Report, limit: &str) -> Option<f64> {
    LIMITS.iter().find(|(name, _)| *name == limit).and_then(|(_, figure)| figure(report))
}

/// Why a report is not a pass.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// The generator did not keep its schedule; its own words.
    Saturated {
        why: String,
    },
    /// The audit found this, so often.
    Found {
        code: String,
        count: u64,
    },
    /// There was no tap to audit, or no board.
    NothingAudited,
    Unanswered {
        count: u64,
    },
    /// A figure above its limit.
    Above {
        name: String,
        limit: f64,
        value: f64,
    },
    /// A limit was asked for on something that was not measured.
    NotMeasured {
        name: String,
        limit: f64,
    },
}

/// Fills in `limits` from what was asked, then verdict and reasons.
pub fn judge(report: &mut Report, asked: &[(String, f64)]) {
    let limits = asked.iter().map(|(name, limit)| {
        // JSON has no "not a number": what was not measured stands as -1, which no figure is.
        let value = value(report, name).unwrap_or(NOT_MEASURED);
        Limit { name: name.clone(), limit: *limit, value, ok: value >= 0.0 && value <= *limit }
    });
    report.limits = limits.collect();
    let reasons = reasons(report);
    report.verdict = verdict(&reasons);
    report.reasons = reasons.iter().map(Reason::line).collect();
}

const NOT_MEASURED: f64 = -1.0;

/// All reasons, gravest first. Made from the report, so that no reader has to understand sentences.
pub fn reasons(report: &Report) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for (code, count) in report.audit.by_gravity().filter(|(_, count)| *count > 0) {
        reasons.push(Reason::Found { code: code.to_owned(), count });
    }
    if report.generator.saturated {
        let why = report.generator.why.clone().unwrap_or_default();
        reasons.push(Reason::Saturated { why });
    }
    if !report.audit.clean && reasons.iter().all(|reason| !matches!(reason, Reason::Found { .. })) {
        reasons.push(Reason::NothingAudited);
    }
    // Without an audit of the taps, the count of those that stayed open still stands.
    if report.unanswered > 0 && report.audit.findings.get("UNANSWERED").is_none_or(|count| *count == 0) {
        reasons.push(Reason::Unanswered { count: report.unanswered });
    }
    for limit in report.limits.iter().filter(|limit| !limit.ok) {
        let (name, value) = (limit.name.clone(), limit.value);
        reasons.push(if value < 0.0 {
            Reason::NotMeasured { name, limit: limit.limit }
        } else {
            Reason::Above { name, limit: limit.limit, value }
        });
    }
    reasons
}

/// What a generator that is behind its schedule can bring about by itself: it stops listening too early. Everything
/// else is proven by the server's own truth.
const GENERATOR_MAY_CAUSE: [&str; 2] = ["UNANSWERED", "BOARD_BEHIND"];

fn verdict(reasons: &[Reason]) -> Verdict {
    let proven = |reason: &Reason| match reason {
        Reason::Found { code, .. } => !GENERATOR_MAY_CAUSE.contains(&code.as_str()),
        _ => false,
    };
    if reasons.iter().any(proven) {
        Verdict::Fail
    } else if reasons.iter().any(|reason| matches!(reason, Reason::Saturated { .. })) {
        Verdict::Refused
    } else if reasons.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Fail
    }
}

impl Reason {
    /// Chinese first, as everything that operators read.
    pub fn line(&self) -> String {
        format!("{} | {}", self.zh(), self.en())
    }

    pub fn zh(&self) -> String {
        match self {
            Self::Saturated { why } => format!("压测机本身跟不上计划，结果不作数：{why}"),
            Self::Found { code, count } => format!("核对发现 {}：{count}", words::finding(code).zh),
            Self::NothingAudited => "没有任何点击可核对".to_owned(),
            Self::Unanswered { count } => format!("{count} 次点击没有答复"),
            Self::Above { name, limit, value } => {
                let label = words::limit(name).map_or(name.as_str(), |text| text.zh);
                format!("{label} {} 超过上限 {}", figure(name, *value), figure(name, *limit))
            }
            Self::NotMeasured { name, .. } => {
                format!("{} 本次没有测到", words::limit(name).map_or(name.as_str(), |text| text.zh))
            }
        }
    }

    pub fn en(&self) -> String {
        match self {
            Self::Saturated { why } => format!("the generator did not keep its schedule: {why}"),
            Self::Found { code, count } => format!("the audit found {}: {count}", words::finding(code).en),
            Self::NothingAudited => "there was no tap to audit".to_owned(),
            Self::Unanswered { count } => format!("{count} taps without an answer"),
            Self::Above { name, limit, value } => {
                let label = words::limit(name).map_or(name.as_str(), |text| text.en);
                format!("{label} {} is above {}", figure(name, *value), figure(name, *limit))
            }
            Self::NotMeasured { name, .. } => {
                format!("{} was not measured", words::limit(name).map_or(name.as_str(), |text| text.en))
            }
        }
    }
}
