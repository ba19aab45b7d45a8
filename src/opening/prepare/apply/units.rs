//! A price list into the units of a draft. A unit is found by its identity, so a corrected spelling of a building is a
//! change and not a second home; the home itself is a property of the project, shared with its other openings.

use std::collections::{HashMap, HashSet};

use super::super::report::{Change, Effect, ImportReport};
use super::super::{Reading, UnitRow, place};
use super::stage::{List, Stage};
use super::{Draft, ImportError, ImportOptions, Importer, Plan, Row, all_written, aside, draft};
use crate::domain::area::AreaCenti;
use crate::domain::ids::{OpeningId, PropertyId};
use crate::domain::kind::UnitKind;
use crate::domain::money::Fen;
use crate::limits;
use crate::store::{Reader, StoreError, Tx, execute_rows, fetch_all};

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

struct Unit {
    ord: i64,
    property: PropertyId,
    /// The project knows no such home yet.
    is_new_property: bool,
    row: UnitRow,
}

async fn plan(
    on: &mut Reader,
    opening: &OpeningId,
    draft: &Draft,
    reading: &Reading<UnitRow>,
) -> Result<Plan<Unit>, ImportError> {
    let stored = fetch_all!(
        on,
        Stored,
        "SELECT ord, property_id, kind, building, section, floor, room, layout, facing, gross_area_centi,
             inner_area_centi, unit_price_fen, total_fen, remarks FROM unit_shown WHERE opening_id = $1 ORDER BY ord",
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
    let first_added = stored.last().map_or(0, |unit| unit.ord + 1);
    let mut by_identity: HashMap<String, &Stored> = HashMap::with_capacity(stored.len());
    for unit in &stored {
        let identity = identity(&unit.kind, &unit.building, &unit.section, &unit.floor, &unit.room)?;
        by_identity.insert(identity, unit);
    }

    let mut effect = Effect::default();
    let (mut rows, mut changed) = (Vec::new(), Vec::new());
    let mut next_ord = first_added;
    let mut named: HashSet<String> = reading.refused_keys.clone();
    for row in &reading.rows {
        let identity = row.value.identity();
        let (ord, property) = match by_identity.get(&identity) {
            None => {
                next_ord += 1;
                effect.added += 1;
                (next_ord - 1, properties.get(&identity).cloned())
            }
            Some(before) => {
                let changes = changes(before, &row.value);
                named.insert(identity);
                if changes.is_empty() {
                    effect.unchanged += 1;
                    continue;
                }
                effect.changed.extend(changes);
                changed.push(before.ord);
                (before.ord, Some(before.property_id.clone()))
            }
        };
        rows.push(Unit {
            ord,
            is_new_property: property.is_none(),
            property: property.unwrap_or_else(PropertyId::generate),
            row: row.value.clone(),
        });
    }
    effect.missing = missing(&stored, &by_identity, &named);
    let report = ImportReport { effect: Some(effect), ..ImportReport::of_units(reading) };
    Ok(Plan { report, first_added, changed, rows })
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

impl Row for Unit {
    const ACTION: &'static str = "PRICE_LIST_IMPORTED";
    const LIST: List = List::Units;

    async fn set_aside(tx: &mut Tx, stage: &Stage<'_>, ords: &[i64]) -> Result<(), StoreError> {
        aside::units(tx, stage, ords).await
    }

    /// Properties first: a unit refers to one. A property that is left without a unit is an address, and harmless.
    async fn write(tx: &mut Tx, opening: &OpeningId, draft: &Draft, rows: &[Self]) -> Result<(), StoreError> {
        let new_properties: Vec<&Unit> = rows.iter().filter(|unit| unit.is_new_property).collect();
        execute_rows!(
            tx,
            &new_properties,
            "INSERT INTO property (id, org_id, project_id, kind, building, section, floor, room) VALUES ",
            "(#, #, #, #, #, #, #, #)",
            "",
            [],
            |Unit { property, row, .. }| [
                property,
                &draft.org_id,
                &draft.project_id,
                row.kind.as_str(),
                &row.building,
                &row.section,
                &row.floor,
                &row.room
            ]
        );
        let written = execute_rows!(
            tx,
            rows,
            "INSERT INTO unit (opening_id, ord, org_id, property_id, kind, building, section, floor, room, layout,
                 facing, gross_area_centi, inner_area_centi, unit_price_fen, total_fen, remarks) VALUES ",
            "(#, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #)",
            " ON CONFLICT (opening_id, ord) DO UPDATE SET building = excluded.building, section = excluded.section,
                 floor = excluded.floor, room = excluded.room, layout = excluded.layout, facing = excluded.facing,
                 gross_area_centi = excluded.gross_area_centi, inner_area_centi = excluded.inner_area_centi,
                 unit_price_fen = excluded.unit_price_fen, total_fen = excluded.total_fen,
                 remarks = excluded.remarks
             WHERE unit.property_id = excluded.property_id",
            [],
            |Unit { ord, property, row, .. }| [
                opening,
                *ord,
                &draft.org_id,
                property,
                row.kind.as_str(),
                &row.building,
                &row.section,
                &row.floor,
                &row.room,
                &row.layout,
                &row.facing,
                row.gross_area,
                row.inner_area,
                row.unit_price,
                row.total,
                &row.remarks
            ]
        );
        all_written(written, rows)
    }
}
