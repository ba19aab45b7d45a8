//! Which share of all values took at most how long, in the way of HdrHistogram: across, each further nine takes the same
//! room; upright, milliseconds on a logarithmic axis, so that a short wait and its long tail are both seen.

use super::scale::{Scale, log_ticks, nine_ticks, nines};
use super::{BOTTOM, LEFT, RIGHT, TOP, Tick, drawing, frame, path, short};
use crate::report::Histogram;
use crate::report::html::markup::Markup;

/// Points for each halving of what is left: enough for a smooth line.
const STEPS_A_HALF: u32 = 4;

/// What is below this share of the values, or below these microseconds, lies on the foot of the plot.
const LEAST_SHOWN: f64 = 0.02;
const LEAST_SHOWN_US: u64 = 10;

/// A line with the class that gives it its colour and dashes.
pub struct Line<'a> {
    pub class: &'static str,
    pub name: &'a str,
    pub histogram: &'a Histogram,
}

/// Draws the lines; nothing where none of them has a value.
pub fn plot(out: &mut Markup, described: &str, lines: &[Line<'_>]) {
    let lines: Vec<_> = lines.iter().filter(|line| !line.histogram.is_empty()).collect();
    let count = lines.iter().map(|line| line.histogram.count()).max().unwrap_or(0);
    // One value of nearly nothing would stretch the axis over decades that say nothing.
    let least =
        lines.iter().map(|line| line.histogram.at(LEAST_SHOWN)).min().unwrap_or(0).max(LEAST_SHOWN_US);
    let most = lines.iter().map(|line| line.histogram.max_us()).max().unwrap_or(0);
    if count == 0 {
        return;
    }
    let ticks = log_ticks(ms(least), ms(most));
    let log = |ms: f64| ms.log10();
    let ends = (ticks.first().copied().unwrap_or(1.0), ticks.last().copied().unwrap_or(10.0));
    let upright = Scale { from: (log(ends.0), log(ends.1)), to: (BOTTOM, TOP) };
    let across = Scale { from: (0.0, nines(1.0, count)), to: (LEFT, RIGHT) };
    let up: Vec<_> =
        ticks.iter().map(|tick| Tick { at: upright.at(log(*tick)), name: short(*tick) }).collect();
    let along: Vec<_> = nine_ticks(count)
        .into_iter()
        .map(|(quantile, name)| Tick { at: across.at(nines(quantile, count)), name })
        .collect();
    drawing(out, described, |svg| {
        frame(svg, &along, &up);
        for line in &lines {
            let points: Vec<_> = line
                .histogram
                .steps(STEPS_A_HALF)
                .into_iter()
                .map(|step| {
                    let x = across.at(nines(step.quantile, line.histogram.count()));
                    let title =
                        format!("{} {:.4} %: {:.2} ms", line.name, step.quantile * 100.0, ms(step.us));
                    (x, upright.at(log(ms(step.us))), title)
                })
                .collect();
            path(svg, line.class, &points);
        }
    });
}

/// A logarithm has no 0; below a microsecond nothing was measured.
fn ms(us: u64) -> f64 {
    us.max(1) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutations: the axis begun at the least value, a value below the foot drawn outside.
    #[test]
    fn a_single_value_of_nothing_does_not_stretch_the_axis() {
        let mut histogram = Histogram::new();
        histogram.record_us(0);
        (0..200).for_each(|n| histogram.record_us(20_000 + n * 100));
        let mut out = Markup::default();
        plot(&mut out, "", &[Line { class: "line a", name: "", histogram: &histogram }]);
        let drawn = out.finish();
        assert!(drawn.contains(">20</text>") && !drawn.contains(">10</text>"), "{drawn}");
        assert!(drawn.contains(&format!("d=\"M{LEFT} {BOTTOM}L")), "{drawn}");
    }
}
