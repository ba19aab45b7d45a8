//! Messages to buyers: who is told what, and through which sender.
//!
//! A message is queued on the transaction of whatever causes it, so that neither exists without the other. The
//! built-in sender sends nothing: its rows are the outbox page of the console. With a provider of SMS one task a gateway
//! sends what is queued ([`Delivery`]), beside everything else and never inside somebody's request. Recipient and parameters
//! are sealed like the fields they came from, because a table of phones and codes is exactly what a thief would look for.
//!
//! What this module must not know: why a message is sent, who may read the outbox, our own doors.

mod delivery;
mod message;
mod rows;
mod sender;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::domain::ids::{OpeningId, OrgId, RowId};
use crate::domain::phone::Phone;
use crate::domain::time::Micros;
use crate::limits::{OUTBOX_KEEP_S, OUTBOX_LISTED_MAX, PURGE_ROWS};
use crate::store::{Db, Priority, StoreError, Tx, execute, fetch_all};
use crate::vault::{Field, Purpose, Vault, VaultError};

pub use delivery::{Delivery, Failed};
pub use message::{Language, Message};
pub use sender::Sender;
pub use state::{Reason, State};

#[derive(Debug, thiserror::Error)]
pub enum MessagingError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("a stored message does not read back")]
    Corrupt,
}

/// One message as the console lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    pub id: RowId,
    pub to_masked: String,
    pub message: Message,
    pub created_at: Micros,
    pub state: State,
    /// Why it failed, or why the last attempt did.
    pub reason: Option<Reason>,
    /// The provider's own code.
    pub detail: Option<String>,
    pub attempts: i64,
    /// When it was sent or given up.
    pub settled_at: Option<Micros>,
}

impl OutboxMessage {
    /// Staff tell a code that did not arrive. One that did, or still may, is its owner's alone.
    pub fn is_told_by_staff(&self) -> bool {
        matches!(self.state, State::Shown | State::Failed)
    }
}

/// Queues messages and lists them. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    db: Db,
    vault: Arc<Vault>,
    sender: Arc<Sender>,
}

#[derive(sqlx::FromRow)]
struct StoredMessage {
    id: RowId,
    recipient_sealed: Vec<u8>,
    params_sealed: Vec<u8>,
    created_at: Micros,
    state: String,
    reason: Option<String>,
    detail: Option<String>,
    attempts: i64,
    settled_at: Option<Micros>,
}

impl Outbox {
    pub fn new(db: Db, vault: Arc<Vault>, sender: Sender) -> Self {
        Self { db, vault, sender: Arc::new(sender) }
    }

    /// Queues `message` in the transaction that causes it.
    pub async fn send(
        &self,
        tx: &mut Tx,
        opening: Option<&OpeningId>,
        to: &Phone,
        message: &Message,
        now: Micros,
    ) -> Result<RowId, MessagingError> {
        let state = if self.sender.sends() { State::Queued } else { State::Shown };
        let due_at = self.sender.sends().then_some(now);
        let id = RowId::generate();
        let params = serde_json::to_string(message).map_err(|_| MessagingError::Corrupt)?;
        execute!(
            tx,
            "INSERT INTO outbox (id, org_id, opening_id, purpose, recipient_sealed, recipient_bidx, params_sealed,
                                 created_at, state, due_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            &id,
            OrgId::default_org(),
            opening,
            message.purpose(),
            self.vault.seal(Field::OutboxRecipient, id.as_str(), to.as_str())?,
            self.vault.index(Purpose::Phone, to.as_str()),
            self.vault.seal(Field::OutboxParams, id.as_str(), &params)?,
            now,
            state.as_str(),
            due_at,
            message.expires_at(now)
        )?;
        Ok(id)
    }

    /// The newest messages of an opening, at most [`OUTBOX_LISTED_MAX`]; those to one phone, if it is given.
    pub async fn newest(
        &self,
        opening: &OpeningId,
        phone: Option<&Phone>,
    ) -> Result<Vec<OutboxMessage>, MessagingError> {
        let mut read = self.db.read().await?;
        let rows: Vec<StoredMessage> = match phone {
            None => fetch_all!(
                read,
                StoredMessage,
                "SELECT id, recipient_sealed, params_sealed, created_at, state, reason, detail, attempts, settled_at FROM outbox
                 WHERE opening_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
                opening,
                OUTBOX_LISTED_MAX
            )?,
            Some(phone) => fetch_all!(
                read,
                StoredMessage,
                "SELECT id, recipient_sealed, params_sealed, created_at, state, reason, detail, attempts, settled_at FROM outbox
                 WHERE opening_id = $1 AND recipient_bidx = $2 ORDER BY created_at DESC, id DESC LIMIT $3",
                opening,
                self.vault.index(Purpose::Phone, phone.as_str()),
                OUTBOX_LISTED_MAX
            )?,
        };
        rows.into_iter().map(|row| self.unseal(row)).collect()
    }

    /// Forgets messages older than [`OUTBOX_KEEP_S`], a bounded number at a time so that picks are not kept waiting.
    /// Returns how many went; call again while it is [`PURGE_ROWS`].
    pub async fn purge(&self, now: Micros) -> Result<u64, MessagingError> {
        let mut tx = self.db.begin(Priority::Bulk).await?;
        let gone = execute!(
            tx,
            "DELETE FROM outbox WHERE id IN
                 (SELECT id FROM outbox WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
            now.since(Micros::from_secs(OUTBOX_KEEP_S)),
            PURGE_ROWS
        )?;
        tx.commit().await?;
        Ok(gone)
    }

    fn unseal(&self, row: StoredMessage) -> Result<OutboxMessage, MessagingError> {
        let (to, message) = self.open(&row.id, &row.recipient_sealed, &row.params_sealed)?;
        Ok(OutboxMessage {
            to_masked: to.masked(),
            message,
            created_at: row.created_at,
            state: State::from_name(&row.state).ok_or(MessagingError::Corrupt)?,
            // One that a newer program wrote is no reason to hide the message.
            reason: row.reason.map(|name| Reason::from_name(&name).unwrap_or(Reason::Refused)),
            detail: row.detail,
            attempts: row.attempts,
            settled_at: row.settled_at,
            id: row.id,
        })
    }

    fn open(&self, id: &RowId, recipient: &[u8], params: &[u8]) -> Result<(Phone, Message), MessagingError> {
        let to = self.vault.open_text(Field::OutboxRecipient, id.as_str(), recipient)?;
        let params = self.vault.open_text(Field::OutboxParams, id.as_str(), params)?;
        let to = Phone::parse(&to).map_err(|_| MessagingError::Corrupt)?;
        Ok((to, serde_json::from_str(&params).map_err(|_| MessagingError::Corrupt)?))
    }
}
