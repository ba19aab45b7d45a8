//! Which plots a report has, with their captions and legends. A plot of nothing is left out.

use super::{count, section};
use crate::report::html::markup::Markup;
use crate::report::plot::{percentiles, time};
use crate::report::words::page as words;
use crate::report::words::{self as catalogue, Text};
use crate::report::{Report, names};

pub fn plots(main: &mut Markup, report: &Report) {
    section(main, words::PLOTS, |section| {
        section.wrap("div", &[("class", "plots")], |grid| {
            waits(grid, report);
            answers(grid, report);
            board(grid, report);
            connects(grid, report);
            sockets(grid, report);
            server(grid, report);
        });
    });
}

/// A plot under its caption, with what its marks mean.
fn figure(
    grid: &mut Markup,
    caption: &(String, String),
    legend: &[(&'static str, Text)],
    inside: impl FnOnce(&mut Markup, &str),
) {
    grid.wrap("figure", &[], |figure| {
        figure.wrap("figcaption", &[], |figcaption| figcaption.both(&caption.0, &caption.1));
        if legend.len() > 1 {
            figure.wrap("p", &[("class", "legend")], |p| {
                for (class, name) in legend {
                    p.wrap("span", &[("class", "entry")], |entry| {
                        entry.wrap("svg", &[("viewBox", "0 0 24 12"), ("aria-hidden", "true")], |svg| {
                            if class.starts_with("line") {
                                svg.leaf("path", &[("class", class), ("d", "M0 6L24 6")], "");
                            } else {
                                let size = [("width", "24"), ("height", "12")];
                                svg.leaf("rect", &[("class", class), size[0], size[1]], "");
                            }
                        });
                        entry.words(*name);
                    });
                }
            });
        }
        inside(figure, &caption.0);
    });
}

fn waits(grid: &mut Markup, report: &Report) {
    let found: Vec<_> = [(names::ANSWER, "line a"), (names::BOARD, "line b")]
        .into_iter()
        .filter_map(|(name, class)| {
            let histogram = report.histograms.get(name).filter(|histogram| !histogram.is_empty())?;
            Some((class, catalogue::histogram(name)?, histogram))
        })
        .collect();
    if found.is_empty() {
        return;
    }
    let legend: Vec<_> = found.iter().map(|(class, name, _)| (*class, *name)).collect();
    figure(grid, &words::PLOT_PERCENTILES.with(&[]), &legend, |out, described| {
        let lines: Vec<_> = found
            .iter()
            .map(|(class, name, histogram)| percentiles::Line { class, name: name.zh, histogram })
            .collect();
        percentiles::plot(out, described, &lines);
    });
}

fn connects(grid: &mut Markup, report: &Report) {
    let Some(histogram) = report.histograms.get(names::CONNECT).filter(|histogram| !histogram.is_empty())
    else {
        return;
    };
    figure(grid, &words::PLOT_CONNECT.with(&[]), &[], |out, described| {
        let line = percentiles::Line { class: "line c", name: names::CONNECT, histogram };
        percentiles::plot(out, described, &[line]);
    });
}

fn answers(grid: &mut Markup, report: &Report) {
    let Some(columns) = time::columns(&report.series.answers_per_10ms) else { return };
    let caption = words::PLOT_ANSWERS.with(&[("width", &columns.width_ms.to_string())]);
    let legend = [("yes", words::GOT), ("no", words::LOST), ("error", words::ERROR)];
    figure(grid, &caption, &legend, |out, described| {
        time::stacked(out, described, &columns);
        if columns.later > 0 {
            let (zh, en) = words::PLOT_ANSWERS_LATER.with(&[("later", &count(columns.later))]);
            out.wrap("p", &[("class", "note")], |p| p.both(&zh, &en));
        }
    });
}

fn board(grid: &mut Markup, report: &Report) {
    // Changes long before the first answer, such as the opening's own, would squeeze those that matter into a corner.
    let from_ms = report.series.answers_per_10ms.first().map_or(i64::MIN, |row| row.t_ms - 1_000);
    let rows: Vec<_> = report.series.board_lag.iter().filter(|row| row.t_ms >= from_ms).collect();
    if rows.is_empty() {
        return;
    }
    let legend = [("line b", words::MEDIAN_SHORT), ("line c", words::SLOWEST_SHORT)];
    figure(grid, &words::PLOT_BOARD.with(&[]), &legend, |out, described| {
        let ms = |us: u64| us as f64 / 1_000.0;
        let lines = [
            time::Line {
                class: "line b",
                name: "p50",
                points: rows.iter().map(|row| (row.t_ms, ms(row.p50_us))).collect(),
                is_count: false,
            },
            time::Line {
                class: "line c",
                name: "max",
                points: rows.iter().map(|row| (row.t_ms, ms(row.max_us))).collect(),
                is_count: false,
            },
        ];
        time::lines(out, described, "ms", &lines);
    });
}

fn sockets(grid: &mut Markup, report: &Report) {
    let series = &report.series;
    let mut points: Vec<_> = series.sockets.iter().map(|row| (row.t_ms, row.open as f64)).collect();
    // What was open last stayed open while answers still came.
    let end =
        series.answers_per_10ms.last().map(|row| row.t_ms).max(series.server.last().map(|row| row.t_ms));
    if let (Some((last_ms, open)), Some(end)) = (points.last().copied(), end)
        && end > last_ms
    {
        points.push((end, open));
    }
    single(grid, words::PLOT_SOCKETS, "", points, true);
}

fn server(grid: &mut Markup, report: &Report) {
    let rows = &report.series.server;
    single(grid, words::PLOT_CPU, "", rows.iter().map(|row| (row.t_ms, row.cpu_cores)).collect(), false);
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    let memory = rows.iter().map(|row| (row.t_ms, mib(row.rss_bytes))).collect();
    single(grid, words::PLOT_MEMORY, "MiB", memory, false);
}

fn single(grid: &mut Markup, caption: Text, unit: &str, points: Vec<(i64, f64)>, is_count: bool) {
    if points.is_empty() {
        return;
    }
    figure(grid, &caption.with(&[]), &[], |out, described| {
        time::lines(out, described, unit, &[time::Line { class: "line a", name: "", points, is_count }]);
    });
}
