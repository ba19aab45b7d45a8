//! What is made of many measurements: percentiles of one run, the median of several runs with the least and the most.

use serde::Serialize;

/// The value below which `share` of the sorted values lie; the nearest rank, so that it is one that was measured.
pub fn percentile(sorted: &[u32], share: f64) -> u32 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

/// One figure over several runs.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub unit: &'static str,
    pub runs: Vec<f64>,
}

impl Figure {
    pub fn new(unit: &'static str) -> Self {
        Self { unit, runs: Vec::new() }
    }

    pub fn of(unit: &'static str, runs: impl IntoIterator<Item = f64>) -> Self {
        Self { unit, runs: runs.into_iter().collect() }
    }

    pub fn push(&mut self, value: f64) {
        self.runs.push(value);
    }

    /// The middle run; of an even number the mean of the two in the middle. Not a number when nothing was measured.
    pub fn median(&self) -> f64 {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    pub fn least(&self) -> f64 {
        self.runs.iter().copied().fold(f64::NAN, f64::min)
    }

    pub fn most(&self) -> f64 {
        self.runs.iter().copied().fold(f64::NAN, f64::max)
    }

    /// `71,204 /s (70,110–72,020)`.
    pub fn words(&self) -> String {
        let shown = |value: f64| number(value);
        let median = shown(self.median());
        if self.runs.len() < 2 {
            return format!("{median} {}", self.unit);
        }
        format!("{median} {} ({}–{})", self.unit, shown(self.least()), shown(self.most()))
    }
}

/// Three significant digits or all before the point, thousands apart.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match rest {
        Some(rest) => format!("{sign}{grouped}.{rest}"),
        None => format!("{sign}{grouped}"),
    }
}

/// What a goal asks of a ratio or a figure.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    /// By how much the value misses the bound, as a share of it; `None` when it is met. What could not be computed is
    /// a miss of everything.
    pub fn missed_by(self, value: f64) -> Option<f64> {
        match self {
            _ if !value.is_finite() => Some(f64::INFINITY),
            Self::AtLeast(least) => (value < least).then(|| (least - value) / least),
            Self::AtMost(0.0) => (value > 0.0).then_some(f64::INFINITY),
            Self::AtMost(most) => (value > most).then(|| (value - most) / most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred: Vec<u32> = (1..=100).collect();
        for (share, expected) in [(0.0, 1), (0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100)] {
            assert_eq!(percentile(&hundred, share), expected, "{share}");
        }
        assert_eq!(percentile(&[], 0.99), 0);
        assert_eq!(percentile(&[7], 0.01), 7);
    }

    /// Mutation that turned it red: the median taken of the runs in the order in which they ran.
    #[test]
    fn a_figure_tells_its_middle_run_and_its_spread() {
        let figure = Figure::of("/s", [71_204.0, 70_110.0, 72_020.0]);
        assert_eq!(figure.words(), "71,204 /s (70,110–72,020)");
        assert!((Figure::of("ms", [1.0, 9.0, 2.0, 3.0]).median() - 2.5).abs() < 1e-9);
        assert_eq!(Figure::of("ms", [4.256]).words(), "4.26 ms");
        assert_eq!(Figure::new("ms").words(), "– ms");
    }

    #[test]
    fn numbers_are_as_exact_as_they_can_be_read() {
        let cases = [
            (0.123_4, "0.12"),
            (12.34, "12.3"),
            (999.6, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-1_000.0, "-1,000"),
        ];
        for (value, words) in cases {
            assert_eq!(number(value), words);
        }
    }

    /// Mutation that turned it red: a figure that is not a number let pass.
    #[test]
    fn a_bound_says_by_how_much_it_is_missed() {
        assert_eq!(Bound::AtLeast(0.9).missed_by(0.9), None);
        assert!((Bound::AtLeast(0.8).missed_by(0.6).unwrap() - 0.25).abs() < 1e-9);
        assert_eq!(Bound::AtMost(1.3).missed_by(1.2), None);
        assert!((Bound::AtMost(2.0).missed_by(3.0).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(Bound::AtMost(0.0).missed_by(0.0), None);
        assert!(Bound::AtMost(0.0).missed_by(1.0).is_some());
        assert!(Bound::AtLeast(1.0).missed_by(f64::NAN).is_some());
    }
}
