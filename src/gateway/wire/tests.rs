//! Frames against their golden copies in `tests/data/frames/`, which the pages' tests and other clients read too. A
//! changed copy is a changed protocol.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Number, Value};

use super::*;
use crate::domain::ids::{ClaimId, RegOrd, UnitOrd};
use crate::domain::kind::UnitKind;
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::http::{Code, Problem};
use crate::opening::answer::{self, ClaimState, HolderKind, Key, Refusal};
use crate::opening::board::{Board as LiveBoard, Status};

const OPENING: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames")
}

fn key() -> Key {
    Key::parse("tap-0001").unwrap()
}

fn held() -> answer::Claim {
    answer::Claim {
        id: "01BX5ZZKBKACTAV9WEVGEMMVRZ".parse::<ClaimId>().unwrap(),
        unit: UnitOrd(17),
        registration: RegOrd(3),
        key: key(),
        state: ClaimState::Held,
        generation: 1,
        code: "K7Q2M9".to_owned(),
        deposit: Fen(5_000_000),
        paid: Fen(0),
        deadline_at: Some(Micros::from_ms(1_763_784_900_000)),
        extended: false,
        created_at: Micros::from_ms(1_763_784_000_000),
        seq: 12,
    }
}

fn text(frame: &ServerFrame) -> String {
    let mut out = Vec::new();
    frame.write(&mut out);
    String::from_utf8(out).unwrap()
}

/// As it is written by hand; it must be what serde would write.
fn answer_frame(answer: &answer::Answer) -> String {
    let mut out = Vec::new();
    write_answer(&mut out, &key(), answer);
    let by_hand = String::from_utf8(out).unwrap();
    assert_eq!(by_hand, text(&ServerFrame::Answer(Answer::of(&key(), answer))));
    by_hand
}

fn refused(refusal: Refusal) -> String {
    answer_frame(&answer::Answer::No(refusal))
}

/// What the server says, by the name of its golden copy.
fn server_frames() -> BTreeMap<&'static str, String> {
    let board =
        LiveBoard::new(12, vec![Status::Free, Status::Held, Status::Sold, Status::Withheld, Status::Held]);
    let snapshot = snapshot_frame(&board.snapshot());
    board.note(15, [(UnitOrd(4), Status::Held), (UnitOrd(1), Status::Sold)]);
    let tick = board.publish().unwrap();
    board.note(16, []);
    let empty_tick = board.publish().unwrap();
    let hello = |device| {
        ServerFrame::Hello(Hello {
            protocol: 1,
            opening: OPENING.to_owned(),
            now_ms: 1_763_784_000_000,
            phase: "live",
            paused: false,
            start_ms: 1_763_783_990_000,
            end_ms: 1_763_787_600_000,
            device,
            seq: 12,
        })
    };
    let mine = claim(&held());
    let sold = answer::Claim {
        state: ClaimState::Sold,
        generation: 2,
        paid: Fen(5_000_000),
        deadline_at: None,
        ..held()
    };
    let request = DeviceRequest { session: OPENING.to_owned(), label: "iPad".to_owned() };
    let frames = [
        ("hello", hello("picks")),
        ("hello-anonymous", hello("anonymous")),
        ("mine", ServerFrame::Mine { claims: vec![mine] }),
        ("mine-empty", ServerFrame::Mine { claims: Vec::new() }),
        ("claim-sold", ServerFrame::Claim { claim: claim(&sold) }),
        ("answer-no-viewer", ServerFrame::Answer(Answer::viewer_device(&key()))),
        (
            "control",
            ServerFrame::Control {
                phase: "live",
                paused: true,
                start_ms: 1_763_783_990_000,
                end_ms: 1_763_787_600_000,
                now_ms: 1_763_784_001_000,
            },
        ),
        ("device", ServerFrame::Device { device: "viewer", request: None }),
        ("device-request", ServerFrame::Device { device: "picks", request: Some(request) }),
        ("time", ServerFrame::Time { c: Number::from_f64(1234.5).unwrap(), now_ms: 1_763_784_000_000 }),
        ("error-slow-down", ServerFrame::error(Problem::slow_down(250), Some("tap-0001".to_owned()))),
        ("error-malformed", ServerFrame::error(Problem::malformed("unit"), None)),
        ("error-session-ended", ServerFrame::error(Code::SessionEnded.into(), None)),
    ];
    let mut all: BTreeMap<&str, String> =
        frames.into_iter().map(|(name, frame)| (name, text(&frame))).collect();
    all.extend([
        ("snapshot", snapshot),
        ("board", board_frame(&tick)),
        ("board-empty", board_frame(&empty_tick)),
        ("answer-yes", answer_frame(&answer::Answer::Yes(Arc::new(held())))),
        ("answer-no-taken", refused(Refusal::Taken { unit: UnitOrd(17) })),
        ("answer-no-not-open-yet", refused(Refusal::NotOpenYet)),
        (
            "answer-no-quota-used",
            refused(Refusal::QuotaUsed { holder: HolderKind::Household, kind: UnitKind::Home }),
        ),
        ("answer-in-progress", answer_frame(&answer::Answer::InProgress)),
        ("answer-unknown", answer_frame(&answer::Answer::Unknown)),
    ]);
    all
}

#[test]
fn every_server_frame_is_its_golden_copy_and_every_copy_is_a_frame() {
    let frames = server_frames();
    let mut seen = 0;
    for (name, text) in &frames {
        let golden =
            fs::read_to_string(folder().join("server").join(format!("{name}.json"))).unwrap_or_default();
        assert_eq!(golden.trim_end(), text, "{name}");
        let value: Value = serde_json::from_str(text).unwrap();
        assert!(value["t"].is_string(), "{name}");
        seen += 1;
    }
    assert_eq!(fs::read_dir(folder().join("server")).unwrap().count(), seen, "a copy without a frame");
}

#[test]
fn every_refusal_is_written_as_serde_would() {
    let unit = UnitOrd(u32::MAX);
    for refusal in [
        Refusal::NotOpenYet,
        Refusal::Closed,
        Refusal::Paused,
        Refusal::NotAdmitted,
        Refusal::QuotaUsed { holder: HolderKind::Registration, kind: UnitKind::Shop },
        Refusal::Taken { unit },
        Refusal::Withheld { unit },
        Refusal::AlreadyYours { unit },
        Refusal::UnitUnknown,
        Refusal::NotRecorded,
    ] {
        refused(refusal);
    }
}

#[test]
fn every_golden_client_frame_is_understood() {
    let expected = [
        ("pick", ClientFrame::Pick { key: "tap-0001".into(), unit: 17, again: false }),
        ("pick-again", ClientFrame::Pick { key: "tap-0001".into(), unit: 17, again: true }),
        ("ask", ClientFrame::Ask { key: "tap-0001".into() }),
        ("snapshot", ClientFrame::Snapshot),
        ("time", ClientFrame::Time { c: Number::from_f64(1234.5).unwrap() }),
    ];
    for (name, frame) in &expected {
        let text = fs::read_to_string(folder().join("client").join(format!("{name}.json"))).unwrap();
        assert_eq!(ClientFrame::parse(&text).unwrap(), *frame, "{name}");
    }
    assert_eq!(fs::read_dir(folder().join("client")).unwrap().count(), expected.len());
}

#[test]
fn a_bad_frame_names_its_field_and_keeps_its_key() {
    let cases = [
        ("", "", None),
        ("[]", "", None),
        ("{}", "t", None),
        (r#"{"t":"fly"}"#, "t", None),
        (r#"{"t":7}"#, "t", None),
        (r#"{"t":"pick","key":"tap-0001"}"#, "unit", Some("tap-0001")),
        (r#"{"t":"pick","key":"tap-0001","unit":-1}"#, "unit", Some("tap-0001")),
        (r#"{"t":"pick","key":"tap-0001","unit":4294967296}"#, "unit", Some("tap-0001")),
        (r#"{"t":"pick","key":5,"unit":1}"#, "key", None),
        (r#"{"t":"ask"}"#, "key", None),
        (r#"{"t":"time","c":"now"}"#, "c", None),
        (r#"{"t":"time"}"#, "c", None),
    ];
    for (text, field, key) in cases {
        let (problem, found) = ClientFrame::parse(text).unwrap_err();
        assert_eq!(problem.params["field"], field, "{text}");
        assert_eq!(found.as_deref(), key, "{text}");
    }
}
