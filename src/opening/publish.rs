//! Check, publish, unpublish: what freezes an opening, inside one transaction behind its head row.
//!
//! The functions work in the caller's transaction, so that the staff log is written in the same one; after the
//! commit the caller starts or stops the opening in [`super::Openings`].

use super::answer::ClaimState;
use super::event::{Event, Recorded};
use super::lifecycle::Phase;
use super::preflight::{self, Preflight};
use super::prepare;
use super::script::control_of;
use crate::domain::ids::{ClaimId, OpeningId, PropertyId, StaffId};
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::store::{
    ClaimRow, Entry, Head, LedgerTx, NewClaim, StoreError, Tx, execute, fetch_all, fetch_one,
};

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("an opening that is {} can't become {}", from.as_str(), to.as_str())]
    Transition { from: Phase, to: Phase },
    #[error("the pre-flight found what must be mended")]
    Preflight(Box<Preflight>),
    #[error("there is no such opening")]
    Unknown,
    /// Unpublishing is possible before the start only.
    #[error("the opening has started")]
    Started,
    #[error("the opening is not a rehearsal")]
    NotARehearsal,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Draft → checked, if nothing stops it.
pub async fn check(tx: &mut LedgerTx, opening: &OpeningId) -> Result<Preflight, PublishError> {
    let (mut head, now) = take(tx, opening, Phase::Checked).await?;
    let preflight = preflight::look(&mut db(tx)?.exec(), opening, now).await?;
    if !preflight.is_ok() {
        return Err(PublishError::Preflight(Box::new(preflight)));
    }
    head.phase = Phase::Checked.as_str().to_owned();
    head.control_version += 1;
    tx.save_head(&head).await?;
    Ok(preflight)
}

/// Checked → published: units and admission list are frozen and hashed, withheld units become claims.
pub async fn publish(tx: &mut LedgerTx, opening: &OpeningId) -> Result<Preflight, PublishError> {
    let (mut head, now) = take(tx, opening, Phase::Published).await?;
    prepare::withdraw(db(tx)?, opening).await?;
    let preflight = preflight::look(&mut db(tx)?.exec(), opening, now).await?;
    if !preflight.is_ok() {
        return Err(PublishError::Preflight(Box::new(preflight)));
    }
    let mut recorded = vec![Event::Published {
        units_hash: preflight.units_hash.clone(),
        roster_hash: preflight.roster_hash.clone(),
        start_at: head.start_at,
        end_at: head.end_at,
    }];
    let claims = withheld_claims(tx, opening, now, head.next_seq + 1).await?;
    // A withheld home that another opening holds stays that one's.
    tx.insert_claims(&claims.iter().collect::<Vec<_>>()).await?;
    recorded.extend(
        claims.iter().map(|claim| Event::Withheld { claim: claim.row.id.clone(), unit: claim.row.unit() }),
    );
    execute!(
        db(tx)?,
        "UPDATE opening SET units_hash = $2, roster_hash = $3, published_at = $4 WHERE id = $1",
        opening,
        &preflight.units_hash,
        &preflight.roster_hash,
        now
    )?;
    head.paused = false;
    step(tx, head, Phase::Published, now, recorded).await?;
    Ok(preflight)
}

/// Published or armed → checked, before the start.
pub async fn unpublish(
    tx: &mut LedgerTx,
    opening: &OpeningId,
    by: Option<&StaffId>,
) -> Result<(), PublishError> {
    let (mut head, now) = take(tx, opening, Phase::Checked).await?;
    let from = control_of(&head)?.phase;
    if from.is_editable() {
        // A draft may become checked as well, but by its pre-flight alone.
        return Err(PublishError::Transition { from, to: Phase::Checked });
    }
    if now >= head.start_at {
        return Err(PublishError::Started);
    }
    execute!(
        db(tx)?,
        "DELETE FROM claim WHERE opening_id = $1 AND state = $2",
        opening,
        ClaimState::Withheld.as_str()
    )?;
    execute!(
        db(tx)?,
        "UPDATE opening SET units_hash = NULL, roster_hash = NULL, published_at = NULL WHERE id = $1",
        opening
    )?;
    (head.anchor_wall, head.anchor_mono, head.anchor_boot) = (None, None, None);
    step(tx, head, Phase::Checked, now, vec![Event::Unpublished { by: by.cloned() }]).await
}

/// Out of sight for good: a closed opening is archived, one that is not running is disabled.
pub async fn retire(
    tx: &mut LedgerTx,
    opening: &OpeningId,
    to: Retired,
    by: &StaffId,
) -> Result<(), PublishError> {
    let (phase, event) = match to {
        Retired::Archived => (Phase::Archived, Event::Archived { by: by.clone() }),
        Retired::Disabled => (Phase::Disabled, Event::Disabled { by: by.clone() }),
    };
    let (head, now) = take(tx, opening, phase).await?;
    step(tx, head, phase, now, vec![event]).await
}

/// Ends a rehearsal in whatever phase it is and takes it out of use. Picks under way are decided anew under the head row
/// and hear that it is closed.
pub async fn clear_rehearsal(
    tx: &mut LedgerTx,
    opening: &OpeningId,
    by: Option<&StaffId>,
) -> Result<(), PublishError> {
    let head = take_any(tx, opening).await?;
    let (rehearsal,) = fetch_one!(db(tx)?, (bool,), "SELECT rehearsal FROM opening WHERE id = $1", opening)?;
    if !rehearsal {
        return Err(PublishError::NotARehearsal);
    }
    let now = tx.now(&head).await?;
    let phase = control_of(&head)?.phase;
    if phase == Phase::Disabled {
        return Ok(());
    }
    let closed = Event::Closed { by: by.cloned() };
    let mut events = if phase.is_running() { vec![closed] } else { Vec::new() };
    // The command line has no number; its entry in the staff log says who it was.
    events.extend(by.map(|by| Event::Disabled { by: by.clone() }));
    step(tx, head, Phase::Disabled, now, events).await
}

#[derive(Debug, Clone, Copy)]
pub enum Retired {
    Archived,
    Disabled,
}

/// An edit of a checked opening makes it a draft again; an edit of a published one is refused.
pub async fn take_for_edit(tx: &mut LedgerTx, opening: &OpeningId) -> Result<Head, PublishError> {
    let head = take_any(tx, opening).await?;
    let phase = control_of(&head)?.phase;
    if !phase.is_editable() {
        return Err(PublishError::Transition { from: phase, to: Phase::Draft });
    }
    let head = Head { phase: Phase::Draft.as_str().to_owned(), ..head };
    tx.save_head(&head).await?;
    Ok(head)
}

async fn take(tx: &mut LedgerTx, opening: &OpeningId, to: Phase) -> Result<(Head, Micros), PublishError> {
    let head = take_any(tx, opening).await?;
    let from = control_of(&head)?.phase;
    if !from.may_become(to) {
        return Err(PublishError::Transition { from, to });
    }
    let now = tx.now(&head).await?;
    Ok((head, now))
}

async fn take_any(tx: &mut LedgerTx, opening: &OpeningId) -> Result<Head, PublishError> {
    let epoch = fetch_all!(db(tx)?, (i64,), "SELECT epoch FROM opening_head WHERE opening_id = $1", opening)?;
    let (epoch,) = epoch.first().ok_or(PublishError::Unknown)?;
    tx.take_head(*epoch).await?.ok_or(PublishError::Unknown)
}

async fn step(
    tx: &mut LedgerTx,
    mut head: Head,
    phase: Phase,
    at: Micros,
    events: Vec<Event>,
) -> Result<(), PublishError> {
    let mut entries: Vec<Entry> = Vec::with_capacity(events.len());
    for event in events {
        entries.push(Recorded { seq: head.next_seq, at, event }.to_entry()?);
        head.next_seq += 1;
    }
    head.phase = phase.as_str().to_owned();
    head.control_version += 1;
    tx.append_journal(&entries).await?;
    tx.save_head(&head).await?;
    Ok(())
}

async fn withheld_claims(
    tx: &mut LedgerTx,
    opening: &OpeningId,
    now: Micros,
    first_seq: i64,
) -> Result<Vec<NewClaim>, StoreError> {
    let tx = db(tx)?;
    let (rehearsal,) = fetch_one!(tx, (bool,), "SELECT rehearsal FROM opening WHERE id = $1", opening)?;
    let rows = fetch_all!(
        tx,
        (i64, PropertyId, String),
        "SELECT ord, property_id, withheld_reason FROM unit
         WHERE opening_id = $1 AND withheld_reason IS NOT NULL ORDER BY ord",
        opening
    )?;
    let claim = |(seq, (unit_ord, property_id, reason)): (i64, (i64, PropertyId, String))| NewClaim {
        row: ClaimRow {
            id: ClaimId::generate(),
            unit_ord,
            registration_ord: None,
            request_key: None,
            state: ClaimState::Withheld.as_str().to_owned(),
            occupying: true,
            generation: 1,
            code: String::new(),
            deposit_fen: Fen::ZERO,
            paid_fen: Fen::ZERO,
            deadline_at: None,
            extended: false,
            created_at: now,
            changed_at: now,
            seq,
            changed_seq: seq,
            reason: Some(reason),
        },
        property_id,
        rehearsal,
    };
    Ok((first_seq..).zip(rows).map(claim).collect())
}

/// Publication is never simulated, so there is always a database behind it.
fn db(tx: &mut LedgerTx) -> Result<&mut Tx, StoreError> {
    tx.db().ok_or_else(|| StoreError::Corrupt("no database".to_owned()))
}
