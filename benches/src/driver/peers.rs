//! The servers that Kaipan is compared with, started on the same cores: the baselines, and the Redis and Postgres that
//! two of them need.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::machine::list;
use super::process::{Process, beside, free_address, on_cores};
use crate::failure::{Failure, Outcome, While};
use crate::load::Place;

/// A running baseline, with whatever it needs.
pub struct Peer {
    process: Process,
    address: SocketAddr,
    /// Ends after the process that uses it: fields are dropped in this order.
    _store: Option<Process>,
}

impl Peer {
    /// The same requests go to it: the opening and the sessions are Kaipan's.
    pub fn place(&self, kaipan: &Place) -> Place {
        Place { address: self.address, ..kaipan.clone() }
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }
}

fn start(
    folder: &Path,
    cores: &[usize],
    name: &str,
    arguments: &[String],
    store: Option<Process>,
) -> Outcome<Peer> {
    let address = free_address()?;
    let mut command = on_cores(cores, &beside("kaipan-baselines")?);
    command.arg(name).args(["--listen", &address.to_string()]).args(arguments);
    let mut process = Process::start(command, &folder.join(format!("{name}.log")), false)?;
    process.listens(address)?;
    Ok(Peer { process, address, _store: store })
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
    start(folder, cores, "axum", &headers(headers_file), None)
}

pub fn evalsha(folder: &Path, cores: &[usize], headers_file: &Path) -> Outcome<Peer> {
    let (store, url) = redis(folder, cores)?;
    let mut arguments = headers(headers_file);
    arguments.extend(["--redis".to_owned(), url]);
    start(folder, cores, "evalsha", &arguments, Some(store))
}

pub fn update(folder: &Path, cores: &[usize], headers_file: &Path, units: u32) -> Outcome<Peer> {
    let (store, url) = postgres(folder, cores)?;
    let mut arguments = headers(headers_file);
    arguments.extend(["--postgres".to_owned(), url, "--units".to_owned(), units.to_string()]);
    start(folder, cores, "update", &arguments, Some(store))
}

pub fn reference(folder: &Path, cores: &[usize], units: u32) -> Outcome<Peer> {
    start(folder, cores, "reference", &["--units".to_owned(), units.to_string()], None)
}

/// A shell that starts a server, says `ready`, waits for the end of its standard input, which comes whichever way the
/// driver ends, and takes the server down.
fn guarded(script: &str, folder: &Path, cores: &[usize], log: &str, arguments: &[&str]) -> Outcome<Process> {
    let mut command = Command::new("taskset");
    command.args(["-c", &list(cores)]);
    if is_root() && log == "postgres.log" {
        // Postgres refuses to run as root; Debian's packages bring the user.
        command.args(["runuser", "-u", "postgres", "--"]).env_remove("TMPDIR");
    }
    command.args(["sh", "-c", script]).args(arguments).current_dir("/");
    let mut process = Process::start(command, &folder.join(log), true)?;
    match process.hear() {
        Ok(line) if line.trim() == "ready" => Ok(process),
        Ok(line) => Err(Failure(format!("{log}: {}", line.trim()))),
        Err(failure) => Err(Failure(format!("{log}: {failure}"))),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Redis as fast as it gets: nothing is written to a disk.
fn redis(folder: &Path, cores: &[usize]) -> Outcome<(Process, String)> {
    const GUARD: &str = r#"
trap '' TERM INT HUP
command -v redis-server >/dev/null || { echo 'redis-server is not installed'; exit 1; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/kaipan-bench-redis.XXXXXX") || exit 1
redis-server --port "$0" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" >"$dir/log" 2>&1 &
server=$!
for _ in $(seq 200); do redis-cli -p "$0" ping 2>/dev/null | grep -q PONG && break; sleep 0.02; done
redis-cli -p "$0" ping 2>/dev/null | grep -q PONG && echo ready || tail -n 1 "$dir/log"
read -r _
kill -TERM "$server" 2>/dev/null; wait "$server" 2>/dev/null
rm -rf "$dir"
"#;
    let port = free_address()?.port().to_string();
    let process = guarded(GUARD, folder, cores, "redis.log", &[&port])?;
    Ok((process, format!("redis://127.0.0.1:{port}/")))
}

/// Postgres with the durability it is shipped with.
fn postgres(folder: &Path, cores: &[usize]) -> Outcome<(Process, String)> {
    const GUARD: &str = r#"
trap '' TERM INT HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/kaipan-bench-postgres.XXXXXX") || exit 1
"$0/initdb" -D "$dir/data" -U kaipan -A trust -E UTF8 --locale=C --no-instructions >"$dir/log" 2>&1 &&
  "$0/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 \
    -o "-p $1 -k $dir -c listen_addresses=127.0.0.1 -c max_connections=100 -c shared_buffers=256MB" start >>"$dir/log" 2>&1 &&
  echo ready || tail -n 1 "$dir/log"
read -r _
"$0/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1
rm -rf "$dir"
"#;
    let port = free_address()?.port().to_string();
    let binaries = postgres_binaries()?.to_string_lossy().into_owned();
    let process = guarded(GUARD, folder, cores, "postgres.log", &[&binaries, &port])?;
    Ok((process, format!("postgres://kaipan@127.0.0.1:{port}/postgres")))
}

/// Where `initdb` and `pg_ctl` are. Debian keeps them off the PATH, one folder a version.
fn postgres_binaries() -> Outcome<PathBuf> {
    if let Some(folder) = std::env::var_os("KAIPAN_PG_BIN") {
        return Ok(folder.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<PathBuf> =
            versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    let found =
        folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file());
    found.ok_or_else(|| Failure::new("Postgres' server binaries are not installed"))
}
