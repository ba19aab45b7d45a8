//! Whose turn a queued message is: the outbox's rows as a queue that all gateways share.
//!
//! A gateway claims a row by writing its name into it, and only from the state `queued`, so no two send the same. A claim ends
//! with the result, or by itself: then nobody knows whether the provider had the message, and it is given up.

use crate::domain::ids::{OpeningId, RowId};
use crate::domain::time::Micros;
use crate::limits::{SMS_CLAIM_S, SMS_USEFUL_S};
use crate::store::{Db, Priority, StoreError, Tx, execute, fetch_all, fetch_optional};

use super::state::{Reason, State};

/// A message that is this gateway's to send.
#[derive(sqlx::FromRow)]
pub(super) struct Claimed {
    pub id: RowId,
    pub opening_id: Option<OpeningId>,
    pub recipient_sealed: Vec<u8>,
    pub params_sealed: Vec<u8>,
    pub attempts: i64,
    pub expires_at: Micros,
}

/// A message that nobody sends any more.
#[derive(sqlx::FromRow)]
pub(super) struct GivenUp {
    pub id: RowId,
    pub opening_id: Option<OpeningId>,
    pub recipient_sealed: Vec<u8>,
    pub params_sealed: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Due {
    pub claimed: Vec<Claimed>,
    pub given_up: Vec<(GivenUp, Reason)>,
}

/// How an attempt ended, for the row.
pub(super) struct Outcome<'a> {
    pub state: State,
    pub due_at: Option<Micros>,
    pub reason: Option<Reason>,
    pub detail: Option<&'a str>,
    pub settled_at: Option<Micros>,
}

/// Claims up to `most` messages that are due, and gives up those that are worth nothing any more.
pub(super) async fn take_due(db: &Db, holder: &str, most: usize) -> Result<Due, StoreError> {
    let now = db.now().await?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    // Nearly always there is nothing, and then nothing is written.
    let mut read = db.read().await?;
    let mut ids = fetch_all!(
        read,
        (RowId,),
        "SELECT id FROM outbox WHERE state IN ('queued', 'sending') AND due_at <= $1 ORDER BY due_at LIMIT $2",
        now,
        most
    )?;
    drop(read);
    let mut due = Due::default();
    if ids.is_empty() {
        return Ok(due);
    }
    // Gateways that look at the same rows take them in the same order, so none waits in a circle.
    ids.sort();
    let mut tx = db.begin(Priority::Staff).await?;
    for (id,) in ids {
        if let Some(ended) = give_up(&mut tx, &id, now).await? {
            due.given_up.push(ended);
            continue;
        }
        let claimed = fetch_optional!(
            tx,
            Claimed,
            "UPDATE outbox SET state = 'sending', claimed_by = $3, due_at = $4, attempts = attempts + 1
             WHERE id = $1 AND state = 'queued' AND due_at <= $2
             RETURNING id, opening_id, recipient_sealed, params_sealed, attempts, expires_at",
            &id,
            now,
            holder,
            now.plus(Micros::from_secs(SMS_CLAIM_S))
        )?;
        due.claimed.extend(claimed);
    }
    tx.commit().await?;
    Ok(due)
}

async fn give_up(tx: &mut Tx, id: &RowId, now: Micros) -> Result<Option<(GivenUp, Reason)>, StoreError> {
    let interrupted = fetch_optional!(
        tx,
        GivenUp,
        "UPDATE outbox SET state = 'failed', reason = $3, detail = NULL, due_at = NULL, settled_at = $2
         WHERE id = $1 AND state = 'sending' AND due_at <= $2
         RETURNING id, opening_id, recipient_sealed, params_sealed",
        id,
        now,
        Reason::Interrupted.as_str()
    )?;
    if let Some(row) = interrupted {
        return Ok(Some((row, Reason::Interrupted)));
    }
    let expired = fetch_optional!(
        tx,
        GivenUp,
        "UPDATE outbox SET state = 'failed', reason = $3, detail = NULL, due_at = NULL, settled_at = $2
         WHERE id = $1 AND state = 'queued' AND expires_at <= $4
         RETURNING id, opening_id, recipient_sealed, params_sealed",
        id,
        now,
        Reason::Expired.as_str(),
        now.plus(Micros::from_secs(SMS_USEFUL_S))
    )?;
    if let Some(row) = expired {
        return Ok(Some((row, Reason::Expired)));
    }
    let replaced = fetch_optional!(
        tx,
        GivenUp,
        "UPDATE outbox SET state = 'failed', reason = $3, detail = NULL, due_at = NULL, settled_at = $2
         WHERE id = $1 AND state = 'queued' AND EXISTS
             (SELECT 1 FROM outbox newer
              WHERE newer.opening_id = outbox.opening_id AND newer.recipient_bidx = outbox.recipient_bidx
                AND newer.purpose = outbox.purpose AND newer.created_at > outbox.created_at)
         RETURNING id, opening_id, recipient_sealed, params_sealed",
        id,
        now,
        Reason::Replaced.as_str()
    )?;
    Ok(replaced.map(|row| (row, Reason::Replaced)))
}

/// Writes how the attempt ended. False: the claim had run out, and the message was given up meanwhile.
pub(super) async fn settle(
    db: &Db,
    id: &RowId,
    holder: &str,
    outcome: &Outcome<'_>,
) -> Result<bool, StoreError> {
    let mut tx = db.begin(Priority::Staff).await?;
    let settled = execute!(
        tx,
        "UPDATE outbox SET state = $3, due_at = $4, reason = $5, detail = $6, settled_at = $7, claimed_by = NULL
         WHERE id = $1 AND state = 'sending' AND claimed_by = $2",
        id,
        holder,
        outcome.state.as_str(),
        outcome.due_at,
        outcome.reason.map(Reason::as_str),
        outcome.detail,
        outcome.settled_at
    )?;
    tx.commit().await?;
    Ok(settled == 1)
}
