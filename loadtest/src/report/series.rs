//! What happened when: counts and readings over time, relative to the intended start T, in buckets that are fine near T
//! and coarser far from it, so that a report of a whole day stays small.
//!
//! A bucket is named by its first millisecond, and [`width_ms`] says by that alone how long it is: parts of a run that
//! were written on several machines therefore have the same buckets.

use serde::{Deserialize, Serialize};

mod build;
mod merge;
pub use build::{Outcome, Recorder};

/// Up to this distance from T (ms), buckets of this width (ms). Every edge is a multiple of the widths on both sides.
const ZONES: [(i64, i64); 5] =
    [(10_000, 10), (60_000, 100), (600_000, 1_000), (3_600_000, 10_000), (DAY_MS, 60_000)];
/// What lies further away counts as a day away.
const DAY_MS: i64 = 86_400_000;

/// How long the bucket is that `t_ms` falls into.
pub fn width_ms(t_ms: i64) -> i64 {
    ZONES.iter().find(|(until, _)| (-until..*until).contains(&t_ms)).map_or(60_000, |(_, width)| *width)
}

/// The first millisecond of the bucket that `t_ms` falls into.
pub fn bucket_ms(t_ms: i64) -> i64 {
    let t_ms = t_ms.clamp(-DAY_MS, DAY_MS - 1);
    t_ms - t_ms.rem_euclid(width_ms(t_ms))
}

/// The plots' numbers; each row is an array in the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// How many answers arrived in each bucket. Near T a bucket is 10 ms; further away it is [`width_ms`] long, and
    /// the count is of the whole bucket.
    #[serde(default)]
    pub answers_per_10ms: Vec<Answers>,
    #[serde(default)]
    pub board_lag: Vec<BoardLag>,
    #[serde(default)]
    pub sockets: Vec<Sockets>,
    #[serde(default)]
    pub server: Vec<Server>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, u64, u64, u64)", into = "(i64, u64, u64, u64)")]
pub struct Answers {
    pub t_ms: i64,
    pub yes: u64,
    pub no: u64,
    pub error: u64,
}

/// From a change to its arrival at the boards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, u64, u64)", into = "(i64, u64, u64)")]
pub struct BoardLag {
    pub t_ms: i64,
    pub p50_us: u64,
    pub max_us: u64,
}

/// Open at the end of the bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, u64)", into = "(i64, u64)")]
pub struct Sockets {
    pub t_ms: i64,
    pub open: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "(i64, f64, u64)", into = "(i64, f64, u64)")]
pub struct Server {
    pub t_ms: i64,
    /// Cores busy since the reading before: 1.5 is one and a half.
    pub cpu_cores: f64,
    pub rss_bytes: u64,
}

/// Named in the program, an array in the file.
macro_rules! row {
    ($row:ident { $($field:ident: $kind:ty),+ }) => {
        impl From<($($kind,)+)> for $row {
            fn from(($($field,)+): ($($kind,)+)) -> Self {
                Self { $($field),+ }
            }
        }
        impl From<$row> for ($($kind,)+) {
            fn from(row: $row) -> Self {
                ($(row.$field,)+)
            }
        }
    };
}

row!(Answers { t_ms: i64, yes: u64, no: u64, error: u64 });
row!(BoardLag { t_ms: i64, p50_us: u64, max_us: u64 });
row!(Sockets { t_ms: i64, open: u64 });
row!(Server { t_ms: i64, cpu_cores: f64, rss_bytes: u64 });

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_are_fine_near_the_start_and_coarse_far_away() {
        for (t_ms, bucket, width) in [
            (0, 0, 10),
            (-1, -10, 10),
            (9_999, 9_990, 10),
            (10_000, 10_000, 100),
            (-10_000, -10_000, 10),
            (-10_001, -10_100, 100),
            (59_999, 59_900, 100),
            (61_234, 61_000, 1_000),
            (3_599_999, 3_590_000, 10_000),
            (3_661_000, 3_660_000, 60_000),
            (i64::MAX, DAY_MS - 60_000, 60_000),
            (i64::MIN, -DAY_MS, 60_000),
        ] {
            assert_eq!((bucket_ms(t_ms), width_ms(bucket_ms(t_ms))), (bucket, width), "{t_ms}");
        }
    }

    proptest! {
        /// Buckets neither overlap nor leave a gap: each moment lies in the one it is counted in.
        #[test]
        fn a_bucket_holds_what_is_counted_in_it(t_ms in -DAY_MS..DAY_MS) {
            let bucket = bucket_ms(t_ms);
            prop_assert!((bucket..bucket + width_ms(bucket)).contains(&t_ms));
            prop_assert_eq!(bucket_ms(bucket), bucket);
            prop_assert_eq!(bucket_ms(bucket + width_ms(bucket) - 1), bucket);
        }
    }

    #[test]
    fn rows_are_arrays() {
        let series = Series {
            answers_per_10ms: vec![Answers { t_ms: -10, yes: 1, no: 2, error: 3 }],
            server: vec![Server { t_ms: 0, cpu_cores: 1.5, rss_bytes: 9 }],
            ..Series::default()
        };
        let json = serde_json::to_value(&series).unwrap();
        assert_eq!(json["answers_per_10ms"], serde_json::json!([[-10, 1, 2, 3]]));
        assert_eq!(json["server"], serde_json::json!([[0, 1.5, 9]]));
        assert_eq!(serde_json::from_value::<Series>(json).unwrap(), series);
    }
}
