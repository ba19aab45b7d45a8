//! A sheet as cells, the same whether it came from a workbook or from a text file. Knows nothing of what columns mean.

use std::collections::HashMap;
use std::sync::Arc;

use super::problem::{FileProblem, shown};
use crate::domain::{decimal, text};
use crate::limits;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Empty,
    /// As written, not yet cleaned.
    Text(String),
    Number(f64),
    Bool(bool),
    /// A number that the workbook shows as a date, as `2026-03-01`: what Excel makes of a room "3-1".
    Date(String),
    /// `#REF!` and its like.
    Error(String),
    /// A formula that was never calculated: the file holds no value for it.
    Pending(String),
}

impl Cell {
    /// Nothing that a reader would see.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text::is_blank(text),
            _ => false,
        }
    }

    /// The content as text: cleaned; a number without needless decimals.
    pub fn text(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(written) => text::clean(written),
            Self::Number(number) => number.to_string(),
            Self::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
            Self::Date(text) | Self::Error(text) => text.clone(),
            Self::Pending(formula) => format!("={formula}"),
        }
    }

    /// For a report: as it stands in the file, but bounded.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(written) => shown(written.trim()),
            other => shown(&other.text()),
        }
    }

    /// The content in hundredths: a number, or text that is one, with `元`, `㎡` and the like behind it. `in_wan`: the
    /// header says that the column counts in ten thousands (`总价(万元)`).
    pub fn hundredths(&self, in_wan: bool) -> Option<i64> {
        let written = match self {
            Self::Number(number) => decimal::text_of_f64(*number)?,
            Self::Text(written) => text::compact(written),
            _ => return None,
        };
        let number = written
            .trim_start_matches(['¥', '￥'])
            .trim_end_matches(['元', '㎡', '套', '号'])
            .trim_end_matches("m²")
            .trim_end_matches("m2");
        match number.strip_suffix('万') {
            Some(number) => decimal::hundredths_of_ten_thousands(number),
            None if in_wan => decimal::hundredths_of_ten_thousands(number),
            None => decimal::hundredths(number),
        }
    }

    /// A whole number, or text that is one.
    pub fn whole(&self) -> Option<i64> {
        self.hundredths(false).filter(|value| value % 100 == 0).map(|value| value / 100)
    }
}

/// One row with content. Columns count from 0 and are sorted; absent ones are empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// As Excel counts: the first row is 1.
    pub number: u32,
    pub cells: Vec<(u16, Cell)>,
}

impl Row {
    pub fn cell(&self, column: u16) -> &Cell {
        match self.cells.binary_search_by_key(&column, |(at, _)| *at) {
            Ok(at) => self.cells.get(at).map_or(&Cell::Empty, |(_, cell)| cell),
            Err(_) => &Cell::Empty,
        }
    }

    pub fn filled(&self) -> impl Iterator<Item = (u16, &Cell)> {
        self.cells.iter().filter(|(_, cell)| !cell.is_blank()).map(|(at, cell)| (*at, cell))
    }
}

#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub name: Arc<str>,
    pub hidden: bool,
    pub rows: Vec<Row>,
    /// Vertical merges by column: first and last row number.
    pub merges: HashMap<u16, Vec<(u32, u32)>>,
    /// A text file has no merges: what was merged is blank below its first row.
    pub knows_merges: bool,
}

impl Sheet {
    /// The cell that a reader sees: of a merged region, its first one.
    pub fn seen<'a>(&'a self, row: &'a Row, column: u16) -> &'a Cell {
        let own = row.cell(column);
        if !own.is_blank() {
            return own;
        }
        let regions = self.merges.get(&column).map_or(&[][..], Vec::as_slice);
        let at = regions.partition_point(|(first, _)| *first <= row.number);
        match at.checked_sub(1).and_then(|at| regions.get(at)) {
            Some((first, last)) if row.number <= *last => {
                self.row(*first).map_or(&Cell::Empty, |row| row.cell(column))
            }
            _ => own,
        }
    }

    fn row(&self, number: u32) -> Option<&Row> {
        self.rows.binary_search_by_key(&number, |row| row.number).ok().and_then(|at| self.rows.get(at))
    }
}

/// Counts what a file makes us keep, over all its sheets, and stops at the limits.
#[derive(Debug, Default)]
pub(super) struct Budget {
    rows: usize,
    text_bytes: usize,
}

impl Budget {
    pub fn row(&mut self, sheet: &str) -> Result<(), FileProblem> {
        self.rows += 1;
        if self.rows > limits::IMPORT_ROWS_MAX {
            return Err(too_many("rows", limits::IMPORT_ROWS_MAX, sheet));
        }
        Ok(())
    }

    pub fn text(&mut self, sheet: &str, row: u32, text: &str) -> Result<(), FileProblem> {
        // Counting characters is only needed where the bytes could hold too many.
        if text.len() > limits::IMPORT_CELL_CHARS_MAX
            && text.chars().nth(limits::IMPORT_CELL_CHARS_MAX).is_some()
        {
            let max = limits::IMPORT_CELL_CHARS_MAX;
            return Err(FileProblem::CellTooLong { sheet: shown(sheet), row, max });
        }
        self.text_bytes += text.len();
        if self.text_bytes > limits::IMPORT_TEXT_BYTES_MAX {
            return Err(too_many("bytes of text", limits::IMPORT_TEXT_BYTES_MAX, sheet));
        }
        Ok(())
    }

    /// The column as the grid counts it.
    pub fn column(&self, sheet: &str, column: usize) -> Result<u16, FileProblem> {
        match u16::try_from(column) {
            Ok(at) if column < limits::IMPORT_COLUMNS_MAX => Ok(at),
            _ => Err(too_many("columns", limits::IMPORT_COLUMNS_MAX, sheet)),
        }
    }
}

pub(super) fn too_many(what: &'static str, max: usize, sheet: &str) -> FileProblem {
    FileProblem::TooMany { what, max, sheet: shown(sheet) }
}
