//! Preparing an opening: projects, settings, withheld units. Every edit makes a checked opening a draft again; after
//! publication edits are refused.

use sqlx::FromRow;

use super::label::unit_label;
use super::lifecycle::Phase;
use super::publish::{PublishError, take_for_edit};
use super::settings::is_name;
use crate::domain::ids::{OpeningId, OrgId, ProjectId, UnitOrd};
use crate::domain::kind::{PerKind, UnitKind};
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::limits::REASON_CHARS_MAX;
use crate::store::{LedgerTx, Reader, StoreError, Tx, execute, fetch_all, fetch_optional};

pub use super::settings::Settings;

#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The named field has a value that is not possible.
    #[error("{0} is not possible")]
    Field(&'static str),
    #[error("the name is in use")]
    NameTaken,
    #[error("there is no such project")]
    ProjectUnknown,
    #[error("unit {} does not exist", .0.0)]
    UnitUnknown(UnitOrd),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, Clone, FromRow)]
pub struct Project {
    pub id: ProjectId,
    pub name: String,
    pub time_zone: String,
}

/// An opening as the console shows it.
#[derive(Debug, Clone)]
pub struct Overview {
    pub id: OpeningId,
    pub project: ProjectId,
    pub project_name: String,
    pub rehearsal: bool,
    pub simulated: bool,
    pub settings: Settings,
    pub phase: Phase,
    pub paused: bool,
    pub units_by_kind: Vec<(UnitKind, i64)>,
    pub withheld: i64,
    pub total: Fen,
    pub registrations: i64,
    pub earnest: Fen,
    pub units_hash: Option<String>,
    pub roster_hash: Option<String>,
}

pub async fn create_project(tx: &mut Tx, name: &str, now: Micros) -> Result<Project, DraftError> {
    if !is_name(name) {
        return Err(DraftError::Field("name"));
    }
    let project = Project {
        id: ProjectId::generate(),
        name: name.trim().to_owned(),
        time_zone: "Asia/Shanghai".to_owned(),
    };
    let created = execute!(
        tx,
        "INSERT INTO project (id, org_id, name, time_zone, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
        &project.id,
        OrgId::default_org(),
        &project.name,
        &project.time_zone,
        now
    )?;
    if created == 1 { Ok(project) } else { Err(DraftError::NameTaken) }
}

pub async fn projects(read: &mut Reader) -> Result<Vec<Project>, StoreError> {
    fetch_all!(read, Project, "SELECT id, name, time_zone FROM project ORDER BY created_at, id")
}

/// What an opening is for. Everybody who sees it is told when its buyers are a program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    Sale,
    /// `kaipan demo`: made-up homes and a simulated crowd.
    Demo,
    /// Another opening's homes and simulated buyers; its claims occupy no home.
    Rehearsal,
}

/// A new draft.
pub async fn create_opening(
    tx: &mut Tx,
    project: &ProjectId,
    settings: &Settings,
    intent: Intent,
    now: Micros,
) -> Result<OpeningId, DraftError> {
    settings.check()?;
    let known = fetch_optional!(tx, (ProjectId,), "SELECT id FROM project WHERE id = $1", project)?;
    if known.is_none() {
        return Err(DraftError::ProjectUnknown);
    }
    let id = OpeningId::generate();
    execute!(
        tx,
        "INSERT INTO opening (id, org_id, project_id, name, rehearsal, simulated, hold_us, favourites_max,
            deposit_home_fen, deposit_parking_fen, deposit_shop_fen, deposit_storage_fen,
            quota_home, quota_parking, quota_shop, quota_storage,
            household_home, household_parking, household_shop, household_storage, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
        &id,
        OrgId::default_org(),
        project,
        settings.name.trim(),
        intent == Intent::Rehearsal,
        intent != Intent::Sale,
        settings.hold,
        settings.favourites_max,
        settings.deposit.home,
        settings.deposit.parking,
        settings.deposit.shop,
        settings.deposit.storage,
        settings.quota.home,
        settings.quota.parking,
        settings.quota.shop,
        settings.quota.storage,
        settings.household_quota.home,
        settings.household_quota.parking,
        settings.household_quota.shop,
        settings.household_quota.storage,
        now
    )?;
    execute!(
        tx,
        "INSERT INTO opening_head (opening_id, org_id, epoch, phase, paused, control_version, next_seq, start_at,
            end_at)
         VALUES ($1, $2, 1, $3, $4, 1, 1, $5, $6)",
        &id,
        OrgId::default_org(),
        Phase::Draft.as_str(),
        false,
        settings.start_at,
        settings.end_at
    )?;
    Ok(id)
}

/// Replaces the settings of a draft.
pub async fn change_opening(
    tx: &mut LedgerTx,
    opening: &OpeningId,
    settings: &Settings,
) -> Result<(), DraftError> {
    settings.check()?;
    let mut head = take_for_edit(tx, opening).await?;
    (head.start_at, head.end_at) = (settings.start_at, settings.end_at);
    tx.save_head(&head).await?;
    let Some(tx) = tx.db() else { return Ok(()) };
    execute!(
        tx,
        "UPDATE opening SET name = $2, hold_us = $3, favourites_max = $4, deposit_home_fen = $5,
                deposit_parking_fen = $6, deposit_shop_fen = $7, deposit_storage_fen = $8, quota_home = $9,
                quota_parking = $10, quota_shop = $11, quota_storage = $12, household_home = $13,
                household_parking = $14, household_shop = $15, household_storage = $16
         WHERE id = $1",
        opening,
        settings.name.trim(),
        settings.hold,
        settings.favourites_max,
        settings.deposit.home,
        settings.deposit.parking,
        settings.deposit.shop,
        settings.deposit.storage,
        settings.quota.home,
        settings.quota.parking,
        settings.quota.shop,
        settings.quota.storage,
        settings.household_quota.home,
        settings.household_quota.parking,
        settings.household_quota.shop,
        settings.household_quota.storage
    )?;
    Ok(())
}

/// Takes units off the offer, with the reason; `None` puts them back on.
pub async fn withhold(
    tx: &mut LedgerTx,
    opening: &OpeningId,
    units: &[UnitOrd],
    reason: Option<&str>,
) -> Result<(), DraftError> {
    let reason = reason.map(str::trim);
    if reason.is_some_and(|reason| reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX) {
        return Err(DraftError::Field("reason"));
    }
    take_for_edit(tx, opening).await?;
    let Some(tx) = tx.db() else { return Ok(()) };
    for unit in units {
        let changed = execute!(
            tx,
            "UPDATE unit SET withheld_reason = $3 WHERE opening_id = $1 AND ord = $2",
            opening,
            i64::from(unit.0),
            reason
        )?;
        if changed == 0 {
            return Err(DraftError::UnitUnknown(*unit));
        }
    }
    Ok(())
}

/// A unit as the console lists it before and after publication.
#[derive(Debug, Clone, FromRow)]
pub struct UnitLine {
    pub ord: i64,
    pub kind: String,
    pub building: String,
    pub section: String,
    pub floor: String,
    pub room: String,
    pub layout: String,
    pub facing: String,
    pub gross_area_centi: Option<i64>,
    pub inner_area_centi: Option<i64>,
    pub unit_price_fen: Option<Fen>,
    pub total_fen: Option<Fen>,
    pub remarks: String,
    pub withheld_reason: Option<String>,
    /// The state of the claim that occupies it, if any.
    pub claim_state: Option<String>,
}

impl UnitLine {
    pub fn label(&self) -> String {
        unit_label(&self.building, &self.section, &self.room)
    }
}

pub async fn units(read: &mut Reader, opening: &OpeningId) -> Result<Vec<UnitLine>, StoreError> {
    fetch_all!(
        read,
        UnitLine,
        "SELECT u.ord, u.kind, u.building, u.section, u.floor, u.room, u.layout, u.facing, u.gross_area_centi,
                u.inner_area_centi, u.unit_price_fen, u.total_fen, u.remarks, u.withheld_reason,
                c.state AS claim_state
         FROM unit_shown u
         LEFT JOIN claim c ON c.opening_id = u.opening_id || '' AND c.unit_ord = u.ord AND c.occupying
         WHERE u.opening_id = $1 ORDER BY u.ord",
        opening
    )
}

#[derive(FromRow)]
struct OverviewRow {
    id: OpeningId,
    project_id: ProjectId,
    project_name: String,
    name: String,
    rehearsal: bool,
    simulated: bool,
    hold_us: Micros,
    favourites_max: i64,
    deposit_home_fen: Fen,
    deposit_parking_fen: Fen,
    deposit_shop_fen: Fen,
    deposit_storage_fen: Fen,
    quota_home: i64,
    quota_parking: i64,
    quota_shop: i64,
    quota_storage: i64,
    household_home: Option<i64>,
    household_parking: Option<i64>,
    household_shop: Option<i64>,
    household_storage: Option<i64>,
    units_hash: Option<String>,
    roster_hash: Option<String>,
    phase: String,
    paused: bool,
    start_at: Micros,
    end_at: Micros,
}

/// All openings, newest first; a rehearsal that was cleared is gone.
pub async fn overviews(read: &mut Reader) -> Result<Vec<Overview>, StoreError> {
    let ids = fetch_all!(
        read,
        (OpeningId,),
        "SELECT o.id FROM opening o JOIN opening_head h ON h.opening_id = o.id
         WHERE NOT (o.rehearsal AND h.phase = 'disabled') ORDER BY o.created_at DESC, o.id DESC"
    )?;
    let mut all = Vec::with_capacity(ids.len());
    for (id,) in ids {
        all.extend(overview(read, &id).await?);
    }
    Ok(all)
}

pub async fn overview(read: &mut Reader, opening: &OpeningId) -> Result<Option<Overview>, StoreError> {
    let row = fetch_optional!(
        read,
        OverviewRow,
        "SELECT o.id, o.project_id, p.name AS project_name, o.name, o.rehearsal, o.simulated, o.hold_us,
                o.favourites_max, o.deposit_home_fen, o.deposit_parking_fen, o.deposit_shop_fen, o.deposit_storage_fen,
                o.quota_home, o.quota_parking, o.quota_shop, o.quota_storage,
                o.household_home, o.household_parking, o.household_shop, o.household_storage,
                o.units_hash, o.roster_hash, h.phase, h.paused, h.start_at, h.end_at
         FROM opening o
         JOIN project p ON p.id = o.project_id
         JOIN opening_head h ON h.opening_id = o.id
         WHERE o.id = $1",
        opening
    )?;
    let Some(row) = row else { return Ok(None) };
    let by_kind = fetch_all!(
        read,
        (String, i64, i64, i64),
        "SELECT kind, COUNT(*), CAST(COALESCE(SUM(total_fen), 0) AS BIGINT), COUNT(withheld_reason)
         FROM unit_shown WHERE opening_id = $1 GROUP BY kind",
        opening
    )?;
    let roster = fetch_optional!(
        read,
        (i64, i64),
        "SELECT COUNT(*), CAST(COALESCE(SUM(earnest_fen), 0) AS BIGINT) FROM registration_shown WHERE opening_id = $1",
        opening
    )?;
    let (registrations, earnest) = roster.unwrap_or((0, 0));
    let counted = |kind: UnitKind| {
        let row = by_kind.iter().find(|(name, ..)| name == kind.as_str())?;
        Some((kind, row.1))
    };
    Ok(Some(Overview {
        units_by_kind: UnitKind::ALL.iter().filter_map(|kind| counted(*kind)).collect(),
        withheld: by_kind.iter().map(|(.., withheld)| withheld).sum(),
        total: Fen(by_kind.iter().map(|(_, _, total, _)| total).sum()),
        registrations,
        earnest: Fen(earnest),
        ..row.overview()?
    }))
}

impl OverviewRow {
    fn overview(self) -> Result<Overview, StoreError> {
        let phase = Phase::from_name(&self.phase)
            .ok_or_else(|| StoreError::Corrupt(format!("opening_head.phase {}", self.phase)))?;
        Ok(Overview {
            id: self.id,
            project: self.project_id,
            project_name: self.project_name,
            rehearsal: self.rehearsal,
            simulated: self.simulated,
            settings: Settings {
                name: self.name,
                start_at: self.start_at,
                end_at: self.end_at,
                hold: self.hold_us,
                favourites_max: self.favourites_max,
                deposit: PerKind {
                    home: self.deposit_home_fen,
                    parking: self.deposit_parking_fen,
                    shop: self.deposit_shop_fen,
                    storage: self.deposit_storage_fen,
                },
                quota: PerKind {
                    home: self.quota_home,
                    parking: self.quota_parking,
                    shop: self.quota_shop,
                    storage: self.quota_storage,
                },
                household_quota: PerKind {
                    home: self.household_home,
                    parking: self.household_parking,
                    shop: self.household_shop,
                    storage: self.household_storage,
                },
            },
            phase,
            paused: self.paused,
            units_by_kind: Vec::new(),
            withheld: 0,
            total: Fen::ZERO,
            registrations: 0,
            earnest: Fen::ZERO,
            units_hash: self.units_hash,
            roster_hash: self.roster_hash,
        })
    }
}
