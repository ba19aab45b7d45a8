//! The page of a small report. Mutations that turned these red stand at each test.

use super::*;
use crate::audit::Finding;
use crate::report::tests::sample;
use crate::report::{Audit, judge};

/// Words and figures as a reader meets them, without the tags and the drawings.
fn words_of(page: &str) -> String {
    let mut out = String::new();
    let (mut inside, mut hidden) = (false, false);
    for piece in page.split_inclusive(['<', '>']) {
        if let Some(text) = piece.strip_suffix('<').or((!piece.ends_with('>')).then_some(piece)) {
            if !inside && !hidden && !text.trim().is_empty() {
                out.push_str(text.trim());
                out.push('\n');
            }
            inside = true;
        } else {
            for (start, end) in [("style", "/style"), ("svg", "/svg")] {
                hidden = (hidden || piece.starts_with(start)) && !piece.starts_with(end);
            }
            inside = false;
        }
    }
    out
}

/// Mutations: a section left out, a figure without its unit, verdict and reasons not at the top.
#[test]
fn the_page_says_what_the_report_says() {
    insta::assert_snapshot!(words_of(&page(&sample())));
}

#[test]
fn the_plots_are_drawn_as_they_were() {
    let page = page(&sample());
    let drawings: Vec<_> = page
        .split("<svg viewBox=\"0 0 400 240\"")
        .skip(1)
        .map(|rest| rest.split("</svg>").next().unwrap().replace("><", ">\n<"))
        .collect();
    assert_eq!(drawings.len(), 7, "waits, answers, board, connects, sockets, processor, memory");
    // Nobody left after the last one had connected. Mutation: a line that ends with the last change.
    assert!(drawings[4].contains("L388 14\"") && drawings[4].contains(">T</text>"), "{}", drawings[4]);
    insta::assert_snapshot!(drawings[1]);
}

/// Mutation: the plan's values written as they are.
#[test]
fn nothing_in_a_report_becomes_markup() {
    let mut report = sample();
    let hostile = "</style><script>alert(1)</script>\"'&";
    report.scenario = hostile.to_owned();
    report.target.opening = hostile.to_owned();
    report.command.push(hostile.to_owned());
    report.plan.insert(hostile.to_owned(), hostile.into());
    report.answers.insert(hostile.to_owned(), 1);
    report.generator.why = Some(hostile.to_owned());
    report.audit = Audit::of(&crate::audit::Verdict {
        sold: 0,
        taps: 1,
        boards: 0,
        findings: vec![Finding::YesLost { key: hostile.to_owned() }],
    });
    judge::judge(&mut report, &[(hostile.to_owned(), 1.0)]);
    let page = page(&report);
    assert!(!page.contains("<script") && page.matches("</style>").count() == 1);
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

/// The file is handed around and printed: it must need nothing else. Mutation: a font from elsewhere.
#[test]
fn the_page_fetches_nothing() {
    let page = page(&sample());
    for needle in ["src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(needle), "{needle}");
    }
    assert!(page.contains("default-src &#39;none&#39;"));
}

/// Mutations: a refused run shown as failed, a reason in one language only.
#[test]
fn each_verdict_and_each_finding_is_named_in_both_languages() {
    let mut report = sample();
    report.generator.saturated = true;
    report.generator.why = Some("lag p99 48 ms".to_owned());
    judge::judge(&mut report, &[]);
    let text = words_of(&page(&report));
    assert!(text.contains("不作数") && text.contains("Refused") && text.contains("lag p99 48 ms"));

    let findings = vec![
        Finding::Double { unit: 17 },
        Finding::BoardWrong {
            board: "S00009".into(),
            boards: 2,
            unit: 17,
            shows: Some('0'),
            truth: Some('1'),
        },
        Finding::JournalGap { after: 41 },
    ];
    report.audit = Audit::of(&crate::audit::Verdict { sold: 0, taps: 400, boards: 400, findings });
    judge::judge(&mut report, &[]);
    let text = words_of(&page(&report));
    for said in [
        "不通过",
        "Fail",
        "核对发现 一房两卖：1",
        "the audit found homes sold twice: 1",
        "房号序号 17",
        "S00009 等 2 块：房号序号 17 显示“可选”，应为“已选”",
        "after journal entry 41",
    ] {
        assert!(text.contains(said), "{said}");
    }
}

#[test]
fn times_have_their_units() {
    for (us, shown) in [(0, "0 µs"), (999, "999 µs"), (8_777, "8.78 ms"), (61_000_000, "61 s")] {
        assert_eq!(time(us), shown);
    }
    assert_eq!([count(7), count(1_000), count(12_345_678)], ["7", "1,000", "12,345,678"]);
    assert_eq!(moment(1_790_000_000_000), "2026-09-21 22:13:20 (UTC+8)");
}
