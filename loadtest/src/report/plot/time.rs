//! What happened when: columns and lines over the time from the intended start T. A series of a whole day and one of a
//! tenth of a second are brought to the same number of columns here.

use super::scale::{Scale, column_ms, even_ticks};
use super::{BOTTOM, LEFT, RIGHT, TOP, Tick, drawing, frame, label, line, path, rect, short, upright};
use crate::report::html::markup::Markup;
use crate::report::series::{Answers, width_ms};

/// As many columns as can be told apart.
const COLUMNS: i64 = 160;
/// The part of the answers that the columns must show; a straggler would otherwise squeeze the burst into one column.
const SHOWN_SHARE: f64 = 0.999;

/// Units of the drawing.
const ERROR_HEIGHT_MIN: f64 = 3.0;

/// Answers in columns of equal width.
#[derive(Debug, PartialEq)]
pub struct Columns {
    pub width_ms: i64,
    /// First millisecond, then yes, no and errors.
    pub rows: Vec<(i64, [f64; 3])>,
    /// Answers after the last column.
    pub later: u64,
}

/// Brings buckets of several widths to columns of one: narrower buckets are added up, wider ones spread evenly.
pub fn columns(answers: &[Answers]) -> Option<Columns> {
    let total: u64 = answers.iter().map(|row| row.yes + row.no + row.error).sum();
    let first = answers.first()?.t_ms;
    let mut seen = 0;
    let mut end = first;
    let mut early_end = None;
    for row in answers {
        seen += row.yes + row.no + row.error;
        end = row.t_ms + width_ms(row.t_ms);
        if early_end.is_none() && seen as f64 >= total as f64 * SHOWN_SHARE {
            early_end = Some(end);
        }
    }
    // Only where it helps: four times as fine.
    let cut = early_end.filter(|early| (early - first) * 4 < end - first).unwrap_or(end);
    let width = column_ms(cut - first, COLUMNS);
    let start = first.div_euclid(width) * width;
    let count = usize::try_from((cut - start + width - 1) / width).ok()?;
    let mut rows: Vec<(i64, [f64; 3])> =
        (start..).step_by(usize::try_from(width).ok()?).take(count).map(|t_ms| (t_ms, [0.0; 3])).collect();
    let mut later = 0;
    for row in answers {
        if row.t_ms >= cut {
            later += row.yes + row.no + row.error;
            continue;
        }
        let bucket = (row.t_ms, row.t_ms + width_ms(row.t_ms));
        for (t_ms, column) in &mut rows {
            let shared = bucket.1.min(*t_ms + width) - bucket.0.max(*t_ms);
            if shared > 0 {
                let share = shared as f64 / (bucket.1 - bucket.0) as f64;
                for (cell, count) in column.iter_mut().zip([row.yes, row.no, row.error]) {
                    *cell += count as f64 * share;
                }
            }
        }
    }
    Some(Columns { width_ms: width, rows, later })
}

/// Yes, no and errors stacked.
pub fn stacked(out: &mut Markup, described: &str, columns: &Columns) {
    let most = columns.rows.iter().map(|(_, cells)| cells.iter().sum::<f64>()).fold(0.0, f64::max);
    let (first, last) = match (columns.rows.first(), columns.rows.last()) {
        (Some((first, _)), Some((last, _))) => (*first, *last + columns.width_ms),
        _ => return,
    };
    let (scale, up) = upright(most);
    let across = Scale { from: (first as f64, last as f64), to: (LEFT, RIGHT) };
    drawing(out, described, |svg| {
        frame(svg, &time_ticks(first, last, &across), &up);
        for (t_ms, cells) in &columns.rows {
            let x = across.at(*t_ms as f64);
            let width = (across.at((*t_ms + columns.width_ms) as f64) - x - 0.4).max(0.4);
            let mut below = 0.0;
            // A single error among a thousand answers must be seen.
            let least = |class: &str| if class == "error" { ERROR_HEIGHT_MIN } else { 0.0 };
            for (class, (count, name)) in
                ["yes", "no", "error"].into_iter().zip(cells.iter().zip(["YES", "NO", "ERROR"]))
            {
                if *count > 0.0 {
                    let foot = scale.at(below);
                    let y = scale.at(below + count).min(foot - least(class));
                    let title = format!("{}: {name} {count:.0}", time_name(*t_ms, far(first, last)));
                    rect(svg, class, (x, y), (width, foot - y), &title);
                    below += count;
                }
            }
        }
        start_mark(svg, first, last, &across);
    });
}

/// A line of a plot over time: its class, its name, its points.
pub struct Line<'a> {
    pub class: &'static str,
    pub name: &'a str,
    pub points: Vec<(i64, f64)>,
    /// A reading says nothing of the time after it; a count stays as it is until it changes.
    pub is_count: bool,
}

/// Lines over time.
pub fn lines(out: &mut Markup, described: &str, unit: &str, lines: &[Line<'_>]) {
    let moments = || lines.iter().flat_map(|line| line.points.iter().map(|(t_ms, _)| *t_ms));
    let (Some(first), Some(last)) = (moments().min(), moments().max()) else { return };
    let last = last.max(first + 1);
    let most = lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value).fold(0.0, f64::max);
    let (scale, up) = upright(most);
    let across = Scale { from: (first as f64, last as f64), to: (LEFT, RIGHT) };
    let width = column_ms(last - first, COLUMNS);
    drawing(out, described, |svg| {
        frame(svg, &time_ticks(first, last, &across), &up);
        for line in lines {
            for run in runs(line, width) {
                let points: Vec<_> = run
                    .into_iter()
                    .map(|(t_ms, value)| {
                        let moment = time_name(t_ms, far(first, last));
                        let title = format!("{moment}: {} {value:.1} {unit}", line.name);
                        (across.at(t_ms as f64), scale.at(value), title)
                    })
                    .collect();
                path(svg, line.class, &points);
            }
        }
        start_mark(svg, first, last, &across);
    });
}

/// The pieces of a line. Across a silence none is drawn: it would show values that nobody measured.
fn runs(line: &Line<'_>, width: i64) -> Vec<Vec<(i64, f64)>> {
    let shown = extremes(&line.points, width);
    if line.is_count {
        let mut steps = Vec::with_capacity(2 * shown.len());
        for (t_ms, value) in shown {
            if let Some((_, before)) = steps.last().copied() {
                steps.push((t_ms, before));
            }
            steps.push((t_ms, value));
        }
        return vec![steps];
    }
    let silence_ms = (5 * width).max(1_000);
    shown.chunk_by(|left, right| right.0 - left.0 <= silence_ms).map(<[_]>::to_vec).collect()
}

/// The least and the largest value of each column, each at its own moment: neither a peak nor a fall is lost.
fn extremes(points: &[(i64, f64)], width: i64) -> Vec<(i64, f64)> {
    let column = |point: &(i64, f64)| point.0.div_euclid(width);
    let mut out = Vec::new();
    for points in points.chunk_by(|left, right| column(left) == column(right)) {
        let by_value = |left: &&(i64, f64), right: &&(i64, f64)| left.1.total_cmp(&right.1);
        let least = points.iter().min_by(by_value).copied();
        let largest = points.iter().max_by(by_value).copied();
        let mut ends: Vec<_> = [least, largest].into_iter().flatten().collect();
        ends.sort_by_key(|point| point.0);
        ends.dedup();
        out.extend(ends);
    }
    out
}

/// T itself, where the plot reaches across it.
fn start_mark(svg: &mut Markup, first: i64, last: i64, across: &Scale) {
    if first < 0 && last > 0 {
        let x = across.at(0.0);
        line(svg, "start", (x, TOP), (x, BOTTOM));
        label(svg, "middle", (x, TOP - 3.0), "T");
    }
}

fn time_ticks(first: i64, last: i64, across: &Scale) -> Vec<Tick> {
    let steps = even_ticks((last - first) as f64);
    let step = steps.get(1).copied().unwrap_or(1.0).max(1.0) as i64;
    let start = first.div_euclid(step) * step + if first.rem_euclid(step) == 0 { 0 } else { step };
    (0..)
        .map(|n| start + n * step)
        .take_while(|t_ms| *t_ms <= last)
        .map(|t_ms| Tick { at: across.at(t_ms as f64), name: time_name(t_ms, far(first, last)) })
        .collect()
}

/// How far an axis reaches from T.
fn far(first: i64, last: i64) -> i64 {
    first.abs().max(last.abs())
}

/// A moment relative to T, in the unit that suits how far the axis reaches.
fn time_name(t_ms: i64, far_ms: i64) -> String {
    let t = t_ms as f64;
    let (unit_ms, unit) = if far_ms < 5_000 {
        (1.0, "ms")
    } else if far_ms < 300_000 {
        (1_000.0, "s")
    } else if far_ms < 18_000_000 {
        (60_000.0, "min")
    } else {
        (3_600_000.0, "h")
    };
    format!("{} {unit}", short_signed(t / unit_ms))
}

fn short_signed(value: f64) -> String {
    if value < 0.0 { format!("−{}", short(-value)) } else { short(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(t_ms: i64, yes: u64, no: u64, error: u64) -> Answers {
        Answers { t_ms, yes, no, error }
    }

    /// Mutations: a bucket of 100 ms drawn as a peak of 10 ms, the straggler squeezing the burst, its count lost.
    #[test]
    fn a_burst_keeps_its_columns_beside_a_straggler() {
        let mut answers: Vec<_> = (0..20).map(|n| row(n * 10, 1, 50, 0)).collect();
        answers.push(row(15_000, 0, 1, 0));
        let found = columns(&answers).unwrap();
        assert_eq!((found.width_ms, found.rows.len(), found.later), (10, 20, 1));
        assert_eq!(found.rows[3], (30, [1.0, 50.0, 0.0]));

        let spread = columns(&[row(9_990, 0, 10, 0), row(10_000, 0, 100, 0)]).unwrap();
        assert_eq!((spread.width_ms, spread.rows.len()), (10, 11));
        assert!(spread.rows.iter().all(|(_, cells)| (cells[1] - 10.0).abs() < 1e-9), "{spread:?}");
        assert_eq!(columns(&[]), None);
    }

    proptest! {
        /// Every answer is drawn once, or counted as later.
        #[test]
        fn no_answer_is_lost_or_drawn_twice(
            moments in prop::collection::btree_map(-30_000_i64..200_000, (0_u64..9, 0_u64..99, 0_u64..3), 1..80),
        ) {
            let mut recorder = crate::report::series::Recorder::default();
            let mut total = 0;
            for (t_ms, (yes, no, error)) in moments {
                use crate::report::series::Outcome;
                for (outcome, count) in [(Outcome::Yes, yes), (Outcome::No, no), (Outcome::Error, error)] {
                    (0..count).for_each(|_| recorder.answered(t_ms, outcome));
                    total += count;
                }
            }
            let found = columns(&recorder.finish().answers_per_10ms);
            let drawn: f64 = found.iter().flat_map(|found| &found.rows).flat_map(|(_, cells)| cells).sum();
            let later = found.as_ref().map_or(0, |found| found.later);
            prop_assert!((drawn + later as f64 - total as f64).abs() < 1e-6, "{drawn} + {later} of {total}");
            prop_assert!(found.is_none_or(|found| found.rows.len() <= COLUMNS as usize + 1));
        }
    }

    /// Mutation: an error drawn to scale.
    #[test]
    fn one_error_among_thousands_is_seen() {
        let mut out = Markup::default();
        stacked(&mut out, "", &columns(&[row(0, 0, 9_000, 1)]).unwrap());
        let drawn = out.finish();
        let error = drawn.split("<rect class=\"error\"").nth(1).unwrap();
        let height = error.split("height=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(height.parse::<f64>().unwrap() >= ERROR_HEIGHT_MIN, "{height}");
    }

    /// Mutations: the mean of a column, only the largest value of a column.
    #[test]
    fn neither_a_peak_nor_a_fall_is_averaged_away() {
        let value = |n: i64| match n {
            503 => 9.0,
            509 => 0.0,
            _ => 1.0,
        };
        let points: Vec<_> = (0..1_000).map(|n| (n * 10, value(n))).collect();
        let shown = extremes(&points, 100);
        assert!(
            shown.len() <= 200 && shown.contains(&(5_030, 9.0)) && shown.contains(&(5_090, 0.0)),
            "{shown:?}"
        );
        assert_eq!(extremes(&points[..1], 100), [(0, 1.0)]);
    }

    /// Mutations: a reading drawn on through a silence, a count drawn as a slope, or not at all between two changes.
    #[test]
    fn a_line_ends_where_nothing_was_read_and_a_count_stays() {
        let points = vec![(-6_000, 1.0), (0, 2.0), (50, 3.0)];
        let line = |is_count| Line { class: "", name: "", points: points.clone(), is_count };
        assert_eq!(runs(&line(false), 50), [vec![(-6_000, 1.0)], vec![(0, 2.0), (50, 3.0)]]);
        let steps = vec![(-6_000, 1.0), (0, 1.0), (0, 2.0), (50, 2.0), (50, 3.0)];
        assert_eq!(runs(&line(true), 50), [steps]);
    }

    #[test]
    fn moments_have_units() {
        assert_eq!(time_name(120, 900), "120 ms");
        assert_eq!(time_name(-20, 900), "−20 ms");
        assert_eq!(time_name(-4_900, far(-5_000, -4_600)), "−4.9 s");
        assert_eq!(time_name(-1_500, 8_000), "−1.5 s");
        assert_eq!(time_name(90_000, 600_000), "1.5 min");
        assert_eq!(time_name(7_200_000, 80_000_000), "2 h");
    }
}
