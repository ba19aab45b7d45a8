//! The ledger's queries over a whole group of picks. What a group costs is mostly the number of its statements, so each
//! of these is one text over many rows, in sizes that stay prepared (see [`crate::store::batch`]).
//!
//! Each asks first what is nearly always so, in one statement: are any of these keys recorded, how many rows did the unique
//! indexes let in. Only if the answer is not the usual one it asks which.

use super::rows::{ClaimRow, Entry, Keyed, NewClaim, NewPlace};
use crate::domain::ids::{ClaimId, OpeningId, OrgId, RegOrd, UnitOrd};
use crate::store::{StoreError, Tx, execute_rows, fetch_rows};

pub(super) async fn keyed(
    tx: &mut Tx,
    opening: &OpeningId,
    keys: &[(RegOrd, &str)],
) -> Result<Vec<Keyed>, StoreError> {
    // CROSS JOIN keeps the order of the tables on SQLite: a key at a time into the index, whatever the statistics say. And
    // a scalar query instead of EXISTS keeps Postgres from reading every claim into a hash to look up thirty of them.
    let recorded = fetch_rows!(
        tx,
        (i64, String),
        keys,
        "WITH o (id) AS (SELECT CAST(# AS TEXT)), wanted (registration_ord, request_key) AS (VALUES ",
        "(CAST(# AS BIGINT), CAST(# AS TEXT))",
        ") SELECT w.registration_ord, w.request_key FROM o CROSS JOIN wanted w
         WHERE (SELECT 1 FROM claim c WHERE c.opening_id = o.id
                  AND c.registration_ord = w.registration_ord AND c.request_key = w.request_key) IS NOT NULL
            OR (SELECT 1 FROM tombstone t WHERE t.opening_id = o.id
                  AND t.registration_ord = w.registration_ord AND t.request_key = w.request_key) IS NOT NULL",
        [opening],
        |(registration, key)| [i64::from(registration.0), *key]
    );
    // Nearly always.
    if recorded.is_empty() {
        return Ok(Vec::new());
    }
    let keys = recorded.as_slice();
    let claims = fetch_rows!(
        tx,
        ClaimRow,
        keys,
        "WITH o (id) AS (SELECT CAST(# AS TEXT)), wanted (registration_ord, request_key) AS (VALUES ",
        "(CAST(# AS BIGINT), CAST(# AS TEXT))",
        ") SELECT c.id, c.unit_ord, c.registration_ord, c.request_key, c.state, c.occupying, c.generation, c.code,
                c.deposit_fen, c.paid_fen, c.deadline_at, c.extended, c.created_at, c.changed_at, c.seq, c.changed_seq,
                c.reason
         FROM o CROSS JOIN wanted w CROSS JOIN claim c
         WHERE c.opening_id = o.id AND c.registration_ord = w.registration_ord AND c.request_key = w.request_key",
        [opening],
        |(registration, key)| [*registration, key]
    );
    let tombstones = fetch_rows!(
        tx,
        (i64, String),
        keys,
        "WITH o (id) AS (SELECT CAST(# AS TEXT)), wanted (registration_ord, request_key) AS (VALUES ",
        "(CAST(# AS BIGINT), CAST(# AS TEXT))",
        ") SELECT t.registration_ord, t.request_key
         FROM o CROSS JOIN wanted w CROSS JOIN tombstone t
         WHERE t.opening_id = o.id AND t.registration_ord = w.registration_ord AND t.request_key = w.request_key",
        [opening],
        |(registration, key)| [*registration, key]
    );
    let tombstone =
        |(ord, key)| Keyed::Tombstone { registration: RegOrd(u32::try_from(ord).unwrap_or(u32::MAX)), key };
    // A key is one or the other: a claim is found before a tombstone is left, and a tombstone before a claim is made.
    Ok(claims.into_iter().map(Keyed::Claim).chain(tombstones.into_iter().map(tombstone)).collect())
}

pub(super) async fn insert_claims(
    tx: &mut Tx,
    opening: &OpeningId,
    claims: &[&NewClaim],
) -> Result<Vec<ClaimId>, StoreError> {
    let org = OrgId::default_org();
    let stored = execute_rows!(
        tx,
        claims,
        "INSERT INTO claim (id, org_id, opening_id, unit_ord, property_id, rehearsal, registration_ord, request_key,
            state, occupying, generation, code, deposit_fen, paid_fen, deadline_at, extended, created_at, changed_at,
            seq, changed_seq, reason) VALUES ",
        "(#, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #)",
        " ON CONFLICT DO NOTHING",
        [],
        |claim| [
            &claim.row.id,
            &org,
            opening,
            claim.row.unit_ord,
            &claim.property_id,
            claim.rehearsal,
            claim.row.registration_ord,
            &claim.row.request_key,
            &claim.row.state,
            claim.row.occupying,
            claim.row.generation,
            &claim.row.code,
            claim.row.deposit_fen,
            claim.row.paid_fen,
            claim.row.deadline_at,
            claim.row.extended,
            claim.row.created_at,
            claim.row.changed_at,
            claim.row.seq,
            claim.row.changed_seq,
            &claim.row.reason
        ]
    );
    if all(stored, claims) {
        return Ok(Vec::new());
    }
    let found = fetch_rows!(
        tx,
        (ClaimId,),
        claims,
        "WITH wanted (id) AS (VALUES ",
        "(CAST(# AS TEXT))",
        ") SELECT c.id FROM wanted w CROSS JOIN claim c WHERE c.id = w.id",
        [],
        |claim| [&claim.row.id]
    );
    Ok(missing(claims.iter().map(|claim| &claim.row.id), found))
}

pub(super) async fn insert_places(
    tx: &mut Tx,
    opening: &OpeningId,
    places: &[NewPlace],
) -> Result<Vec<ClaimId>, StoreError> {
    let org = OrgId::default_org();
    let stored = execute_rows!(
        tx,
        places,
        "INSERT INTO quota_place (claim_id, org_id, opening_id, holder_kind, holder, class, place) VALUES ",
        "(#, #, #, #, #, #, #)",
        " ON CONFLICT DO NOTHING",
        [],
        |place| [&place.claim, &org, opening, place.holder_kind, &place.holder, place.class, place.place]
    );
    if all(stored, places) {
        return Ok(Vec::new());
    }
    let found = fetch_rows!(
        tx,
        (ClaimId,),
        places,
        "WITH wanted (claim_id, holder_kind) AS (VALUES ",
        "(CAST(# AS TEXT), CAST(# AS TEXT))",
        ") SELECT q.claim_id FROM wanted w CROSS JOIN quota_place q
         WHERE q.claim_id = w.claim_id AND q.holder_kind = w.holder_kind",
        [],
        |place| [&place.claim, place.holder_kind]
    );
    Ok(missing(places.iter().map(|place| &place.claim), found))
}

pub(super) async fn append_journal(
    tx: &mut Tx,
    opening: &OpeningId,
    entries: &[Entry],
) -> Result<(), StoreError> {
    let org = OrgId::default_org();
    execute_rows!(
        tx,
        entries,
        "INSERT INTO journal (opening_id, seq, org_id, kind, version, at, body) VALUES ",
        "(#, #, #, #, #, #, #)",
        "",
        [],
        |entry| [opening, entry.seq, &org, &entry.kind, entry.version, entry.at, &entry.body]
    );
    Ok(())
}

pub(super) async fn number_claims(tx: &mut Tx, claims: &[(&ClaimId, i64)]) -> Result<(), StoreError> {
    execute_rows!(
        tx,
        claims,
        "WITH v (id, seq) AS (VALUES ",
        "(CAST(# AS TEXT), CAST(# AS BIGINT))",
        ") UPDATE claim SET seq = v.seq, changed_seq = v.seq FROM v WHERE claim.id = v.id",
        [],
        |(claim, seq)| [*claim, *seq]
    );
    Ok(())
}

pub(super) async fn delete_claims(tx: &mut Tx, claims: &[&ClaimId]) -> Result<(), StoreError> {
    free_places(tx, claims).await?;
    execute_rows!(tx, claims, "DELETE FROM claim WHERE id IN (VALUES ", "(#)", ")", [], |claim| [*claim]);
    Ok(())
}

pub(super) async fn free_places(tx: &mut Tx, claims: &[&ClaimId]) -> Result<(), StoreError> {
    execute_rows!(
        tx,
        claims,
        "DELETE FROM quota_place WHERE claim_id IN (VALUES ",
        "(#)",
        ")",
        [],
        |claim| [*claim]
    );
    Ok(())
}

pub(super) async fn end_claims(tx: &mut Tx, claims: &[&ClaimRow]) -> Result<(), StoreError> {
    execute_rows!(
        tx,
        claims,
        "WITH v (id, state, generation, changed_at, changed_seq, reason) AS (VALUES ",
        "(CAST(# AS TEXT), CAST(# AS TEXT), CAST(# AS BIGINT), CAST(# AS BIGINT), CAST(# AS BIGINT), CAST(# AS TEXT))",
        ") UPDATE claim SET state = v.state, occupying = FALSE, generation = v.generation, paid_fen = 0,
                deadline_at = NULL, changed_at = v.changed_at, changed_seq = v.changed_seq, reason = v.reason
         FROM v WHERE claim.id = v.id",
        [],
        |row| [&row.id, &row.state, row.generation, row.changed_at, row.changed_seq, &row.reason]
    );
    Ok(())
}

pub(super) async fn refund_applied(
    tx: &mut Tx,
    claims: &[&ClaimId],
    reason: &'static str,
) -> Result<(), StoreError> {
    execute_rows!(
        tx,
        claims,
        "UPDATE payment SET applied_fen = 0, refund_fen = amount_fen, refund_reason = CAST(# AS TEXT)
         WHERE applied_fen > 0 AND claim_id IN (VALUES ",
        "(#)",
        ")",
        [reason],
        |claim| [*claim]
    );
    Ok(())
}

pub(super) async fn claims(
    tx: &mut Tx,
    opening: &OpeningId,
    claims: &[&ClaimId],
) -> Result<Vec<ClaimRow>, StoreError> {
    Ok(fetch_rows!(
        tx,
        ClaimRow,
        claims,
        "WITH o (id) AS (SELECT CAST(# AS TEXT)), wanted (id) AS (VALUES ",
        "(CAST(# AS TEXT))",
        ") SELECT c.id, c.unit_ord, c.registration_ord, c.request_key, c.state, c.occupying, c.generation, c.code,
                c.deposit_fen, c.paid_fen, c.deadline_at, c.extended, c.created_at, c.changed_at, c.seq, c.changed_seq,
                c.reason
         FROM o CROSS JOIN wanted w CROSS JOIN claim c
         WHERE c.opening_id = o.id AND c.id = w.id",
        [opening],
        |claim| [*claim]
    ))
}

pub(super) async fn occupants(
    tx: &mut Tx,
    opening: &OpeningId,
    units: &[UnitOrd],
) -> Result<Vec<ClaimRow>, StoreError> {
    Ok(fetch_rows!(
        tx,
        ClaimRow,
        units,
        "WITH o (id) AS (SELECT CAST(# AS TEXT)), wanted (unit_ord) AS (VALUES ",
        "(CAST(# AS BIGINT))",
        ") SELECT c.id, c.unit_ord, c.registration_ord, c.request_key, c.state, c.occupying, c.generation, c.code,
                c.deposit_fen, c.paid_fen, c.deadline_at, c.extended, c.created_at, c.changed_at, c.seq, c.changed_seq,
                c.reason
         FROM o CROSS JOIN wanted w CROSS JOIN claim c
         WHERE c.opening_id = o.id AND c.unit_ord = w.unit_ord AND c.occupying",
        [opening],
        |unit| [i64::from(unit.0)]
    ))
}

fn all<R>(stored: u64, rows: &[R]) -> bool {
    usize::try_from(stored).is_ok_and(|stored| stored == rows.len())
}

fn missing<'c>(offered: impl Iterator<Item = &'c ClaimId>, found: Vec<(ClaimId,)>) -> Vec<ClaimId> {
    let found: std::collections::HashSet<ClaimId> = found.into_iter().map(|(id,)| id).collect();
    offered.filter(|id| !found.contains(*id)).cloned().collect()
}
