//! Gate 1 alone: the inventory's own bench, whose table is read from its output.

use std::process::Command;

use crate::driver::bench::Bench;
use crate::driver::table::Line;
use crate::failure::{Failure, Outcome, While};
use crate::stats::{Bound, Figure};

const HEADING: &str = "opening, 4 threads";

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let names = ["inventory", "bare atomics", "DashMap", "Mutex<HashMap>"];
    let mut figures = names.map(|_| Figure::new("ns"));
    for run in 0..bench.runs {
        let text = printed(bench, run)?;
        for (name, figure) in names.iter().zip(&mut figures) {
            figure.push(ns_of(&text, name)?);
        }
    }
    let [ours, bare, dashmap, mutex] = figures;
    let beside =
        |what, peer, theirs, bound| Line::beside(what, ours.clone(), peer, theirs, bound).four_cores();
    // The goal is written the way people say it: so many times faster, that is at most that fraction of the time.
    let faster = |line: Line, times: u32| Line { goal: format!("{times} × faster"), ..line };
    Ok(vec![
        beside("inventory: a pick, 4 threads", "bare atomics", bare, Bound::AtMost(1.5)),
        faster(beside("inventory: a pick, 4 threads", "DashMap", dashmap, Bound::AtMost(1.0 / 5.0)), 5),
        faster(beside("inventory: a pick, 4 threads", "mutexed map", mutex, Bound::AtMost(1.0 / 20.0)), 20),
    ])
}

/// Through cargo, because that is where the bench is built and found.
fn printed(bench: &Bench, run: usize) -> Outcome<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "bench",
        "--locked",
        "--quiet",
        "--package",
        "kaipan-inventory",
        "--",
        "--noplot",
        "opening/4",
    ]);
    if !bench.full {
        command.arg("--quick");
    }
    let output = command.output().during("cargo bench")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(Failure(format!("cargo bench: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    bench.keep(&format!("inventory-{run}.txt"), text.as_bytes())?;
    Ok(text)
}

/// Nanoseconds a pick of one contender, from the table after criterion's report.
fn ns_of(text: &str, name: &str) -> Outcome<f64> {
    let table = text.rsplit_once(HEADING).during("the inventory's table")?.1;
    let line = table.lines().skip(1).find_map(|line| line.trim_start().strip_prefix(name));
    let line = line.ok_or_else(|| Failure(format!("{name} is not in the inventory's table")))?;
    line.split_whitespace().next().during(name)?.parse().during(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation that turned it red: the first table taken, which is that of one thread.
    #[test]
    fn the_table_of_four_threads_is_read() {
        let text = "noise\nopening, 1 threads        ns a pick   × bare\n  inventory  1.0  1.0\n\n\
                    opening, 4 threads        ns a pick   × bare\n  bare atomics                 10.5      1.0\n  \
                    inventory                    12.3      1.2\n  Mutex<HashMap>              400.0     38.1\n";
        assert!((ns_of(text, "inventory").unwrap() - 12.3).abs() < 1e-9);
        assert!((ns_of(text, "Mutex<HashMap>").unwrap() - 400.0).abs() < 1e-9);
        assert!(ns_of(text, "DashMap").is_err() && ns_of("", "inventory").is_err());
    }
}
