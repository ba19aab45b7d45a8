//! A registration's devices in the database: one transaction per change, numbered under the opening's lock.

use crate::domain::ids::{OpeningId, OrgId, RegOrd, SessionId};
use crate::domain::time::Micros;
use crate::limits::DEVICE_LABEL_CHARS_MAX;
use crate::store::{Db, Tx, execute, fetch_all, fetch_one};
use crate::vault::{Field, Vault};

use super::BuyerError;
use super::devices::{Devices, LiveSession, State};

/// A picking device and one live session beside it, or none.
#[derive(sqlx::FromRow)]
pub(super) struct DeviceRow {
    pub registration_ord: i64,
    pub session_id: Option<SessionId>,
    pub requested_by: Option<SessionId>,
    pub requested_at: Option<Micros>,
    pub version: i64,
    pub id: Option<SessionId>,
    pub label_sealed: Option<Vec<u8>>,
    pub generation: Option<i64>,
    pub expires_at: Option<Micros>,
}

/// Rows of one registration, all of one version, as its state.
pub(super) fn state_of(vault: &Vault, rows: &[DeviceRow]) -> Result<State, BuyerError> {
    let mut state = State::default();
    for row in rows {
        state.version = row.version;
        state.picks.clone_from(&row.session_id);
        state.request = row.requested_by.clone().zip(row.requested_at);
        let (Some(id), Some(label), Some(generation), Some(expires_at)) =
            (&row.id, &row.label_sealed, row.generation, row.expires_at)
        else {
            continue;
        };
        state.live.push(LiveSession {
            id: id.clone(),
            label: vault.open_text(Field::BuyerSessionLabel, id.as_str(), label)?,
            generation: u32::try_from(generation).map_err(|_| BuyerError::Corrupt)?,
            expires_at,
        });
    }
    Ok(state)
}

/// A change under way. It holds the opening's device lock until [`Change::commit`], or drops everything.
pub(super) struct Change {
    pub tx: Tx,
    pub state: State,
    opening: OpeningId,
    registration: RegOrd,
}

impl Change {
    /// Takes the next version, and with it the right to change devices of this opening; then reads what is there.
    pub(super) async fn begin(
        mut tx: Tx,
        vault: &Vault,
        opening: &OpeningId,
        registration: RegOrd,
    ) -> Result<Self, BuyerError> {
        let (version,) = fetch_one!(
            tx,
            (i64,),
            "INSERT INTO device_head (opening_id, org_id, version) VALUES ($1, $2, 1)
             ON CONFLICT (opening_id) DO UPDATE SET version = device_head.version + 1 RETURNING version",
            opening,
            OrgId::default_org()
        )?;
        let rows = fetch_all!(
            tx,
            DeviceRow,
            "SELECT p.registration_ord, p.session_id, p.requested_by, p.requested_at, p.version,
                    s.id, s.label_sealed, s.generation, s.expires_at
             FROM picking_device p LEFT JOIN buyer_session s
                 ON s.opening_id = $1 AND s.registration_ord = $2 AND s.revoked_at IS NULL
             WHERE p.opening_id = $1 AND p.registration_ord = $2 ORDER BY s.created_at, s.id",
            opening,
            i64::from(registration.0)
        )?;
        let state = State { version, ..state_of(vault, &rows)? };
        Ok(Self { tx, state, opening: opening.clone(), registration })
    }

    pub(super) async fn add(
        &mut self,
        vault: &Vault,
        session: LiveSession,
        now: Micros,
    ) -> Result<(), BuyerError> {
        execute!(
            self.tx,
            "INSERT INTO buyer_session (id, org_id, opening_id, registration_ord, label_sealed, generation, created_at,
                                        seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)",
            &session.id,
            OrgId::default_org(),
            &self.opening,
            i64::from(self.registration.0),
            vault.seal(Field::BuyerSessionLabel, session.id.as_str(), &session.label)?,
            i64::from(session.generation),
            now,
            session.expires_at
        )?;
        self.state.live.push(session);
        Ok(())
    }

    /// Ends a session for good. Whoever asked to pick gets what it leaves free.
    pub(super) async fn end(&mut self, session: &SessionId, now: Micros) -> Result<(), BuyerError> {
        execute!(
            self.tx,
            "UPDATE buyer_session SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
            session,
            now
        )?;
        self.state.live.retain(|live| live.id != *session);
        if self.state.picks.as_ref() == Some(session) {
            let next = self.state.asking(now).map(|asking| asking.id.clone());
            self.give_to(next);
        }
        Ok(())
    }

    /// Makes a session the picking one; any request is settled with it.
    pub(super) fn give_to(&mut self, session: Option<SessionId>) {
        self.state.picks = session;
        self.state.request = None;
    }

    /// Stores the state, commits, and only then shows it to the picks.
    pub(super) async fn commit(mut self, devices: &Devices, now: Micros) -> Result<(), BuyerError> {
        let (requested_by, requested_at) = self.state.request.clone().unzip();
        execute!(
            self.tx,
            "INSERT INTO picking_device (opening_id, registration_ord, org_id, session_id, requested_by, requested_at,
                                         version, changed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (opening_id, registration_ord) DO UPDATE SET
                 session_id = excluded.session_id, requested_by = excluded.requested_by,
                 requested_at = excluded.requested_at, version = excluded.version, changed_at = excluded.changed_at",
            &self.opening,
            i64::from(self.registration.0),
            OrgId::default_org(),
            self.state.picks.as_ref(),
            requested_by.as_ref(),
            requested_at,
            self.state.version,
            now
        )?;
        self.tx.commit().await?;
        devices.apply(&self.opening, self.registration, self.state);
        Ok(())
    }
}

/// What a device calls itself, as far as it is kept: one line of bounded length.
pub(super) fn label(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(DEVICE_LABEL_CHARS_MAX).collect()
}

/// Reads one registration from the database: after a commit whose answer was lost, or for a session that another
/// server signed in a moment ago.
pub(super) async fn reload(
    db: &Db,
    vault: &Vault,
    devices: &Devices,
    opening: &OpeningId,
    registration: RegOrd,
) -> Result<(), BuyerError> {
    let mut read = db.read().await?;
    let rows = fetch_all!(
        read,
        DeviceRow,
        "SELECT p.registration_ord, p.session_id, p.requested_by, p.requested_at, p.version,
                s.id, s.label_sealed, s.generation, s.expires_at
         FROM picking_device p LEFT JOIN buyer_session s
             ON s.opening_id = $1 AND s.registration_ord = $2 AND s.revoked_at IS NULL
         WHERE p.opening_id = $1 AND p.registration_ord = $2 ORDER BY s.created_at, s.id",
        opening,
        i64::from(registration.0)
    )?;
    if !rows.is_empty() {
        devices.apply(opening, registration, state_of(vault, &rows)?);
    }
    Ok(())
}
