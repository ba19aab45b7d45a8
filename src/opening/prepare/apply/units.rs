//! A price list into the units of a draft. A unit is found by its identity, so a corrected spelling of a building is a
//! change and not a second home; the home itself is a property of the project, shared with its other openings.

use std::collections::{HashMap, HashSet};

use super::super::report::{Change, Effect, ImportReport};
use super::super::{Reading, UnitRow, place};
use super::{Draft, ImportError, ImportOptions, Importer, List, Plan, draft, part_of, parts_of};
use crate::domain::area::AreaCenti;
use crate::domain::ids::{OpeningId, PropertyId};
use crate::domain::kind::UnitKind;
use crate::domain::money::Fen;
use crate::limits;
use crate::store::{Reader, StoreError, Tx, execute, execute_rows, fetch_all};

impl Importer<'_> {
    /// Stores a price list in a draft, or says what it would change.
    pub async fn price_list(
        &self,
        opening: &OpeningId,
        reading: &Reading<UnitRow>,
        options: ImportOptions,
    ) -> Result<ImportReport, ImportError> {
        for _ in 0..limits::IMPORT_ATTEMPTS {
            let (draft, plan) = {
                let mut on = self.db.read().await?;
                let draft = draft(&mut on, opening).await?;
                let plan = plan(&mut on, opening, &draft, reading).await?;
                (draft, plan)
            };
            if let Some(report) = self.store(opening, &draft, options, plan).await? {
                return Ok(report);
            }
        }
        Err(ImportError::Busy)
    }
}

#[derive(sqlx::FromRow)]
struct Stored {
    ord: i64,
    kind: String,
    building: String,
    section: String,
    floor: String,
    room: String,
    layout: String,
    facing: String,
    gross_area_centi: Option<i64>,
    inner_area_centi: Option<i64>,
    unit_price_fen: Option<i64>,
    total_fen: Option<i64>,
    remarks: String,
}

#[derive(sqlx::FromRow)]
struct Property {
    id: PropertyId,
    kind: String,
    building: String,
    section: String,
    floor: String,
    room: String,
}

struct UnitPlan {
    report: ImportReport,
    /// New properties, then new units with their ordinals, then units to overwrite.
    properties: Vec<(PropertyId, UnitRow)>,
    added: Vec<(i64, PropertyId, UnitRow)>,
    changed: Vec<(i64, UnitRow)>,
}

async fn plan(
    on: &mut Reader,
    opening: &OpeningId,
    draft: &Draft,
    reading: &Reading<UnitRow>,
) -> Result<UnitPlan, ImportError> {
    let stored = fetch_all!(
        on,
        Stored,
        "SELECT ord, kind, building, section, floor, room, layout, facing, gross_area_centi, inner_area_centi,
             unit_price_fen, total_fen, remarks FROM unit_shown WHERE opening_id = $1 ORDER BY ord",
        opening
    )?;
    let properties = fetch_all!(
        on,
        Property,
        "SELECT id, kind, building, section, floor, room FROM property WHERE project_id = $1",
        &draft.project_id
    )?;
    let properties: HashMap<String, PropertyId> = properties
        .into_iter()
        .map(|p| Ok((identity(&p.kind, &p.building, &p.section, &p.floor, &p.room)?, p.id)))
        .collect::<Result<_, StoreError>>()?;
    let mut next_ord = stored.last().map_or(0, |unit| unit.ord + 1);
    let mut by_identity: HashMap<String, &Stored> = HashMap::with_capacity(stored.len());
    for unit in &stored {
        let identity = identity(&unit.kind, &unit.building, &unit.section, &unit.floor, &unit.room)?;
        by_identity.insert(identity, unit);
    }

    let mut effect = Effect::default();
    let mut plan = UnitPlan {
        report: ImportReport::of_units(reading),
        properties: Vec::new(),
        added: Vec::new(),
        changed: Vec::new(),
    };
    let mut named: HashSet<String> = reading.refused_keys.clone();
    for row in &reading.rows {
        let identity = row.value.identity();
        match by_identity.get(&identity) {
            Some(before) => {
                let changes = changes(before, &row.value);
                if changes.is_empty() {
                    effect.unchanged += 1;
                } else {
                    effect.changed.extend(changes);
                    plan.changed.push((before.ord, row.value.clone()));
                }
            }
            None => {
                let property = properties.get(&identity).cloned().unwrap_or_else(|| {
                    let id = PropertyId::generate();
                    plan.properties.push((id.clone(), row.value.clone()));
                    id
                });
                plan.added.push((next_ord, property, row.value.clone()));
                next_ord += 1;
                effect.added += 1;
            }
        }
        named.insert(identity);
    }
    effect.missing = missing(&stored, &by_identity, &named);
    plan.report.effect = Some(effect);
    Ok(plan)
}

/// Labels of the stored units that the file does not name, in their own order.
fn missing(
    stored: &[Stored],
    by_identity: &HashMap<String, &Stored>,
    named: &HashSet<String>,
) -> Vec<String> {
    let unnamed: HashSet<i64> = by_identity
        .iter()
        .filter(|(identity, _)| !named.contains(*identity))
        .map(|(_, unit)| unit.ord)
        .collect();
    stored.iter().filter(|unit| unnamed.contains(&unit.ord)).map(label).collect()
}

fn identity(
    kind: &str,
    building: &str,
    section: &str,
    floor: &str,
    room: &str,
) -> Result<String, StoreError> {
    let kind =
        UnitKind::from_name(kind).ok_or_else(|| StoreError::Corrupt(format!("a unit of kind {kind}")))?;
    Ok(place::identity(kind, building, section, floor, room))
}

fn label(unit: &Stored) -> String {
    [&unit.building, &unit.section, &unit.floor, &unit.room]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

fn changes(before: &Stored, after: &UnitRow) -> Vec<Change> {
    let area = |area: Option<AreaCenti>| area.map(|area| area.0);
    let money = |money: Option<Fen>| money.map(|money| money.0);
    let number = |number: Option<i64>| number.map_or_else(String::new, |number| number.to_string());
    let texts = [
        ("building", &before.building, &after.building),
        ("section", &before.section, &after.section),
        ("floor", &before.floor, &after.floor),
        ("room", &before.room, &after.room),
        ("layout", &before.layout, &after.layout),
        ("facing", &before.facing, &after.facing),
        ("remarks", &before.remarks, &after.remarks),
    ];
    let numbers = [
        ("gross_area_centi", before.gross_area_centi, area(after.gross_area)),
        ("inner_area_centi", before.inner_area_centi, area(after.inner_area)),
        ("unit_price_fen", before.unit_price_fen, money(after.unit_price)),
        ("total_fen", before.total_fen, money(after.total)),
    ];
    let texts = texts.into_iter().map(|(field, before, after)| (field, before.clone(), after.clone()));
    let numbers = numbers.into_iter().map(|(field, before, after)| (field, number(before), number(after)));
    texts
        .chain(numbers)
        .filter(|(_, before, after)| before != after)
        .map(|(field, from, to)| Change { what: label(before), field, before: from, after: to })
        .collect()
}

impl Plan for UnitPlan {
    const ACTION: &'static str = "PRICE_LIST_IMPORTED";
    const LIST: List = List::Units;

    fn report(&self) -> &ImportReport {
        &self.report
    }

    fn into_report(self) -> ImportReport {
        self.report
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty()
    }

    fn first_added(&self) -> i64 {
        self.added.first().map_or(0, |(ord, ..)| *ord)
    }

    fn parts(&self) -> usize {
        parts_of(&self.properties) + parts_of(&self.added)
    }

    /// Properties first: a unit refers to one. A property without a unit is an address, and harmless.
    async fn write_part(
        &self,
        tx: &mut Tx,
        opening: &OpeningId,
        draft: &Draft,
        part: usize,
    ) -> Result<(), StoreError> {
        match part.checked_sub(parts_of(&self.properties)) {
            None => self.write_properties(tx, draft, part_of(&self.properties, part)).await,
            Some(part) => self.write_units(tx, opening, draft, part_of(&self.added, part)).await,
        }
    }

    async fn write_changes(&self, tx: &mut Tx, opening: &OpeningId) -> Result<(), StoreError> {
        for (ord, unit) in &self.changed {
            execute!(
                tx,
                "UPDATE unit SET building = $3, section = $4, floor = $5, room = $6, layout = $7, facing = $8,
                     gross_area_centi = $9, inner_area_centi = $10, unit_price_fen = $11, total_fen = $12, remarks = $13
                 WHERE opening_id = $1 AND ord = $2",
                opening,
                ord,
                &unit.building,
                &unit.section,
                &unit.floor,
                &unit.room,
                &unit.layout,
                &unit.facing,
                unit.gross_area,
                unit.inner_area,
                unit.unit_price,
                unit.total,
                &unit.remarks
            )?;
        }
        Ok(())
    }
}

impl UnitPlan {
    async fn write_properties(
        &self,
        tx: &mut Tx,
        draft: &Draft,
        properties: &[(PropertyId, UnitRow)],
    ) -> Result<(), StoreError> {
        execute_rows!(
            tx,
            properties,
            "INSERT INTO property (id, org_id, project_id, kind, building, section, floor, room) VALUES ",
            "(#, #, #, #, #, #, #, #)",
            "",
            [],
            |(id, unit)| [
                id,
                &draft.org_id,
                &draft.project_id,
                unit.kind.as_str(),
                &unit.building,
                &unit.section,
                &unit.floor,
                &unit.room
            ]
        );
        Ok(())
    }

    async fn write_units(
        &self,
        tx: &mut Tx,
        opening: &OpeningId,
        draft: &Draft,
        units: &[(i64, PropertyId, UnitRow)],
    ) -> Result<(), StoreError> {
        execute_rows!(
            tx,
            units,
            "INSERT INTO unit (opening_id, ord, org_id, property_id, kind, building, section, floor, room, layout,
                 facing, gross_area_centi, inner_area_centi, unit_price_fen, total_fen, remarks) VALUES ",
            "(#, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #)",
            "",
            [],
            |(ord, property, unit)| [
                opening,
                *ord,
                &draft.org_id,
                property,
                unit.kind.as_str(),
                &unit.building,
                &unit.section,
                &unit.floor,
                &unit.room,
                &unit.layout,
                &unit.facing,
                unit.gross_area,
                unit.inner_area,
                unit.unit_price,
                unit.total,
                &unit.remarks
            ]
        );
        Ok(())
    }
}
