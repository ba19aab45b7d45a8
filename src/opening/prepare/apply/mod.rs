//! Readings into a draft: what is new is added, what differs is changed and listed, what the file does not name stays.
//!
//! All that costs time (opening sealed values, comparing, sealing) happens before any transaction, against a version of
//! the head row; what is written counts only if the version still holds. Otherwise the plan is made again. A small
//! import is one transaction; a large one is written in parts behind a mark and shown in one ([`stage`]). Either way it
//! is whole or absent.

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
use crate::limits;
use crate::store::{Db, Priority, Reader, StoreError, Tx, execute, fetch_one, fetch_optional};
use crate::vault::{Vault, VaultError};

use stage::{List, Stage, is_busy};
pub use stage::{sweep, withdraw};

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

/// Takes the head row, and nobody is adding rows.
async fn claim_head(tx: &mut Tx, opening: &OpeningId, draft: &Draft) -> Result<bool, StoreError> {
    if !take_head(tx, opening, draft).await? {
        return Ok(false);
    }
    // A statement of its own, behind the head row: an import marks its opening behind that row too.
    let (free,) = fetch_one!(tx, (bool,), "SELECT staged_by IS NULL FROM opening WHERE id = $1", opening)?;
    Ok(free)
}

/// What a plan must be able to do for [`Importer::store`].
trait Plan {
    /// What the staff log calls it.
    const ACTION: &'static str;
    const LIST: List;

    fn report(&self) -> &ImportReport;
    fn into_report(self) -> ImportReport;
    fn is_empty(&self) -> bool;
    /// The ordinal of the first row that is added.
    fn first_added(&self) -> i64;
    /// In how many transactions its additions are written, of at most [`limits::IMPORT_PART_ROWS`] rows each.
    fn parts(&self) -> usize;
    async fn write_part(
        &self,
        tx: &mut Tx,
        opening: &OpeningId,
        draft: &Draft,
        part: usize,
    ) -> Result<(), StoreError>;
    /// Overwrites what is stored already, in the transaction that shows the additions.
    async fn write_changes(&self, tx: &mut Tx, opening: &OpeningId) -> Result<(), StoreError>;
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
            if is_busy(self.db, opening).await? {
                return Err(ImportError::Busy);
            }
            let stored = if plan.parts() <= limits::IMPORT_PARTS_AT_ONCE {
                self.store_at_once(opening, draft, &plan).await
            } else {
                self.store_in_parts(opening, draft, &plan).await
            };
            match stored {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                // Another opening's import made the same property first.
                Err(ImportError::Store(error)) if error.is_unique_violation() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(ImportReport { stored: true, ..plan.into_report() }))
    }

    async fn store_at_once<P: Plan>(
        &self,
        opening: &OpeningId,
        draft: &Draft,
        plan: &P,
    ) -> Result<bool, ImportError> {
        let mut tx = self.db.begin(Priority::Bulk).await?;
        if !claim_head(&mut tx, opening, draft).await? {
            return Ok(false);
        }
        for part in 0..plan.parts() {
            plan.write_part(&mut tx, opening, draft, part).await?;
        }
        self.finish(tx, opening, plan).await?;
        Ok(true)
    }

    async fn store_in_parts<P: Plan>(
        &self,
        opening: &OpeningId,
        draft: &Draft,
        plan: &P,
    ) -> Result<bool, ImportError> {
        let by = RowId::generate().to_string();
        let stage = Stage { opening, by: &by };
        let mut tx = self.db.begin(Priority::Bulk).await?;
        if !stage.mark(&mut tx, draft, P::LIST, plan.first_added()).await? {
            return Ok(false);
        }
        // From the commit on the mark is this import's to take away, also if its caller goes away.
        let mut abandoned =
            Abandoned { db: self.db.clone(), opening: opening.clone(), by: by.clone(), armed: true };
        tx.commit().await?;
        let shown = self.write_and_show(&stage, draft, plan).await;
        if !matches!(shown, Ok(true)) {
            stage.discard(self.db).await?;
        }
        abandoned.armed = false;
        shown
    }

    async fn write_and_show<P: Plan>(
        &self,
        stage: &Stage<'_>,
        draft: &Draft,
        plan: &P,
    ) -> Result<bool, ImportError> {
        for part in 0..plan.parts() {
            // Between two parts the writer is whoever's comes first: a commit of picks before the next part.
            let mut tx = self.db.begin(Priority::Bulk).await?;
            if !stage.renew(&mut tx).await? {
                return Ok(false);
            }
            plan.write_part(&mut tx, stage.opening, draft, part).await?;
            tx.commit().await?;
        }
        let mut tx = self.db.begin(Priority::Bulk).await?;
        // First the head row, then the opening's, as a publication takes them: the other way round both would wait.
        if !take_head(&mut tx, stage.opening, draft).await? || !stage.show(&mut tx).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        self.finish(tx, stage.opening, plan).await?;
        Ok(true)
    }

    async fn finish<P: Plan>(&self, mut tx: Tx, opening: &OpeningId, plan: &P) -> Result<(), ImportError> {
        plan.write_changes(&mut tx, opening).await?;
        let entry = LogEntry {
            opening: Some(opening),
            action: P::ACTION,
            object: opening.as_str(),
            params: counts(plan.report()),
        };
        log_staff_action(&mut tx, self.vault, self.by, &entry, self.now).await?;
        tx.commit().await?;
        Ok(())
    }
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
            if let Err(error) = (Stage { opening: &opening, by: &by }).discard(&db).await {
                tracing::warn!(%opening, %error, "an import was abandoned; what it wrote goes with the next start");
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

/// The `part`-th part of some rows.
fn part_of<R>(rows: &[R], part: usize) -> &[R] {
    rows.chunks(limits::IMPORT_PART_ROWS).nth(part).unwrap_or_default()
}

fn parts_of<R>(rows: &[R]) -> usize {
    rows.len().div_ceil(limits::IMPORT_PART_ROWS)
}
