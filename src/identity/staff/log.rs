//! The log of what staff did and why. An entry is written in the transaction that did it.

use serde_json::Value;

use crate::domain::ids::{OpeningId, RowId, StaffId};
use crate::domain::time::Micros;
use crate::limits::STAFF_LOG_LISTED_MAX;
use crate::store::{Tx, fetch_all};
use crate::vault::{Field, Vault};

use super::chain::{Content, append};
use super::{Staff, StaffError};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    Person {
        id: StaffId,
        login: String,
    },
    /// Somebody at the machine itself, through the command line.
    CommandLine,
    /// A server that finishes at its start what one before it left.
    Server,
    /// `kaipan demo`; the only one that may create its crowd.
    Demo,
}

impl Actor {
    /// The account, where a person acts.
    pub fn id(&self) -> Option<&StaffId> {
        match self {
            Actor::Person { id, .. } => Some(id),
            Actor::CommandLine | Actor::Server | Actor::Demo => None,
        }
    }

    /// As the log shows it. No login contains a space, so nobody can pass for what is no person.
    pub fn label(&self) -> &str {
        match self {
            Actor::Person { login, .. } => login,
            Actor::CommandLine => "command line",
            Actor::Server => "the server",
            Actor::Demo => "kaipan demo",
        }
    }
}

/// One entry to write. `object` names a thing by id or code, never a person.
#[derive(Debug, Clone)]
pub struct LogEntry<'a> {
    pub opening: Option<&'a OpeningId>,
    /// A stable code such as `OPENING_PUBLISHED`; the console has the words.
    pub action: &'static str,
    pub object: &'a str,
    pub params: Value,
}

/// One entry as the console lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedAction {
    /// Its place in the chain; one without is not of it.
    pub seq: Option<i64>,
    pub at: Micros,
    pub staff: String,
    pub action: String,
    pub object: String,
    pub params: Value,
}

/// Writes an entry on the transaction that does what it says, as its last statement: from here on whoever else writes the log
/// waits for the commit.
pub async fn log_staff_action(
    tx: &mut Tx,
    vault: &Vault,
    by: &Actor,
    entry: &LogEntry<'_>,
    now: Micros,
) -> Result<(), StaffError> {
    let id = RowId::generate();
    let row = Content {
        params_sealed: vault.seal(Field::StaffLogParams, id.as_str(), &entry.params.to_string())?,
        id,
        opening_id: entry.opening.cloned(),
        staff_id: by.id().cloned(),
        staff: by.label().to_owned(),
        action: entry.action.to_owned(),
        object: entry.object.to_owned(),
        at: now,
    };
    append(tx, vault, &row).await
}

type LogRow = (RowId, Option<i64>, Micros, String, String, String, Vec<u8>);

impl Staff {
    /// The newest entries, of one opening or of all, at most [`STAFF_LOG_LISTED_MAX`].
    pub async fn log(&self, opening: Option<&OpeningId>) -> Result<Vec<LoggedAction>, StaffError> {
        let mut read = self.inner.db.read().await?;
        let rows = match opening {
            None => fetch_all!(
                read,
                LogRow,
                "SELECT id, seq, at, staff, action, object, params_sealed FROM staff_log
                 ORDER BY at DESC, id DESC LIMIT $1",
                STAFF_LOG_LISTED_MAX
            )?,
            Some(opening) => fetch_all!(
                read,
                LogRow,
                "SELECT id, seq, at, staff, action, object, params_sealed FROM staff_log
                 WHERE opening_id = $1 ORDER BY at DESC, id DESC LIMIT $2",
                opening,
                STAFF_LOG_LISTED_MAX
            )?,
        };
        let read_back = |(id, seq, at, staff, action, object, params): LogRow| {
            let params = self.inner.vault.open_text(Field::StaffLogParams, id.as_str(), &params)?;
            let params = serde_json::from_str(&params).map_err(|_| StaffError::Corrupt)?;
            Ok(LoggedAction { seq, at, staff, action, object, params })
        };
        rows.into_iter().map(read_back).collect()
    }
}
