//! Sessions for the simulated buyers of a rehearsal, many at a time and without codes: a load run must not wait for ten
//! thousand sign-ins. For anybody else there is no such way: what an opening is, is asked inside the transaction.

use crate::domain::ids::{OpeningId, OrgId, RegOrd, SessionId};
use crate::domain::time::Micros;
use crate::limits::{REHEARSAL_SESSION_S, REHEARSAL_SESSIONS_CHUNK};
use crate::store::{Priority, Tx, execute, execute_rows, fetch_all, fetch_one, fetch_optional};
use crate::vault::Field;

use super::devices::{LiveSession, State};
use super::{BuyerError, BuyerSession, Buyers};

/// What such a device calls itself.
const LABEL: &str = "rehearsal";

/// A simulated buyer's new session, on the device that picks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedSession {
    /// The registration's code.
    pub code: String,
    pub session: BuyerSession,
    pub expires_at: Micros,
}

/// One row to write: its place, its code, its session.
struct Fresh {
    ord: i64,
    registration: RegOrd,
    code: String,
    live: LiveSession,
    label_sealed: Vec<u8>,
    version: i64,
}

impl Buyers {
    /// Signs in the simulated buyers from place `first` on, at most `count`. Earlier sessions of theirs end.
    pub async fn sign_in_simulated(
        &self,
        opening: &OpeningId,
        first: i64,
        count: i64,
        now: Micros,
    ) -> Result<Vec<SimulatedSession>, BuyerError> {
        let mut all = Vec::new();
        let end = first.saturating_add(count);
        let mut next = first;
        while next < end {
            let until = end.min(next.saturating_add(i64::try_from(REHEARSAL_SESSIONS_CHUNK).unwrap_or(1)));
            let some = self.sign_in_chunk(opening, next, until, now).await?;
            if some.is_empty() {
                break;
            }
            all.extend(some);
            next = until;
        }
        Ok(all)
    }

    async fn sign_in_chunk(
        &self,
        opening: &OpeningId,
        from: i64,
        until: i64,
        now: Micros,
    ) -> Result<Vec<SimulatedSession>, BuyerError> {
        let inner = &self.inner;
        let mut tx = inner.db.begin(Priority::Bulk).await?;
        only_of_a_rehearsal(&mut tx, opening).await?;
        let people = fetch_all!(
            tx,
            (i64, String),
            "SELECT ord, code FROM registration WHERE opening_id = $1 AND ord >= $2 AND ord < $3 ORDER BY ord",
            opening,
            from,
            until
        )?;
        let count = i64::try_from(people.len()).map_err(|_| BuyerError::Corrupt)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        // One version a registration, as everywhere: whoever follows reads in steps of versions.
        let (last,) = fetch_one!(
            tx,
            (i64,),
            "INSERT INTO device_head (opening_id, org_id, version) VALUES ($1, $2, $3)
             ON CONFLICT (opening_id) DO UPDATE SET version = device_head.version + excluded.version
             RETURNING version",
            opening,
            OrgId::default_org(),
            count
        )?;
        let expires_at = now.plus(Micros::from_secs(REHEARSAL_SESSION_S));
        let mut fresh = Vec::with_capacity(people.len());
        for ((ord, code), version) in people.into_iter().zip(last - count + 1..) {
            let id = SessionId::generate();
            fresh.push(Fresh {
                ord,
                registration: u32::try_from(ord).map(RegOrd).map_err(|_| BuyerError::Corrupt)?,
                code,
                label_sealed: inner.vault.seal(Field::BuyerSessionLabel, id.as_str(), LABEL)?,
                live: LiveSession { id, label: LABEL.to_owned(), generation: 1, expires_at },
                version,
            });
        }
        write(&mut tx, opening, from, until, &fresh, now).await?;
        tx.commit().await?;

        let shown = fresh.into_iter().map(|fresh| {
            let Fresh { registration, code, live, version, .. } = fresh;
            let session = BuyerSession {
                opening: opening.clone(),
                registration,
                session: live.id.clone(),
                generation: live.generation,
            };
            let picks = Some(live.id.clone());
            let state = State { version, picks, request: None, live: vec![live] };
            inner.devices.apply(opening, registration, state);
            SimulatedSession { code, session, expires_at }
        });
        Ok(shown.collect())
    }
}

/// Nobody signs in for a real person, whoever asks. A rehearsal whose buyers are real (公测) is refused as well.
async fn only_of_a_rehearsal(tx: &mut Tx, opening: &OpeningId) -> Result<(), BuyerError> {
    let found = fetch_optional!(
        tx,
        (bool,),
        "SELECT o.rehearsal AND o.simulated FROM opening o JOIN opening_head h ON h.opening_id = o.id
         WHERE o.id = $1 AND h.phase IN ('published', 'armed', 'live', 'closed')",
        opening
    )?;
    match found {
        None => Err(BuyerError::OpeningUnknown),
        Some((true,)) => Ok(()),
        Some((false,)) => Err(BuyerError::NotARehearsal),
    }
}

async fn write(
    tx: &mut Tx,
    opening: &OpeningId,
    from: i64,
    until: i64,
    fresh: &[Fresh],
    now: Micros,
) -> Result<(), BuyerError> {
    let org = OrgId::default_org();
    execute!(
        tx,
        "UPDATE buyer_session SET revoked_at = $4
         WHERE opening_id = $1 AND registration_ord >= $2 AND registration_ord < $3 AND revoked_at IS NULL",
        opening,
        from,
        until,
        now
    )?;
    execute_rows!(
        tx,
        fresh,
        "INSERT INTO buyer_session (id, org_id, opening_id, registration_ord, label_sealed, generation, created_at,
                                    seen_at, expires_at) VALUES ",
        "(#, #, #, #, #, #, #, #, #)",
        "",
        [],
        |row| [
            &row.live.id,
            &org,
            opening,
            row.ord,
            &row.label_sealed,
            i64::from(row.live.generation),
            now,
            now,
            row.live.expires_at
        ]
    );
    execute_rows!(
        tx,
        fresh,
        "INSERT INTO picking_device (opening_id, registration_ord, org_id, session_id, version, changed_at) VALUES ",
        "(#, #, #, #, #, #)",
        " ON CONFLICT (opening_id, registration_ord) DO UPDATE SET session_id = excluded.session_id,
              requested_by = NULL, requested_at = NULL, version = excluded.version, changed_at = excluded.changed_at",
        [],
        |row| [opening, row.ord, &org, &row.live.id, row.version, now]
    );
    Ok(())
}
