//! Large imports: beside an opening that is live, and cut off in the middle.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::domain::ids::{RegOrd, UnitOrd};
use crate::opening::answer::{Answer, Key};
use crate::opening::testing as live_testing;

pub fn roster_of(count: u32) -> Reading<RosterRow> {
    roster(count, 0, 5_000)
}

/// Everybody has the document of whoever comes `shift` later.
pub fn roster(count: u32, shift: u32, earnest: u32) -> Reading<RosterRow> {
    let row = |n: u32| {
        let document = (n + shift) % count;
        format!("A{n},甲,护照,E{document:08},138{n:08},通过,{earnest}\n")
    };
    let rows: String = (0..count).map(row).collect();
    let text = format!("认筹编号,姓名,证件类型,证件号码,手机号,资格审核,诚意金\n{rows}");
    read_roster(text.as_bytes(), "名单.csv").unwrap()
}

impl Desk {
    /// Registrations that are written, and those that a reader sees.
    async fn written_and_shown(&self) -> (i64, i64) {
        let mut on = self.db.read().await.unwrap();
        fetch_one!(
            on,
            (i64, i64),
            "SELECT (SELECT COUNT(*) FROM registration WHERE opening_id = $1),
                    (SELECT COUNT(*) FROM registration_shown WHERE opening_id = $1)",
            &self.opening
        )
        .unwrap()
    }
}

/// OP-23: picks are committed between the parts of an import, and no reader sees half of it.
///
/// Mutations that turned it red: everything in one part (no pick found the import half written); `registration_shown`
/// without its condition (half a roster was shown).
#[tokio::test(flavor = "multi_thread")]
async fn op_23_picks_go_through_between_the_parts_of_an_import() {
    const ROWS: u32 = 3_000;
    let desk = Desk::new().await;
    let running = live_testing::running(&desk.db, 5_000).await;
    let done = AtomicBool::new(false);
    let importer = desk.importer();
    let import = async {
        let report = importer.roster(&desk.opening, roster_of(ROWS), STORE).await.unwrap();
        done.store(true, Ordering::Release);
        report
    };
    let picks = async {
        let mut seen = Vec::new();
        for n in 0..5_000 {
            let key = Key::parse(&format!("tap-{n:08}")).unwrap();
            let answer = running.live.pick(RegOrd(n), UnitOrd(n), key).await;
            assert!(matches!(answer, Ok(Answer::Yes(_))), "{answer:?}");
            seen.push(desk.written_and_shown().await);
            if done.load(Ordering::Acquire) {
                break;
            }
        }
        seen
    };
    let (report, seen) = tokio::join!(import, picks);
    assert!(report.stored);
    let halfway: Vec<_> = seen.iter().filter(|(written, _)| (1..i64::from(ROWS)).contains(written)).collect();
    assert!(halfway.len() >= 3, "{} picks were committed while the import was half written", halfway.len());
    assert!(halfway.iter().all(|(_, shown)| *shown == 0), "half an import was shown: {halfway:?}");
    assert_eq!(desk.written_and_shown().await, (i64::from(ROWS), i64::from(ROWS)));
}

/// What an import that was killed leaves: a mark and a row behind it.
async fn cut_off(desk: &Desk) {
    let before = draft(&mut desk.db.read().await.unwrap(), &desk.opening).await.unwrap();
    let mut tx = desk.db.begin(Priority::Bulk).await.unwrap();
    let stage = Stage { opening: &desk.opening, by: "killed" };
    assert!(stage.mark(&mut tx, &before, List::Registrations, 1).await.unwrap());
    execute!(
        tx,
        "INSERT INTO registration (opening_id, ord, org_id, id, code, name_sealed, document_kind, document_sealed,
             document_bidx, eligibility, consultant, group_name, quota_home, earnest_fen)
         SELECT opening_id, 1, org_id, 'half', 'half', name_sealed, document_kind, document_sealed, name_sealed,
             eligibility, consultant, group_name, quota_home, earnest_fen
         FROM registration WHERE opening_id = $1 AND ord = 0",
        &desk.opening
    )
    .unwrap();
    tx.commit().await.unwrap();
}

/// A crash in the middle leaves the earlier state, and the next start removes the rest.
///
/// Mutations that turned it red: `remove_part` that removes nothing; `registration_shown` without its condition.
#[tokio::test]
async fn a_cut_off_import_is_never_seen_and_goes_with_the_next_start() {
    let desk = Desk::new().await;
    let row = "A1,甲,护照,E10000001,13800000001,J1,通过,1,50000,,\n";
    desk.roster(row, STORE).await;
    cut_off(&desk).await;
    assert_eq!(desk.written_and_shown().await, (2, 1));
    let busy = desk.importer().roster(&desk.opening, roster_of(1_000), STORE).await.unwrap_err();
    assert_eq!(busy.code(), "SLOW_DOWN", "it may still be alive");
    // A small one too: its ordinals would be the other's.
    let busy = desk.importer().roster(&desk.opening, roster_of(1), STORE).await.unwrap_err();
    assert_eq!(busy.code(), "SLOW_DOWN");

    bury_cut_off(&desk.db).await.unwrap();
    sweep(&desk.db).await.unwrap();
    assert_eq!(desk.written_and_shown().await, (1, 1));
    let report = desk.importer().roster(&desk.opening, roster_of(1_000), STORE).await.unwrap();
    assert_eq!((report.stored, desk.written_and_shown().await), (true, (1_000, 1_000)));
}

/// An import that was only slow must not write between what others undo.
///
/// Mutation that turned it red: `bury` that writes no time.
#[tokio::test]
async fn an_import_that_was_taken_for_dead_can_not_go_on() {
    let desk = Desk::new().await;
    desk.roster("A1,甲,护照,E10000001,13800000001,J1,通过,1,50000,,\n", STORE).await;
    cut_off(&desk).await;
    let stage = Stage { opening: &desk.opening, by: "killed" };
    assert!(stage.part(&desk.db).await.unwrap().is_some(), "it is alive");
    let mut tx = desk.db.begin(Priority::Bulk).await.unwrap();
    assert!(stage.bury(&mut tx).await.unwrap());
    tx.commit().await.unwrap();
    assert!(stage.part(&desk.db).await.unwrap().is_none());
    assert!(!is_busy(&desk.db, &desk.opening).await.unwrap(), "whoever comes next undoes the rest");
    assert_eq!(desk.written_and_shown().await, (1, 1));
}

/// A publication that comes in between freezes what was shown; the import finds its mark gone.
///
/// Mutation that turned it red: `remove_part` that removes nothing.
#[tokio::test]
async fn a_publication_takes_nothing_of_an_import_under_way() {
    let desk = Desk::new().await;
    desk.roster("A1,甲,护照,E10000001,13800000001,J1,通过,1,50000,,\n", STORE).await;
    cut_off(&desk).await;
    let mut tx = desk.db.begin(Priority::Staff).await.unwrap();
    withdraw(&mut tx, &desk.opening).await.unwrap();
    let stage = Stage { opening: &desk.opening, by: "killed" };
    tx.commit().await.unwrap();
    assert!(stage.part(&desk.db).await.unwrap().is_none(), "its next part is refused");
    assert_eq!(desk.written_and_shown().await, (1, 1));
}

/// A browser closed in the middle of an upload leaves nothing, and blocks nobody.
///
/// Mutation that turned it red: `registration_shown` without its condition (the next import took half of it for stored).
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_import_removes_what_it_wrote() {
    let desk = Arc::new(Desk::new().await);
    let importing = {
        let desk = desk.clone();
        tokio::spawn(
            async move { desk.importer().roster(&desk.opening, roster_of(5_000), STORE).await.map(drop) },
        )
    };
    let half_written = async {
        while desk.written_and_shown().await.0 == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), half_written).await.unwrap();
    importing.abort();
    assert!(importing.await.unwrap_err().is_cancelled());
    let again = async {
        loop {
            match desk.importer().roster(&desk.opening, roster_of(10), STORE).await {
                Ok(report) => return report,
                Err(ImportError::Busy) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let report = tokio::time::timeout(std::time::Duration::from_secs(60), again).await.unwrap();
    assert_eq!((report.stored, desk.written_and_shown().await), (true, (10, 10)));
}
