//! A private Postgres cluster for this test process, with the settings that Kaipan ships (`deploy/postgres/`): started from
//! the installed binaries when the first test asks, one database a test, gone when the process ends. A test that kills
//! Postgres has a cluster of its own, and one that loses it has a standby beside it.
//!
//! A shell stands guard, as in `guard.rs`, but as the user that Postgres demands: it starts the cluster, does what it is
//! told until the end of its standard input, then stops the cluster and removes its folder.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection, Executor, PgConnection};

use super::ports::free_port;

/// A running cluster; dropped, it is gone.
pub struct Cluster {
    pub port: u16,
    /// Closing it is the sign to clean up.
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    _guard: Child,
}

const SETTINGS: &str = include_str!("../../../deploy/postgres/postgresql.conf");

/// `$0` is the folder of the binaries, `$1` the port, `$2` the settings: Postgres' user may not read them where they lie. Of a
/// standby `$3` is the port of its primary, `$4` the one by which it follows it, `$5` its name. Prints `ready` whenever
/// connections are accepted. A start after `kill -9` may have to wait for the last of the dead one's processes.
const GUARD: &str = r#"
trap '' TERM INT HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/kaipan-it-postgres.XXXXXX") || exit 1
if [ -z "$3" ]; then
  "$0/initdb" -D "$dir/data" -U kaipan -A trust -E UTF8 --locale=C --no-instructions >"$dir/log" 2>&1
else
  PATH="$0:$PATH" pg_basebackup -D "$dir/data" -h 127.0.0.1 -p "$3" -U kaipan -X stream -c fast >"$dir/log" 2>&1
  echo "primary_conninfo = 'host=127.0.0.1 port=$4 user=kaipan application_name=$5'
    wal_retrieve_retry_interval = 200ms" >>"$dir/data/postgresql.auto.conf"
  touch "$dir/data/standby.signal"
fi
printf '%s' "$2" >"$dir/postgresql.conf"
start() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    "$0/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 \
      -o "-p $1 -k $dir -c config_file=$dir/postgresql.conf -c listen_addresses=127.0.0.1 -c max_connections=400" \
      start >>"$dir/log" 2>&1 &&
      echo ready && return
    sleep 0.2
  done
  cat "$dir/log"
  rm -rf "$dir"
  exit 1
}
start "$1"
while read -r order; do
  case $order in
    kill) kill -9 "$(head -1 "$dir/data/postmaster.pid")"; echo killed ;;
    lose) kill -9 "$(head -1 "$dir/data/postmaster.pid")"; until rm -rf "$dir/data" 2>/dev/null; do :; done; echo lost ;;
    promote) "$0/pg_ctl" -D "$dir/data" -w -t 60 promote >>"$dir/log" 2>&1 && echo promoted || cat "$dir/log" ;;
    start) start "$1" ;;
  esac
done
"$0/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1
rm -rf "$dir"
"#;

impl Cluster {
    pub fn start() -> Self {
        Self::start_by(&[])
    }

    /// A copy of this one that follows it by the port `through`, under this name; it answers those who only read.
    pub fn standby(&self, through: u16, name: &str) -> Self {
        Self::start_by(&[&self.port.to_string(), &through.to_string(), name])
    }

    fn start_by(primary: &[&str]) -> Self {
        let port = free_port();
        let mut guard = shell()
            .args(["-c", GUARD])
            .arg(binaries())
            .arg(port.to_string())
            .arg(SETTINGS)
            .args(primary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell for Postgres");
        let said = BufReader::new(guard.stdout.take().unwrap()).lines();
        let mut cluster = Self { port, orders: guard.stdin.take().unwrap(), said, _guard: guard };
        cluster.says("ready");
        cluster
    }

    /// SIGKILL to the server; its processes follow it.
    pub fn kill(&mut self) {
        writeln!(self.orders, "kill").unwrap();
        self.says("killed");
    }

    /// SIGKILL to the server, and its disk is gone.
    pub fn lose(&mut self) {
        writeln!(self.orders, "lose").unwrap();
        self.says("lost");
    }

    /// A standby takes over: it is a primary from now on, and accepts writes.
    pub fn promote(&mut self) {
        writeln!(self.orders, "promote").unwrap();
        self.says("promoted");
    }

    /// After a kill: recovers from its write-ahead log and accepts connections again.
    pub fn restart(&mut self) {
        writeln!(self.orders, "start").unwrap();
        self.says("ready");
    }

    fn says(&mut self, wanted: &str) {
        let mut said = String::new();
        for line in self.said.by_ref() {
            match line.unwrap() {
                line if line == wanted => return,
                line => said = said + &line + "\n",
            }
        }
        panic!("Postgres was not {wanted}:\n{said}");
    }

    /// Whose standby, by its name there, a commit waits for; of nobody's, if that is empty.
    pub async fn wait_for_standby(&self, name: &str) {
        let mut connection = self.connect().await;
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
        connection.execute(sqlx::AssertSqlSafe(set)).await.unwrap();
        connection.execute("SELECT pg_reload_conf()").await.unwrap();
        connection.close().await.unwrap();
    }

    /// One row of one column.
    pub async fn ask<T>(&self, sql: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut connection = self.connect().await;
        let (value,): (T,) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        value
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&format!("postgres://kaipan@127.0.0.1:{}/postgres", self.port)).await.unwrap()
    }

    /// The address of a new, empty database.
    pub async fn new_database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let base = format!("postgres://kaipan@127.0.0.1:{}", self.port);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.connect().await;
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        connection.close().await.unwrap();
        format!("{base}/{name}")
    }
}

/// A shell of the user that may run Postgres, at home nowhere.
pub(super) fn shell() -> Command {
    let mut shell = if is_root() {
        // Postgres refuses to run as root; Debian's packages bring the user.
        let mut runuser = Command::new("runuser");
        runuser.args(["-u", "postgres", "--", "sh"]).env_remove("TMPDIR");
        runuser
    } else {
        Command::new("sh")
    };
    shell.current_dir("/");
    shell
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Where `initdb` and `pg_ctl` are. Debian keeps them off the PATH, one folder a version.
pub fn binaries() -> PathBuf {
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

/// The address of a new, empty database in the cluster that all tests share.
pub async fn new_database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start).new_database().await
}
