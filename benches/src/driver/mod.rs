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
//! In reading order: [`machine`] and [`process`], the load as a [`fleet`], [`kaipan`] on its [`home`] with its [`sheets`] and
//! [`figures`], the [`stores`], its [`peers`], the [`bench`] that rows are measured with, the [`cluster`], the [`rows`], and the
//! [`table`] that is printed and kept.

pub mod bench;
pub mod cluster;
pub mod figures;
pub mod fleet;
pub mod home;
pub mod kaipan;
pub mod machine;
pub mod peers;
pub mod process;
pub mod rows;
pub mod sheets;
pub mod stores;
pub mod table;

use std::io::{self, Write};
use std::path::PathBuf;

use bench::Bench;
use machine::Cores;
use rows::{ROWS, Row};
use table::{Line, Part, Table};

use crate::failure::{Failure, Outcome, While};

#[derive(Debug, Clone)]
pub struct Options {
    /// Everything, medians of five; else the short form.
    pub full: bool,
    /// Names of [`ROWS`], or of a part of them; all when empty.
    pub rows: Vec<String>,
    pub runs: Option<usize>,
    /// No more cores than these.
    pub cores: Option<usize>,
    pub out: PathBuf,
    pub markdown: Option<PathBuf>,
}

/// Measures what is asked for. True when every row could be measured; whether goals were met is the table's to say.
pub fn run(options: &Options) -> Outcome<bool> {
    let cores = Cores::halves(options.cores)?;
    let wanted = wanted(&options.rows, &cores)?;
    let mut bench = Bench::new(options, cores)?;
    let mut table = Table::new(&bench);
    say(&table.heading());
    for row in wanted {
        let Row { name, part, measure, .. } = row;
        say(&format!("… {name}"));
        match measure(&mut bench) {
            Ok(lines) => {
                for line in lines {
                    let line = Line { part: *part, ..line };
                    say(&table.words(&line));
                    table.lines.push(line);
                }
            }
            Err(failure) => {
                say(&format!("  COULD NOT RUN: {failure}"));
                table.failed.push((*part, (*name).to_owned(), failure.0));
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

fn wanted(names: &[String], cores: &Cores) -> Outcome<Vec<&'static Row>> {
    if names.is_empty() {
        // Two gateways on one core would be slower than one, and say nothing of two machines.
        let enough = |row: &&Row| row.part == Part::Single || cores.count() >= 4;
        return Ok(ROWS.iter().filter(enough).collect());
    }
    let mut wanted = Vec::new();
    for name in names {
        let before = wanted.len();
        wanted.extend(ROWS.iter().filter(|row| row.name == name || row.part.name() == name));
        if wanted.len() == before {
            let parts = Part::ALL.iter().map(|part| part.name());
            let all: Vec<&str> = ROWS.iter().map(|row| row.name).chain(parts).collect();
            return Err(Failure(format!("no row {name}; there are {}", all.join(", "))));
        }
    }
    Ok(wanted)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation that turned it red: the name of a part looked up among the rows alone.
    #[test]
    fn rows_are_named_alone_or_by_their_part() {
        let cores =
            |count: usize| Cores { server: (0..count / 2).collect(), load: (count / 2..count).collect() };
        let named = |names: &[&str], count| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let rows = wanted(&names, &cores(count))?;
            Ok::<_, Failure>(rows.iter().map(|row| row.name).collect::<Vec<_>>())
        };
        assert_eq!(named(&["hall", "rebuild"], 2).unwrap(), ["hall", "rebuild"]);
        let cluster = named(&["cluster"], 2).unwrap();
        assert_eq!(cluster, ["losers", "gates", "cluster-picks", "rebuild"]);
        let (four, two) = (named(&[], 4).unwrap(), named(&[], 2).unwrap());
        assert_eq!((four.len(), two.len()), (ROWS.len(), ROWS.len() - cluster.len()));
        assert!(named(&["hall", "hull"], 4).unwrap_err().0.contains("no row hull"));
    }
}
