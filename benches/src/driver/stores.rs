//! Redis and Postgres, started from the installed binaries on free ports and gone with the driver, however it ends.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::machine::list;
use super::process::{Process, free_address};
use crate::failure::{Failure, Outcome, While};

/// Longer than emptying a Redis of one opening takes.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

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

pub struct Redis {
    address: SocketAddr,
    _guard: Process,
}

impl Redis {
    /// As fast as it gets: nothing is written to a disk, whatever else the `settings` say, lines of `redis.conf`.
    pub fn start(folder: &Path, cores: &[usize], settings: &str) -> Outcome<Self> {
        const GUARD: &str = r#"
trap '' TERM INT HUP
command -v redis-server >/dev/null || { echo 'redis-server is not installed'; exit 1; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/kaipan-bench-redis.XXXXXX") || exit 1
printf '%s\n' "$1" >"$dir/redis.conf"
redis-server "$dir/redis.conf" --port "$0" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" >"$dir/log" 2>&1 &
server=$!
for _ in $(seq 200); do redis-cli -p "$0" ping 2>/dev/null | grep -q PONG && break; sleep 0.02; done
redis-cli -p "$0" ping 2>/dev/null | grep -q PONG && echo ready || tail -n 1 "$dir/log"
read -r _
kill -TERM "$server" 2>/dev/null; wait "$server" 2>/dev/null
rm -rf "$dir"
"#;
        let address = free_address()?;
        let port = address.port().to_string();
        let guard = guarded(GUARD, folder, cores, "redis.log", &[&port, settings])?;
        Ok(Self { address, _guard: guard })
    }

    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Empties it.
    pub fn flush(&self) -> Outcome<()> {
        const DOING: &str = "emptying Redis";
        let mut stream = TcpStream::connect(self.address).during(DOING)?;
        stream.set_read_timeout(Some(FLUSH_TIMEOUT)).during(DOING)?;
        stream.write_all(b"*1\r\n$8\r\nFLUSHALL\r\n").during(DOING)?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).during(DOING)?;
        if &answer == b"+OK\r\n" { Ok(()) } else { Err(Failure::new("Redis can not be emptied")) }
    }
}

pub struct Postgres {
    port: String,
    _guard: Process,
}

impl Postgres {
    /// With `settings`, lines of `postgresql.conf`.
    pub fn start(folder: &Path, cores: &[usize], settings: &str) -> Outcome<Self> {
        const GUARD: &str = r#"
trap '' TERM INT HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/kaipan-bench-postgres.XXXXXX") || exit 1
"$0/initdb" -D "$dir/data" -U kaipan -A trust -E UTF8 --locale=C --no-instructions >"$dir/log" 2>&1 &&
  printf '%s\n' "$2" >>"$dir/data/postgresql.conf" &&
  "$0/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 \
    -o "-p $1 -k $dir -c listen_addresses=127.0.0.1" start >>"$dir/log" 2>&1 &&
  echo ready || tail -n 1 "$dir/log"
read -r _
"$0/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1
rm -rf "$dir"
"#;
        let port = free_address()?.port().to_string();
        let binaries = postgres_binaries()?.to_string_lossy().into_owned();
        let guard = guarded(GUARD, folder, cores, "postgres.log", &[&binaries, &port, settings])?;
        Ok(Self { port, _guard: guard })
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://kaipan@127.0.0.1:{}/{database}", self.port)
    }

    /// A new database of this name, whatever had it before: empty, or a copy of another that nobody uses now.
    pub fn create(&self, name: &str, template: Option<&str>) -> Outcome<()> {
        // As files: the copy is on the disk before anything is measured, and not in the log of what is.
        let copy = template.map(|of| format!(" TEMPLATE {of} STRATEGY file_copy")).unwrap_or_default();
        let statements =
            [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}{copy}")];
        let doing = format!("making the database {name}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().during(&doing)?;
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url("postgres")).await.during(&doing)?;
            for statement in statements {
                connection.execute(AssertSqlSafe(statement)).await.during(&doing)?;
            }
            connection.close().await.during(&doing)
        })
    }
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
