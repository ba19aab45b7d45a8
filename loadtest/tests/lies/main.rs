//! OP-38, OP-41: the audit catches a lie that a server tells. The real program plays a burst against a small server of our
//! own: the honest one passes, and each liar fails, by the name of its lie and by nothing else.
//!
//! These are the tests of the audit over the wire. Mutations that turned them red, a test each, stand at the tests; the
//! same lies as bare records are in `src/audit/tests.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy's leave for tests stops at their helpers")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kaipan_loadtest::report::{Report, Verdict};
use tokio::process::Command;

mod door;
mod sale;

use door::{Door, OPENING};
use sale::Lie;

/// Sixty buyers for twelve homes; of a hundred buyers the first twenty pick over HTTP.
const BUYERS: u64 = 60;
const SOCKETS: u64 = 40;
const LIMIT: Duration = Duration::from_secs(90);

struct Played {
    status: Option<i32>,
    said: String,
    report: Report,
}

fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kaipan-loadtest"));
    command.args(arguments).env("KAIPAN_LOADTEST_PASSWORD", "password").kill_on_drop(true);
    command
}

/// Runs the program to its end; gives its exit status and what it printed.
async fn finished(mut command: Command) -> (Option<i32>, String) {
    let output = tokio::time::timeout(LIMIT, command.output()).await.unwrap().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.code(), said)
}

/// A run of a scenario, whose reports go to `out`.
fn run(door: &Door, scenario: &str, out: &Path, more: &[&str]) -> Command {
    let mut command = tool(&[scenario, "--opening", OPENING, "--login", "ops", "--over-http", "20"]);
    command.args(["--buyers-url", &door.url, "--staff-url", &door.url, "--threads", "2", "--seed", "7"]);
    // Other tests run beside this one: only the audit shall decide, not how fast this machine is just now.
    command.args(["--connect-per-s", "200", "--patience", "6s", "--p99", "20s"]);
    command.args(more).arg("--out").arg(out);
    command
}

fn read(folder: &Path, said: &str) -> Report {
    Report::read(&folder.join("report.json")).unwrap_or_else(|error| panic!("{error}\n{said}"))
}

async fn play(lie: Lie) -> (Played, String) {
    let door = Door::open(lie, -1_000).await;
    let folder = tempfile::tempdir().unwrap();
    let (status, said) =
        finished(run(&door, "burst", folder.path(), &["--buyers", &BUYERS.to_string()])).await;
    let report = read(folder.path(), &said);
    let page = page(&folder.path().join("report.json")).await;
    (Played { status, said, report }, page)
}

async fn page(report: &Path) -> String {
    let html = report.with_extension("again.html");
    let (status, said) = finished(tool(&["report", path(report), "--output", path(&html)])).await;
    assert_eq!(status, Some(0), "{said}");
    std::fs::read_to_string(html).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The run fails, the report counts the lie so often and finds nothing else, and the page says it in both languages.
async fn is_caught(lie: Lie, code: &str, times: u64, words: [&str; 2]) -> Report {
    let (Played { status, said, report }, page) = play(lie).await;
    assert_eq!(status, Some(1), "{said}");
    assert_eq!(report.verdict, Verdict::Fail);
    let found: Vec<_> = report.audit.by_gravity().filter(|(_, count)| *count > 0).collect();
    assert_eq!(found, [(code, times)], "{said}");
    assert!(!report.audit.clean && report.audit.examples.iter().any(|finding| finding.code() == code));
    for word in words {
        assert!(report.reasons.iter().any(|reason| reason.contains(word)), "{:?}", report.reasons);
        assert!(page.contains(word), "{word}");
    }
    report
}

/// Seen red when frames did not begin with their tag: then no socket's board was read, and none was compared.
#[tokio::test]
async fn the_honest_server_passes() {
    let (Played { status, said, report }, page) = play(Lie::None).await;
    assert_eq!(status, Some(0), "{said}");
    assert_eq!((report.verdict, &report.reasons), (Verdict::Pass, &Vec::new()), "{said}");
    assert_eq!((report.sent, report.answered(), report.unanswered), (BUYERS, BUYERS, 0));
    assert!((2..=12).contains(&report.yes()), "{:?}", report.answers);
    // Every socket's board and the one that everybody may read.
    assert_eq!((report.audit.clean, report.audit.taps, report.audit.boards), (true, BUYERS, SOCKETS + 1));
    assert!(page.contains("通过") && page.contains("Pass"));
}

/// Mutation: neither the occupying claims counted by unit nor the journal's occupants watched.
#[tokio::test]
async fn a_home_sold_twice_is_caught() {
    is_caught(Lie::SellsTwice, "DOUBLE", 1, ["一房两卖", "homes sold twice"]).await;
}

/// Mutation: a yes not looked up in the claims.
#[tokio::test]
async fn a_lost_yes_is_caught() {
    is_caught(Lie::LosesYes, "YES_LOST", 1, ["丢失的“抢到”", "lost yeses"]).await;
}

/// Mutation: a no not looked up in the claims.
#[tokio::test]
async fn a_no_that_was_a_yes_is_caught() {
    is_caught(Lie::NoThatWasYes, "NO_WAS_YES", 1, ["说没抢到其实抢到", "noes that were a yes"]).await;
}

/// Mutation: a *taken* not looked up in the claims.
#[tokio::test]
async fn a_free_home_said_to_be_taken_is_caught() {
    let words = ["没人选却说已被选走的房", "free homes said to be taken"];
    is_caught(Lie::TakenButFree, "TAKEN_BUT_FREE", 1, words).await;
}

/// Mutation: a run of nothing but noes let pass.
#[tokio::test]
async fn a_sale_that_gives_nothing_away_is_caught() {
    is_caught(Lie::NothingGiven, "NOTHING_GIVEN", 1, ["有房却无人抢到", "nothing given away"]).await;
}

/// Mutation: a tap without an answer passed over.
#[tokio::test]
async fn a_tap_without_an_answer_is_caught() {
    let report = is_caught(Lie::Silent, "UNANSWERED", 1, ["没有答复的点击", "taps without an answer"]).await;
    assert_eq!((report.unanswered, report.answered()), (1, BUYERS - 1));
}

/// Mutation: the journal's numbers not counted through.
#[tokio::test]
async fn a_gap_in_the_journal_is_caught() {
    is_caught(Lie::JournalGap, "JOURNAL_GAP", 1, ["日志缺口", "gaps in the journal"]).await;
}

/// Mutation: only the board that everybody may read compared.
#[tokio::test]
async fn boards_that_are_all_wrong_are_caught() {
    is_caught(Lie::WrongBoards, "BOARD_WRONG", SOCKETS, ["销控显示不符", "wrong boards"]).await;
}

/// Mutation: one buyer's board taken for everybody's.
#[tokio::test]
async fn one_buyers_wrong_board_is_caught() {
    let report = is_caught(Lie::WrongBoardForOne, "BOARD_WRONG", 1, ["销控显示不符", "wrong boards"]).await;
    let example = serde_json::to_value(&report.audit.examples[0]).unwrap();
    assert_eq!(
        (&example["board"], &example["shows"], &example["truth"]),
        (&sale::VICTIM.into(), &"2".into(), &"1".into(),)
    );
}

/// Mutation: a socket that was never shown a board left out of the comparison.
#[tokio::test]
async fn boards_that_are_never_shown_are_caught() {
    is_caught(Lie::NoBoards, "BOARD_BEHIND", SOCKETS, ["没有跟上的销控", "boards left behind"]).await;
}

/// Each shows what was true when it was sent, so that only its age speaks against it. Mutation: what is right as far as it
/// goes let pass.
#[tokio::test]
async fn boards_that_stand_still_are_caught() {
    is_caught(Lie::StuckBoards, "BOARD_BEHIND", SOCKETS, ["没有跟上的销控", "boards left behind"]).await;
}

/// Mutation: every board compared with the journal's end.
#[tokio::test]
async fn a_hold_that_lapses_after_the_last_frame_is_no_lie() {
    let (Played { status, said, report }, _) = play(Lie::LapsesAtTheEnd).await;
    assert_eq!((status, report.verdict), (Some(0), Verdict::Pass), "{said}");
    assert_eq!((report.audit.clean, report.audit.boards), (true, SOCKETS + 1));
}

/// Mutation: an answer to a tap that has one already passed over.
#[tokio::test]
async fn two_answers_to_one_tap_are_caught() {
    let words = ["前后矛盾的答复", "contradictory answers"];
    is_caught(Lie::Contradicts, "CONTRADICTED", 1, words).await;
}

/// Mutation: only the sockets' boards compared.
#[tokio::test]
async fn a_wrong_public_board_is_caught() {
    is_caught(Lie::WrongPublicBoard, "BOARD_WRONG", 1, ["销控显示不符", "wrong boards"]).await;
}

/// A generator that was stopped while its taps were due has measured itself. Mutations: latency counted from the moment a
/// tap left; a saturated run that fails or passes.
#[tokio::test]
async fn a_generator_that_was_late_refuses_its_own_figures() {
    let door = Door::open(Lie::None, -1_000).await;
    let folder = tempfile::tempdir().unwrap();
    let more = ["--buyers", "40", "--per-s", "100", "--for", "4s", "--lag", "500ms"];
    let mut command = run(&door, "soak", folder.path(), &more);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let process = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    tokio::select! {
        tapped = tokio::time::timeout(LIMIT, door.first_tap()) => tapped.unwrap(),
        early = child.wait() => panic!("it ended before its first tap: {early:?}"),
    }
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    // Not a wait for something: the time for which the generator is not there.
    tokio::time::sleep(Duration::from_secs(2)).await;
    rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let report = read(folder.path(), &said);
    assert!(report.generator.saturated && report.generator.lag_ms.p99 > 500.0, "{:?}", report.generator);
    assert_eq!(report.verdict, Verdict::Refused);
    assert!(report.reasons[0].contains("压测机本身跟不上计划"), "{:?}", report.reasons);
    let page = page(&folder.path().join("report.json")).await;
    assert!(page.contains("不作数") && page.contains("Refused"));
}

/// Two programs play halves of the buyers at one T, as two machines would; the truth is read after both. Mutation: the
/// parts' own audits joined, of which the one that ended first is clean.
#[tokio::test]
async fn two_machines_reports_become_one_and_are_audited_together() {
    for (lie, verdict, status) in [(Lie::None, Verdict::Pass, 0), (Lie::SellsTwice, Verdict::Fail, 1)] {
        let door = Door::open(lie, 5_000).await;
        let folder = tempfile::tempdir().unwrap();
        let half = |first: &str| -> (Command, PathBuf, PathBuf) {
            let out = folder.path().join(first);
            let record = folder.path().join(format!("{first}.jsonl"));
            let more = ["--buyers", "30", "--first", first, "--record", path(&record)];
            (run(&door, "burst", &out, &more), out.join("report.json"), record)
        };
        let [(one, report_one, record_one), (two, report_two, record_two)] = ["0", "30"].map(half);
        let ((_, said_one), (_, said_two)) = tokio::join!(finished(one), finished(two));
        let truth = folder.path().join("truth.json");
        std::fs::write(&truth, door.sale.lock().unwrap().truth().to_string()).unwrap();
        let merged = folder.path().join("merged.json");
        let merge = tool(&[
            "merge",
            path(&report_one),
            path(&report_two),
            "--record",
            path(&record_one),
            "--record",
            path(&record_two),
            "--truth",
            path(&truth),
            "--output",
            path(&merged),
        ]);
        let (code, said) = finished(merge).await;
        assert_eq!(code, Some(status), "{said}\n{said_one}\n{said_two}");
        let report = Report::read(&merged).unwrap();
        assert_eq!(
            (report.verdict, report.sent, report.audit.taps, report.parts.len()),
            (verdict, 60, 60, 2)
        );
        assert_eq!(report.answered(), 60);
        assert_eq!(report.audit.findings["DOUBLE"], u64::from(lie == Lie::SellsTwice));

        // Of one part twice no sum can be made.
        let twice = tool(&[
            "merge",
            path(&report_one),
            path(&report_one),
            "--record",
            path(&record_one),
            "--record",
            path(&record_one),
            "--truth",
            path(&truth),
            "--output",
            path(&merged),
        ]);
        let (code, said) = finished(twice).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("is one part given twice?"), "{said}");
    }
}
