//! What the verdict rests on: limits with values, the audit with examples, the answers by code.

use std::collections::BTreeMap;

use super::{count, section, table};
use crate::audit::Finding;
use crate::report::html::markup::Markup;
use crate::report::words::page as words;
use crate::report::words::{self as catalogue, Text, figure};
use crate::report::{Limit, Report};

pub fn limits(main: &mut Markup, report: &Report) {
    section(main, words::LIMITS, |section| {
        if report.limits.is_empty() {
            section.wrap("p", &[("class", "note")], |p| p.words(words::NO_LIMITS));
            return;
        }
        let heads = [words::LIMIT_NAME, words::LIMIT_MOST, words::LIMIT_VALUE, words::LIMIT_OK];
        table(section, &heads, |rows| report.limits.iter().for_each(|limit| limit_row(rows, limit)));
    });
}

fn limit_row(rows: &mut Markup, limit: &Limit) {
    let measured = limit.value >= 0.0;
    let (class, sign, result) = match (limit.ok, measured) {
        (true, _) => ("good", "✓ ", words::WITHIN),
        (false, true) => ("bad", "✗ ", words::ABOVE),
        (false, false) => ("bad", "✗ ", words::NOT_MEASURED),
    };
    rows.wrap("tr", &[("class", class)], |tr| {
        tr.wrap("th", &[("scope", "row")], |th| match catalogue::limit(&limit.name) {
            Some(text) => th.words(text),
            None => th.text(&limit.name),
        });
        tr.leaf("td", &[("class", "n")], &figure(&limit.name, limit.limit));
        let value = if measured { figure(&limit.name, limit.value) } else { "–".to_owned() };
        tr.leaf("td", &[("class", "n")], &value);
        tr.wrap("td", &[("class", "result")], |td| {
            td.text(sign);
            td.words(result);
        });
    });
}

pub fn audit(main: &mut Markup, report: &Report) {
    let audit = &report.audit;
    section(main, words::AUDIT, |section| {
        let sentence = if audit.clean { words::AUDIT_CLEAN } else { words::AUDIT_FOUND };
        let (zh, en) = sentence.with(&[("taps", &count(audit.taps)), ("boards", &count(audit.boards))]);
        section.wrap("p", &[], |p| p.both(&zh, &en));
        table(section, &[words::FINDING, words::COUNT, words::MEANS], |rows| {
            for (code, found) in audit.by_gravity() {
                rows.wrap("tr", &[("class", if found == 0 { "good" } else { "bad" })], |tr| {
                    tr.wrap("th", &[("scope", "row")], |th| {
                        th.text(if found == 0 { "✓ " } else { "✗ " });
                        th.words(catalogue::finding(code));
                    });
                    tr.leaf("td", &[("class", "n")], &count(found));
                    tr.wrap("td", &[("class", "means")], |td| td.words(catalogue::finding_meaning(code)));
                });
            }
        });
        if !audit.examples.is_empty() {
            section.wrap("h3", &[], |h3| h3.words(words::EXAMPLES));
            section.wrap("ul", &[], |ul| {
                for finding in &audit.examples {
                    let (zh, en) = example(finding);
                    ul.wrap("li", &[], |li| {
                        li.words(catalogue::finding(finding.code()));
                        li.text(" · ");
                        li.both(&zh, &en);
                    });
                }
            });
        }
    });
}

/// Which unit, tap or claim a finding is about.
fn example(finding: &Finding) -> (String, String) {
    match finding {
        Finding::Double { unit }
        | Finding::TakenButFree { unit }
        | Finding::NothingGiven { unit }
        | Finding::Disagreement { unit } => words::EXAMPLE_UNIT.with(&[("unit", &unit.to_string())]),
        Finding::YesLost { key }
        | Finding::NoWasYes { key }
        | Finding::Unanswered { key }
        | Finding::Contradicted { key } => words::EXAMPLE_KEY.with(&[("key", key)]),
        Finding::DealLost { claim } => words::EXAMPLE_CLAIM.with(&[("claim", claim)]),
        Finding::JournalGap { after } => words::EXAMPLE_AFTER.with(&[("after", &after.to_string())]),
        Finding::BoardWrong { board, boards, unit, shows, truth } => {
            let (shows, truth) = (status(*shows), status(*truth));
            let common =
                [("board", board.as_str()), ("boards", &count(*boards)), ("unit", &unit.to_string())];
            let zh = words::EXAMPLE_BOARD
                .with(&[&common[..], &[("shows", shows.zh), ("truth", truth.zh)]].concat());
            let en = words::EXAMPLE_BOARD
                .with(&[&common[..], &[("shows", shows.en), ("truth", truth.en)]].concat());
            (zh.0, en.1)
        }
        Finding::BoardBehind { board, boards, seq } => words::EXAMPLE_BEHIND.with(&[
            ("board", board),
            ("boards", &count(*boards)),
            ("seq", &seq.to_string()),
        ]),
    }
}

/// A status digit of the protocol.
fn status(digit: Option<char>) -> Text {
    match digit {
        Some('0') => words::FREE,
        Some('1') => words::HELD,
        Some('2') => words::SOLD,
        Some('3') => words::WITHHELD,
        _ => words::MISSING,
    }
}

pub fn answers(main: &mut Markup, report: &Report) {
    if report.answers.is_empty() && report.errors.is_empty() {
        return;
    }
    section(main, words::ANSWERS, |section| {
        codes(section, &report.answers, report.sent);
        if !report.errors.is_empty() {
            section.wrap("h3", &[], |h3| h3.words(words::ERRORS));
            codes(section, &report.errors, report.sent);
        }
    });
}

/// Codes with the most frequent first.
fn codes(section: &mut Markup, counts: &BTreeMap<String, u64>, sent: u64) {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by_key(|(code, found)| (std::cmp::Reverse(**found), *code));
    table(section, &[words::CODE, words::COUNT, words::SHARE], |rows| {
        for (code, found) in sorted {
            rows.wrap("tr", &[], |tr| {
                tr.wrap("th", &[("scope", "row")], |th| {
                    if let Some(text) = catalogue::answer(code) {
                        th.words(text);
                        th.text(" ");
                    }
                    th.leaf("code", &[], code);
                });
                tr.leaf("td", &[("class", "n")], &count(*found));
                tr.leaf("td", &[("class", "n")], &figure("share", *found as f64 / sent.max(1) as f64));
            });
        }
    });
}
