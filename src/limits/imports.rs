//! Spreadsheets.

/// The largest spreadsheet that is taken. The ten thousand registrations of `demo/roster.xlsx` are 0.7 MB.
pub const IMPORT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Uploads read at the same time: each takes a core and up to the unpacked size in memory.
pub const IMPORTS_AT_ONCE: usize = 2;

/// What an .xlsx may unpack to, all its parts together: an .xlsx is a zip file, and a zip file of 16 MiB can hold 16 GiB.
pub const IMPORT_UNPACKED_BYTES_MAX: u64 = 160 * 1024 * 1024;

/// Parts (files) inside an .xlsx.
pub const IMPORT_PARTS_MAX: usize = 2_000;

/// Sheets of one file.
pub const IMPORT_SHEETS_MAX: usize = 100;

/// Rows with content, over all sheets of one file: the largest roster that the product is built for, 100,000
/// registrations, and room for its titles and notes.
pub const IMPORT_ROWS_MAX: usize = 120_000;

/// Columns of one sheet.
pub const IMPORT_COLUMNS_MAX: usize = 100;

/// Characters of one cell.
pub const IMPORT_CELL_CHARS_MAX: usize = 2_000;

/// Text of all cells together; strings that cells share count once for every cell.
pub const IMPORT_TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Rows from the top in which a sheet's header is looked for.
pub const IMPORT_TITLE_ROWS_MAX: usize = 60;

/// Characters that a field of a unit or a registration keeps. Longer text is refused, not cut.
pub const IMPORT_FIELD_CHARS_MAX: usize = 200;

/// Characters of a refused value that the report repeats.
pub const IMPORT_SHOWN_CHARS_MAX: usize = 100;

/// Co-buyers of one registration.
pub const CO_BUYERS_MAX: usize = 10;

/// Homes that one registration may pick.
pub const QUOTA_HOME_MAX: i64 = 99;

/// Rows of one transaction of an import: picks wait for one such part of SQLite's one writer at most. (But a publication
/// that meets an import undoes all of it in its own transaction.)
pub const IMPORT_PART_ROWS: usize = 256;

/// An import of which nothing was heard for so long is dead, and what it wrote is removed.
pub const IMPORT_SILENCE_S: i64 = 60;

/// How often an import is planned again because the opening was edited in between.
pub const IMPORT_ATTEMPTS: usize = 5;

/// A row of a full roster, rounded up: `demo/roster.xlsx` has 72 bytes packed and 665 unpacked for each, 104 of them text.
const _: () = assert!(
    IMPORT_ROWS_MAX * 75 < IMPORT_BYTES_MAX
        && IMPORT_ROWS_MAX as u64 * 700 < IMPORT_UNPACKED_BYTES_MAX
        && IMPORT_ROWS_MAX * 200 < IMPORT_TEXT_BYTES_MAX,
    "the largest roster fits the other bounds"
);

/// A field is cut from one cell, and a shown value from one field.
const _: () = assert!(
    IMPORT_FIELD_CHARS_MAX <= IMPORT_CELL_CHARS_MAX && IMPORT_SHOWN_CHARS_MAX <= IMPORT_FIELD_CHARS_MAX
);

/// Sums over every row of a file fit an `i64`.
const _: () = assert!((i64::MAX / crate::domain::decimal::HUNDREDTHS_MAX) as usize >= IMPORT_ROWS_MAX);
