//! Redis emptied under two gateways: from there until gate 2 is ready again at both, under a new epoch, with 10,000 units that
//! are all held. The database is filled by the server's own code (`examples/fill.rs`).

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::clock::{now_ns, pause, wait_for};
use crate::driver::bench::Bench;
use crate::driver::cluster::{Cluster, Stores};
use crate::driver::home::Home;
use crate::driver::kaipan::{Freed, Kaipan};
use crate::driver::process::beside;
use crate::driver::table::Line;
use crate::failure::{Failure, Outcome, While};
use crate::stats::{Bound, Figure};

const FILLED: &str = "filled";
const UNITS: u32 = 10_000;
const REGISTRATIONS: u32 = 100_000;
/// What a rebuild does not read: enough that it would show if it did.
const JOURNAL: u32 = 200_000;
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Between two rebuilds: as long as gateways may take to look at Redis, so that each flush meets them at another moment.
const BETWEEN: Duration = Duration::from_millis(330);

/// Two gateways on a filled database.
pub fn gateways(bench: &Bench, stores: &Stores, [units, people, journal]: [u32; 3]) -> Outcome<Cluster> {
    const DOING: &str = "filling a database";
    stores.postgres.create(FILLED, None)?;
    let url = stores.postgres.url(FILLED);
    let filled = bench.folder("filled");
    fs::create_dir_all(&filled).during(DOING)?;
    let mut fill = Command::new(beside("examples/fill")?);
    fill.arg(filled.join("data"))
        .arg(filled.join("keys.json"))
        .args([units, people, journal].map(|n| n.to_string()));
    let output = fill.env("KAIPAN_DATABASE_URL", &url).output().during(DOING)?;
    if !output.status.success() {
        return Err(Failure(format!("{DOING}: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    let opening = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let serve = |(number, cores): (usize, &Vec<usize>)| {
        let folder = bench.folder(&format!("filled-{number}"));
        fs::create_dir_all(&folder).during(DOING)?;
        fs::copy(filled.join("keys.json"), folder.join("keys.json")).during("copying the keyring")?;
        let home = Home { folder, database_url: Some(url.clone()) };
        let mut gateway = Kaipan::serve(&home, cores, Freed::Kept, &stores.flags(number))?;
        gateway.opening.clone_from(&opening);
        Ok(gateway)
    };
    let cores = bench.cores.for_two_gateways();
    let gateways = cores.iter().enumerate().map(serve).collect::<Outcome<_>>()?;
    let cluster = Cluster { gateways };
    cluster.is_together()?;
    Ok(cluster)
}

/// Empties Redis; the milliseconds until gate 2 is ready at both again, under a newer epoch.
pub fn once(cluster: &Cluster, stores: &Stores) -> Outcome<f64> {
    let epochs = || cluster.figures().map(|figures| figures.sum("kaipan_opening_epoch", &[]));
    let before = epochs()?;
    let newer = cluster.gateways.len() as f64;
    let began_ns = now_ns();
    stores.redis.flush()?;
    let loaded = wait_for(READY_WITHIN, || {
        let newer = epochs().is_ok_and(|now| now >= before + newer);
        (newer && cluster.ready_gateways().is_ok_and(|all| all)).then(now_ns)
    });
    let loaded_ns = loaded.ok_or_else(|| Failure::new("Redis is not loaded anew"))?;
    Ok((loaded_ns - began_ns) as f64 / 1e6)
}

pub fn measure(bench: &mut Bench) -> Outcome<Vec<Line>> {
    let stores = Stores::start(bench)?;
    let cluster = gateways(bench, &stores, [UNITS, REGISTRATIONS, JOURNAL])?;
    let rebuilds = || cluster.figures().map(|figures| figures.sum("kaipan_gate2_rebuilds_total", &[]));
    let before = rebuilds()?;
    let mut took = Figure::new("s");
    for _ in 0..bench.runs {
        took.push(once(&cluster, &stores)? / 1_000.0);
        pause(BETWEEN);
    }
    let count = rebuilds()? - before;
    let note = format!("`kaipan_gate2_rebuilds_total` of both rose by {count} in {} runs", bench.runs);
    let what = "Redis emptied, 10,000 units held, 100,000 registrations: gate 2 ready again at both gateways";
    let line = Line::alone(what, took, "≤ 2 s", Some(Bound::AtMost(2.0))).four_cores();
    Ok(vec![line.note(note)])
}
