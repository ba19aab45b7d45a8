//! From the database to a running opening: what a start, a publication and a restart after a crash have in common.

use std::collections::HashMap;
use std::sync::Arc;

use inventory::{Inventory, NO_LIMIT};
use sqlx::FromRow;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::board::{Board, Status};
use super::clock::{Anchor, OpeningClock, boot_id};
use super::facts::{Facts, Household, Registration, Unit, household_holder, registration_holder};
use super::gate2::{self, Between, Together};
use super::job::Command;
use super::live::{Live, Parts};
use super::memory::{Memory, status_of};
use super::script::{claim_of, control_of};
use super::{committer, history, keeper};
use crate::domain::ids::{OpeningId, ProjectId, PropertyId, RegOrd};
use crate::domain::kind::{Eligibility, PerKind, UnitKind};
use crate::domain::money::Fen;
use crate::domain::text::mask_name;
use crate::domain::time::{Clock, Micros};
use crate::limits::COMMIT_QUEUE;
use crate::store::{Head, Ledger, Priority, Reader, StoreError, fetch_all, fetch_optional};
use crate::vault::{Field, Vault, VaultError};

/// An opening that could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    #[error("there is no such opening")]
    Unknown,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a name does not decrypt: {0}")]
    Vault(#[from] VaultError),
    #[error("the roster could not be read: {0}")]
    Cancelled(#[from] tokio::task::JoinError),
    #[error("too many units or buyers: {0}")]
    TooMany(#[from] inventory::TooMany),
}

/// A running opening and its tasks, which end when this is dropped.
pub struct Running {
    pub live: Arc<Live>,
    _tasks: JoinSet<()>,
}

/// Reads what decides picks and starts the opening's tasks on the current runtime; [`history`] reads the rest.
pub async fn start(
    ledger: Ledger,
    facts: Facts,
    clock: Clock,
    gateway: String,
    between: Option<Between>,
) -> Result<Running, RecoverError> {
    let inventory = Inventory::new(u8::try_from(UnitKind::ALL.len()).unwrap_or(u8::MAX));
    size(&inventory, &facts)?;

    // Behind the head row, so that claims and sequence are of one moment.
    let (mut tx, head) = loop {
        let Some(seen) = ledger.read_head(&facts.id).await? else { return Err(RecoverError::Unknown) };
        let mut tx = ledger.begin(&facts.id, Priority::Commit).await?;
        if let Some(head) = tx.take_head(seen.epoch).await? {
            break (tx, head);
        }
        // The epoch was raised in between: the next look has the new one.
    };
    let rows = tx.occupying_claims().await?;
    let unsettled = tx.unsettled_payments().await?;
    drop(tx);

    let mut statuses = vec![Status::Free; facts.units.len()];
    let mut claims = Vec::with_capacity(rows.len());
    for row in rows {
        let claim = claim_of(&row)?;
        if row.occupying {
            let status = claim.as_ref().map_or(Status::Withheld, |claim| status_of(claim.state));
            if let Some(slot) = usize::try_from(row.unit().0).ok().and_then(|at| statuses.get_mut(at)) {
                *slot = status;
            }
        }
        match claim {
            Some(claim) => claims.push(claim),
            None if row.occupying => drop(inventory.withhold(row.unit().0)),
            None => {}
        }
    }
    let seq = head.next_seq - 1;
    let last = ledger.journal_after(&facts.id, seq - 1, 1).await?;
    let last = last.first().filter(|entry| entry.seq == seq).map(|entry| entry.at);
    let memory = Memory::recovered((seq, last), claims, &facts, &inventory);
    let clock = opening_clock(clock, &head);
    if !ledger.is_embedded() {
        // Before a buyer can ask: this machine's own wall may be seconds ahead.
        clock.hear(ledger.now().await?);
    }
    let (jobs, queue) = mpsc::channel(COMMIT_QUEUE);
    let (together, queues) = between.map(Together::new).unzip();
    let live = Arc::new(Live::new(Parts {
        facts,
        ledger,
        clock,
        control: control_of(&head)?,
        inventory,
        memory,
        board: Board::new(seq, statuses),
        jobs,
        together,
    }));
    let mut tasks = JoinSet::new();
    tasks.spawn(committer::run(live.clone(), queue));
    tasks.spawn(keeper::run(live.clone(), gateway.clone()));
    tasks.spawn(keeper::tick(live.clone()));
    tasks.spawn(history::run(live.clone()));
    if let Some(queues) = queues {
        gate2::spawn(&mut tasks, &live, queues, gateway);
    }
    for payment in unsettled {
        // Recorded before a crash and not applied: the committer settles it like any other.
        let live = live.clone();
        tasks.spawn(async move {
            if let Err(error) = live.command(Command::Settle { payment }).await {
                tracing::warn!(%error, "a recorded payment is still not settled");
            }
        });
    }
    Ok(Running { live, _tasks: tasks })
}

/// A restart within one boot keeps the frozen clock.
fn opening_clock(clock: Clock, head: &Head) -> OpeningClock {
    let opening = OpeningClock::new(clock);
    if let (Some(wall), Some(mono), Some(boot)) = (head.anchor_wall, head.anchor_mono, &head.anchor_boot)
        && *boot == boot_id()
    {
        opening.freeze(Anchor { wall, mono });
    }
    opening
}

/// Words for every unit and holder, and each holder's limits.
fn size(inventory: &Inventory, facts: &Facts) -> Result<(), RecoverError> {
    let units = u32::try_from(facts.units.len()).unwrap_or(u32::MAX);
    inventory.grow_units(units)?;
    let registrations = u32::try_from(facts.registrations.len()).unwrap_or(u32::MAX);
    inventory.grow_holders(registration_holder(RegOrd(registrations)).saturating_add(1))?;
    for (ord, registration) in facts.registrations.iter().enumerate() {
        let who = RegOrd(u32::try_from(ord).unwrap_or(u32::MAX));
        for kind in UnitKind::ALL {
            inventory.set_limit(
                registration_holder(who),
                kind.class(),
                facts.own_limit(registration, *kind).min(NO_LIMIT - 1),
            );
            if let (Some(household), Some(limit)) =
                (&registration.household, facts.household_quota.get(*kind))
            {
                inventory.set_limit(household_holder(household.ord), kind.class(), limit.min(NO_LIMIT - 1));
            }
        }
    }
    Ok(())
}

#[derive(FromRow)]
struct OpeningRow {
    project_id: ProjectId,
    project_name: String,
    name: String,
    rehearsal: bool,
    simulated: bool,
    hold_us: i64,
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
    published_at: Option<Micros>,
}

#[derive(FromRow)]
struct UnitRow {
    ord: i64,
    property_id: PropertyId,
    kind: String,
    building: String,
    section: String,
    floor: String,
    room: String,
    layout: String,
    facing: String,
    gross_area_centi: Option<i64>,
    inner_area_centi: Option<i64>,
    unit_price_fen: Option<Fen>,
    total_fen: Option<Fen>,
    remarks: String,
}

#[derive(FromRow)]
struct RegistrationRow {
    ord: i64,
    id: String,
    code: String,
    name_sealed: Vec<u8>,
    household: Option<String>,
    eligibility: String,
    group_name: String,
    lot_number: Option<i64>,
    quota_home: i64,
    earnest_fen: Fen,
}

/// Reads what was frozen at publication.
pub async fn read_facts(
    read: &mut Reader,
    vault: &Arc<Vault>,
    opening: &OpeningId,
) -> Result<Facts, RecoverError> {
    let row = fetch_optional!(
        read,
        OpeningRow,
        "SELECT o.project_id, p.name AS project_name, o.name, o.rehearsal, o.simulated, o.hold_us,
                o.favourites_max, o.deposit_home_fen, o.deposit_parking_fen, o.deposit_shop_fen,
                o.deposit_storage_fen, o.quota_home, o.quota_parking, o.quota_shop, o.quota_storage,
                o.household_home, o.household_parking, o.household_shop, o.household_storage,
                o.units_hash, o.roster_hash, o.published_at
         FROM opening o JOIN project p ON p.id = o.project_id WHERE o.id = $1",
        opening
    )?
    .ok_or(RecoverError::Unknown)?;
    let units = read_units(read, opening).await?;
    let registrations = read_registrations(read, vault, opening).await?;
    let by_code = registrations
        .iter()
        .zip(0..)
        .map(|(registration, ord)| (registration.code.clone(), RegOrd(ord)))
        .collect();
    Ok(Facts {
        id: opening.clone(),
        project_id: row.project_id,
        project_name: row.project_name,
        name: row.name,
        rehearsal: row.rehearsal,
        simulated: row.simulated,
        hold: Micros(row.hold_us),
        favourites_max: u32::try_from(row.favourites_max).unwrap_or(0),
        deposit: PerKind {
            home: row.deposit_home_fen,
            parking: row.deposit_parking_fen,
            shop: row.deposit_shop_fen,
            storage: row.deposit_storage_fen,
        },
        quota: PerKind {
            home: quota(row.quota_home),
            parking: quota(row.quota_parking),
            shop: quota(row.quota_shop),
            storage: quota(row.quota_storage),
        },
        household_quota: PerKind {
            home: row.household_home.map(quota),
            parking: row.household_parking.map(quota),
            shop: row.household_shop.map(quota),
            storage: row.household_storage.map(quota),
        },
        units_hash: row.units_hash.unwrap_or_default(),
        roster_hash: row.roster_hash.unwrap_or_default(),
        published_at: row.published_at.unwrap_or_default(),
        units,
        registrations,
        by_code,
    })
}

fn quota(stored: i64) -> u16 {
    u16::try_from(stored.max(0)).unwrap_or(u16::MAX)
}

/// Everything else finds a row by its position: behind a hole a pick would be another home's, or another person's.
fn without_holes(list: &str, ords: impl Iterator<Item = i64>) -> Result<(), StoreError> {
    match ords.zip(0..).find(|(ord, position)| ord != position) {
        None => Ok(()),
        Some((ord, position)) => {
            Err(StoreError::Corrupt(format!("{list}.ord {ord} where {position} belongs")))
        }
    }
}

async fn read_units(read: &mut Reader, opening: &OpeningId) -> Result<Vec<Unit>, RecoverError> {
    let rows = fetch_all!(
        read,
        UnitRow,
        "SELECT ord, property_id, kind, building, section, floor, room, layout, facing, gross_area_centi,
                inner_area_centi, unit_price_fen, total_fen, remarks
         FROM unit WHERE opening_id = $1 ORDER BY ord",
        opening
    )?;
    without_holes("unit", rows.iter().map(|row| row.ord))?;
    rows.into_iter()
        .map(|row| {
            let kind = UnitKind::from_name(&row.kind)
                .ok_or_else(|| StoreError::Corrupt(format!("unit.kind {}", row.kind)))?;
            Ok(Unit {
                property: row.property_id,
                kind,
                building: row.building,
                section: row.section,
                floor: row.floor,
                room: row.room,
                layout: row.layout,
                facing: row.facing,
                gross_area_centi: row.gross_area_centi,
                inner_area_centi: row.inner_area_centi,
                unit_price: row.unit_price_fen,
                total: row.total_fen.unwrap_or(Fen::ZERO),
                remarks: row.remarks,
            })
        })
        .collect()
}

async fn read_registrations(
    read: &mut Reader,
    vault: &Arc<Vault>,
    opening: &OpeningId,
) -> Result<Vec<Registration>, RecoverError> {
    let rows = fetch_all!(
        read,
        RegistrationRow,
        "SELECT ord, id, code, name_sealed, household, eligibility, group_name, lot_number, quota_home, earnest_fen
         FROM registration WHERE opening_id = $1 ORDER BY ord",
        opening
    )?;
    without_holes("registration", rows.iter().map(|row| row.ord))?;
    let names = masked_names(vault, &rows).await?;
    let mut households: HashMap<String, u32> = HashMap::new();
    let mut registrations = Vec::with_capacity(rows.len());
    for (row, name_masked) in rows.into_iter().zip(names) {
        let next = u32::try_from(households.len()).unwrap_or(u32::MAX);
        let household = row.household.map(|name| {
            let ord = *households.entry(name.clone()).or_insert(next);
            Household { name, ord }
        });
        registrations.push(Registration {
            code: row.code,
            name_masked,
            group: row.group_name,
            lot_number: row.lot_number,
            eligibility: Eligibility::from_name(&row.eligibility).ok_or_else(|| {
                StoreError::Corrupt(format!("registration.eligibility {}", row.eligibility))
            })?,
            household,
            quota_home: quota(row.quota_home),
            earnest: row.earnest_fen,
        });
    }
    Ok(registrations)
}

/// Opens the names on every core: of 100,000 it is the longest part of reading a roster.
async fn masked_names(vault: &Arc<Vault>, rows: &[RegistrationRow]) -> Result<Vec<String>, RecoverError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parts = Vec::with_capacity(cores);
    for part in rows.chunks(rows.len().div_ceil(cores).max(1)) {
        let sealed: Vec<(String, Vec<u8>)> =
            part.iter().map(|row| (row.id.clone(), row.name_sealed.clone())).collect();
        let vault = Arc::clone(vault);
        parts.push(tokio::task::spawn_blocking(move || {
            let masked = |(id, sealed): &(String, Vec<u8>)| {
                Ok(mask_name(&vault.open_text(Field::RegistrationName, id, sealed)?))
            };
            sealed.iter().map(masked).collect::<Result<Vec<String>, VaultError>>()
        }));
    }
    let mut names = Vec::with_capacity(rows.len());
    for part in parts {
        names.extend(part.await??);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_with_a_hole_is_refused() {
        assert!(without_holes("unit", 0..3).is_ok());
        let refused = without_holes("unit", [0, 1, 3].into_iter()).unwrap_err();
        assert!(refused.to_string().contains("unit.ord 3 where 2 belongs"), "{refused}");
    }
}
