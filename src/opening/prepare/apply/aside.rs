//! What an import overwrites, as it was before (`migrations/0004_aside.sql`). Readers see this instead of what the import
//! wrote, as long as its mark stands; an import that is not shown puts it back.

use super::stage::Stage;
use crate::limits::IMPORT_PART_ROWS;
use crate::store::{StoreError, Tx, execute, execute_rows, fetch_one};

pub(super) async fn units(tx: &mut Tx, stage: &Stage<'_>, ords: &[i64]) -> Result<(), StoreError> {
    execute_rows!(
        tx,
        ords,
        "INSERT INTO unit_aside (staged_by, opening_id, ord, org_id, building, section, floor, room, layout, facing,
             gross_area_centi, inner_area_centi, unit_price_fen, total_fen, remarks)
         SELECT #, opening_id, ord, org_id, building, section, floor, room, layout, facing,
             gross_area_centi, inner_area_centi, unit_price_fen, total_fen, remarks
         FROM unit WHERE opening_id = # AND ord IN (",
        "#",
        ")",
        [stage.by, stage.opening],
        |ord| [*ord]
    );
    Ok(())
}

/// Each also gives its document away, because another one may take it. A sealed value stands in for the index of the
/// document: no two are alike.
pub(super) async fn registrations(tx: &mut Tx, stage: &Stage<'_>, ords: &[i64]) -> Result<(), StoreError> {
    execute_rows!(
        tx,
        ords,
        "INSERT INTO registration_aside (staged_by, opening_id, ord, org_id, name_sealed, document_kind,
             document_sealed, document_bidx, phone_sealed, phone_bidx, co_buyers_sealed, household, eligibility,
             proxy_sealed, consultant, group_name, lot_number, quota_home, earnest_fen, remarks_sealed)
         SELECT #, opening_id, ord, org_id, name_sealed, document_kind,
             document_sealed, document_bidx, phone_sealed, phone_bidx, co_buyers_sealed, household, eligibility,
             proxy_sealed, consultant, group_name, lot_number, quota_home, earnest_fen, remarks_sealed
         FROM registration WHERE opening_id = # AND ord IN (",
        "#",
        ")",
        [stage.by, stage.opening],
        |ord| [*ord]
    );
    execute_rows!(
        tx,
        ords,
        "UPDATE registration SET document_bidx = name_sealed WHERE opening_id = # AND ord IN (",
        "#",
        ")",
        [stage.opening],
        |ord| [*ord]
    );
    Ok(())
}

/// Puts a part back, and forgets it; the rows that were added are gone already. Returns how many rows it was.
pub(super) async fn put_back(tx: &mut Tx, stage: &Stage<'_>) -> Result<u64, StoreError> {
    let Some(after) = last_part(tx, stage).await? else { return Ok(0) };
    // A document that comes back here may still be with a row that is put back later.
    execute!(
        tx,
        "UPDATE registration SET document_bidx = name_sealed
         WHERE opening_id = $1 AND document_bidx IN
             (SELECT document_bidx FROM registration_aside WHERE opening_id = $1 AND staged_by = $2 AND ord > $3)",
        stage.opening,
        stage.by,
        after
    )?;
    execute!(
        tx,
        "UPDATE registration
         SET (name_sealed, document_kind, document_sealed, document_bidx, phone_sealed, phone_bidx, co_buyers_sealed,
              household, eligibility, proxy_sealed, consultant, group_name, lot_number, quota_home, earnest_fen,
              remarks_sealed)
           = (SELECT a.name_sealed, a.document_kind, a.document_sealed, a.document_bidx, a.phone_sealed, a.phone_bidx,
                  a.co_buyers_sealed, a.household, a.eligibility, a.proxy_sealed, a.consultant, a.group_name,
                  a.lot_number, a.quota_home, a.earnest_fen, a.remarks_sealed
              FROM registration_aside a
              WHERE a.opening_id = $1 AND a.staged_by = $2 AND a.ord = registration.ord)
         WHERE opening_id = $1 AND ord IN
             (SELECT ord FROM registration_aside WHERE opening_id = $1 AND staged_by = $2 AND ord > $3)",
        stage.opening,
        stage.by,
        after
    )?;
    execute!(
        tx,
        "UPDATE unit
         SET (building, section, floor, room, layout, facing, gross_area_centi, inner_area_centi, unit_price_fen,
              total_fen, remarks)
           = (SELECT a.building, a.section, a.floor, a.room, a.layout, a.facing, a.gross_area_centi,
                  a.inner_area_centi, a.unit_price_fen, a.total_fen, a.remarks
              FROM unit_aside a WHERE a.opening_id = $1 AND a.staged_by = $2 AND a.ord = unit.ord)
         WHERE opening_id = $1 AND ord IN
             (SELECT ord FROM unit_aside WHERE opening_id = $1 AND staged_by = $2 AND ord > $3)",
        stage.opening,
        stage.by,
        after
    )?;
    forget(tx, stage).await
}

/// Removes a part. Returns how many rows it was.
pub(super) async fn forget(tx: &mut Tx, stage: &Stage<'_>) -> Result<u64, StoreError> {
    let Some(after) = last_part(tx, stage).await? else { return Ok(0) };
    let units = execute!(
        tx,
        "DELETE FROM unit_aside WHERE opening_id = $1 AND staged_by = $2 AND ord > $3",
        stage.opening,
        stage.by,
        after
    )?;
    let registrations = execute!(
        tx,
        "DELETE FROM registration_aside WHERE opening_id = $1 AND staged_by = $2 AND ord > $3",
        stage.opening,
        stage.by,
        after
    )?;
    Ok(units + registrations)
}

/// After which ordinal the last part begins, if anything is left. An import has one list, the other one is empty.
async fn last_part(tx: &mut Tx, stage: &Stage<'_>) -> Result<Option<i64>, StoreError> {
    let (last,) = fetch_one!(
        tx,
        (Option<i64>,),
        "SELECT MAX(ord) FROM
             (SELECT MAX(ord) AS ord FROM unit_aside WHERE opening_id = $1 AND staged_by = $2
              UNION ALL
              SELECT MAX(ord) FROM registration_aside WHERE opening_id = $1 AND staged_by = $2) AS lists",
        stage.opening,
        stage.by
    )?;
    Ok(last.map(|last| last - i64::try_from(IMPORT_PART_ROWS).unwrap_or(i64::MAX)))
}
