//! The ledger's queries about one row. One text each for both databases; [`super::groups`] has those over many.

use super::rows::{ClaimRow, Entry, Head, PaymentRow, SettledPayment};
use crate::domain::ids::{ClaimId, OpeningId, OrgId, PaymentId, RegOrd};
use crate::domain::time::Micros;
use crate::store::{Db, Exec, Priority, StoreError, Tx};
use crate::store::{execute, fetch_all, fetch_one, fetch_optional};

pub(super) async fn take_head(
    tx: &mut Tx,
    opening: &OpeningId,
    epoch: i64,
) -> Result<Option<Head>, StoreError> {
    fetch_optional!(
        tx,
        Head,
        "UPDATE opening_head SET epoch = epoch WHERE opening_id = $1 AND epoch = $2
         RETURNING epoch, phase, paused, control_version, next_seq, start_at, end_at,
                   anchor_wall, anchor_mono, anchor_boot",
        opening,
        epoch
    )
}

pub(super) async fn raise_epoch(tx: &mut Tx, opening: &OpeningId) -> Result<Head, StoreError> {
    fetch_one!(
        tx,
        Head,
        "UPDATE opening_head SET epoch = epoch + 1 WHERE opening_id = $1
         RETURNING epoch, phase, paused, control_version, next_seq, start_at, end_at,
                   anchor_wall, anchor_mono, anchor_boot",
        opening
    )
}

pub(super) async fn read_head(on: &mut Exec<'_>, opening: &OpeningId) -> Result<Option<Head>, StoreError> {
    fetch_optional!(
        on,
        Head,
        "SELECT epoch, phase, paused, control_version, next_seq, start_at, end_at,
                anchor_wall, anchor_mono, anchor_boot
         FROM opening_head WHERE opening_id = $1",
        opening
    )
}

pub(super) async fn save_head(tx: &mut Tx, opening: &OpeningId, head: &Head) -> Result<(), StoreError> {
    execute!(
        tx,
        "UPDATE opening_head SET phase = $2, paused = $3, control_version = $4, next_seq = $5, start_at = $6,
                end_at = $7, anchor_wall = $8, anchor_mono = $9, anchor_boot = $10
         WHERE opening_id = $1",
        opening,
        &head.phase,
        head.paused,
        head.control_version,
        head.next_seq,
        head.start_at,
        head.end_at,
        head.anchor_wall,
        head.anchor_mono,
        &head.anchor_boot
    )?;
    Ok(())
}

pub(super) async fn journal_after(
    on: &mut Exec<'_>,
    opening: &OpeningId,
    after: i64,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    fetch_all!(
        on,
        Entry,
        "SELECT seq, kind, version, at, body FROM journal WHERE opening_id = $1 AND seq > $2
         ORDER BY seq LIMIT $3",
        opening,
        after,
        limit
    )
}

pub(super) async fn claim(
    on: &mut Exec<'_>,
    opening: &OpeningId,
    claim: &ClaimId,
) -> Result<Option<ClaimRow>, StoreError> {
    fetch_optional!(
        on,
        ClaimRow,
        "SELECT id, unit_ord, registration_ord, request_key, state, occupying, generation, code, deposit_fen,
                paid_fen, deadline_at, extended, created_at, changed_at, seq, changed_seq, reason
         FROM claim WHERE opening_id = $1 AND id = $2",
        opening,
        claim
    )
}

pub(super) async fn occupying_claims(tx: &mut Tx, opening: &OpeningId) -> Result<Vec<ClaimRow>, StoreError> {
    fetch_all!(
        tx,
        ClaimRow,
        "SELECT id, unit_ord, registration_ord, request_key, state, occupying, generation, code, deposit_fen,
                paid_fen, deadline_at, extended, created_at, changed_at, seq, changed_seq, reason
         FROM claim WHERE opening_id = $1 AND occupying ORDER BY seq",
        opening
    )
}

/// `opening_id || ''` keeps both databases from choosing an index by opening, which would sort everything for every
/// page. Ids come in order of time, so the primary key is nearly the opening's own order.
pub(super) async fn ended_claims(
    on: &mut Exec<'_>,
    opening: &OpeningId,
    after: &str,
    limit: i64,
) -> Result<Vec<ClaimRow>, StoreError> {
    fetch_all!(
        on,
        ClaimRow,
        "SELECT id, unit_ord, registration_ord, request_key, state, occupying, generation, code, deposit_fen,
                paid_fen, deadline_at, extended, created_at, changed_at, seq, changed_seq, reason
         FROM claim WHERE id > $2 AND opening_id || '' = $1 AND NOT occupying ORDER BY id LIMIT $3",
        opening,
        after,
        limit
    )
}

pub(super) async fn unsettled_payments(
    tx: &mut Tx,
    opening: &OpeningId,
) -> Result<Vec<(PaymentId,)>, StoreError> {
    fetch_all!(
        tx,
        (PaymentId,),
        "SELECT id FROM payment WHERE opening_id = $1 AND state = 'recorded' ORDER BY created_at",
        opening
    )
}

/// Reviving can meet a unit that is somebody else's by now. On Postgres a violated index would spoil the whole
/// transaction, so the statement looks first; under the head row nobody of this opening comes in between, and the
/// index stays the last word for another opening of the same property (the whole group is then tried again).
pub(super) async fn update_claim(tx: &mut Tx, claim: &ClaimRow) -> Result<bool, StoreError> {
    let changed = execute!(
        tx,
        "UPDATE claim SET state = $2, occupying = $3, generation = $4, paid_fen = $5, deadline_at = $6,
                extended = $7, changed_at = $8, changed_seq = $9, reason = $10
         WHERE id = $1 AND (occupying OR NOT $3 OR NOT EXISTS (
             SELECT 1 FROM claim other
             WHERE other.occupying AND other.id <> $1
               AND ((other.opening_id = claim.opening_id AND other.unit_ord = claim.unit_ord)
                 OR (other.property_id = claim.property_id AND NOT other.rehearsal AND NOT claim.rehearsal))))",
        &claim.id,
        &claim.state,
        claim.occupying,
        claim.generation,
        claim.paid_fen,
        claim.deadline_at,
        claim.extended,
        claim.changed_at,
        claim.changed_seq,
        &claim.reason
    )?;
    Ok(changed == 1)
}

pub(super) async fn insert_tombstone(
    tx: &mut Tx,
    opening: &OpeningId,
    registration: RegOrd,
    key: &str,
    at: Micros,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO tombstone (opening_id, registration_ord, request_key, org_id, created_at)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        opening,
        i64::from(registration.0),
        key,
        OrgId::default_org(),
        at
    )?;
    Ok(())
}

pub(super) async fn payment(
    tx: &mut Tx,
    opening: &OpeningId,
    payment: &PaymentId,
) -> Result<Option<PaymentRow>, StoreError> {
    fetch_optional!(
        tx,
        PaymentRow,
        "SELECT id, claim_id, generation, method, reference, amount_fen, state, applied_fen, refund_fen,
                refund_reason, recorded_by, created_at
         FROM payment WHERE opening_id = $1 AND id = $2",
        opening,
        payment
    )
}

pub(super) async fn settle_payment(tx: &mut Tx, settled: &SettledPayment) -> Result<(), StoreError> {
    execute!(
        tx,
        "UPDATE payment SET state = 'settled', applied_fen = $2, refund_fen = $3, refund_reason = $4
         WHERE id = $1 AND state = 'recorded'",
        &settled.id,
        settled.applied,
        settled.refund,
        settled.refund_reason
    )?;
    Ok(())
}

pub(super) async fn take_lease(db: &Db, name: &str, holder: &str, ttl: Micros) -> Result<bool, StoreError> {
    let mut tx = db.begin(Priority::Staff).await?;
    let now = tx.now().await?;
    let taken = execute!(
        tx,
        "INSERT INTO lease (name, org_id, holder, expires_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
         WHERE lease.holder = excluded.holder OR lease.expires_at <= $5",
        name,
        OrgId::default_org(),
        holder,
        now.plus(ttl),
        now
    )?;
    tx.commit().await?;
    Ok(taken == 1)
}

pub(super) async fn report_clock(
    db: &Db,
    gateway: &str,
    offset: Micros,
    fresh: Micros,
) -> Result<Vec<Micros>, StoreError> {
    let mut tx = db.begin(Priority::Staff).await?;
    let now = tx.now().await?;
    execute!(
        tx,
        "INSERT INTO gateway (id, org_id, started_at, seen_at, clock_offset_us, clock_at)
         VALUES ($1, $2, $3, $3, $4, $3)
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, clock_offset_us = excluded.clock_offset_us,
                                        clock_at = excluded.clock_at",
        gateway,
        OrgId::default_org(),
        now,
        offset
    )?;
    let others = fetch_all!(
        tx,
        (Micros,),
        "SELECT clock_offset_us FROM gateway WHERE id <> $1 AND COALESCE(clock_at, seen_at) >= $2",
        gateway,
        Micros(now.0 - fresh.0)
    )?;
    tx.commit().await?;
    Ok(others.into_iter().map(|(offset,)| offset).collect())
}
