//! The statements of a group of picks in all their sizes, run once on every connection that commits, and rolled back. A
//! text for 128 claims takes Postgres longer to read than to run: that time is not the first second's.

use futures_util::future::try_join_all;

use super::rows::{ClaimRow, Entry, NewClaim, NewPlace};
use super::{groups, sql};
use crate::domain::ids::{ClaimId, OpeningId, PropertyId, RegOrd};
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::store::batch::SIZES;
use crate::store::postgres::PgDb;
use crate::store::{StoreError, Tx};

pub(super) async fn warm(db: &PgDb, opening: &OpeningId, property: &PropertyId) -> Result<(), StoreError> {
    let _one_at_a_time = db.warming().await;
    // At the same time: a session that waits for its turn inside a transaction is ended.
    let each = db.begin_on_each().await?.into_iter().zip(1..);
    try_join_all(each.map(|(tx, at)| on_one(tx, at, opening, property))).await?;
    Ok(())
}

/// `at` tells the connections apart, so that none waits for another's rows.
async fn on_one(mut tx: Tx, at: i64, opening: &OpeningId, property: &PropertyId) -> Result<(), StoreError> {
    let _now = tx.now().await?;
    // An epoch that no head has: the statement is read, and the row is not taken.
    let _nothing = sql::take_head(&mut tx, opening, -1).await?;
    for size in SIZES {
        group(&mut tx, at, opening, property, size).await?;
    }
    tx.rollback().await
}

/// A group that no reader can see and no index refuses: rolled back, of an ordinal and a sequence that nothing has, occupying
/// nothing.
async fn group(
    tx: &mut Tx,
    at: i64,
    opening: &OpeningId,
    property: &PropertyId,
    size: usize,
) -> Result<(), StoreError> {
    let rows: Vec<NewClaim> = (0..size).map(|_| claim(property)).collect();
    let keys: Vec<(RegOrd, &str)> = rows.iter().map(|_| (RegOrd(u32::MAX), "")).collect();
    let places: Vec<NewPlace> =
        rows.iter().zip(0..).map(|(row, place)| new_place(row, at, size, place)).collect();
    let entries: Vec<Entry> = (1..).take(size).map(|nth| entry(at, size, nth)).collect();
    let _none = groups::keyed(tx, opening, &keys).await?;
    let _all = groups::insert_claims(tx, opening, &rows.iter().collect::<Vec<_>>()).await?;
    let _all = groups::insert_places(tx, opening, &places).await?;
    groups::append_journal(tx, opening, &entries).await
}

fn claim(property: &PropertyId) -> NewClaim {
    let row = ClaimRow {
        id: ClaimId::generate(),
        unit_ord: -1,
        registration_ord: None,
        request_key: None,
        state: "warm".to_owned(),
        occupying: false,
        generation: 0,
        code: String::new(),
        deposit_fen: Fen::ZERO,
        paid_fen: Fen::ZERO,
        deadline_at: None,
        extended: false,
        created_at: Micros(0),
        changed_at: Micros(0),
        seq: -1,
        changed_seq: -1,
        reason: None,
    };
    NewClaim { row, property_id: property.clone(), rehearsal: true }
}

fn new_place(claim: &NewClaim, at: i64, size: usize, place: i64) -> NewPlace {
    NewPlace {
        claim: claim.row.id.clone(),
        holder_kind: "registration",
        holder: format!("warm-{at}-{size}"),
        class: "home",
        place,
    }
}

fn entry(at: i64, size: usize, nth: i64) -> Entry {
    // Each group's own, so that none meets another's.
    let seq = -(at * 1_000_000 + i64::try_from(size).unwrap_or(0) * 1_000 + nth);
    Entry { seq, kind: "warm".to_owned(), version: 0, at: Micros(0), body: Vec::new() }
}
