//! `kaipan import price-list|roster FILE`: reads a spreadsheet, says what it holds, and stores it in a draft.
//!
//! Exit code 0: every row was taken; 2: some were refused; 1: nothing is stored (nor would be, in a dry run).

mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use words::Lang;

use super::desk::print_json;
use super::refuse;
use crate::app::data::{OpenData, OpenError};
use crate::config::{Data, DataSettings};
use crate::domain::ids::OpeningId;
use crate::domain::time::Clock;
use crate::identity::Actor;
use crate::limits;
use crate::opening::prepare::{
    self, FileProblem, ImportError, ImportOptions, ImportReport, Importer, Reading, RosterRow, UnitRow,
};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// A price list (一房一价表): one row a home, parking space, shop or storage room
    PriceList(File),
    /// A roster (认筹名单): one row a registration
    Roster(File),
}

#[derive(Args)]
struct File {
    /// The spreadsheet: .xlsx, or .csv in UTF-8 or GB18030
    file: PathBuf,

    /// The draft to store it in; needed unless it is a dry run
    #[arg(long, value_name = "ID")]
    opening: Option<OpeningId>,

    /// Read and report only; no database is opened
    #[arg(long)]
    dry_run: bool,

    /// Take all rows or none, instead of the good ones
    #[arg(long)]
    all_or_nothing: bool,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    /// The language of the report
    #[arg(long, env = "KAIPAN_LANG", value_enum, default_value_t)]
    lang: Lang,

    #[command(flatten)]
    data: DataSettings,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("name the draft to store it in with --opening, or read only with --dry-run")]
    NoOpening,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("{0}")]
    Runtime(#[from] io::Error),
}

pub fn run(arguments: Arguments) -> ExitCode {
    let (list, file) = match arguments.what {
        What::PriceList(file) => (List::Prices, file),
        What::Roster(file) => (List::Roster, file),
    };
    let bytes = match read_file(&file.file, file.lang) {
        Ok(bytes) => bytes,
        Err(error) => return refuse(error),
    };
    let name = file.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let read = match list {
        List::Prices => prepare::read_price_list(&bytes, &name).map(Sheet::Prices),
        List::Roster => prepare::read_roster(&bytes, &name).map(Sheet::Roster),
    };
    let sheet = match read {
        Ok(sheet) => sheet,
        Err(problem) => {
            let printed = if file.json {
                print_json(&words::problem_json(&problem))
            } else {
                file.lang.print_problem(&name, &problem)
            };
            return printed.map_or_else(refuse, |()| ExitCode::FAILURE);
        }
    };
    let options = ImportOptions { all_or_nothing: file.all_or_nothing, dry_run: file.dry_run };
    let report = match &file.opening {
        _ if file.dry_run => Ok(sheet.report()),
        Some(opening) => store(&file.data.clone().resolve(), opening, sheet, options),
        None => Err(Failure::NoOpening),
    };
    let report = match report {
        Ok(report) => report,
        Err(error) => return refuse(error),
    };
    let printed = if file.json { print_json(&report) } else { file.lang.print_report(&name, list, &report) };
    printed.map_or_else(refuse, |()| outcome(&report, options))
}

enum Sheet {
    Prices(Reading<UnitRow>),
    Roster(Reading<RosterRow>),
}

impl Sheet {
    fn report(&self) -> ImportReport {
        match self {
            Self::Prices(reading) => ImportReport::of_units(reading),
            Self::Roster(reading) => ImportReport::of_registrations(reading),
        }
    }
}

/// Stores it, beside no server: SQLite's folder is locked meanwhile.
fn store(
    data: &Data,
    opening: &OpeningId,
    sheet: Sheet,
    options: ImportOptions,
) -> Result<ImportReport, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let clock = Clock::system();
        let open = OpenData::open(data, clock.clone(), "kaipan import").await?;
        let importer =
            Importer { db: &open.db, vault: &open.vault, by: &Actor::CommandLine, now: clock.wall() };
        let report = match sheet {
            Sheet::Prices(reading) => importer.price_list(opening, &reading, options).await,
            Sheet::Roster(reading) => importer.roster(opening, reading, options).await,
        };
        open.db.close().await;
        Ok(report?)
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Prices,
    Roster,
}

/// Nothing larger than the limit is even read.
fn read_file(path: &Path, lang: Lang) -> Result<Vec<u8>, String> {
    let unreadable = |error: io::Error| lang.unreadable(path, &error);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > limits::IMPORT_BYTES_MAX as u64 {
        let problem = FileProblem::TooLarge { bytes: size as usize, max: limits::IMPORT_BYTES_MAX };
        return Err(lang.of_file(&problem));
    }
    std::fs::read(path).map_err(unreadable)
}

fn outcome(report: &ImportReport, options: ImportOptions) -> ExitCode {
    let nothing = report.accepted == 0 || (options.all_or_nothing && !report.refused.is_empty());
    match (nothing, report.refused.is_empty()) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(2),
    }
}
