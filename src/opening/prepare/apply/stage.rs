//! Imports are written in short transactions and shown in one.
//!
//! ```text
//!   mark ─► set aside ─► … ─► write ─► … ─► show (log, mark gone) ─► forget ─► …
//!      each gives SQLite's one writer back, and whoever commits picks is before the next part
//! ```
//!
//! Rows behind the mark are nobody's yet, and of a row that is overwritten readers see what was set aside
//! (`migrations/0003_imports.sql`, `0004_aside.sql`). What is cut off in the middle counts as dead
//! from the next start on, or after a minute of silence; the gateway's upkeep then undoes it, or the next import.

use super::{Draft, aside};
use crate::domain::ids::OpeningId;
use crate::domain::time::Micros;
use crate::limits::{IMPORT_PART_ROWS, IMPORT_SILENCE_S};
use crate::store::{Db, Priority, StoreError, Tx, execute, fetch_all, fetch_optional};

/// Which list an import adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Units,
    Registrations,
}

/// An import that has marked its opening.
pub(super) struct Stage<'i> {
    pub opening: &'i OpeningId,
    /// This import's own name.
    pub by: &'i str,
}

fn alive_until(now: Micros) -> Micros {
    now.plus(Micros::from_secs(IMPORT_SILENCE_S))
}

impl Stage<'_> {
    /// Marks the opening from `first` on, its next ordinal, behind its head row: false if the draft is another by now
    /// or another import has it.
    pub async fn mark(&self, tx: &mut Tx, draft: &Draft, list: List, first: i64) -> Result<bool, StoreError> {
        let same = execute!(
            tx,
            "UPDATE opening_head SET epoch = epoch
             WHERE opening_id = $1 AND control_version = $2 AND phase = $3",
            self.opening,
            draft.control_version,
            draft.phase.as_str()
        )?;
        if same == 0 {
            return Ok(false);
        }
        let until = alive_until(tx.now().await?);
        let (units, registrations) = match list {
            List::Units => (Some(first), None),
            List::Registrations => (None, Some(first)),
        };
        let marked = execute!(
            tx,
            "UPDATE opening SET staged_by = $2, staged_until = $3, units_staged_from = $4,
                    registrations_staged_from = $5
             WHERE id = $1 AND staged_by IS NULL",
            self.opening,
            self.by,
            until,
            units,
            registrations
        )?;
        Ok(marked == 1)
    }

    /// The transaction of one part, in its turn; `None` if nothing more may be written.
    pub async fn part(&self, db: &Db) -> Result<Option<Tx>, StoreError> {
        let mut tx = db.begin(Priority::Bulk).await?;
        Ok(self.renew(&mut tx).await?.then_some(tx))
    }

    /// Says that the import is alive; false if the mark is no longer its own, or it was taken for dead.
    pub async fn renew(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        let until = alive_until(tx.now().await?);
        let renewed = execute!(
            tx,
            "UPDATE opening SET staged_until = $3 WHERE id = $1 AND staged_by = $2 AND staged_until > 0",
            self.opening,
            self.by,
            until
        )?;
        Ok(renewed == 1)
    }

    /// Takes the mark away: what was written is shown.
    pub async fn unmark(&self, tx: &mut Tx) -> Result<(), StoreError> {
        execute!(
            tx,
            "UPDATE opening SET staged_by = NULL, staged_until = NULL, units_staged_from = NULL,
                    registrations_staged_from = NULL
             WHERE id = $1 AND staged_by = $2",
            self.opening,
            self.by
        )?;
        Ok(())
    }

    /// Leaves nothing of the import but what was shown.
    pub async fn clear(&self, db: &Db) -> Result<(), StoreError> {
        loop {
            let mut tx = db.begin(Priority::Bulk).await?;
            if !self.bury(&mut tx).await? {
                break;
            }
            if self.undo_part(&mut tx).await? == 0 {
                self.unmark(&mut tx).await?;
            }
            tx.commit().await?;
        }
        loop {
            let mut tx = db.begin(Priority::Bulk).await?;
            let forgotten = aside::forget(&mut tx, self).await?;
            tx.commit().await?;
            if forgotten == 0 {
                return Ok(());
            }
        }
    }

    /// One that was only slow must not go on writing while it is undone. False if there is no mark of it.
    pub async fn bury(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        let buried = execute!(
            tx,
            "UPDATE opening SET staged_until = 0 WHERE id = $1 AND staged_by = $2",
            self.opening,
            self.by
        )?;
        Ok(buried == 1)
    }

    /// Undoes a part, what was added first: it may have a document that is put back. Returns how many rows it was.
    async fn undo_part(&self, tx: &mut Tx) -> Result<u64, StoreError> {
        match remove_part(tx, self.opening).await? {
            0 => aside::put_back(tx, self).await,
            removed => Ok(removed),
        }
    }
}

/// Removes the last rows behind the mark, up to a part of each list.
async fn remove_part(tx: &mut Tx, opening: &OpeningId) -> Result<u64, StoreError> {
    let rows = i64::try_from(IMPORT_PART_ROWS).unwrap_or(i64::MAX);
    let units = execute!(
        tx,
        "DELETE FROM unit
         WHERE opening_id = $1 AND ord >= (SELECT units_staged_from FROM opening WHERE id = $1)
           AND ord > (SELECT MAX(ord) FROM unit WHERE opening_id = $1) - $2",
        opening,
        rows
    )?;
    let registrations = execute!(
        tx,
        "DELETE FROM registration
         WHERE opening_id = $1 AND ord >= (SELECT registrations_staged_from FROM opening WHERE id = $1)
           AND ord > (SELECT MAX(ord) FROM registration WHERE opening_id = $1) - $2",
        opening,
        rows
    )?;
    Ok(units + registrations)
}

/// Is another import under way? One that has been silent for too long is removed first.
pub(super) async fn is_busy(db: &Db, opening: &OpeningId) -> Result<bool, StoreError> {
    let marks = marks(db, Some(opening)).await?;
    let now = db.now().await?;
    for (opening, by, until) in &marks {
        if *until >= now {
            return Ok(true);
        }
        Stage { opening, by }.clear(db).await?;
    }
    Ok(false)
}

/// At a start, before anybody imports: in the embedded database every mark is of an import that was cut off. What it wrote
/// is hidden already, so a start does not wait for it to be undone.
pub async fn bury_cut_off(db: &Db) -> Result<(), StoreError> {
    if !db.is_sqlite() {
        return Ok(());
    }
    let mut tx = db.begin(Priority::Bulk).await?;
    execute!(tx, "UPDATE opening SET staged_until = 0 WHERE staged_by IS NOT NULL")?;
    tx.commit().await
}

/// Undoes, in parts, what imports wrote of which nothing is heard any more, and forgets what shown ones set aside.
pub async fn sweep(db: &Db) -> Result<(), StoreError> {
    let now = db.now().await?;
    for (opening, by, until) in marks(db, None).await? {
        if until < now {
            tracing::info!(%opening, "an import was cut off; undoing what it had written");
            Stage { opening: &opening, by: &by }.clear(db).await?;
        }
    }
    for (opening, by) in unmarked(db).await? {
        Stage { opening: &opening, by: &by }.clear(db).await?;
    }
    Ok(())
}

/// In the transaction of a publication, behind the head row: an import that is under way does not belong to what is
/// frozen. Its parts stop at the missing mark.
pub async fn withdraw(tx: &mut Tx, opening: &OpeningId) -> Result<(), StoreError> {
    // Written, not read: a part in flight has this row since it began. It is waited for and then undone with the rest,
    // instead of being committed after the others were and frozen.
    let marked = fetch_optional!(
        tx,
        (String,),
        "UPDATE opening SET staged_until = staged_until WHERE id = $1 AND staged_by IS NOT NULL RETURNING staged_by",
        opening
    )?;
    if let Some((by,)) = marked {
        let stage = Stage { opening, by: &by };
        while stage.undo_part(tx).await? > 0 {}
        stage.unmark(tx).await?;
    }
    Ok(())
}

async fn marks(db: &Db, opening: Option<&OpeningId>) -> Result<Vec<(OpeningId, String, Micros)>, StoreError> {
    let mut read = db.read().await?;
    let all = fetch_all!(
        read,
        (OpeningId, String, Micros),
        "SELECT id, staged_by, staged_until FROM opening WHERE staged_by IS NOT NULL"
    )?;
    Ok(all.into_iter().filter(|(id, ..)| opening.is_none_or(|wanted| id == wanted)).collect())
}

/// Imports that were shown, and cut off before they had forgotten what they set aside.
async fn unmarked(db: &Db) -> Result<Vec<(OpeningId, String)>, StoreError> {
    let mut read = db.read().await?;
    fetch_all!(
        read,
        (OpeningId, String),
        "SELECT a.opening_id, a.staged_by
         FROM (SELECT opening_id, staged_by FROM unit_aside
               UNION SELECT opening_id, staged_by FROM registration_aside) AS a
         LEFT JOIN opening o ON o.id = a.opening_id AND o.staged_by = a.staged_by
         WHERE o.id IS NULL"
    )
}
