//! .xlsx bytes to grids. calamine parses; this file decides how much it may be given, and reads cell by cell instead of
//! as a rectangle: one cell at XFD1048576 would otherwise ask for seventeen billion cells.

use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read};

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError, XlsxFormulaMetadata};

use super::grid::{Budget, Cell, Row, Sheet, too_many};
use super::problem::{FileProblem, shown};
use crate::limits;

type Book<'a> = Xlsx<Cursor<&'a [u8]>>;

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Sheet>, FileProblem> {
    check_unpacked_size(bytes)?;
    let mut book: Book<'_> = Xlsx::new(Cursor::new(bytes)).map_err(unreadable)?;
    let listed: Vec<(String, bool)> = book
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| (sheet.name.clone(), sheet.visible != SheetVisible::Visible))
        .collect();
    if listed.len() > limits::IMPORT_SHEETS_MAX {
        return Err(too_many("sheets", limits::IMPORT_SHEETS_MAX, ""));
    }
    let mut budget = Budget::default();
    let mut seen = HashSet::new();
    let mut sheets = Vec::new();
    for (name, hidden) in listed {
        // Excel does not allow two sheets of one name; a file that has them would be read twice under one of them.
        if seen.insert(name.clone()) {
            sheets.push(read_sheet(&mut book, &name, hidden, &mut budget)?);
        }
    }
    Ok(sheets)
}

/// Unpacks every part once into nothing, counting: the sizes that a zip file declares may lie.
fn check_unpacked_size(bytes: &[u8]) -> Result<(), FileProblem> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| FileProblem::Unreadable { detail: shown(&error.to_string()) })?;
    if archive.len() > limits::IMPORT_PARTS_MAX {
        return Err(too_many("parts", limits::IMPORT_PARTS_MAX, ""));
    }
    let mut left = limits::IMPORT_UNPACKED_BYTES_MAX;
    for at in 0..archive.len() {
        let part = archive
            .by_index(at)
            .map_err(|error| FileProblem::Unreadable { detail: shown(&error.to_string()) })?;
        let mut part = part.take(left.saturating_add(1));
        let unpacked = std::io::copy(&mut part, &mut std::io::sink())
            .map_err(|error| FileProblem::Unreadable { detail: shown(&error.to_string()) })?;
        left = left
            .checked_sub(unpacked)
            .ok_or(FileProblem::UnpacksTooLarge { max: limits::IMPORT_UNPACKED_BYTES_MAX })?;
    }
    Ok(())
}

fn read_sheet(
    book: &mut Book<'_>,
    name: &str,
    hidden: bool,
    budget: &mut Budget,
) -> Result<Sheet, FileProblem> {
    let mut sheet =
        Sheet { name: name.into(), hidden, rows: Vec::new(), merges: HashMap::new(), knows_merges: true };
    if hidden {
        return Ok(sheet);
    }
    let mut cells = book.worksheet_cells_reader(name).map_err(unreadable)?;
    // With metadata, not expanded: expansion keeps a list as long as the highest formula index a file claims.
    while let Some(record) = cells.next_cell_with_formula_metadata().map_err(unreadable)? {
        let (row, column) = record.pos;
        let number = row.saturating_add(1);
        let cell = convert(record.value, record.formula);
        if let Cell::Text(text) | Cell::Pending(text) = &cell {
            budget.text(name, number, text)?;
        }
        if cell.is_blank() {
            continue;
        }
        let column = budget.column(name, column as usize)?;
        match sheet.rows.last_mut() {
            Some(row) if row.number == number => row.cells.push((column, cell)),
            _ => {
                budget.row(name)?;
                sheet.rows.push(Row { number, cells: vec![(column, cell)] });
            }
        }
    }
    in_order(&mut sheet.rows);
    drop(cells);
    let merges = book.merge_cells_by_sheet_name(name).map_err(unreadable)?;
    for region in merges {
        let column = usize::try_from(region.start.1).ok().and_then(|at| budget.column(name, at).ok());
        if let (Some(column), true) = (column, region.end.0 > region.start.0) {
            let rows = (region.start.0.saturating_add(1), region.end.0.saturating_add(1));
            sheet.merges.entry(column).or_default().push(rows);
        }
    }
    for regions in sheet.merges.values_mut() {
        regions.sort_unstable();
    }
    Ok(sheet)
}

/// A file may hold its rows and cells in any order, and a cell twice: the last one counts, as Excel has it.
fn in_order(rows: &mut Vec<Row>) {
    rows.sort_by_key(|row| row.number);
    rows.dedup_by(|later, earlier| {
        let same = later.number == earlier.number;
        if same {
            earlier.cells.append(&mut later.cells);
        }
        same
    });
    for row in rows {
        row.cells.sort_by_key(|(column, _)| *column);
        row.cells.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
    }
}

fn convert(value: DataRef<'_>, formula: Option<XlsxFormulaMetadata>) -> Cell {
    match value {
        DataRef::Empty => match formula {
            None => Cell::Empty,
            Some(XlsxFormulaMetadata::Normal { formula } | XlsxFormulaMetadata::Shared { formula, .. }) => {
                Cell::Pending(formula)
            }
            Some(_) => Cell::Pending(String::new()),
        },
        DataRef::Int(number) => Cell::Number(number as f64),
        DataRef::Float(number) => Cell::Number(number),
        DataRef::String(text) => Cell::Text(text),
        DataRef::SharedString(text) => Cell::Text(text.to_owned()),
        DataRef::Bool(value) => Cell::Bool(value),
        DataRef::DateTime(date) => {
            let (year, month, day, ..) = date.to_ymd_hms_milli();
            Cell::Date(format!("{year:04}-{month:02}-{day:02}"))
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::Date(shown(&text)),
        DataRef::Error(error) => Cell::Error(error.to_string()),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreadable(error: XlsxError) -> FileProblem {
    match error {
        XlsxError::Password => FileProblem::OldOrProtected,
        error => FileProblem::Unreadable { detail: shown(&error.to_string()) },
    }
}
