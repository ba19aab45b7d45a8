//! A histogram of durations in microseconds: three digits kept, counts exact, so that parts add up to the whole.
//!
//! Written as its figures and the HdrHistogram V2 deflate encoding, which every HdrHistogram tool reads. The figures are
//! for people; the encoding is what is merged and drawn, and a file whose figures say something else is refused.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// Nothing that is measured takes longer than an hour; what did would be counted as an hour.
const HIGHEST_US: u64 = 3_600_000_000;
const DIGITS: u8 = 3;
/// Far above what any histogram of ours needs; a longer text is not one of ours and is not unpacked.
const ENCODED_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    counts: hdrhistogram::Histogram<u64>,
}

/// A value that this share of all recorded values do not exceed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// 0 to 1.
    pub quantile: f64,
    pub us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    pub fn new() -> Self {
        #[allow(
            clippy::expect_used,
            reason = "constant bounds, which every test of this file passes through"
        )]
        let counts = hdrhistogram::Histogram::new_with_bounds(1, HIGHEST_US, DIGITS).expect("valid bounds");
        Self { counts }
    }

    pub fn record(&mut self, took: Duration) {
        self.record_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn record_us(&mut self, us: u64) {
        self.counts.saturating_record(us);
    }

    /// Adds what another thread or another machine recorded; no count is lost or rounded.
    pub fn merge(&mut self, other: &Self) {
        for step in other.counts.iter_recorded() {
            self.counts.saturating_record_n(step.value_iterated_to(), step.count_at_value());
        }
    }

    pub fn count(&self) -> u64 {
        self.counts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The value that `quantile` (0 to 1) of the recorded ones do not exceed; 0 where nothing was recorded.
    pub fn at(&self, quantile: f64) -> u64 {
        self.counts.value_at_quantile(quantile).min(self.max_us())
    }

    pub fn max_us(&self) -> u64 {
        self.counts.max()
    }

    /// Steps from the least to the largest value, closer and closer towards 1, for the plot of percentiles: `per_half`
    /// of them for each halving of what is left.
    pub fn steps(&self, per_half: u32) -> Vec<Step> {
        self.counts
            .iter_quantiles(per_half)
            .map(|step| Step {
                quantile: step.quantile_iterated_to(),
                us: step.value_iterated_to().min(self.max_us()),
            })
            .collect()
    }
}

/// How a histogram stands in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    unit: String,
    count: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
    hdr: String,
}

impl Written {
    fn of(histogram: &Histogram) -> Result<Self, String> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&histogram.counts, &mut bytes)
            .map_err(|error| format!("a histogram cannot be written: {error}"))?;
        Ok(Self {
            unit: "us".to_owned(),
            count: histogram.count(),
            p50: histogram.at(0.5),
            p90: histogram.at(0.9),
            p99: histogram.at(0.99),
            p999: histogram.at(0.999),
            max: histogram.max_us(),
            hdr: BASE64.encode(bytes),
        })
    }
}

impl Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::of(self).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(&Written::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn read(written: &Written) -> Result<Histogram, String> {
    if written.unit != "us" {
        return Err(format!("a histogram in `{}`, not in `us`", written.unit));
    }
    if written.hdr.len() > ENCODED_BYTES_MAX {
        return Err("a histogram of more than 1 MiB".to_owned());
    }
    let bytes =
        BASE64.decode(&written.hdr).map_err(|error| format!("a histogram that is not base64: {error}"))?;
    let counts: hdrhistogram::Histogram<u64> = Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| format!("not an HdrHistogram V2: {error}"))?;
    let mut histogram = Histogram::new();
    histogram.merge(&Histogram { counts });
    // The figures are what people quote, the encoding is what we compute with: they must be of one run.
    let again = Written::of(&histogram)?;
    if (again.count, again.p50, again.p90, again.p99, again.p999, again.max)
        != (written.count, written.p50, written.p90, written.p99, written.p999, written.max)
    {
        return Err("a histogram whose figures are not those of its encoding".to_owned());
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|us| histogram.record_us(*us));
        histogram
    }

    #[test]
    fn figures_are_of_the_values_to_three_digits() {
        let histogram = of(&(1..=1_000).collect::<Vec<_>>());
        assert_eq!((histogram.count(), histogram.at(0.5), histogram.at(0.99)), (1_000, 500, 990));
        assert_eq!(histogram.max_us(), 1_000);
        let few = of(&[7, 7, 9]);
        assert_eq!((few.count(), few.at(0.5), few.max_us()), (3, 7, 9), "small values are kept as they are");
        assert_eq!((Histogram::new().at(0.99), Histogram::new().max_us()), (0, 0));
        let hour = of(&[u64::MAX]);
        assert!(
            hour.max_us().abs_diff(HIGHEST_US) * 1_000 < HIGHEST_US,
            "more than an hour counts as an hour"
        );
    }

    /// Mutations: `hdr` taken from another run, a figure mended by hand, another unit.
    #[test]
    fn a_file_that_was_mended_by_hand_is_refused() {
        let honest = serde_json::to_value(of(&[5, 70, 900_000])).unwrap();
        for (field, value, says) in [
            ("p99", serde_json::json!(70), "whose figures are not those"),
            ("count", serde_json::json!(4), "whose figures are not those"),
            ("unit", serde_json::json!("ms"), "in `ms`"),
            ("hdr", serde_json::json!("AAAA"), "not an HdrHistogram"),
            ("hdr", serde_json::json!("…"), "not base64"),
        ] {
            let mut lie = honest.clone();
            lie[field] = value;
            let error = serde_json::from_value::<Histogram>(lie).unwrap_err().to_string();
            assert!(error.contains(says), "{field}: {error}");
        }
    }

    #[test]
    fn steps_run_up_to_the_largest_value() {
        let steps = of(&(1..=10_000).collect::<Vec<_>>()).steps(5);
        assert!(
            steps.windows(2).all(|pair| pair[0].quantile <= pair[1].quantile && pair[0].us <= pair[1].us)
        );
        assert_eq!(steps.last().map(|step| (step.quantile, step.us)), Some((1.0, 10_007)));
        assert!(Histogram::new().steps(5).is_empty());
    }

    proptest! {
        /// What is written is read with every count, and parts written by two machines add up to the whole.
        #[test]
        fn parts_that_were_written_and_read_add_up(
            left in prop::collection::vec(0_u64..4_000_000_000, 0..300),
            right in prop::collection::vec(0_u64..50_000, 0..300),
        ) {
            let whole = of(&left.iter().chain(&right).copied().collect::<Vec<_>>());
            let [mut sum, part] = [&left, &right].map(|values| {
                let text = serde_json::to_string(&of(values)).unwrap();
                serde_json::from_str::<Histogram>(&text).unwrap()
            });
            sum.merge(&part);
            prop_assert_eq!(serde_json::to_value(&sum).unwrap(), serde_json::to_value(&whole).unwrap());
        }
    }
}
