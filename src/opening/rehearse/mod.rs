//! A rehearsal: an isolated copy of an opening, with the same homes and simulated buyers, published to start soon.
//!
//! It lies in the same database as another opening id, so that the evening before it takes the same way through the
//! same program and the same disk; its claims occupy no home (`claim_one_per_property` exempts them). No real person's
//! data is copied: of the roster only its structure is kept (groups, lot numbers, quotas, who shares a household).
//!
//! It is written in chunks, so that picks of a real opening that runs beside it never wait for more than one of them.

mod people;

use std::sync::Arc;

use serde_json::json;

use super::drafts::{self, DraftError, Intent, Overview, Settings};
use super::prepare::{self, Registration};
use super::publish::{self, PublishError};
use crate::domain::ids::{OpeningId, OrgId};
use crate::domain::time::{Clock, Micros};
use crate::identity::staff::{LogEntry, log_staff_action};
use crate::identity::{Actor, StaffError};
use crate::limits::{
    IMPORT_PART_ROWS, NAME_CHARS_MAX, OPENING_S_MAX, REHEARSAL_BUYERS_MAX, REHEARSAL_CHUNK_UNITS,
    REHEARSAL_START_IN_S_MAX, REHEARSALS_MAX,
};
use crate::store::{Db, Ledger, Priority, StoreError, execute, fetch_all, fetch_one};
use crate::vault::{Vault, VaultError};
use people::Line;

/// What stands before the source's name.
const TITLE: &str = "演练 · ";

/// What is asked for; what is absent follows the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Simulated registrations; as many as the source has real ones if absent.
    pub buyers: Option<i64>,
    pub start_in_s: i64,
    /// How long it stays open; as long as the source if absent.
    pub open_for_s: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    #[error("there is no such opening")]
    SourceUnknown,
    /// The named field has a value that is not possible.
    #[error("{0} is not possible")]
    Field(&'static str),
    #[error("the opening has no units to rehearse with")]
    NoUnits,
    #[error("{REHEARSALS_MAX} rehearsals are there already: clear one")]
    TooMany,
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the staff log: {0}")]
    Log(#[from] StaffError),
    #[error("a simulated person has an impossible number")]
    Person,
    #[error("the copying was cut short: {0}")]
    Cancelled(#[from] tokio::task::JoinError),
}

/// Where and for whom a rehearsal is made.
pub struct Rehearser<'a> {
    pub db: &'a Db,
    pub vault: &'a Arc<Vault>,
    pub by: &'a Actor,
    pub clock: &'a Clock,
}

impl Rehearser<'_> {
    /// Makes and publishes the copy. The caller starts it in [`super::Openings`].
    pub async fn copy(&self, source: &OpeningId, wanted: &Wanted) -> Result<OpeningId, RehearseError> {
        let (overview, lines) = self.read(source).await?;
        let count: i64 = overview.units_by_kind.iter().map(|(_, count)| count).sum();
        if count == 0 {
            return Err(RehearseError::NoUnits);
        }
        let buyers = wanted.checked_buyers(overview.registrations)?;
        let quota = overview.settings.quota.home;
        let vault = Arc::clone(self.vault);
        // Ten thousand people of three values to seal are not for threads that answer people.
        let rows = tokio::task::spawn_blocking(move || {
            let roster = people::simulate(&lines, buyers)?;
            Ok::<_, RehearseError>(prepare::seal_roster(&vault, &roster, quota)?)
        })
        .await??;

        let copy = self.draft(source, &overview, wanted, buyers).await?;
        match self.fill(source, &copy, &overview, wanted, &rows).await {
            Ok(()) => Ok(copy),
            Err(error) => {
                // Nobody was told of it yet, so nobody would clear it.
                if let Err(left) = self.clear(&copy).await {
                    tracing::warn!(%left, rehearsal = %copy, "half a rehearsal is left");
                }
                Err(error)
            }
        }
    }

    /// Ends the rehearsal, wherever it stands, and takes it out of every list. Its journal stays, as evidence for the
    /// report of a load run. The caller stops it in [`super::Openings`].
    pub async fn clear(&self, rehearsal: &OpeningId) -> Result<(), RehearseError> {
        let mut tx = Ledger::from(self.db.clone()).begin(rehearsal, Priority::Staff).await?;
        publish::clear_rehearsal(&mut tx, rehearsal, self.by.id()).await?;
        let entry = LogEntry {
            opening: Some(rehearsal),
            action: "REHEARSAL_CLEARED",
            object: rehearsal.as_str(),
            params: json!({}),
        };
        log_staff_action(database(&mut tx)?, self.vault, self.by, &entry, self.clock.wall()).await?;
        Ok(tx.commit().await?)
    }

    /// Rehearsals whose time is over and that nobody has cleared, oldest first.
    pub async fn finished(&self) -> Result<Vec<OpeningId>, StoreError> {
        let mut read = self.db.read().await?;
        let ids = fetch_all!(
            read,
            (OpeningId,),
            "SELECT o.id FROM opening o JOIN opening_head h ON h.opening_id = o.id
             WHERE o.rehearsal
                 AND (h.phase = 'closed' OR (h.phase IN ('published', 'armed', 'live') AND h.end_at <= $1))
             ORDER BY o.created_at, o.id",
            self.clock.wall()
        )?;
        Ok(ids.into_iter().map(|(id,)| id).collect())
    }

    async fn read(&self, source: &OpeningId) -> Result<(Overview, Vec<Line>), RehearseError> {
        let mut read = self.db.read().await?;
        let overview = drafts::overview(&mut read, source).await?.ok_or(RehearseError::SourceUnknown)?;
        let lines = fetch_all!(
            read,
            Line,
            "SELECT household, group_name, lot_number, quota_home FROM registration_shown
             WHERE opening_id = $1 ORDER BY ord",
            source
        )?;
        Ok((overview, lines))
    }

    async fn draft(
        &self,
        source: &OpeningId,
        overview: &Overview,
        wanted: &Wanted,
        buyers: u32,
    ) -> Result<OpeningId, RehearseError> {
        let now = self.clock.wall();
        let settings = wanted.settings(overview, now)?;
        let mut tx = self.db.begin(Priority::Staff).await?;
        let (there,) = fetch_one!(
            tx,
            (i64,),
            "SELECT COUNT(*) FROM opening o JOIN opening_head h ON h.opening_id = o.id
             WHERE o.rehearsal AND h.phase <> 'disabled'"
        )?;
        if there >= REHEARSALS_MAX {
            return Err(RehearseError::TooMany);
        }
        let copy =
            drafts::create_opening(&mut tx, &overview.project, &settings, Intent::Rehearsal, now).await?;
        let entry = LogEntry {
            opening: Some(source),
            action: "REHEARSAL_CREATED",
            object: copy.as_str(),
            params: json!({ "buyers": buyers }),
        };
        log_staff_action(&mut tx, self.vault, self.by, &entry, now).await?;
        tx.commit().await?;
        Ok(copy)
    }

    async fn fill(
        &self,
        source: &OpeningId,
        copy: &OpeningId,
        overview: &Overview,
        wanted: &Wanted,
        rows: &[Registration],
    ) -> Result<(), RehearseError> {
        self.copy_units(source, copy).await?;
        for chunk in rows.chunks(IMPORT_PART_ROWS) {
            self.add_people(copy, chunk).await?;
        }
        let mut tx = Ledger::from(self.db.clone()).begin(copy, Priority::Staff).await?;
        // Counted from now: the copying took its time.
        let settings = wanted.settings(overview, self.clock.wall())?;
        drafts::change_opening(&mut tx, copy, &settings).await?;
        publish::check(&mut tx, copy).await?;
        publish::publish(&mut tx, copy).await?;
        Ok(tx.commit().await?)
    }

    async fn copy_units(&self, source: &OpeningId, copy: &OpeningId) -> Result<(), StoreError> {
        let mut first = 0;
        loop {
            let mut tx = self.db.begin(Priority::Bulk).await?;
            execute!(
                tx,
                "INSERT INTO unit (opening_id, ord, org_id, property_id, kind, building, section, floor, room, layout,
                     facing, gross_area_centi, inner_area_centi, unit_price_fen, total_fen, remarks, withheld_reason)
                 SELECT $2, ord, $5, property_id, kind, building, section, floor, room, layout,
                     facing, gross_area_centi, inner_area_centi, unit_price_fen, total_fen, remarks, withheld_reason
                 FROM unit_shown WHERE opening_id = $1 AND ord >= $3 AND ord < $4",
                source,
                copy,
                first,
                first + REHEARSAL_CHUNK_UNITS,
                OrgId::default_org()
            )?;
            tx.commit().await?;
            first += REHEARSAL_CHUNK_UNITS;
            let mut read = self.db.read().await?;
            let (beyond,) = fetch_one!(
                read,
                (i64,),
                "SELECT COUNT(*) FROM unit_shown WHERE opening_id = $1 AND ord >= $2",
                source,
                first
            )?;
            if beyond == 0 {
                return Ok(());
            }
        }
    }

    async fn add_people(&self, copy: &OpeningId, rows: &[Registration]) -> Result<(), StoreError> {
        let mut tx = self.db.begin(Priority::Bulk).await?;
        prepare::write_roster(&mut tx, copy, &OrgId::default_org(), rows).await?;
        tx.commit().await
    }
}

impl Wanted {
    fn checked_buyers(&self, registrations: i64) -> Result<u32, RehearseError> {
        let buyers = self.buyers.unwrap_or(registrations);
        let fits = (1..=REHEARSAL_BUYERS_MAX).contains(&buyers);
        u32::try_from(buyers).ok().filter(|_| fits).ok_or(RehearseError::Field("buyers"))
    }

    /// The source's settings under another name and window.
    fn settings(&self, source: &Overview, now: Micros) -> Result<Settings, RehearseError> {
        if !(1..=REHEARSAL_START_IN_S_MAX).contains(&self.start_in_s) {
            return Err(RehearseError::Field("start_in_s"));
        }
        if self.open_for_s.is_some_and(|s| !(1..=OPENING_S_MAX).contains(&s)) {
            return Err(RehearseError::Field("open_for_s"));
        }
        let from = source.settings.clone();
        let start_at = now.plus(Micros::from_secs(self.start_in_s));
        let lasts = self.open_for_s.map_or(from.end_at.since(from.start_at), Micros::from_secs);
        let title = if source.rehearsal { "" } else { TITLE };
        let name = title.chars().chain(from.name.chars()).take(NAME_CHARS_MAX).collect();
        Ok(Settings { name, start_at, end_at: start_at.plus(lasts), ..from })
    }
}

/// A rehearsal is never simulated in the simulator's sense, so there is always a database behind it.
fn database(tx: &mut crate::store::LedgerTx) -> Result<&mut crate::store::Tx, StoreError> {
    tx.db().ok_or_else(|| StoreError::Corrupt("no database".to_owned()))
}
