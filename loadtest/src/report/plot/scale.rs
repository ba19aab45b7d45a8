//! Where a value stands on a plot, and which values the axes name. Pure arithmetic.

/// A straight axis from a range of values to a range of the drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub from: (f64, f64),
    pub to: (f64, f64),
}

impl Scale {
    /// Values outside the range stay at its edge; a range without an extent has everything at its start.
    pub fn at(&self, value: f64) -> f64 {
        let extent = self.from.1 - self.from.0;
        let share = if extent > 0.0 { ((value - self.from.0) / extent).clamp(0.0, 1.0) } else { 0.0 };
        self.to.0 + share * (self.to.1 - self.to.0)
    }
}

/// The smallest of 1, 2, 5, 10, 20, 50 … that is not below `value`; the axis of nothing ends at 1.
pub fn round_up(value: f64) -> f64 {
    if value.is_nan() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|step| *step >= value * 0.999_999)
        .unwrap_or(value)
}

/// Four or five even steps from 0 to at least `most`; the last one is the end of the axis.
pub fn even_ticks(most: f64) -> Vec<f64> {
    let step = round_up(most / 5.0);
    let steps = (most / step - 1e-9).ceil().max(1.0) as u32;
    (0..=steps).map(|n| f64::from(n) * step).collect()
}

/// 1, 2, 5, 10, 20, 50 … from at most `least` to at least `most`; over more than three decades only the powers of ten.
pub fn log_ticks(least: f64, most: f64) -> Vec<f64> {
    let least = least.max(f64::MIN_POSITIVE);
    let most = most.max(least);
    let digits: &[f64] = if most / least > 1_000.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let first = least.log10().floor() as i32;
    let last = most.log10().ceil() as i32 + 1;
    let all: Vec<f64> =
        (first..=last).flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power))).collect();
    let start = all.iter().rposition(|tick| *tick <= least * 1.000_001).unwrap_or(0);
    let end = all.iter().position(|tick| *tick >= most * 0.999_999).unwrap_or(all.len() - 1);
    // An axis needs two ends, also for a single value.
    all[start..=end.max(start + 1).min(all.len() - 1)].to_vec()
}

/// How far a share of all values stands on HdrHistogram's axis, where each further nine takes the same room: the
/// logarithm of 1 / (1 − q). `count` values say nothing beyond 1 − 1 / count, so the largest one stands there.
pub fn nines(quantile: f64, count: u64) -> f64 {
    let most = (count.max(10) as f64).log10();
    let left = 1.0 - quantile;
    if left <= 0.0 { most } else { (-left.log10()).clamp(0.0, most) }
}

/// The shares that the axis names for `count` values: 0, then a nine more each time.
pub fn nine_ticks(count: u64) -> Vec<(f64, String)> {
    let mut ticks = vec![(0.0, "0".to_owned()), (0.5, "50".to_owned())];
    for digits in 1..=7_u32 {
        if 10_u64.pow(digits) > count.max(10) {
            break;
        }
        let name = match digits {
            1 => "90".to_owned(),
            2 => "99".to_owned(),
            more => format!("99.{}", "9".repeat(more as usize - 2)),
        };
        ticks.push((1.0 - 10_f64.powi(-(digits as i32)), name));
    }
    ticks
}

/// The shortest of 10, 20, 50, 100 … ms of which at most `columns` cover `span_ms`.
pub fn column_ms(span_ms: i64, columns: i64) -> i64 {
    let mut width = 10;
    let mut factors = [2, 5, 10].into_iter().cycle();
    let mut power = 10_i64;
    while span_ms > width * columns {
        let factor = factors.next().unwrap_or(10);
        width = power * factor;
        if factor == 10 {
            power = width;
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Mutations: no clamp, the axis reversed, a division by an empty range.
    #[test]
    fn a_scale_maps_its_range_and_nothing_beyond() {
        let scale = Scale { from: (0.0, 10.0), to: (200.0, 0.0) };
        for (value, at) in [(0.0, 200.0), (5.0, 100.0), (10.0, 0.0), (11.0, 0.0), (-1.0, 200.0)] {
            assert_eq!(scale.at(value), at);
        }
        assert_eq!(Scale { from: (3.0, 3.0), to: (0.0, 9.0) }.at(3.0), 0.0);
    }

    #[test]
    fn axes_end_on_round_figures() {
        for (value, up) in
            [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (3.0, 5.0), (70.0, 100.0), (0.03, 0.05), (2.0, 2.0)]
        {
            assert!((round_up(value) - up).abs() < up * 1e-9, "{value}: {}", round_up(value));
        }
        assert_eq!(even_ticks(10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(even_ticks(11.0), [0.0, 5.0, 10.0, 15.0]);
        assert_eq!(even_ticks(0.0), [0.0, 1.0]);
        assert_eq!(log_ticks(3.0, 40.0), [2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(log_ticks(1.0, 100_000.0), [1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0]);
        assert_eq!(log_ticks(5.0, 5.0), [5.0, 10.0]);
    }

    /// Mutations: the largest of 100 values drawn at 99.99 %, q = 1 at infinity.
    #[test]
    fn each_nine_takes_the_same_room() {
        for (quantile, count, at) in
            [(0.0, 1_000, 0.0), (0.9, 1_000, 1.0), (0.99, 1_000, 2.0), (1.0, 1_000, 3.0), (0.9999, 100, 2.0)]
        {
            assert!((nines(quantile, count) - at).abs() < 1e-9, "{quantile} of {count}");
        }
        assert_eq!(nines(1.0, 0), 1.0);
        let names: Vec<_> = nine_ticks(10_000).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["0", "50", "90", "99", "99.9", "99.99"]);
        assert_eq!(nine_ticks(5).len(), 3);
    }

    #[test]
    fn columns_are_round() {
        for (span, width) in [
            (0, 10),
            (1_600, 10),
            (1_601, 20),
            (3_201, 50),
            (8_001, 100),
            (16_001, 200),
            (86_400_000, 1_000_000),
        ] {
            assert_eq!(column_ms(span, 160), width, "{span}");
        }
    }

    proptest! {
        #[test]
        fn ticks_embrace_every_value(least in 1e-3_f64..1e6, factor in 1.0_f64..1e6) {
            let most = least * factor;
            let ticks = log_ticks(least, most);
            prop_assert!(ticks.len() >= 2 && ticks.len() < 16, "{ticks:?}");
            prop_assert!(ticks[0] <= least * 1.00001 && *ticks.last().unwrap() >= most * 0.9999, "{ticks:?}");
            prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]));
            let even = even_ticks(most);
            prop_assert!(even[0] == 0.0 && *even.last().unwrap() >= most * 0.9999 && even.len() <= 7, "{even:?}");
        }
    }
}
