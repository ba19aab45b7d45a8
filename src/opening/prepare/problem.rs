//! What is wrong with a file, a row or a cell: stable codes, and where to find it. The words live in the catalogues of
//! the pages and of the command line.

use std::collections::HashSet;

use serde::Serialize;

use super::grid::Cell;
use crate::domain::kind::names;
use crate::domain::text;
use crate::limits;

names!(
    /// Why a row was refused, or what it is warned of. [`Reason::is_warning`] tells them apart.
    Reason {
        // A cell, whatever its column.
        FormulaWithoutValue = "FORMULA_WITHOUT_VALUE",
        CellError = "CELL_ERROR",
        CellDate = "CELL_DATE",
        TextTooLong = "TEXT_TOO_LONG",
        // Price lists.
        KindUnknown = "KIND_UNKNOWN",
        BuildingMissing = "BUILDING_MISSING",
        RoomMissing = "ROOM_MISSING",
        AreaMissing = "AREA_MISSING",
        AreaInvalid = "AREA_INVALID",
        UnitPriceInvalid = "UNIT_PRICE_INVALID",
        TotalInvalid = "TOTAL_INVALID",
        UnitDuplicate = "UNIT_DUPLICATE",
        // Rosters.
        CodeMissing = "CODE_MISSING",
        CodeDuplicate = "CODE_DUPLICATE",
        NameMissing = "NAME_MISSING",
        PhoneInvalid = "PHONE_INVALID",
        DocumentMissing = "DOCUMENT_MISSING",
        DocumentKindUnknown = "DOCUMENT_KIND_UNKNOWN",
        DocumentInvalid = "DOCUMENT_INVALID",
        DocumentDate = "DOCUMENT_DATE",
        DocumentCheckDigit = "DOCUMENT_CHECK_DIGIT",
        DocumentRounded = "DOCUMENT_ROUNDED",
        DocumentDuplicate = "DOCUMENT_DUPLICATE",
        CoBuyersUnmatched = "CO_BUYERS_UNMATCHED",
        EligibilityUnknown = "ELIGIBILITY_UNKNOWN",
        QuotaInvalid = "QUOTA_INVALID",
        LotNumberInvalid = "LOT_NUMBER_INVALID",
        EarnestInvalid = "EARNEST_INVALID",
        // Warnings.
        FormulaText = "FORMULA_TEXT",
        PhoneShared = "PHONE_SHARED",
        PhoneMissing = "PHONE_MISSING",
        EligibilityMissing = "ELIGIBILITY_MISSING",
        PriceMismatch = "PRICE_MISMATCH",
        TotalMissing = "TOTAL_MISSING",
        SheetSkipped = "SHEET_SKIPPED",
        SheetHidden = "SHEET_HIDDEN",
    }
);

impl Reason {
    pub const fn is_warning(self) -> bool {
        matches!(
            self,
            Self::FormulaText
                | Self::PhoneShared
                | Self::PhoneMissing
                | Self::EligibilityMissing
                | Self::PriceMismatch
                | Self::TotalMissing
                | Self::SheetSkipped
                | Self::SheetHidden
        )
    }
}

/// Another row that a problem names: the one that came first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowRef {
    pub sheet: String,
    pub row: u32,
}

/// One refused row, or one warning. `row` counts as Excel does; `column` is the header's text; `value` is what the cell
/// holds, so it may be personal: it goes to the member of staff who imports and is never logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowProblem {
    pub sheet: String,
    pub row: u32,
    pub column: String,
    pub reason: Reason,
    pub value: String,
    /// For a duplicate or a shared value: the row that has it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<RowRef>,
    /// For a duplicate of what is stored already: that registration's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<String>,
}

/// A row's value and where it stood.
#[derive(Debug, Clone)]
pub struct Located<R> {
    pub sheet: std::sync::Arc<str>,
    pub row: u32,
    pub value: R,
}

impl<R> Located<R> {
    pub fn at(&self) -> RowRef {
        RowRef { sheet: self.sheet.to_string(), row: self.row }
    }
}

/// What a file says: the rows that were understood, and every row that was not.
#[derive(Debug, Clone)]
pub struct Reading<R> {
    pub rows: Vec<Located<R>>,
    /// One entry for each refused row: the first thing wrong with it, from left to right in order of importance.
    pub refused: Vec<RowProblem>,
    pub warnings: Vec<RowProblem>,
    /// What the refused rows would have been, as far as they say: an import does not call those missing.
    pub refused_keys: HashSet<String>,
}

impl<R> Default for Reading<R> {
    fn default() -> Self {
        Self { rows: Vec::new(), refused: Vec::new(), warnings: Vec::new(), refused_keys: HashSet::new() }
    }
}

/// A fault of one column of the row at hand, before it is given its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault<F> {
    pub column: F,
    pub reason: Reason,
    pub value: String,
    pub first: Option<RowRef>,
}

impl<F> Fault<F> {
    pub fn new(column: F, reason: Reason, value: impl Into<String>) -> Self {
        Self { column, reason, value: value.into(), first: None }
    }

    pub fn of(column: F, reason: Reason, cell: &Cell) -> Self {
        Self::new(column, reason, cell.shown())
    }

    pub fn naming(mut self, first: RowRef) -> Self {
        self.first = Some(first);
        self
    }
}

/// A value as the report repeats it.
pub(super) fn shown(value: &str) -> String {
    text::shorten(value, limits::IMPORT_SHOWN_CHARS_MAX)
}

/// Why a file could not be read at all; nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    #[error("the file has {bytes} bytes, at most {max} are taken")]
    TooLarge { bytes: usize, max: usize },
    #[error("the file is empty")]
    Empty,
    #[error("an old .xls or a password-protected workbook: save it as .xlsx without a password")]
    OldOrProtected,
    #[error("neither an .xlsx workbook nor a .csv text")]
    UnknownFormat,
    #[error("the workbook can't be read: {detail}")]
    Unreadable { detail: String },
    #[error("the text is neither UTF-8 nor GB18030")]
    EncodingUnknown,
    #[error("the workbook unpacks to more than {max} bytes")]
    UnpacksTooLarge { max: u64 },
    #[error("too many {what}: at most {max} are taken (sheet {sheet})")]
    TooMany { what: &'static str, max: usize, sheet: String },
    #[error("the cell in row {row} of sheet {sheet} has more than {max} characters")]
    CellTooLong { sheet: String, row: u32, max: usize },
    #[error("no sheet has a header row with the columns that are needed")]
    HeaderNotFound,
}

impl FileProblem {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "FILE_TOO_LARGE",
            Self::Empty => "FILE_EMPTY",
            Self::OldOrProtected => "FILE_OLD_OR_PROTECTED",
            Self::UnknownFormat => "FILE_FORMAT_UNKNOWN",
            Self::Unreadable { .. } => "FILE_UNREADABLE",
            Self::EncodingUnknown => "FILE_ENCODING_UNKNOWN",
            Self::UnpacksTooLarge { .. } => "FILE_UNPACKS_TOO_LARGE",
            Self::TooMany { .. } => "FILE_TOO_MANY",
            Self::CellTooLong { .. } => "FILE_CELL_TOO_LONG",
            Self::HeaderNotFound => "FILE_HEADER_NOT_FOUND",
        }
    }

    /// What the words of the catalogue need.
    pub fn params(&self) -> serde_json::Value {
        match self {
            Self::TooLarge { bytes, max } => serde_json::json!({"bytes": bytes, "max": max}),
            Self::UnpacksTooLarge { max } => serde_json::json!({"max": max}),
            Self::TooMany { what, max, sheet } => {
                serde_json::json!({"what": what, "max": max, "sheet": sheet})
            }
            Self::CellTooLong { sheet, row, max } => {
                serde_json::json!({"sheet": sheet, "row": row, "max": max})
            }
            Self::Unreadable { .. }
            | Self::Empty
            | Self::OldOrProtected
            | Self::UnknownFormat
            | Self::EncodingUnknown
            | Self::HeaderNotFound => serde_json::json!({}),
        }
    }
}
