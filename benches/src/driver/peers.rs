//! The servers that Kaipan is compared with, started on the same cores: the baselines, with the Redis or Postgres that two of
//! them need, their own or one that is there already.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::process::{Process, beside, free_address, on_cores};
use super::stores::{Postgres, Redis};
use crate::failure::{Outcome, While};
use crate::load::Place;

/// Postgres with the durability it is shipped with.
const AS_SHIPPED: &str = "max_connections = 100\nshared_buffers = 256MB\n";

/// A running baseline, with whatever it needs.
pub struct Peer {
    process: Process,
    address: SocketAddr,
    /// Ends after the process that uses it: fields are dropped in this order.
    _store: Store,
}

/// What a baseline keeps its units in.
enum Store {
    /// Nothing, or one that somebody else ends.
    NotOwn,
    Redis {
        _own: Redis,
    },
    Postgres {
        _own: Postgres,
    },
}

impl Peer {
    /// The same requests go to it: the opening and the sessions are Kaipan's.
    pub fn place(&self, kaipan: &Place) -> Place {
        Place { addresses: vec![self.address], ..kaipan.clone() }
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }
}

fn start(folder: &Path, cores: &[usize], name: &str, arguments: &[String]) -> Outcome<Peer> {
    let address = free_address()?;
    let mut command = on_cores(cores, &beside("kaipan-baselines")?);
    command.arg(name).args(["--listen", &address.to_string()]).args(arguments);
    let mut process = Process::start(command, &folder.join(format!("{name}.log")), false)?;
    process.listens(address)?;
    Ok(Peer { process, address, _store: Store::NotOwn })
}

/// Writes the headers that Kaipan's answers have and a framework does not set by itself.
pub fn write_headers(file: &Path, seen: &[(String, String)]) -> Outcome<()> {
    const OWN: [&str; 4] = ["content-type", "content-length", "date", "connection"];
    let extra: Vec<_> = seen.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).collect();
    fs::write(file, serde_json::to_vec(&extra).during("the headers")?).during("writing the headers")
}

fn headers(file: &Path) -> Vec<String> {
    vec!["--headers".to_owned(), file.to_string_lossy().into_owned()]
}

pub fn axum(folder: &Path, cores: &[usize], headers_file: &Path) -> Outcome<Peer> {
    start(folder, cores, "axum", &headers(headers_file))
}

pub fn evalsha(folder: &Path, cores: &[usize], headers_file: &Path) -> Outcome<Peer> {
    let own = Redis::start(folder, cores, "")?;
    let peer = evalsha_on(folder, cores, headers_file, &own)?;
    Ok(Peer { _store: Store::Redis { _own: own }, ..peer })
}

/// On a Redis that is there, which it empties.
pub fn evalsha_on(folder: &Path, cores: &[usize], headers_file: &Path, redis: &Redis) -> Outcome<Peer> {
    let mut arguments = headers(headers_file);
    arguments.extend(["--redis".to_owned(), redis.url()]);
    start(folder, cores, "evalsha", &arguments)
}

pub fn update(folder: &Path, cores: &[usize], headers_file: &Path, units: u32) -> Outcome<Peer> {
    let own = Postgres::start(folder, cores, AS_SHIPPED)?;
    let peer = update_on(folder, cores, headers_file, units, &own)?;
    Ok(Peer { _store: Store::Postgres { _own: own }, ..peer })
}

/// In a Postgres that is there, in a database that it lays out anew.
pub fn update_on(
    folder: &Path,
    cores: &[usize],
    headers_file: &Path,
    units: u32,
    postgres: &Postgres,
) -> Outcome<Peer> {
    let mut arguments = headers(headers_file);
    let url = postgres.url("postgres");
    arguments.extend(["--postgres".to_owned(), url, "--units".to_owned(), units.to_string()]);
    start(folder, cores, "update", &arguments)
}

pub fn reference(folder: &Path, cores: &[usize], units: u32) -> Outcome<Peer> {
    start(folder, cores, "reference", &["--units".to_owned(), units.to_string()])
}
