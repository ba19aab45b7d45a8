//! Finds the header in a sheet and reads rows by the meaning of their columns. Generic over the columns that a price
//! list or a roster knows; decides nothing about what their values may be.

use super::grid::{Cell, Row, Sheet};
use super::problem::{Fault, Reason, RowProblem};
use crate::domain::text;
use crate::limits;

/// The columns that one kind of sheet knows.
pub(super) trait Column: Copy + Eq + 'static {
    const ALL: &'static [Self];

    /// Header texts in order of preference, as [`normal`] makes them, with a space between.
    fn names(self) -> &'static str;

    /// Does this header, which no name fits, still mean the column?
    fn resembles(self, header: &str) -> bool;

    /// Is a row with these columns a header?
    fn is_enough(has: &dyn Fn(Self) -> bool) -> bool;
}

/// A header text as names are compared: no spaces, no brackets with units, half-width, lower case.
pub(super) fn normal(header: &str) -> String {
    let mut depth = 0_u32;
    let mut out = String::new();
    for c in text::compact(header).to_lowercase().chars() {
        match c {
            '(' | '[' | '【' | '〔' => depth += 1,
            ')' | ']' | '】' | '〕' => depth = depth.saturating_sub(1),
            '*' | ':' | '：' | '_' | '/' | '、' => {}
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

pub(super) struct Header<F> {
    /// The last of its rows, by index into the sheet's rows.
    pub last: usize,
    columns: Vec<Found<F>>,
}

struct Found<F> {
    field: F,
    at: u16,
    text: String,
    /// Lower is better: the place in the list of names.
    rank: usize,
}

impl<F: Column> Header<F> {
    /// The header that begins at `sheet.rows[index]`, if one does. Two rows where groups stand above their columns
    /// (`面积` above `建筑面积 | 套内面积`).
    pub fn at(sheet: &Sheet, index: usize) -> Option<Self> {
        let row = sheet.rows.get(index)?;
        if !may_be_header(row) {
            return None;
        }
        let mut columns = find(row);
        let mut last = index;
        let below =
            sheet.rows.get(index + 1).filter(|below| below.number == row.number + 1 && may_be_header(below));
        let lower: Vec<Found<F>> = below.map(find).unwrap_or_default();
        // The same words again are the header of a next, empty block.
        if lower.len() >= 2 && lower.iter().any(|found| row.cell(found.at).shown() != found.text) {
            columns.retain(|known| {
                !lower.iter().any(|found| found.at == known.at || found.field == known.field)
            });
            columns.extend(lower);
            last = index + 1;
        }
        let enough = F::is_enough(&|field| columns.iter().any(|found| found.field == field));
        enough.then_some(Self { last, columns })
    }

    pub fn column(&self, field: F) -> Option<u16> {
        self.found(field).map(|found| found.at)
    }

    /// The header's text as it stands in the sheet; empty when the sheet has no such column.
    pub fn text(&self, field: F) -> &str {
        self.found(field).map_or("", |found| found.text.as_str())
    }

    fn found(&self, field: F) -> Option<&Found<F>> {
        self.columns.iter().find(|found| found.field == field)
    }
}

/// Headers are words; rows of data have numbers in them. Spares looking up every cell of every row.
fn may_be_header(row: &Row) -> bool {
    let (mut words, mut numbers) = (0, 0);
    for (_, cell) in row.filled() {
        match cell {
            Cell::Text(text) if !text.trim_start().starts_with(|c| text::fold_char(c).is_ascii_digit()) => {
                words += 1;
            }
            // "2026年备案价" is a header too.
            Cell::Text(_) => numbers += 1,
            _ => return false,
        }
    }
    words >= 2 && numbers <= 1
}

fn find<F: Column>(row: &Row) -> Vec<Found<F>> {
    let mut columns: Vec<Found<F>> = Vec::new();
    for (at, cell) in row.filled() {
        let (name, text) = (normal(&cell.text()), cell.shown());
        let by_name = F::ALL.iter().find_map(|field| {
            field.names().split(' ').position(|known| known == name).map(|rank| (*field, rank))
        });
        let found = by_name
            .or_else(|| F::ALL.iter().find(|field| field.resembles(&name)).map(|field| (*field, usize::MAX)));
        let Some((field, rank)) = found else { continue };
        match columns.iter_mut().find(|known| known.field == field) {
            None => columns.push(Found { field, at, text, rank }),
            Some(known) if rank < known.rank => *known = Found { field, at, text, rank },
            Some(_) => {}
        }
    }
    columns
}

/// One row under a header.
pub(super) struct Line<'a, F> {
    pub sheet: &'a Sheet,
    pub row: &'a Row,
    pub header: &'a Header<F>,
}

impl<'a, F: Column> Line<'a, F> {
    pub fn cell(&self, field: F) -> &'a Cell {
        self.header.column(field).map_or(&Cell::Empty, |at| self.row.cell(at))
    }

    /// The cell, or the one that its merged region shows.
    pub fn seen(&self, field: F) -> &'a Cell {
        self.header.column(field).map_or(&Cell::Empty, |at| self.sheet.seen(self.row, at))
    }

    /// The text of a cell; `None` when it is blank, or a dash that stands for nothing.
    pub fn text(&self, field: F) -> Result<Option<String>, Fault<F>> {
        text_of(field, self.cell(field))
    }

    /// [`Line::text`] of a merged region.
    pub fn seen_text(&self, field: F) -> Result<Option<String>, Fault<F>> {
        text_of(field, self.seen(field))
    }

    /// Refuses what has no value, whatever the column.
    pub fn sound(&self, field: F) -> Result<&'a Cell, Fault<F>> {
        let cell = self.cell(field);
        sound(field, cell)?;
        Ok(cell)
    }

    /// Are all these cells blank, also as merged regions show them?
    pub fn blank(&self, fields: &[F]) -> bool {
        fields.iter().all(|field| self.cell(*field).is_blank())
    }

    pub fn problem(&self, fault: Fault<F>) -> RowProblem {
        RowProblem {
            sheet: self.sheet.name.to_string(),
            row: self.row.number,
            column: self.header.text(fault.column).to_owned(),
            reason: fault.reason,
            value: fault.value,
            first: fault.first,
            registration: None,
        }
    }
}

fn sound<F: Copy>(field: F, cell: &Cell) -> Result<(), Fault<F>> {
    let reason = match cell {
        Cell::Pending(_) => Reason::FormulaWithoutValue,
        Cell::Error(_) => Reason::CellError,
        _ => return Ok(()),
    };
    Err(Fault::of(field, reason, cell))
}

fn text_of<F: Copy>(field: F, cell: &Cell) -> Result<Option<String>, Fault<F>> {
    sound(field, cell)?;
    if matches!(cell, Cell::Date(_)) {
        return Err(Fault::of(field, Reason::CellDate, cell));
    }
    let text = cell.text();
    if text.chars().nth(limits::IMPORT_FIELD_CHARS_MAX).is_some() {
        return Err(Fault::of(field, Reason::TextTooLong, cell));
    }
    let stands_for_nothing = matches!(text.as_str(), "" | "-" | "--" | "—" | "——" | "/");
    Ok((!stands_for_nothing).then_some(text))
}

/// Is this row a remark or a sum, not data? Without a value in one of `keys` a row says nothing; prose in them (a
/// footer's `制表人：`) is data only beside a value in one of `values`.
pub(super) fn is_note<F: Column>(line: &Line<'_, F>, keys: &[F], values: &[F]) -> bool {
    if line.blank(keys) {
        return true;
    }
    let sums = ["合计", "总计", "小计", "共计", "平均", "均价", "汇总"];
    let is_sum = |text: &str| sums.iter().any(|word| text.starts_with(word));
    // The second one, where the rows are numbered.
    if line.row.filled().take(2).any(|(_, cell)| is_sum(&cell.text())) {
        return true;
    }
    let says_nothing = |field: &F| {
        let cell = line.cell(*field);
        cell.is_blank() || is_prose(&cell.text())
    };
    values.iter().all(says_nothing) && line.row.filled().any(|(_, cell)| is_prose(&cell.text()))
}

fn is_prose(text: &str) -> bool {
    let words = ["注", "备注", "说明", "本表", "以上", "附", "※", "填表", "制表", "审核人"];
    words.iter().any(|word| text.starts_with(word))
        || text.contains(['。', '；', '：', ':'])
        || text.chars().count() > 40
}

/// Text that a spreadsheet would take for a formula: kept as text, and pointed out.
pub(super) fn formula_texts<F: Column>(line: &Line<'_, F>, fields: &[F], warnings: &mut Vec<RowProblem>) {
    for field in fields {
        let cell = line.cell(*field);
        if matches!(cell, Cell::Text(written) if text::looks_like_formula(&text::clean(written))) {
            warnings.push(line.problem(Fault::of(*field, Reason::FormulaText, cell)));
        }
    }
}
