//! Two reports side by side: which figures of the second are better or worse than the first's, and which differ by no
//! more than such figures differ from run to run.
//!
//! A percentile of n values is itself uncertain by the values around it. Two of them are *the same* when their ranges of
//! 95 % overlap, or when they differ by less than [`SAME_SHARE`]; only what is clearly apart is called faster or slower.

use super::{Histogram, Report};

/// What neither a change of the program nor of the machine can be read from.
const SAME_SHARE: f64 = 0.05;
/// Standard deviations to both sides that hold 95 % of a normal distribution.
const DEVIATIONS: f64 = 1.96;

/// A figure with the range in which it might as well lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Better,
    Worse,
    Same,
}

/// All figures are costs: less is better.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub name: String,
    pub before: Figure,
    pub after: Figure,
    pub change: Change,
}

impl Row {
    fn new(name: String, before: Figure, after: Figure) -> Self {
        let close = (before.value - after.value).abs() <= SAME_SHARE * before.value.max(after.value);
        let overlap = before.low <= after.high && after.low <= before.high;
        let change = match after.value.total_cmp(&before.value) {
            _ if close || overlap => Change::Same,
            std::cmp::Ordering::Less => Change::Better,
            _ => Change::Worse,
        };
        Self { name, before, after, change }
    }

    /// After divided by before; nothing where there was nothing before.
    pub fn ratio(&self) -> Option<f64> {
        (self.before.value > 0.0).then(|| self.after.value / self.before.value)
    }

    /// Clearly worse, and by more than this factor. From nothing to something is more than any factor.
    pub fn exceeds(&self, worse_than: f64) -> bool {
        self.change == Change::Worse && self.ratio().is_none_or(|ratio| ratio > worse_than)
    }
}

/// What must be the same for figures to mean the same; the error says what is not.
pub fn comparable(before: &Report, after: &Report) -> Result<(), String> {
    if before.scenario != after.scenario {
        return Err(format!("a `{}` cannot be compared with a `{}`", before.scenario, after.scenario));
    }
    Ok(())
}

/// Settings of the plans that differ, apart from the seed: a difference of the figures may be theirs.
pub fn differences(before: &Report, after: &Report) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = before.plan.keys().chain(after.plan.keys()).collect();
    let text = |report: &Report, key: &str| report.plan.get(key).map_or("–".to_owned(), ToString::to_string);
    keys.into_iter()
        .filter(|key| *key != "seed" && before.plan.get(*key) != after.plan.get(*key))
        .map(|key| format!("{key}: {} / {}", text(before, key), text(after, key)))
        .collect()
}

/// Every figure that both reports have.
pub fn rows(before: &Report, after: &Report) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, left) in &before.histograms {
        let Some(right) = after.histograms.get(name) else { continue };
        if left.is_empty() || right.is_empty() {
            continue;
        }
        for (figure, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
            let [left, right] = [left, right].map(|histogram| quantile_ms(histogram, quantile));
            rows.push(Row::new(format!("{name}_{figure}_ms"), left, right));
        }
    }
    let mut plain = |name: &str, figure: fn(&Report) -> Option<f64>| {
        if let (Some(left), Some(right)) = (figure(before), figure(after)) {
            rows.push(Row::new(name.to_owned(), Figure::exact(left), Figure::exact(right)));
        }
    };
    plain("unanswered_count", |report| Some(report.unanswered as f64));
    plain("errors_share", errors_share);
    plain("server_cpu_cores", |report| peak(report, |row| row.cpu_cores));
    plain("server_rss_mib", |report| peak(report, |row| row.rss_bytes as f64 / (1024.0 * 1024.0)));
    rows
}

fn errors_share(report: &Report) -> Option<f64> {
    let errors = report.errors.values().sum::<u64>() as f64;
    (report.sent > 0).then(|| errors / report.sent as f64)
}

fn peak(report: &Report, figure: impl Fn(&super::series::Server) -> f64) -> Option<f64> {
    report.series.server.iter().map(figure).max_by(f64::total_cmp)
}

impl Figure {
    fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }
}

/// A percentile with the values whose ranks lie within the deviation of its own rank. Of the largest value nothing is
/// known upwards; downwards its range are the last three values.
fn quantile_ms(histogram: &Histogram, quantile: f64) -> Figure {
    let count = histogram.count() as f64;
    let deviation = DEVIATIONS * (quantile * (1.0 - quantile) / count).sqrt();
    let reach = if quantile < 1.0 { deviation } else { 2.0 / count };
    let ms = |quantile: f64| histogram.at(quantile.clamp(0.0, 1.0)) as f64 / 1_000.0;
    Figure { value: ms(quantile), low: ms(quantile - reach), high: ms(quantile + reach) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::names;
    use crate::report::tests::sample;

    fn with_answers(us: impl Iterator<Item = u64>) -> Report {
        let mut report = sample();
        let mut histogram = Histogram::new();
        us.for_each(|us| histogram.record_us(us));
        report.histograms.insert(names::ANSWER.to_owned(), histogram);
        report
    }

    fn change(before: &Report, after: &Report, name: &str) -> Change {
        rows(before, after).into_iter().find(|row| row.name == name).unwrap().change
    }

    /// Mutations: better and worse exchanged, ranges ignored, the share of 5 % ignored.
    #[test]
    fn only_what_is_clearly_apart_is_faster_or_slower() {
        let base = with_answers((1..=1_000).map(|n| 10_000 + n));
        let slower = with_answers((1..=1_000).map(|n| 20_000 + n));
        assert_eq!(change(&base, &slower, "answer_p99_ms"), Change::Worse);
        assert_eq!(change(&slower, &base, "answer_p99_ms"), Change::Better);
        assert_eq!(change(&base, &base, "answer_p99_ms"), Change::Same);
        // Apart by order, but by 4 %.
        let nearly = with_answers((1..=1_000).map(|n| 10_450 + n));
        assert_eq!(change(&base, &nearly, "answer_p50_ms"), Change::Same);
        // Ten values say little of their 99th percentile.
        let few = with_answers((1..=10).map(|n| n * 1_000));
        let others = with_answers((1..=10).map(|n| n * 1_300));
        assert_eq!(change(&few, &others, "answer_p50_ms"), Change::Same);
    }

    #[test]
    fn a_factor_is_exceeded_only_by_what_is_clearly_worse() {
        let base = with_answers((1..=1_000).map(|n| 10_000 + n));
        let slower = with_answers((1..=1_000).map(|n| 12_500 + n));
        let row = |name: &str| rows(&base, &slower).into_iter().find(|row| row.name == name).unwrap();
        assert!(row("answer_p99_ms").exceeds(1.2) && !row("answer_p99_ms").exceeds(1.3));
        assert!(!row("board_p99_ms").exceeds(0.5), "the same is not worse than anything");
        let mut silent = base.clone();
        silent.unanswered = 1;
        let rows = rows(&base, &silent);
        assert!(rows.iter().any(|row| row.name == "unanswered_count" && row.exceeds(1_000.0)));
    }

    #[test]
    fn plans_that_differ_are_told_and_scenarios_are_refused() {
        let (before, mut after) = (sample(), sample());
        after.plan.insert("buyers".to_owned(), 800.into());
        after.plan.insert("seed".to_owned(), 9.into());
        assert_eq!(differences(&before, &after), ["buyers: 400 / 800"]);
        after.scenario = "ramp".to_owned();
        assert_eq!(comparable(&before, &after).unwrap_err(), "a `burst` cannot be compared with a `ramp`");
    }
}
