//! Importing a price list of 10,000 units and a roster of 100,000 registrations, each an .xlsx, through the command line,
//! beside reading the same files with calamine and doing nothing with them.

use std::fs;
use std::path::Path;

use crate::clock::now_ns;
use crate::driver::bench::Bench;
use crate::driver::home::Home;
use crate::driver::process::{beside, on_cores};
use crate::driver::sheets;
use crate::driver::table::Line;
use crate::failure::{Failure, Outcome, While};
use crate::stats::{Bound, Figure};

const UNITS: u32 = 10_000;
const PEOPLE: u32 = 100_000;

fn seconds(work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let began_ns = now_ns();
    work()?;
    Ok((now_ns() - began_ns) as f64 / 1e9)
}

/// A process that reads the file with calamine alone.
fn read(bench: &Bench, file: &Path) -> Outcome<()> {
    let mut command = on_cores(&bench.cores.server, &beside("kaipan-baselines")?);
    let output = command.arg("sheet").arg(file).output().during("reading a sheet")?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure(format!("reading a sheet: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let (prices, roster) = (bench.folder("prices.xlsx"), bench.folder("roster.xlsx"));
    sheets::price_book(&prices, UNITS)?;
    sheets::roster_book(&roster, PEOPLE)?;
    let (mut ours, mut theirs) = (Figure::new("s"), Figure::new("s"));
    for run in 0..bench.runs {
        let home = Home::sqlite(&bench.folder(&format!("import-{run}")));
        let opening = home.draft()?;
        ours.push(seconds(|| {
            home.import("price-list", &prices, &opening)?;
            home.import("roster", &roster, &opening)
        })?);
        theirs.push(seconds(|| read(bench, &prices).and_then(|()| read(bench, &roster)))?);
        fs::remove_dir_all(&home.folder).during("removing a folder")?;
    }
    let what = "import of 10,000 units and 100,000 registrations";
    Ok(vec![Line::beside(what, ours, "calamine alone", theirs, Bound::AtMost(3.0))])
}
