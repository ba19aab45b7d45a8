//! A private Postgres cluster for this test process, with its durability settings as they are shipped: started from
//! the installed binaries when the first test asks, one database a test, gone when the process ends.
//!
//! Nothing runs at the end of a test process that one could rely on: `main` of libtest exits without dropping statics,
//! and a time limit kills. So a shell stands guard: it starts the cluster, waits for the end of its standard input,
//! which comes whichever way this process dies, then stops the cluster and removes its folder.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection, Executor, PgConnection};

use super::ports::free_port;

struct Cluster {
    port: u16,
    /// Held for its standard input: closing that is the sign to clean up.
    _guard: Child,
}

/// `$0` is the folder of the binaries, `$1` the port. Prints `ready` once connections are accepted.
const GUARD: &str = r#"
trap '' TERM INT HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/kaipan-it-postgres.XXXXXX") || exit 1
"$0/initdb" -D "$dir/data" -U kaipan -A trust -E UTF8 --locale=C --no-instructions >"$dir/log" 2>&1 &&
  "$0/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 \
    -o "-p $1 -k $dir -c listen_addresses=127.0.0.1 -c max_connections=400" start >>"$dir/log" 2>&1 &&
  echo ready || cat "$dir/log"
read -r _
"$0/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1
rm -rf "$dir"
"#;

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let port = free_port();
        let mut shell = if is_root() {
            // Postgres refuses to run as root; Debian's packages bring the user.
            let mut runuser = Command::new("runuser");
            runuser.args(["-u", "postgres", "--", "sh"]).env_remove("TMPDIR");
            runuser
        } else {
            Command::new("sh")
        };
        let mut guard = shell
            .args(["-c", GUARD])
            .arg(binaries())
            .arg(port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell for Postgres");
        let mut said = String::new();
        for line in BufReader::new(guard.stdout.take().unwrap()).lines() {
            match line.unwrap().as_str() {
                "ready" => return Cluster { port, _guard: guard },
                line => said = said + line + "\n",
            }
        }
        panic!("Postgres did not start:\n{said}");
    })
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Where `initdb` and `pg_ctl` are. Debian keeps them off the PATH, one folder a version.
fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("KAIPAN_PG_BIN") {
        return folder.into();
    }
    let mut folders: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<PathBuf> =
            versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    folders
        .into_iter()
        .find(|folder: &PathBuf| has_server(folder))
        .expect("Postgres' server binaries (scripts/prepare.sh test installs them)")
}

fn has_server(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("pg_ctl").is_file()
}

/// The address of a new, empty database.
pub async fn new_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let base = format!("postgres://kaipan@127.0.0.1:{}", cluster().port);
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(&format!("{base}/postgres")).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    connection.close().await.unwrap();
    format!("{base}/{name}")
}
