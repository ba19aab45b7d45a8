//! Spreadsheets in. Reading is pure: bytes to rows, refusals and warnings, without a database, so that a dry run is the
//! same code as the real thing.
//!
//! ```text
//!   bytes ─┬─ workbook ─┐                           ┌─ price_list (place) ─┐
//!          │            ├─► grid ─► walk ─► table ──┤                      ├─► Reading { rows, refused, warnings }
//!          └─ csv_text ─┘         (headers, lines)  └─ roster ─────────────┘
//! ```
//!
//! `apply` then stores a reading in a draft. What must not be known here: HTTP, who imports, what the words for a
//! reason are.

mod apply;
mod csv_text;
mod grid;
mod place;
mod price_list;
mod problem;
mod report;
mod roster;
mod table;
#[cfg(test)]
mod tests;
mod walk;
mod workbook;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::limits;
use grid::Sheet;

pub use apply::{
    ImportError, ImportOptions, Importer, Registration, bury_cut_off, seal_roster, sweep, withdraw,
    write_roster,
};
pub use price_list::UnitRow;
pub use problem::{FileProblem, Located, Reading, Reason, RowProblem, RowRef};
pub use report::{Change, Effect, ImportReport};
pub use roster::{CoBuyer, RosterRow};

/// Reads a price list. `file_name` names the one sheet of a text file; the format is known by the bytes.
pub fn read_price_list(bytes: &[u8], file_name: &str) -> Result<Reading<UnitRow>, FileProblem> {
    contained(|| price_list::read(&sheets(bytes, file_name)?))
}

/// Reads a roster.
pub fn read_roster(bytes: &[u8], file_name: &str) -> Result<Reading<RosterRow>, FileProblem> {
    contained(|| roster::read(&sheets(bytes, file_name)?))
}

fn sheets(bytes: &[u8], file_name: &str) -> Result<Vec<Sheet>, FileProblem> {
    const OLE: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0];
    match bytes {
        [] => Err(FileProblem::Empty),
        _ if bytes.len() > limits::IMPORT_BYTES_MAX => {
            Err(FileProblem::TooLarge { bytes: bytes.len(), max: limits::IMPORT_BYTES_MAX })
        }
        [b'P', b'K', 3, 4, ..] => workbook::read(bytes),
        _ if bytes.starts_with(OLE) => Err(FileProblem::OldOrProtected),
        _ => {
            let name = Path::new(file_name)
                .file_stem()
                .map_or_else(String::new, |stem| stem.to_string_lossy().into());
            Ok(vec![csv_text::read(bytes, &name)?])
        }
    }
}

/// A parser that we did not write must not end the server: calamine has panicked on damaged files before, and its
/// arithmetic does in debug builds. Nothing outlives the call, so there is nothing that an unwinding could leave broken.
fn contained<R>(read: impl FnOnce() -> Result<R, FileProblem>) -> Result<R, FileProblem> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(FileProblem::Unreadable { detail: "the workbook is damaged".to_owned() }))
}
