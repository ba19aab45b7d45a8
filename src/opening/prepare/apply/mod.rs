//! Readings into a draft: what is new is added, what differs is changed and listed, what the file does not name stays.
//!
//! All that costs time (opening sealed values, comparing, sealing) happens before any transaction, against a version of
//! the head row; what is written counts only if the version still holds. Otherwise the plan is made again. It is written
//! in parts that nobody sees and shown in one transaction ([`stage`]): whole or absent.

mod aside;
mod record;
mod registrations;
mod stage;
#[cfg(test)]
mod tests;
mod units;

use std::sync::Arc;

use super::super::lifecycle::Phase;
use super::report::ImportReport;
use crate::domain::ids::{OpeningId, OrgId, ProjectId, RowId};
use crate::domain::time::Micros;
use crate::identity::staff::{LogEntry, log_staff_action};
use crate::identity::{Actor, StaffError};
use crate::limits::IMPORT_PART_ROWS;
use crate::store::{Db, Priority, Reader, StoreError, Tx, execute, fetch_optional};
use crate::vault::{Vault, VaultError};

pub use registrations::{Registration, seal_roster, write as write_roster};
use stage::{List, Stage, is_busy};
pub use stage::{bury_cut_off, sweep, withdraw};

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
async fn take_head(tx: &mut Tx, opening: &OpeningId, draft: &Draft) -> Result<bool, StoreError> {
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

/// What an import writes.
struct Plan<R> {
    report: ImportReport,
    /// The ordinal behind the last stored row: from here on rows are added.
    first_added: i64,
    /// Ordinals of the stored rows that are overwritten.
    changed: Vec<i64>,
    /// The new and the changed, as they are to be.
    rows: Vec<R>,
}

/// A row of a list, as [`Importer::store`] writes it.
trait Row: Sized + Sync {
    /// What the staff log calls an import of such rows.
    const ACTION: &'static str;
    const LIST: List;

    /// Keeps stored rows as they are, before the first of them is overwritten.
    async fn set_aside(tx: &mut Tx, stage: &Stage<'_>, ords: &[i64]) -> Result<(), StoreError>;
    /// Adds rows, or overwrites those that have their ordinals.
    async fn write(tx: &mut Tx, opening: &OpeningId, draft: &Draft, rows: &[Self]) -> Result<(), StoreError>;
}

impl Importer<'_> {
    /// One attempt: `None` means that the opening changed meanwhile and the plan has to be made again.
    async fn store<R: Row>(
        &self,
        opening: &OpeningId,
        draft: &Draft,
        options: ImportOptions,
        plan: Plan<R>,
    ) -> Result<Option<ImportReport>, ImportError> {
        let report = &plan.report;
        let refused = options.all_or_nothing && !report.refused.is_empty();
        if options.dry_run || refused || report.accepted == 0 {
            return Ok(Some(plan.report));
        }
        if !plan.rows.is_empty() {
            if is_busy(self.db, opening).await? {
                return Err(ImportError::Busy);
            }
            match self.store_in_parts(opening, draft, &plan).await {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                // Another opening's import made the same property first.
                Err(ImportError::Store(error)) if error.is_unique_violation() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(ImportReport { stored: true, ..plan.report }))
    }

    async fn store_in_parts<R: Row>(
        &self,
        opening: &OpeningId,
        draft: &Draft,
        plan: &Plan<R>,
    ) -> Result<bool, ImportError> {
        let by = RowId::generate().to_string();
        let stage = Stage { opening, by: &by };
        let mut tx = self.db.begin(Priority::Bulk).await?;
        if !stage.mark(&mut tx, draft, R::LIST, plan.first_added).await? {
            return Ok(false);
        }
        // From the commit on the mark is this import's to take away, also if its caller goes away.
        let mut abandoned =
            Abandoned { db: self.db.clone(), opening: opening.clone(), by: by.clone(), armed: true };
        tx.commit().await?;
        let shown = self.write_and_show(&stage, draft, plan).await;
        // Shown or not, that is what the caller hears; what could not be cleared away is tried once more.
        abandoned.armed = stage.clear(self.db).await.is_err();
        shown
    }

    async fn write_and_show<R: Row>(
        &self,
        stage: &Stage<'_>,
        draft: &Draft,
        plan: &Plan<R>,
    ) -> Result<bool, ImportError> {
        // All are set aside before any is written: a row may take the document that another one gives away.
        for ords in plan.changed.chunks(IMPORT_PART_ROWS) {
            let Some(mut tx) = stage.part(self.db).await? else { return Ok(false) };
            R::set_aside(&mut tx, stage, ords).await?;
            tx.commit().await?;
        }
        for rows in plan.rows.chunks(IMPORT_PART_ROWS) {
            let Some(mut tx) = stage.part(self.db).await? else { return Ok(false) };
            R::write(&mut tx, stage.opening, draft, rows).await?;
            tx.commit().await?;
        }
        let mut tx = self.db.begin(Priority::Bulk).await?;
        // First the head row, then the opening's, as a publication takes them: the other way round both would wait.
        if !take_head(&mut tx, stage.opening, draft).await? || !stage.renew(&mut tx).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        stage.unmark(&mut tx).await?;
        let entry = LogEntry {
            opening: Some(stage.opening),
            action: R::ACTION,
            object: stage.opening.as_str(),
            params: counts(&plan.report),
        };
        log_staff_action(&mut tx, self.vault, self.by, &entry, self.now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// An ordinal that has become somebody else's is not overwritten, and shows in the count.
fn all_written<R>(written: u64, rows: &[R]) -> Result<(), StoreError> {
    if usize::try_from(written).is_ok_and(|written| written == rows.len()) {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!("{} rows to import, {written} written", rows.len())))
}

/// An import whose caller is gone (a browser closed in the middle) removes what it wrote.
struct Abandoned {
    db: Db,
    opening: OpeningId,
    by: String,
    armed: bool,
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !std::mem::take(&mut self.armed) {
            return;
        }
        let (db, opening, by) = (self.db.clone(), self.opening.clone(), std::mem::take(&mut self.by));
        runtime.spawn(async move {
            if let Err(error) = (Stage { opening: &opening, by: &by }).clear(&db).await {
                tracing::warn!(%opening, %error, "an import left something behind; it goes with the next sweep");
            }
        });
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
