//! Collects the series while a run goes on: one a thread, added up at the end. Its size is bounded by the number of
//! buckets, not by the number of answers or sockets.

use std::collections::BTreeMap;

use super::{Answers, BoardLag, Series, Server, Sockets, bucket_ms};

/// What a tap came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Yes,
    No,
    Error,
}

#[derive(Debug, Clone, Default)]
pub struct Recorder {
    answers: BTreeMap<i64, Answers>,
    board: BTreeMap<i64, Lags>,
    /// Opened less closed in each bucket: sums of threads add up, the number open follows at the end.
    sockets: BTreeMap<i64, i64>,
    server: BTreeMap<i64, Readings>,
}

/// Lags of one bucket by the power of √2 they reach: some hundred bytes a bucket instead of a value a board, and a
/// median that is at most a fifth off, which no eye sees on a plot. Figures come from the histogram, not from here.
#[derive(Debug, Clone, Default)]
struct Lags {
    counts: BTreeMap<u8, u64>,
    max_us: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Readings {
    count: u32,
    cpu_cores_sum: f64,
    rss_bytes_max: u64,
}

impl Recorder {
    pub fn answered(&mut self, t_ms: i64, outcome: Outcome) {
        let row = self.answers.entry(bucket_ms(t_ms)).or_default();
        match outcome {
            Outcome::Yes => row.yes += 1,
            Outcome::No => row.no += 1,
            Outcome::Error => row.error += 1,
        }
    }

    /// A change reached one board.
    pub fn board(&mut self, t_ms: i64, lag_us: u64) {
        let lags = self.board.entry(bucket_ms(t_ms)).or_default();
        *lags.counts.entry(half_power(lag_us)).or_default() += 1;
        lags.max_us = lags.max_us.max(lag_us);
    }

    pub fn socket_opened(&mut self, t_ms: i64) {
        *self.sockets.entry(bucket_ms(t_ms)).or_default() += 1;
    }

    pub fn socket_closed(&mut self, t_ms: i64) {
        *self.sockets.entry(bucket_ms(t_ms)).or_default() -= 1;
    }

    pub fn server(&mut self, t_ms: i64, cpu_cores: f64, rss_bytes: u64) {
        let readings = self.server.entry(bucket_ms(t_ms)).or_default();
        readings.count += 1;
        readings.cpu_cores_sum += cpu_cores;
        readings.rss_bytes_max = readings.rss_bytes_max.max(rss_bytes);
    }

    /// Adds what another thread of the same run collected.
    pub fn merge(&mut self, other: Self) {
        for (bucket, more) in other.answers {
            let row = self.answers.entry(bucket).or_default();
            row.yes += more.yes;
            row.no += more.no;
            row.error += more.error;
        }
        for (bucket, more) in other.board {
            let lags = self.board.entry(bucket).or_default();
            lags.max_us = lags.max_us.max(more.max_us);
            for (step, count) in more.counts {
                *lags.counts.entry(step).or_default() += count;
            }
        }
        for (bucket, more) in other.sockets {
            *self.sockets.entry(bucket).or_default() += more;
        }
        for (bucket, more) in other.server {
            let readings = self.server.entry(bucket).or_default();
            readings.count += more.count;
            readings.cpu_cores_sum += more.cpu_cores_sum;
            readings.rss_bytes_max = readings.rss_bytes_max.max(more.rss_bytes_max);
        }
    }

    pub fn finish(self) -> Series {
        let mut open = 0_i64;
        Series {
            answers_per_10ms: self.answers.into_iter().map(|(t_ms, row)| Answers { t_ms, ..row }).collect(),
            board_lag: self
                .board
                .into_iter()
                .map(|(t_ms, lags)| BoardLag { t_ms, p50_us: lags.median_us(), max_us: lags.max_us })
                .collect(),
            sockets: self
                .sockets
                .into_iter()
                .map(|(t_ms, change)| {
                    open += change;
                    Sockets { t_ms, open: u64::try_from(open).unwrap_or(0) }
                })
                .collect(),
            server: self
                .server
                .into_iter()
                .map(|(t_ms, readings)| Server {
                    t_ms,
                    cpu_cores: readings.cpu_cores_sum / f64::from(readings.count.max(1)),
                    rss_bytes: readings.rss_bytes_max,
                })
                .collect(),
        }
    }
}

impl Lags {
    fn median_us(&self) -> u64 {
        let half = self.counts.values().sum::<u64>().div_ceil(2);
        let mut seen = 0;
        for (step, count) in &self.counts {
            seen += count;
            if seen >= half {
                return middle_us(*step).min(self.max_us);
            }
        }
        0
    }
}

/// Twice the logarithm to base 2, rounded down; 0 for less than 2 µs.
fn half_power(us: u64) -> u8 {
    let Some(power) = us.checked_ilog2() else { return 0 };
    // Past √2 of the power, compared without leaving the integers: us² ≥ 2 · 4^power.
    let upper = u128::from(us) * u128::from(us) >= 2_u128 << (2 * power);
    u8::try_from(2 * power + u32::from(upper)).unwrap_or(u8::MAX)
}

/// The middle of a step, by its logarithm.
fn middle_us(step: u8) -> u64 {
    ((f64::from(step) + 0.5) / 2.0).exp2() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_on_the_plot_is_within_a_fifth() {
        for us in [1_u64, 3, 900, 47_000, 50_000, 1_000_000, 60_000_000] {
            let mut recorder = Recorder::default();
            for lag_us in [us / 10, us, us, us, us * 20] {
                recorder.board(5, lag_us);
            }
            let row = recorder.finish().board_lag[0];
            assert_eq!((row.t_ms, row.max_us), (0, us * 20));
            assert!(row.p50_us.abs_diff(us) * 5 <= us.max(5), "{us} µs became {}", row.p50_us);
        }
    }

    #[test]
    fn threads_add_up() {
        let (mut one, mut two) = (Recorder::default(), Recorder::default());
        one.socket_opened(-5_000);
        two.socket_opened(-5_000);
        two.socket_opened(-4_000);
        // Opened on one thread, closed by another: only the sum means anything.
        one.socket_closed(12);
        one.answered(3, Outcome::Yes);
        two.answered(7, Outcome::No);
        two.answered(-3, Outcome::Error);
        one.server(100, 1.0, 10);
        two.server(101, 2.0, 30);
        one.board(50, 2_000);
        two.board(51, 9_000);
        one.merge(two);
        let series = one.finish();
        assert_eq!((series.board_lag.len(), series.board_lag[0].max_us), (1, 9_000));
        assert_eq!(
            series.answers_per_10ms,
            [Answers { t_ms: -10, yes: 0, no: 0, error: 1 }, Answers { t_ms: 0, yes: 1, no: 1, error: 0 }]
        );
        let open: Vec<_> = series.sockets.iter().map(|row| (row.t_ms, row.open)).collect();
        assert_eq!(open, [(-5_000, 2), (-4_000, 3), (10, 2)]);
        assert_eq!(series.server, [Server { t_ms: 100, cpu_cores: 1.5, rss_bytes: 30 }]);
    }

    /// A day of answers every millisecond: the report stays as small as its buckets.
    #[test]
    fn a_day_is_bounded() {
        let mut recorder = Recorder::default();
        for second in -86_400_i64..86_400 {
            for ms in (0..1_000).step_by(50) {
                recorder.answered(second * 1_000 + ms, Outcome::No);
            }
        }
        assert!(recorder.finish().answers_per_10ms.len() < 8_000);
    }
}
