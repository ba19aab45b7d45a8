//! The driver: for each row of the table it starts Kaipan and what it is compared with, one after the other on the same
//! cores, lets the load play the same part against each, and judges the medians.
//!
//! ```text
//!  cores 0 … n/2-1                      cores n/2 … n-1
//!  ┌──────────────────────────┐         ┌──────────────────────────────┐
//!  │ kaipan serve             │ ◄─────► │ kaipan-bench load, one a core │
//!  │ or a baseline, with its  │ loopback│ commands in, figures out      │
//!  │ Redis or Postgres        │         └──────────────────────────────┘
//!  └──────────────────────────┘
//! ```
//!
//! In reading order: [`machine`] and [`process`], the load as a [`fleet`], [`kaipan`] with its [`sheets`], its [`peers`],
//! the [`bench`] that rows are measured with, the [`rows`], and the [`table`] that is printed and kept.

pub mod bench;
pub mod fleet;
pub mod kaipan;
pub mod machine;
pub mod peers;
pub mod process;
pub mod rows;
pub mod sheets;
pub mod table;

use std::io::{self, Write};
use std::path::PathBuf;

use bench::Bench;
use machine::Cores;
use rows::{ROWS, Row};
use table::Table;

use crate::failure::{Failure, Outcome, While};

#[derive(Debug, Clone)]
pub struct Options {
    /// Everything, medians of five; else the short form.
    pub full: bool,
    /// Names of [`ROWS`]; all when empty.
    pub rows: Vec<String>,
    pub runs: Option<usize>,
    /// No more cores than these.
    pub cores: Option<usize>,
    pub out: PathBuf,
    pub markdown: Option<PathBuf>,
}

/// Measures what is asked for. True when every row could be measured; whether goals were met is the table's to say.
pub fn run(options: &Options) -> Outcome<bool> {
    let wanted = wanted(&options.rows)?;
    let cores = Cores::halves(options.cores)?;
    let mut bench = Bench::new(options, cores)?;
    let mut table = Table::new(&bench);
    say(&table.heading());
    for row in wanted {
        let Row { name, measure, .. } = row;
        say(&format!("… {name}"));
        match measure(&mut bench) {
            Ok(lines) => {
                for line in lines {
                    say(&table.words(&line));
                    table.lines.push(line);
                }
            }
            Err(failure) => {
                say(&format!("  COULD NOT RUN: {failure}"));
                table.failed.push(((*name).to_owned(), failure.0));
            }
        }
        table.keep(&bench.out)?;
    }
    say(&table.summary());
    if let Some(file) = &options.markdown {
        table.write_markdown(file)?;
        say(&format!("written between the markers of {}", file.display()));
    }
    say(&format!("raw output: {}", bench.out.display()));
    Ok(table.failed.is_empty())
}

fn wanted(names: &[String]) -> Outcome<Vec<&'static Row>> {
    if names.is_empty() {
        return Ok(ROWS.iter().collect());
    }
    let find = |name: &String| {
        let all: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        let found = ROWS.iter().find(|row| row.name == name);
        found.ok_or_else(|| Failure(format!("no row {name}; there are {}", all.join(", "))))
    };
    names.iter().map(find).collect()
}

fn say(words: &str) {
    // A closed terminal must not end a measurement whose raw output is kept.
    let _ = writeln!(io::stdout(), "{words}").and_then(|()| io::stdout().flush());
}

/// As many open files as the machine allows: a hall of 10,000 needs them in every process that is started here.
pub fn raise_files() -> Outcome<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).during("raising the number of open files")
}
