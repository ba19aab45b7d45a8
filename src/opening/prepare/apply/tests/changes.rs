//! Imports that change what is stored: in parts, shown at once, and put back if they are not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::parts::{roster, roster_of};
use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// The same people with more money, and everybody with the next one's document.
fn roster_changed(count: u32) -> Reading<RosterRow> {
    roster(count, 1, 6_000)
}

impl Desk {
    /// How many units are shown with which price and reason.
    async fn prices_and_reasons(&self) -> Vec<(i64, i64, String)> {
        let mut on = self.db.read().await.unwrap();
        fetch_all!(
            on,
            (i64, i64, String),
            "SELECT COUNT(*), total_fen, COALESCE(withheld_reason, '') FROM unit_shown
             WHERE opening_id = $1 GROUP BY 2, 3",
            &self.opening
        )
        .unwrap()
    }
}

/// How many of the first and the last registration are shown as changed.
async fn shown_changed(on: &mut Tx, opening: &OpeningId, last: u32) -> i64 {
    let (shown,) = fetch_one!(
        on,
        (i64,),
        "SELECT COUNT(*) FROM registration_shown WHERE opening_id = $1 AND earnest_fen = 600000 AND ord IN (0, $2)",
        opening,
        i64::from(last)
    )
    .unwrap();
    shown
}

/// Rows that SQLite's one writer has written since it was opened.
async fn rows_written(tx: &mut Tx) -> i64 {
    let crate::store::Exec::Sqlite(writer) = tx.exec() else { panic!("it has one writer") };
    sqlx::query_scalar("SELECT total_changes()").fetch_one(writer).await.unwrap()
}

/// OP-23: an import that changes everybody keeps the writer for one part at a time, and is shown at once.
///
/// Whoever commits picks has the next turn, so between two turns of it lies one transaction of the import.
///
/// Mutations that turned it red: all rows written, or set aside, in one part; `registration_shown` without what is set
/// aside (the first changes were shown alone).
#[tokio::test]
async fn op_23_changes_give_the_writer_back_after_every_part() {
    const ROWS: u32 = 20_000;
    let desk = Desk::new().await;
    desk.importer().roster(&desk.opening, roster_of(ROWS), STORE).await.unwrap();
    let before = desk.stored().await;
    let (done, importer) = (AtomicBool::new(false), desk.importer());
    let import = async {
        let report = importer.roster(&desk.opening, roster_changed(ROWS), STORE).await.unwrap();
        done.store(true, Ordering::Release);
        report
    };
    let turns = async {
        let mut seen = Vec::new();
        while !done.load(Ordering::Acquire) {
            let mut tx = desk.db.begin(Priority::Commit).await.unwrap();
            seen.push((rows_written(&mut tx).await, shown_changed(&mut tx, &desk.opening, ROWS - 1).await));
            tx.commit().await.unwrap();
        }
        seen
    };
    let (report, seen) = tokio::join!(import, turns);
    let (added, changes, unchanged, missing) = effect(&report);
    assert_eq!((added, changes.len(), unchanged, missing), (0, 2 * ROWS as usize, 0, none()));

    // Setting a row aside writes two, and the mark is a row too.
    let longest = seen.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap();
    assert_eq!(longest, 2 * IMPORT_PART_ROWS as i64 + 1, "rows between two turns");
    let shown: Vec<_> = seen.iter().map(|(_, shown)| *shown).collect();
    assert!(shown.is_sorted() && shown.iter().all(|shown| [0, 2].contains(shown)), "{shown:?}");

    let after = desk.stored().await;
    for (at, ((ord, id, code, ..), (ord_before, id_before, code_before, ..))) in
        after.iter().zip(&before).enumerate()
    {
        assert_eq!((ord, id, code), (ord_before, id_before, code_before));
        assert_eq!(after[at].3, before[(at + 1) % before.len()].3, "everybody has the next one's document");
    }
    let mut on = desk.db.read().await.unwrap();
    let left = fetch_one!(on, (i64,), "SELECT COUNT(*) FROM registration_aside").unwrap();
    assert_eq!(left, (0,), "nothing stays aside");
}

/// The turn of a commit in the middle of an import, when some rows are written and others not.
async fn half_changed(desk: &Desk) -> Tx {
    let half_changed = async {
        loop {
            let mut tx = desk.db.begin(Priority::Commit).await.unwrap();
            let (half,) = fetch_one!(
                tx,
                (bool,),
                "SELECT EXISTS (SELECT 1 FROM registration r
                                JOIN registration_shown s ON s.opening_id = r.opening_id AND s.ord = r.ord
                                WHERE s.earnest_fen <> r.earnest_fen)
                     OR EXISTS (SELECT 1 FROM unit u
                                JOIN unit_shown s ON s.opening_id = u.opening_id AND s.ord = u.ord
                                WHERE s.total_fen <> u.total_fen)"
            )
            .unwrap();
            if half {
                return tx;
            }
            tx.commit().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, half_changed).await.expect("an import is half written")
}

/// Until an import that was cut off has undone all.
async fn undone(desk: &Desk) {
    let undone = async {
        loop {
            let mut on = desk.db.read().await.unwrap();
            let (left,) = fetch_one!(
                on,
                (i64,),
                "SELECT (SELECT COUNT(*) FROM registration_aside) + (SELECT COUNT(*) FROM unit_aside)
                     + (SELECT COUNT(*) FROM opening WHERE staged_by IS NOT NULL)"
            )
            .unwrap();
            if left == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, undone).await.expect("it is undone")
}

/// Documents that changed hands come back to whom they were, also over several parts.
///
/// Mutations that turned it red: a document that is not given away when its row is set aside, or not before another's is
/// put back; forgotten instead of put back.
#[tokio::test]
async fn an_abandoned_import_puts_back_what_it_changed() {
    let desk = Desk::new().await;
    desk.importer().roster(&desk.opening, roster_of(1_000), STORE).await.unwrap();
    let before = desk.stored().await;
    let importer = desk.importer();
    tokio::select! {
        report = importer.roster(&desk.opening, roster_changed(1_000), STORE) => panic!("it ended: {report:?}"),
        tx = half_changed(&desk) => drop(tx),
    }
    undone(&desk).await;
    assert_eq!(desk.stored().await, before);
    let report = desk.importer().roster(&desk.opening, roster_of(1_000), STORE).await.unwrap();
    assert_eq!(effect(&report), (0, none(), 1_000, none()));
}

/// What is published is the roster as it was before an import that is under way, whole.
///
/// Mutation that turned it red: forgotten instead of put back.
#[tokio::test]
async fn a_publication_puts_back_what_an_import_under_way_changed() {
    let desk = Desk::new().await;
    desk.importer().roster(&desk.opening, roster_of(1_000), STORE).await.unwrap();
    let before = desk.stored().await;
    let importer = desk.importer();
    let publication = async {
        let mut tx = half_changed(&desk).await;
        withdraw(&mut tx, &desk.opening).await.unwrap();
        execute!(tx, "UPDATE opening_head SET phase = 'published' WHERE opening_id = $1", &desk.opening)
            .unwrap();
        tx.commit().await.unwrap();
    };
    let (report, ()) =
        tokio::join!(importer.roster(&desk.opening, roster_changed(1_000), STORE), publication);
    assert_eq!(report.unwrap_err().code(), "ALREADY_PUBLISHED");
    undone(&desk).await;
    assert_eq!(desk.stored().await, before);
}

/// Withholding a unit is no part of an import: it is neither hidden nor undone by one.
///
/// Mutations that turned it red: `unit_shown` without the reason of what is set aside; forgotten instead of put back.
#[tokio::test]
async fn a_unit_that_is_withheld_meanwhile_stays_withheld() {
    let desk = Desk::new().await;
    let list = |price: u32| {
        let rows: String = (0..600).map(|n| format!("1#,{n},90,{price}\n")).collect();
        read_price_list(format!("幢号,室号,建筑面积,总价\n{rows}").as_bytes(), "1#.csv").unwrap()
    };
    desk.importer().price_list(&desk.opening, &list(900_000), STORE).await.unwrap();
    let (importer, changed) = (desk.importer(), list(800_000));
    let withheld = async {
        let mut tx = half_changed(&desk).await;
        execute!(tx, "UPDATE unit SET withheld_reason = 'show flat' WHERE opening_id = $1", &desk.opening)
            .unwrap();
        tx.commit().await.unwrap();
        half_changed(&desk).await
    };
    tokio::select! {
        report = importer.price_list(&desk.opening, &changed, STORE) => panic!("it ended: {report:?}"),
        tx = withheld => drop(tx),
    }
    let during_and_after = [desk.prices_and_reasons().await, {
        undone(&desk).await;
        desk.prices_and_reasons().await
    }];
    for units in during_and_after {
        assert_eq!(units, [(600, 90_000_000, "show flat".to_owned())]);
    }
}

/// What an import leaves that was killed after it was shown is never shown, and goes with the next start.
///
/// Mutations that turned it red: marks alone swept; `registration_shown` with what any import set aside.
#[tokio::test]
async fn what_a_shown_import_had_set_aside_goes_with_the_next_start() {
    let desk = Desk::new().await;
    desk.roster("A1,甲,护照,E10000001,13800000001,J1,通过,1,50000,,\n", STORE).await;
    let mut tx = desk.db.begin(Priority::Bulk).await.unwrap();
    let stage = Stage { opening: &desk.opening, by: "killed" };
    aside::registrations(&mut tx, &stage, &[0]).await.unwrap();
    execute!(tx, "UPDATE registration SET earnest_fen = 600000").unwrap();
    tx.commit().await.unwrap();
    let aside_and_shown = async || {
        let mut on = desk.db.read().await.unwrap();
        fetch_one!(
            on,
            (i64, i64, i64),
            "SELECT (SELECT COUNT(*) FROM registration_aside), COUNT(*), MIN(earnest_fen) FROM registration_shown"
        )
        .unwrap()
    };
    assert_eq!(aside_and_shown().await, (1, 1, 600_000));
    bury_cut_off(&desk.db).await.unwrap();
    sweep(&desk.db).await.unwrap();
    assert_eq!(aside_and_shown().await, (0, 1, 600_000));
}

/// An ordinal that is another registration's by now would put one person's sealed data under another's code.
///
/// Seen red: an upsert without its condition.
#[tokio::test]
async fn a_row_is_never_written_over_another_one() {
    let desk = Desk::new().await;
    let sealed = |text: &str| {
        let text = format!("认筹编号,姓名,证件类型,证件号码,手机号,资格审核\n{text}");
        let rows = read_roster(text.as_bytes(), "名单.csv").unwrap().rows;
        let rows: Vec<RosterRow> = rows.into_iter().map(|row| row.value).collect();
        seal_roster(&desk.vault, &rows, 1).unwrap()
    };
    let org = OrgId::default_org();
    let mut tx = desk.db.begin(Priority::Bulk).await.unwrap();
    let first = sealed("A1,甲,护照,E90000001,13900000001,通过\n");
    write_roster(&mut tx, &desk.opening, &org, &first).await.unwrap();
    write_roster(&mut tx, &desk.opening, &org, &first).await.unwrap();
    let other = sealed("B1,乙,护照,E90000002,13900000002,通过\n");
    let refused = write_roster(&mut tx, &desk.opening, &org, &other).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}
