//! Readings into a draft: what is new is added, what differs is changed and listed, what the file does not name stays.
//!
//! All that costs time (opening sealed values, comparing, sealing) happens before the transaction, against a version of
//! the head row; the transaction only writes, and only if the version still holds. Otherwise the plan is made again. So
//! an import is one transaction, whole or absent, and holds SQLite's one writer for as long as its inserts take.

mod record;
mod registrations;
#[cfg(test)]
mod tests;
mod units;

use std::sync::Arc;

use super::super::lifecycle::Phase;
use super::report::ImportReport;
use crate::domain::ids::{OpeningId, OrgId, ProjectId};
use crate::domain::time::Micros;
use crate::identity::staff::{LogEntry, log_staff_action};
use crate::identity::{Actor, StaffError};
use crate::limits;
use crate::store::{Db, Priority, Reader, StoreError, Tx, execute, fetch_optional};
use crate::vault::{Vault, VaultError};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Store nothing if a single row is refused.
    pub all_or_nothing: bool,
    /// Compare with what is stored, store nothing.
    pub dry_run: bool,
}

/// Who imports, into which database. What it stores it also writes into the staff log, in the same transaction.
pub struct Importer<'a> {
    pub db: &'a Db,
    pub vault: &'a Arc<Vault>,
    pub by: &'a Actor,
    pub now: Micros,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("there is no such opening")]
    OpeningUnknown,
    #[error("the opening is published: its units and its roster are frozen")]
    AlreadyPublished,
    #[error("other imports into the same opening keep coming in between: try again")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the staff log: {0}")]
    Log(#[from] StaffError),
    #[error("the import was cut short: {0}")]
    Cancelled(#[from] tokio::task::JoinError),
}

impl ImportError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OpeningUnknown => "OPENING_UNKNOWN",
            Self::AlreadyPublished => "ALREADY_PUBLISHED",
            Self::Busy => "SLOW_DOWN",
            Self::Store(_) => "STORE_FAILED",
            Self::Vault(error) => error.code(),
            Self::Log(error) => error.code(),
            Self::Cancelled(_) => "CANCELLED",
        }
    }
}

/// The opening as it was when the plan was made.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Draft {
    org_id: OrgId,
    project_id: ProjectId,
    quota_home: i64,
    phase: String,
    control_version: i64,
    /// A rehearsal's simulated buyers are made, not imported: nobody real may come among them, because staff may sign
    /// in for them.
    is_rehearsed: bool,
}

async fn draft(on: &mut Reader, opening: &OpeningId) -> Result<Draft, ImportError> {
    let found = fetch_optional!(
        on,
        Draft,
        "SELECT o.org_id, o.project_id, o.quota_home, h.phase, h.control_version,
                o.rehearsal AND o.simulated AS is_rehearsed
         FROM opening o JOIN opening_head h ON h.opening_id = o.id WHERE o.id = $1",
        opening
    )?;
    match found {
        None => Err(ImportError::OpeningUnknown),
        Some(draft) if draft.is_rehearsed => Err(ImportError::AlreadyPublished),
        Some(draft) if Phase::from_name(&draft.phase).is_some_and(Phase::is_editable) => Ok(draft),
        Some(_) => Err(ImportError::AlreadyPublished),
    }
}

/// Takes the head row if nothing changed since `draft` was read. An edited opening has to be checked again.
async fn claim_head(tx: &mut Tx, opening: &OpeningId, draft: &Draft) -> Result<bool, StoreError> {
    let taken = execute!(
        tx,
        "UPDATE opening_head SET control_version = control_version + 1, phase = $4
         WHERE opening_id = $1 AND control_version = $2 AND phase = $3",
        opening,
        draft.control_version,
        draft.phase.as_str(),
        Phase::Draft.as_str()
    )?;
    Ok(taken == 1)
}

/// What a plan must be able to do for [`Importer::store`].
trait Plan {
    /// What the staff log calls it.
    const ACTION: &'static str;

    fn report(&self) -> &ImportReport;
    fn into_report(self) -> ImportReport;
    fn is_empty(&self) -> bool;
    async fn write(&self, tx: &mut Tx, opening: &OpeningId, draft: &Draft) -> Result<(), StoreError>;
}

impl Importer<'_> {
    /// One attempt: `None` means that the opening changed meanwhile and the plan has to be made again.
    async fn store<P: Plan>(
        &self,
        opening: &OpeningId,
        draft: &Draft,
        options: ImportOptions,
        plan: P,
    ) -> Result<Option<ImportReport>, ImportError> {
        let report = plan.report();
        let refused = options.all_or_nothing && !report.refused.is_empty();
        if options.dry_run || refused || report.accepted == 0 {
            return Ok(Some(plan.into_report()));
        }
        if !plan.is_empty() {
            let mut tx = self.db.begin(Priority::Bulk).await?;
            if !claim_head(&mut tx, opening, draft).await? {
                return Ok(None);
            }
            match plan.write(&mut tx, opening, draft).await {
                Ok(()) => {}
                // Another opening's import made the same property first.
                Err(error) if error.is_unique_violation() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            let entry = LogEntry {
                opening: Some(opening),
                action: P::ACTION,
                object: opening.as_str(),
                params: counts(report),
            };
            log_staff_action(&mut tx, self.vault, self.by, &entry, self.now).await?;
            tx.commit().await?;
        }
        Ok(Some(ImportReport { stored: true, ..plan.into_report() }))
    }
}

/// What the log keeps of a report: no names, no numbers of people.
fn counts(report: &ImportReport) -> serde_json::Value {
    let (added, changed) =
        report.effect.as_ref().map_or((0, 0), |effect| (effect.added, effect.changed.len()));
    serde_json::json!({
        "accepted": report.accepted, "refused": report.refused.len(), "added": added, "changed": changed,
    })
}

/// Rows of one INSERT: far below both databases' limits on bound values.
const CHUNK: usize = limits::IMPORT_INSERT_ROWS;
