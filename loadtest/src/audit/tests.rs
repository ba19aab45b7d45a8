//! A small honest sale, and each lie planted in it: the line must change, and only in its own place.
//!
//! Mutations that turned these red, one test each: a later holder overwriting an earlier one unseen, two occupying
//! claims let pass, a yes matched without its claim's id, a yes kept in any state, unanswered taps not counted, a no
//! never compared with the claims, a *taken* not looked up, a run of nothing but noes let pass, the same answer again
//! taken for another, a journal that may begin anywhere, occupants of claims and journal not compared, a board compared
//! only as far as it goes, boards of the same wrongness counted once, every board compared with the journal's end, a
//! board that is behind let pass.

use super::*;

const CLEAN: &str = "2 sold · 0 double · 0 yes lost · every tap answered";

fn entry(what: What) -> Entry {
    Entry { at_ms: 0, what }
}

fn tap(registration: &str, key: &str, unit: u32) -> Entry {
    entry(What::Tap { registration: registration.into(), key: key.into(), unit })
}

fn yes(registration: &str, key: &str, claim: &str, unit: u32) -> Entry {
    entry(What::Yes { registration: registration.into(), key: key.into(), claim: claim.into(), unit })
}

fn no(registration: &str, key: &str, code: &str) -> Entry {
    entry(What::No { registration: registration.into(), key: key.into(), code: code.into() })
}

fn claim(id: &str, unit: u32, of: Option<(&str, &str)>, state: &str, seq: i64) -> Claim {
    Claim {
        id: id.into(),
        unit,
        registration: of.map(|(registration, _)| registration.into()),
        key: of.map(|(_, key)| key.into()),
        state: state.into(),
        occupying: matches!(state, "withheld" | "held" | "lapsing" | "offered" | "sold"),
        seq,
    }
}

/// A buys unit 4. B loses 4, is told so, holds 5 and gives it up; C then buys 5. Unit 9 is withheld. A newcomer whose
/// taps are not on the crowd's record holds 6.
fn honest() -> (Vec<Entry>, Truth) {
    let record = vec![
        entry(What::Run { opening: "O".into(), buyers: 3, simulated: true }),
        tap("A", "a-1", 4),
        tap("B", "b-1", 4),
        yes("A", "a-1", "C1", 4),
        no("B", "b-1", "TAKEN"),
        tap("B", "b-2", 5),
        entry(What::NotYet { key: "b-2".into(), why: crate::record::NotYet::LinkLost }),
        yes("B", "b-2", "C2", 5),
        entry(What::GaveUp { registration: "B".into(), claim: "C2".into() }),
        entry(What::Paid { claim: "C1".into(), reference: "SIM-C1".into(), state: "sold".into() }),
        tap("C", "c-1", 5),
        yes("C", "c-1", "C3", 5),
        entry(What::Paid { claim: "C3".into(), reference: "SIM-C3".into(), state: "sold".into() }),
        entry(What::End),
    ];
    let claims = vec![
        claim("W", 9, None, "withheld", 2),
        claim("C1", 4, Some(("A", "a-1")), "sold", 3),
        claim("C2", 5, Some(("B", "b-2")), "given_up", 4),
        claim("C3", 5, Some(("C", "c-1")), "sold", 7),
        claim("N", 6, Some(("NEW", "newcomer-1")), "held", 9),
    ];
    let journal = vec![
        event(1, "published", None, None),
        event(2, "withheld", Some("W"), Some(9)),
        event(3, "held", Some("C1"), Some(4)),
        event(4, "held", Some("C2"), Some(5)),
        event(5, "sold", Some("C1"), None),
        event(6, "given_up", Some("C2"), None),
        event(7, "held", Some("C3"), Some(5)),
        event(8, "sold", Some("C3"), None),
        event(9, "held", Some("N"), Some(6)),
    ];
    (record, Truth { claims, journal })
}

fn event(seq: i64, kind: &str, claim: Option<&str>, unit: Option<u32>) -> JournalEntry {
    JournalEntry {
        seq,
        kind: kind.into(),
        at_ms: seq * 1_000,
        body: JournalBody { claim: claim.map(Into::into), unit },
    }
}

fn line_after(spoil: impl FnOnce(&mut Vec<Entry>, &mut Truth)) -> String {
    let (mut record, mut truth) = honest();
    spoil(&mut record, &mut truth);
    let verdict = compare(&record, &truth);
    assert!(!verdict.is_clean());
    verdict.line_en()
}

#[test]
fn an_honest_sale_has_the_clean_line_chinese_first() {
    let (record, truth) = honest();
    let verdict = compare(&record, &truth);
    assert!(verdict.is_clean(), "{:?}", verdict.findings);
    assert_eq!(verdict.line(), format!("售出 2 · 一房两卖 0 · 丢失的“抢到” 0 · 每次点击都有答复 | {CLEAN}"));
}

#[test]
fn a_planted_double_changes_the_line() {
    let line = line_after(|_, truth| {
        truth.claims.push(claim("X", 4, Some(("D", "d-1")), "held", 10));
        truth.journal.push(event(10, "held", Some("X"), Some(4)));
    });
    assert_eq!(line, "2 sold · 1 double · 0 yes lost · every tap answered");
}

#[test]
fn a_double_that_only_the_claims_show_changes_the_line() {
    let line = line_after(|_, truth| truth.claims.push(claim("X", 4, Some(("D", "d-1")), "held", 9)));
    assert_eq!(line, "2 sold · 1 double · 0 yes lost · every tap answered");
}

/// Everything is in order by now, so the claims alone show nothing: only the journal's order does.
#[test]
fn a_double_that_was_mended_afterwards_is_still_a_double() {
    let line = line_after(|_, truth| {
        truth.claims.push(claim("X", 5, Some(("D", "d-1")), "released", 10));
        truth.journal.push(event(10, "held", Some("X"), Some(5)));
        truth.journal.push(event(11, "released", Some("X"), None));
        truth.journal.push(event(12, "revived", Some("C3"), None));
    });
    assert_eq!(line, "2 sold · 1 double · 0 yes lost · every tap answered");
}

#[test]
fn a_hold_that_lapsed_and_was_revived_is_no_double() {
    let (record, mut truth) = honest();
    truth.journal.push(event(10, "lapsed", Some("N"), None));
    truth.journal.push(event(11, "revived", Some("N"), None));
    let verdict = compare(&record, &truth);
    assert!(verdict.is_clean(), "{:?}", verdict.findings);
}

#[test]
fn withheld_units_are_free_of_their_claims_after_unpublishing() {
    let (record, mut truth) = honest();
    truth.claims.retain(|claim| claim.id != "W");
    truth.journal.push(event(10, "unpublished", None, None));
    assert!(compare(&record, &truth).is_clean());
}

#[test]
fn claims_that_the_journal_does_not_tell_change_the_line() {
    let line = line_after(|_, truth| truth.journal[8].kind = "paid".into());
    assert!(line.contains("1 unit on which journal and claims disagree"), "{line}");
    let line = line_after(|_, truth| truth.journal.push(event(10, "lapsed", Some("C1"), None)));
    assert!(line.contains("1 unit on which journal and claims disagree"), "{line}");
    // The same occupant in another state.
    let line = line_after(|_, truth| truth.journal.push(event(10, "sold", Some("N"), None)));
    assert!(line.contains("1 unit on which journal and claims disagree"), "{line}");
}

#[test]
fn a_lost_yes_changes_the_line() {
    let gone = line_after(|_, truth| truth.claims.retain(|claim| claim.id != "C2"));
    assert_eq!(gone, "2 sold · 0 double · 1 yes lost · every tap answered");
    let of_another = line_after(|_, truth| truth.claims[2].registration = Some("Z".into()));
    assert_eq!(of_another, "2 sold · 0 double · 1 yes lost · every tap answered");
    let another_unit = line_after(|_, truth| truth.claims[2].unit = 7);
    assert_eq!(another_unit, "2 sold · 0 double · 1 yes lost · every tap answered");
    let another_claim = line_after(|_, truth| truth.claims[2].id = "C9".into());
    assert_eq!(another_claim, "2 sold · 0 double · 1 yes lost · every tap answered");
    let taken_back = line_after(|_, truth| truth.claims[2].state = "void".into());
    assert_eq!(taken_back, "2 sold · 0 double · 1 yes lost · every tap answered");
}

#[test]
fn a_deal_that_is_none_changes_the_line() {
    let line = line_after(|_, truth| {
        truth.claims[3].state = "held".into();
        truth.journal[7].kind = "paid".into();
    });
    assert_eq!(line, "1 sold · 0 double · 0 yes lost · 1 deal lost · every tap answered");
}

#[test]
fn a_no_that_was_a_yes_changes_the_line() {
    let line = line_after(|_, truth| {
        truth.claims.push(claim("X", 8, Some(("B", "b-1")), "held", 10));
        truth.journal.push(event(10, "held", Some("X"), Some(8)));
    });
    assert_eq!(line, "2 sold · 0 double · 0 yes lost · 1 no that was a yes · every tap answered");
}

#[test]
fn a_free_unit_said_to_be_taken_changes_the_line() {
    let line = line_after(|record, _| {
        record.extend([tap("D", "d-1", 7), tap("E", "e-1", 7)]);
        record.extend([no("D", "d-1", "TAKEN"), no("E", "e-1", "TAKEN")]);
    });
    assert_eq!(line, "2 sold · 0 double · 0 yes lost · 1 free unit said to be taken · every tap answered");
    // Another reason, a unit that was given up, one that was withheld as long as there was an opening.
    let (mut record, mut truth) = honest();
    truth.claims.retain(|claim| claim.id != "W");
    truth.journal.push(event(10, "unpublished", None, None));
    record.extend([tap("D", "d-1", 7), tap("D", "d-2", 9), tap("D", "d-3", 5)]);
    record.extend([no("D", "d-1", "CLOSED"), no("D", "d-2", "TAKEN"), no("D", "d-3", "TAKEN")]);
    assert_eq!(compare(&record, &truth).findings, []);
}

#[test]
fn nothing_but_noes_while_units_are_free_is_a_finding() {
    let (_, truth) = honest();
    let refused = |unit: u32| vec![tap("D", "d-1", unit), no("D", "d-1", "QUOTA_USED")];
    assert_eq!(compare(&refused(7), &truth).findings, [Finding::NothingGiven { unit: 7 }]);
    // All of what was tapped went to somebody else, on another machine's record.
    assert_eq!(compare(&refused(6), &truth).findings, []);
    // The demo's people, who came too late.
    let mut crowd = refused(7);
    crowd.insert(0, entry(What::Run { opening: "O".into(), buyers: 1, simulated: true }));
    assert_eq!(compare(&crowd, &truth).findings, []);
}

#[test]
fn an_unanswered_tap_changes_the_line() {
    let line = line_after(|record, _| record.retain(|entry| entry.what != no("B", "b-1", "TAKEN").what));
    assert_eq!(line, "2 sold · 0 double · 0 yes lost · 1 tap unanswered");
    let line = line_after(|record, _| record.extend([tap("D", "d-1", 1), tap("E", "e-1", 1)]));
    assert_eq!(line, "2 sold · 0 double · 0 yes lost · 2 taps unanswered");
}

#[test]
fn in_progress_and_unknown_are_no_answers() {
    let line = line_after(|record, _| {
        record.push(tap("D", "d-1", 1));
        record.push(entry(What::NotYet { key: "d-1".into(), why: crate::record::NotYet::InProgress }));
        record.push(entry(What::NotYet { key: "d-1".into(), why: crate::record::NotYet::Unknown }));
    });
    assert_eq!(line, "2 sold · 0 double · 0 yes lost · 1 tap unanswered");
}

#[test]
fn two_answers_to_one_tap_or_one_to_none_change_the_line() {
    let twice = line_after(|record, _| record.push(no("A", "a-1", "TAKEN")));
    assert_eq!(twice, "2 sold · 0 double · 0 yes lost · 1 contradictory answer · every tap answered");
    let other_claim = line_after(|record, _| record.push(yes("A", "a-1", "C9", 4)));
    assert_eq!(other_claim, twice);
    let stray = line_after(|record, _| record.push(no("A", "a-9", "TAKEN")));
    assert_eq!(stray, twice);
    // Asked twice and told the same twice; or refused twice, for two reasons.
    let (mut record, truth) = honest();
    record.extend([yes("A", "a-1", "C1", 4), no("B", "b-1", "NOT_RECORDED")]);
    assert_eq!(compare(&record, &truth).line_en(), CLEAN);
}

#[test]
fn a_gap_in_the_journal_changes_the_line() {
    let middle = line_after(|_, truth| truth.journal.retain(|entry| entry.seq != 5));
    assert!(middle.contains("in the journal"), "{middle}");
    let beginning = line_after(|_, truth| truth.journal.retain(|entry| entry.seq != 1));
    assert!(beginning.contains("in the journal"), "{beginning}");
    let end = line_after(|_, truth| truth.journal.retain(|entry| entry.seq != 9));
    assert!(end.contains("in the journal"), "{end}");
    let twice = line_after(|_, truth| truth.journal.push(event(5, "paid", None, None)));
    assert!(twice.contains("in the journal"), "{twice}");
}

#[test]
fn an_empty_record_proves_nothing() {
    let (_, truth) = honest();
    let verdict = compare(&[], &truth);
    assert!(!verdict.is_clean());
    assert_eq!(verdict.line_en(), "2 sold · 0 double · 0 yes lost · no tap on record");
}

/// Boards that have come to the journal's end.
fn boards(board: &str, boards: u64, status: &str) -> Entry {
    entry(What::Boards { board: board.into(), boards, seq: 9, status: status.into() })
}

/// One board at `seq`, as it was at `at_ms`.
fn board_at(seq: i64, at_ms: i64, status: &str) -> Entry {
    Entry { at_ms, what: What::Boards { board: "A".into(), boards: 1, seq, status: status.into() } }
}

#[test]
fn a_wrong_board_changes_the_line() {
    let right = "0000221003";
    let (mut record, truth) = honest();
    // The eleventh unit was never claimed.
    record.extend([boards("A", 3, right), boards("B", 1, "00002210030")]);
    assert_eq!(compare(&record, &truth).line_en(), CLEAN);
    for wrong in ["0000220003", "0000221000", "0000221", "00002210031", "0000211003", ""] {
        let line = line_after(|record, _| record.extend([boards("A", 2, right), boards("B", 1, wrong)]));
        assert_eq!(line, "2 sold · 0 double · 0 yes lost · 1 wrong board · every tap answered", "{wrong}");
    }
    let line = line_after(|record, _| record.push(boards("A", 3, "0000220003")));
    assert_eq!(line, "2 sold · 0 double · 0 yes lost · 3 wrong boards · every tap answered");

    let (mut record, truth) = honest();
    record.push(boards("B", 1, "0000220003"));
    let wrong =
        Finding::BoardWrong { board: "B".into(), boards: 1, unit: 6, shows: Some('0'), truth: Some('1') };
    assert_eq!(compare(&record, &truth).findings, [wrong]);
    assert_eq!(compare(&record, &truth).boards, 1);
}

#[test]
fn a_board_is_compared_with_the_journal_as_far_as_it_has_come() {
    let (mut record, mut truth) = honest();
    truth.claims[4].state = "lapsed".into();
    truth.claims[4].occupying = false;
    truth.journal.push(event(10, "lapsed", Some("N"), None));
    record.extend([board_at(9, 10_000, "0000221003"), board_at(10, 10_000, "0000220003")]);
    record.extend([board_at(4, 9_000, "0000110003"), board_at(12, 10_000, "0000220003")]);
    let verdict = compare(&record, &truth);
    assert_eq!((verdict.findings, verdict.boards), (Vec::new(), 4));
    // Each shows what another one is right to show.
    for wrong in [board_at(9, 10_000, "0000220003"), board_at(10, 10_000, "0000221003")] {
        let (mut record, _) = honest();
        record.push(wrong);
        let found = compare(&record, &truth).findings;
        assert!(matches!(found.as_slice(), [Finding::BoardWrong { unit: 6, .. }]), "{found:?}");
    }
}

#[test]
fn a_board_that_stays_behind_changes_the_line() {
    let limit = i64::from(BEHIND_MS_MAX);
    let (mut record, truth) = honest();
    // The entry after it was written at 9 s.
    record.push(board_at(8, 9_000 + limit, "0000220003"));
    assert_eq!(compare(&record, &truth).line_en(), CLEAN);
    for (seq, status) in [(8, "0000220003"), (-1, "")] {
        let (mut record, truth) = honest();
        record.push(board_at(seq, 9_001 + limit, status));
        let verdict = compare(&record, &truth);
        assert_eq!(verdict.findings, [Finding::BoardBehind { board: "A".into(), boards: 1, seq }]);
        assert!(verdict.line_en().contains("1 board left behind"), "{}", verdict.line_en());
    }
    // One that shows nothing and says that it has come to the end is wrong, and not late.
    let line = line_after(|record, _| record.push(board_at(9, 60_000, "")));
    assert!(line.contains("1 wrong board"), "{line}");
}
