//! Using a session, leaving it, and handing the pick from one device to another (OP-26).

use serde_json::json;

use crate::domain::ids::{OpeningId, RegOrd, SessionId};
use crate::domain::time::Micros;
use crate::identity::staff::{Actor, LogEntry, log_staff_action};
use crate::limits::{REASON_CHARS_MAX, SEEN_FLUSH_ROWS};
use crate::store::{Priority, execute, fetch_optional};

use super::state::{self, Change};
use super::{BuyerError, BuyerSession, Buyers, DeviceView};

impl Buyers {
    /// Whether the session of a verified token still lives, and what its device may do. From memory; the database is
    /// asked only about a session that another server may have started a moment ago.
    pub async fn authenticate(&self, who: &BuyerSession, now: Micros) -> Result<DeviceView, BuyerError> {
        let inner = &self.inner;
        if let Some(view) = self.view(who, now) {
            return Ok(view);
        }
        if !inner.db.is_sqlite() {
            state::reload(&inner.db, &inner.vault, &inner.devices, &who.opening, who.registration).await?;
        }
        self.view(who, now).ok_or(BuyerError::SessionEnded)
    }

    /// [`Buyers::authenticate`] from memory alone.
    pub fn view(&self, who: &BuyerSession, now: Micros) -> Option<DeviceView> {
        let view =
            self.inner.devices.view(&who.opening, who.registration, &who.session, who.generation, now)?;
        // Once between two flushes is enough: this runs for every frame of every buyer.
        if !self.inner.seen.contains_key(&who.session) {
            self.inner.seen.insert(who.session.clone(), now);
        }
        Some(view)
    }

    /// Ends the session. If it picked, the device that asks to pick does so from now on, or else the next to sign in.
    pub async fn sign_out(&self, who: &BuyerSession, now: Micros) -> Result<(), BuyerError> {
        let mut change = self.change(who, now).await?;
        change.end(&who.session, now).await?;
        self.commit(change, &who.opening, who.registration, now).await
    }

    /// A viewer asks to pick. The picking device is asked; if there is none any more, the viewer picks at once.
    pub async fn request_device(&self, who: &BuyerSession, now: Micros) -> Result<DeviceView, BuyerError> {
        let mut change = self.change(who, now).await?;
        match change.state.picking(now).map(|picking| picking.id == who.session) {
            Some(true) => {}
            Some(false) => change.state.request = Some((who.session.clone(), now)),
            None => change.give_to(Some(who.session.clone())),
        }
        self.commit(change, &who.opening, who.registration, now).await?;
        self.view(who, now).ok_or(BuyerError::SessionEnded)
    }

    /// The picking device agrees that `session`, which asked, picks from now on.
    pub async fn agree(
        &self,
        who: &BuyerSession,
        session: &SessionId,
        now: Micros,
    ) -> Result<(), BuyerError> {
        let mut change = self.change(who, now).await?;
        if change.state.picks.as_ref() != Some(&who.session) {
            return Err(BuyerError::ViewerDevice);
        }
        if change.state.asking(now).is_none_or(|asking| asking.id != *session) {
            return Err(BuyerError::RequestGone);
        }
        change.give_to(Some(session.clone()));
        self.commit(change, &who.opening, who.registration, now).await
    }

    /// Staff take the pick from a device its owner no longer has: it is signed out, and whoever signs in next picks, or
    /// a viewer that asks for it. Logged with its reason in the same transaction.
    pub async fn reset_device(
        &self,
        opening: &OpeningId,
        registration_code: &str,
        reason: &str,
        by: &Actor,
        now: Micros,
    ) -> Result<(), BuyerError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            return Err(BuyerError::ReasonInvalid { max: REASON_CHARS_MAX });
        }
        let vault = &self.inner.vault;
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let found = fetch_optional!(
            tx,
            (i64,),
            "SELECT ord FROM registration WHERE opening_id = $1 AND code = $2",
            opening,
            registration_code
        )?;
        let (ord,) = found.ok_or(BuyerError::RegistrationUnknown)?;
        let registration = u32::try_from(ord).map(RegOrd).map_err(|_| BuyerError::Corrupt)?;
        let mut change = Change::begin(tx, vault, opening, registration).await?;
        if let Some(picking) = change.state.picks.clone() {
            change.end(&picking, now).await?;
        }
        let entry = LogEntry {
            opening: Some(opening),
            action: "DEVICE_RESET",
            object: registration_code,
            params: json!({ "reason": reason }),
        };
        log_staff_action(&mut change.tx, vault, by, &entry, now).await?;
        self.commit(change, opening, registration, now).await
    }

    async fn change(&self, who: &BuyerSession, now: Micros) -> Result<Change, BuyerError> {
        let tx = self.inner.db.begin(Priority::Staff).await?;
        let change = Change::begin(tx, &self.inner.vault, &who.opening, who.registration).await?;
        // Asked again under the lock: the session may have been ended since its token was looked at.
        match change.state.session(&who.session, now) {
            Some(live) if live.generation == who.generation => Ok(change),
            _ => Err(BuyerError::SessionEnded),
        }
    }

    /// Writes "last seen" of the sessions that were used, in small transactions.
    pub(crate) async fn flush_seen(&self) -> Result<(), BuyerError> {
        let used: Vec<_> = self.inner.seen.iter().map(|seen| (seen.key().clone(), *seen.value())).collect();
        for chunk in used.chunks(SEEN_FLUSH_ROWS) {
            let mut tx = self.inner.db.begin(Priority::Bulk).await?;
            for (session, at) in chunk {
                execute!(
                    tx,
                    "UPDATE buyer_session SET seen_at = $2 WHERE id = $1 AND seen_at < $2",
                    session,
                    *at
                )?;
            }
            tx.commit().await?;
            for (session, at) in chunk {
                self.inner.seen.remove_if(session, |_, newest| newest == at);
            }
        }
        Ok(())
    }

    /// Forgets throttled keys whose time is over.
    pub(crate) fn sweep_throttles(&self, now: Micros) {
        self.inner.code_requests.sweep(now);
        self.inner.code_tries.sweep(now);
        self.inner.address_tries.sweep(now);
    }
}
