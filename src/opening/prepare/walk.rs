//! The way through a file that both kinds of list go: which rows stand above a header, which under it.

use super::grid::{Row, Sheet};
use super::problem::{FileProblem, Reason, RowProblem};
use super::table::{Column, Header, Line};
use crate::limits;

/// What is met on it, in order.
pub(super) enum Met<'a, F> {
    /// Nothing of this sheet is read.
    Skipped(RowProblem),
    /// The next rows are this sheet's.
    Sheet(&'a Sheet),
    /// A row above the sheet's first header.
    Title(&'a Row),
    Header,
    Line(Line<'a, F>),
}

/// Hidden sheets and sheets without a header are skipped; a file in which none has one is refused.
pub(super) fn walk<F: Column>(sheets: &[Sheet], mut meet: impl FnMut(Met<'_, F>)) -> Result<(), FileProblem> {
    let mut any_header = false;
    for sheet in sheets {
        if sheet.hidden {
            meet(Met::Skipped(whole_sheet(sheet, Reason::SheetHidden)));
            continue;
        }
        meet(Met::Sheet(sheet));
        let mut header: Option<Header<F>> = None;
        let mut index = 0;
        while let Some(row) = sheet.rows.get(index) {
            if let Some(found) = Header::at(sheet, index) {
                index = found.last + 1;
                header = Some(found);
                meet(Met::Header);
                continue;
            }
            index += 1;
            match &header {
                None if index > limits::IMPORT_TITLE_ROWS_MAX => break,
                None => meet(Met::Title(row)),
                Some(header) => meet(Met::Line(Line { sheet, row, header })),
            }
        }
        any_header |= header.is_some();
        if header.is_none() && !sheet.rows.is_empty() {
            meet(Met::Skipped(whole_sheet(sheet, Reason::SheetSkipped)));
        }
    }
    any_header.then_some(()).ok_or(FileProblem::HeaderNotFound)
}

fn whole_sheet(sheet: &Sheet, reason: Reason) -> RowProblem {
    RowProblem {
        sheet: sheet.name.to_string(),
        row: sheet.rows.first().map_or(1, |row| row.number),
        column: String::new(),
        reason,
        value: String::new(),
        first: None,
        registration: None,
    }
}
