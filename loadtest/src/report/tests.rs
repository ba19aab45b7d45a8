//! The file's shape and the verdict. Mutations that turned these red stand at each test.

use super::*;
use crate::audit::Finding;
use crate::report::series::{Outcome, Recorder};

/// A small burst as `kaipan-loadtest` would report it, the same each time.
pub(crate) fn sample() -> Report {
    let (mut answer, mut board, mut connect) = (Histogram::new(), Histogram::new(), Histogram::new());
    let mut recorder = Recorder::default();
    for buyer in 0..400_u64 {
        let sent_us = buyer * 250;
        let took_us = 900 + buyer * buyer % 7_919;
        answer.record_us(took_us);
        connect.record_us(400 + buyer % 83 * 11);
        recorder.socket_opened(-5_000 + i64::try_from(buyer).unwrap());
        let outcome = if buyer % 20 == 0 { Outcome::Yes } else { Outcome::No };
        let at_ms = i64::try_from((sent_us + took_us) / 1_000).unwrap();
        recorder.answered(at_ms, outcome);
        for lag_us in [21_000, 33_000 + buyer * 40] {
            board.record_us(lag_us);
            recorder.board(at_ms / 50 * 50, lag_us);
        }
    }
    for second in -5..3 {
        recorder.server(second * 1_000, if second == 0 { 1.75 } else { 0.02 }, 48_000_000 + 9_000_000 * 2);
    }
    let verdict = audit::Verdict { sold: 0, taps: 400, boards: 400, findings: Vec::new() };
    let mut report = Report {
        schema: SCHEMA.to_owned(),
        scenario: "burst".to_owned(),
        started_ms: 1_790_000_000_000,
        took_s: 12.5,
        target: Target {
            buyers_url: "http://127.0.0.1:8080".to_owned(),
            opening: "01JZZZZZZZZZZZZZZZZZZZZZZZ".to_owned(),
            server_version: Some("0.1.0".to_owned()),
        },
        plan: serde_json::json!({ "buyers": 400, "seed": 7, "spread_ms": 100, "name": "<b>预演</b> & co" })
            .as_object()
            .cloned()
            .unwrap(),
        command: ["kaipan-loadtest", "burst", "--buyers", "400", "--seed", "7"].map(str::to_owned).to_vec(),
        generator: Generator {
            version: "0.1.0".to_owned(),
            cpus: 4,
            threads: 2,
            cpu_max_share: 0.41,
            lag_ms: LagMs { p50: 0.05, p99: 0.4, max: 1.2 },
            saturated: false,
            why: None,
            machine: Some(Machine {
                system: "Linux 6.1.0 x86_64".to_owned(),
                processor: "Example CPU".to_owned(),
                memory_bytes: 16 << 30,
            }),
        },
        buyers: 400,
        sent: 400,
        answers: BTreeMap::from([("YES".to_owned(), 20), ("TAKEN".to_owned(), 380)]),
        errors: BTreeMap::from([("SLOW_DOWN".to_owned(), 3)]),
        unanswered: 0,
        histograms: [(names::ANSWER, answer), (names::BOARD, board), (names::CONNECT, connect)]
            .map(|(name, histogram)| (name.to_owned(), histogram))
            .into_iter()
            .collect(),
        series: recorder.finish(),
        audit: Audit::of(&verdict),
        limits: Vec::new(),
        verdict: Verdict::Refused,
        reasons: Vec::new(),
        parts: Vec::new(),
    };
    judge::judge(&mut report, &[("answer_p99_ms".to_owned(), 50.0), ("answer_max_ms".to_owned(), 100.0)]);
    report
}

/// The file in `tests/data` is the schema's golden copy: a change that old readers would not understand needs another
/// schema. Mutations: a field renamed, a row's columns swapped, `verdict` in capitals.
#[test]
fn the_golden_report_is_read_and_written_as_it_is() {
    let golden = include_str!("../../tests/data/load-report-1.json");
    if std::env::var_os("KAIPAN_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/load-report-1.json");
        std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(&sample()).unwrap())).unwrap();
    }
    let report = Report::parse("golden", golden.as_bytes()).unwrap();
    assert_eq!(report, sample());
    assert_eq!(without_packing(&report.to_json().unwrap()), without_packing(golden));
}

/// The JSON but for `hdr`: which bytes a deflate writes depends on what else is built into it. What they unpack to is in
/// the reports that are compared before.
fn without_packing(text: &str) -> serde_json::Value {
    let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
    for histogram in json["histograms"].as_object_mut().unwrap().values_mut() {
        assert!(histogram.as_object_mut().unwrap().remove("hdr").is_some_and(|hdr| hdr.is_string()));
    }
    json
}

/// Mutations: the schema not compared, compared after the fields.
#[test]
fn other_files_are_refused_in_words() {
    for (text, says) in [
        ("", "x.json: not JSON"),
        ("{}", "x.json: not a load report: it names no schema"),
        (r#"{"schema":7}"#, "it names no schema"),
        (
            r#"{"schema":"kaipan.load-report/2"}"#,
            "its schema is `kaipan.load-report/2`, this program reads `kaipan.load-report/1`",
        ),
        (r#"{"schema":"kaipan.load-report/1"}"#, "but missing field `scenario`"),
    ] {
        let error = Report::parse("x.json", text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

fn judged(change: impl FnOnce(&mut Report), asked: &[(&str, f64)]) -> (Verdict, String) {
    let mut report = sample();
    change(&mut report);
    let asked: Vec<_> = asked.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect();
    judge::judge(&mut report, &asked);
    (report.verdict, report.reasons.join("\n"))
}

fn found(report: &mut Report, findings: Vec<Finding>) {
    report.audit = Audit::of(&audit::Verdict { sold: 0, taps: 400, boards: 400, findings });
}

/// Mutations: `<` for `<=` at the limit, a limit on nothing measured let pass, a name nobody knows let pass.
#[test]
fn limits_are_at_most() {
    let slowest_ms = sample().histograms[names::ANSWER].max_us() as f64 / 1_000.0;
    assert_eq!(judged(|_| (), &[("answer_max_ms", slowest_ms)]), (Verdict::Pass, String::new()));
    let (verdict, reasons) = judged(|_| (), &[("answer_max_ms", slowest_ms - 0.1)]);
    assert_eq!(verdict, Verdict::Fail);
    assert!(
        reasons.contains("最慢的答复 8.78 ms") && reasons.contains("slowest answer 8.78 ms"),
        "{reasons}"
    );
    let no_board = |report: &mut Report| drop(report.histograms.remove(names::BOARD));
    assert_eq!(judged(no_board, &[("board_p99_ms", 1e9)]).0, Verdict::Fail);
    assert_eq!(judged(|_| (), &[("moon_ms", 1e9)]).0, Verdict::Fail);
}

/// OP-41. Mutations: a saturated generator passes; it hides a home sold twice; an audit of nothing passes; taps without
/// an answer are blamed on the server although the generator was too slow to hear it.
#[test]
fn refused_hides_no_proof_and_nothing_audited_is_no_pass() {
    let slow = |report: &mut Report| {
        report.generator.saturated = true;
        report.generator.why = Some("p99 of the lag 48 ms".to_owned());
    };
    let (verdict, reasons) = judged(slow, &[("answer_max_ms", 0.1)]);
    assert_eq!(verdict, Verdict::Refused);
    assert!(reasons.contains("p99 of the lag 48 ms"), "{reasons}");

    let doubled = |report: &mut Report| {
        slow(report);
        found(report, vec![Finding::Double { unit: 4 }]);
    };
    let (verdict, reasons) = judged(doubled, &[]);
    assert_eq!(verdict, Verdict::Fail);
    assert!(reasons.starts_with("核对发现 一房两卖：1"), "{reasons}");

    let late = |report: &mut Report| {
        slow(report);
        found(report, vec![Finding::Unanswered { key: "k".to_owned() }]);
    };
    assert_eq!(judged(late, &[]).0, Verdict::Refused);

    let nothing = |report: &mut Report| report.audit = Audit::default();
    assert_eq!(
        judged(nothing, &[]),
        (Verdict::Fail, "没有任何点击可核对 | there was no tap to audit".to_owned())
    );
}

/// Mutations: wrong boards counted by kind of wrongness; examples of one kind crowding out the others.
#[test]
fn findings_are_counted_and_a_few_of_each_are_shown() {
    let mut findings: Vec<_> = (0..1_000).map(|n| Finding::YesLost { key: format!("key-{n}") }).collect();
    findings.push(Finding::Double { unit: 4 });
    let wrong =
        Finding::BoardWrong { board: "S1".into(), boards: 9, unit: 4, shows: Some('0'), truth: Some('1') };
    findings.push(wrong.clone());
    let audit = Audit::of(&audit::Verdict { sold: 0, taps: 1_000, boards: 9, findings });
    assert_eq!(
        (audit.findings["YES_LOST"], audit.findings["DOUBLE"], audit.findings["BOARD_WRONG"]),
        (1_000, 1, 9)
    );
    assert_eq!(audit.findings["JOURNAL_GAP"], 0, "what was looked for and not found is said too");
    assert!(!audit.clean && audit.examples.len() == 7 && audit.examples.contains(&wrong));
}

#[test]
fn a_finding_is_named_in_json_by_its_code() {
    for finding in [
        Finding::Double { unit: 1 },
        Finding::YesLost { key: String::new() },
        Finding::DealLost { claim: String::new() },
        Finding::NoWasYes { key: String::new() },
        Finding::TakenButFree { unit: 1 },
        Finding::NothingGiven { unit: 1 },
        Finding::Unanswered { key: String::new() },
        Finding::Contradicted { key: String::new() },
        Finding::JournalGap { after: 1 },
        Finding::Disagreement { unit: 1 },
        Finding::BoardWrong { board: String::new(), boards: 1, unit: 1, shows: None, truth: None },
        Finding::BoardBehind { board: String::new(), boards: 1, seq: 1 },
    ] {
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["finding"], finding.code());
        assert!(Finding::CODES.contains(&finding.code()));
        assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), finding);
    }
}

/// Mutation that turned it red: the share shown as it stands, "0 %".
#[test]
fn a_share_that_was_not_measured_is_not_nought() {
    let mut report = sample();
    assert_eq!(report.generator.busiest_second(), "41 %");
    report.generator.cpu_max_share = 0.0;
    assert_eq!(report.generator.busiest_second(), "–");
    let named = "Busiest second of the busiest thread</span></th><td class=\"value\">";
    let page = html::page(&report);
    let shown = page.split_once(named).unwrap().1.split('<').next();
    assert_eq!(shown, Some("–"));
}
