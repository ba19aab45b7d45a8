//! The report as one page: no network, no script, both languages, readable on a phone and on paper.
//!
//! First the verdict in words, then what it rests on, then how it was made.

use super::judge::{Reason, reasons};
use super::words::page as words;
use super::words::{self as catalogue, Text, figure};
use super::{Histogram, Report, Verdict, names};
use markup::Markup;

mod evidence;
pub mod markup;
mod origin;
mod plots;

#[cfg(test)]
mod tests;

const STYLE: &str = include_str!("html/style.css");
/// The page loads nothing, whoever put what into it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The whole file.
pub fn page(report: &Report) -> String {
    let mut page = Markup::default();
    page.literal("<!doctype html>\n");
    page.wrap("html", &[("lang", "zh-CN")], |html| {
        html.wrap("head", &[], |head| {
            head.open("meta", &[("charset", "utf-8")]);
            head.open("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
            head.open("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
            let verdict = verdict_words(report.verdict).0;
            let title = format!("{} {} · {} {}", verdict.zh, words::TITLE.zh, verdict.en, words::TITLE.en);
            head.leaf("title", &[], &format!("{title} · {}", report.scenario));
            head.wrap("style", &[], |style| style.literal(STYLE));
        });
        html.wrap("body", &[], |body| {
            languages(body);
            body.wrap("main", &[], |main| {
                verdict(main, report);
                tiles(main, report);
                evidence::limits(main, report);
                evidence::audit(main, report);
                plots::plots(main, report);
                times(main, report);
                evidence::answers(main, report);
                origin::plan(main, report);
                origin::generator(main, report);
            });
        });
    });
    page.finish()
}

/// Two radio buttons and the style sheet switch the language: a page without a script.
fn languages(body: &mut Markup) {
    body.open("input", &[("type", "radio"), ("name", "language"), ("id", "zh"), ("checked", "")]);
    body.open("input", &[("type", "radio"), ("name", "language"), ("id", "en")]);
    body.wrap("p", &[("class", "languages")], |labels| {
        labels.leaf("label", &[("for", "zh"), ("lang", "zh-CN")], "中文");
        labels.leaf("label", &[("for", "en"), ("lang", "en")], "English");
    });
}

fn section(out: &mut Markup, title: Text, inside: impl FnOnce(&mut Markup)) {
    out.wrap("section", &[], |section| {
        section.wrap("h2", &[], |h2| h2.words(title));
        inside(section);
    });
}

/// A table that scrolls by itself where the screen is narrower.
fn table(out: &mut Markup, heads: &[Text], rows: impl FnOnce(&mut Markup)) {
    out.wrap("div", &[("class", "scroll")], |scroll| {
        scroll.wrap("table", &[], |table| {
            table.wrap("thead", &[], |head| {
                head.wrap("tr", &[], |tr| {
                    for head in heads {
                        tr.wrap("th", &[("scope", "col")], |th| th.words(*head));
                    }
                });
            });
            table.wrap("tbody", &[], rows);
        });
    });
}

fn verdict_words(verdict: Verdict) -> (Text, Text, &'static str, &'static str) {
    match verdict {
        Verdict::Pass => (words::PASS, words::PASS_MEANS, "pass", "✓"),
        Verdict::Fail => (words::FAIL, words::FAIL_MEANS, "fail", "✗"),
        Verdict::Refused => (words::REFUSED, words::REFUSED_MEANS, "refused", "?"),
    }
}

/// As it stands above the page, and at the end of a run.
pub fn verdict_name(verdict: Verdict) -> Text {
    verdict_words(verdict).0
}

fn verdict(main: &mut Markup, report: &Report) {
    let (name, means, class, sign) = verdict_words(report.verdict);
    main.wrap("header", &[("class", class)], |header| {
        header.wrap("p", &[("class", "what")], |p| p.words(words::TITLE));
        header.wrap("h1", &[], |h1| {
            h1.leaf("span", &[("class", "sign"), ("aria-hidden", "true")], sign);
            h1.words(name);
        });
        header.wrap("p", &[], |p| p.words(means));
        let reasons = reasons(report);
        if !reasons.is_empty() {
            header.wrap("h2", &[], |h2| h2.words(words::WHY));
            header.wrap("ul", &[("class", "reasons")], |ul| {
                for reason in &reasons {
                    ul.wrap("li", &[], |li| li.both(&Reason::zh(reason), &reason.en()));
                }
            });
        }
        let (zh, en) = words::FACTS.with(&[
            ("buyers", &count(report.buyers)),
            ("scenario", &report.scenario),
            ("start", &moment(report.started_ms)),
            ("took", &figure("took_s", report.took_s)),
        ]);
        header.wrap("p", &[("class", "facts")], |p| p.both(&zh, &en));
    });
}

/// The figures that people ask for first.
fn tiles(main: &mut Markup, report: &Report) {
    let answer = report.histograms.get(names::ANSWER);
    let board = report.histograms.get(names::BOARD);
    let ms = |histogram: Option<&Histogram>, quantile: f64| {
        histogram.filter(|histogram| !histogram.is_empty()).map(|histogram| time(histogram.at(quantile)))
    };
    let taps = report.sent > 0;
    let figures = [
        (words::SENT, taps.then(|| count(report.sent))),
        (words::GOT, taps.then(|| count(report.yes()))),
        (words::LOST, taps.then(|| count(report.answered().saturating_sub(report.yes())))),
        (words::OPEN, taps.then(|| count(report.unanswered))),
        (words::MEDIAN, ms(answer, 0.5)),
        (words::NINETY_NINE, ms(answer, 0.99)),
        (words::SLOWEST, ms(answer, 1.0)),
        (words::BOARD, ms(board, 0.99)),
    ];
    main.wrap("dl", &[("class", "tiles")], |dl| {
        for (name, value) in figures {
            // What was not measured has no tile: a zero would be a claim.
            let Some(value) = value else { continue };
            dl.wrap("div", &[], |tile| {
                tile.wrap("dt", &[], |dt| dt.words(name));
                tile.leaf("dd", &[], &value);
            });
        }
    });
}

fn times(main: &mut Markup, report: &Report) {
    if report.histograms.values().all(Histogram::is_empty) {
        return;
    }
    section(main, words::TIMES, |section| {
        section.wrap("p", &[("class", "note")], |p| p.words(words::TIMES_NOTE));
        let quantile = |name| Text { zh: name, en: name };
        let heads = [
            words::MEASURED,
            words::COUNT,
            quantile("p50"),
            quantile("p90"),
            quantile("p99"),
            quantile("p99.9"),
            words::SLOWEST_SHORT,
        ];
        table(section, &heads, |rows| {
            for (name, histogram) in &report.histograms {
                rows.wrap("tr", &[], |tr| {
                    tr.wrap("th", &[("scope", "row")], |th| histogram_name(th, name));
                    tr.leaf("td", &[("class", "n")], &count(histogram.count()));
                    for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
                        tr.leaf("td", &[("class", "n")], &time(histogram.at(quantile)));
                    }
                });
            }
        });
    });
}

fn histogram_name(out: &mut Markup, name: &str) {
    match catalogue::histogram(name) {
        Some(text) => out.words(text),
        None => out.text(name),
    }
}

/// Thousands apart, as people read them.
fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Microseconds in the unit that people read.
fn time(us: u64) -> String {
    if us < 1_000 {
        figure("us", us as f64)
    } else if us < 10_000_000 {
        figure("ms", us as f64 / 1_000.0)
    } else {
        figure("s", us as f64 / 1_000_000.0)
    }
}

/// Where the openings are: a fixed offset, China has no other.
fn moment(unix_ms: i64) -> String {
    let Ok(at) = jiff::Timestamp::from_millisecond(unix_ms) else { return unix_ms.to_string() };
    let beijing = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    at.to_zoned(beijing).strftime("%Y-%m-%d %H:%M:%S (UTC+8)").to_string()
}
