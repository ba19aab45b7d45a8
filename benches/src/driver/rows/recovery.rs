//! From the start of the process to `/readyz`, with as much history as a large opening leaves: 10,000 units, 100,000
//! registrations, 1,000,000 journal entries. The folder is filled by the server's own code (`examples/fill.rs`).

use std::fs;
use std::process::Command;

use crate::driver::bench::Bench;
use crate::driver::home::Home;
use crate::driver::kaipan::{Freed, Kaipan};
use crate::driver::process::beside;
use crate::driver::table::Line;
use crate::failure::{Failure, Outcome, While};
use crate::stats::{Bound, Figure};

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let folder = bench.folder("history");
    fs::create_dir_all(&folder).during("making a folder")?;
    let fill = beside("examples/fill")?;
    let filled = Command::new(fill).arg(folder.join("data")).arg(folder.join("keys.json")).output();
    let filled = filled.during("filling a folder with history")?;
    if !filled.status.success() {
        let why = String::from_utf8_lossy(&filled.stderr).trim().to_owned();
        return Err(Failure(format!("filling a folder with history: {why}")));
    }
    let home = Home::sqlite(&folder);
    let mut ready = Figure::new("s");
    for run in 0..=bench.runs {
        let kaipan = Kaipan::serve(&home, &bench.cores.server, Freed::Kept, &[])?;
        // The first start also ends what lapsed while nobody served: it is not measured.
        if run > 0 {
            ready.push(kaipan.ready_ms / 1_000.0);
        }
        kaipan.stop()?;
    }
    let what = "start with 10,000 units, 100,000 registrations, 1,000,000 journal entries: ready";
    Ok(vec![Line::alone(what, ready, "≤ 2 s", Some(Bound::AtMost(2.0)))])
}
