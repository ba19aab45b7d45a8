//! The commands of docker-compose.yml as they stand there, run as processes of this machine (OP-85): Postgres with its
//! password and its TLS, Redis with a replica and three Sentinels. Only folders, ports and addresses are put in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use saphyr::{LoadableYamlNode, Yaml};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::harness::{Database, Home, add_admin, admin, binary, free_port, postgres_binaries};

const WITHIN: Duration = Duration::from_secs(30);
const MASTER: &str = "172.30.81.21";

/// Starts a process and ends it with the test, whichever way that ends.
const GUARD: &str = r#"
trap '' TERM INT HUP
"$@" &
read -r _
kill -9 $!
wait
"#;

/// Where the mounts of the containers lie here.
struct Host {
    folder: TempDir,
}

impl Host {
    fn new() -> Self {
        let open = fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(open).tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let secrets = ["database", "gateway", "proxy", "grafana"].map(at);
        done(Command::new(deploy("compose/setup.sh")).args(&secrets));
        // Copies: Postgres does not run as root and may not read this tree, and a Sentinel has its servers write their file.
        for settings in ["postgres", "redis"] {
            done(Command::new("cp").arg("-r").arg(deploy(settings)).arg(at(settings)));
        }
        fs::create_dir(at("run")).unwrap();
        if rustix::process::geteuid().is_root() {
            for theirs in ["database", "postgres", "run"] {
                done(Command::new("chown").args(["-R", "postgres"]).arg(at(theirs)));
            }
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path as text, for command lines.
    fn word(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Starts `words`; what they say stands in the file `log`.
    fn keep(&self, user: Option<&str>, words: &[String], log: &str) -> Kept {
        let log = fs::File::create(self.path(log)).unwrap();
        let mut shell = as_user(user, "sh");
        shell.args(["-c", GUARD, "guard"]).args(words).current_dir("/");
        Kept(shell.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for entry in fs::read_dir(self.folder.path()).unwrap().map(Result::unwrap) {
                if entry.path().extension().is_some_and(|extension| extension == "log") {
                    println!("── {}\n{}", entry.path().display(), fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
    }
}

/// Until it is dropped.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

/// `user` matters to root alone.
fn as_user(user: Option<&str>, program: &str) -> Command {
    match user {
        Some(user) if rustix::process::geteuid().is_root() => {
            let mut command = Command::new("runuser");
            command.args(["-u", user, "--", program]);
            command
        }
        _ => Command::new(program),
    }
}

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What `words` print, once that is what is waited for.
async fn until(words: &[&str], wanted: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + WITHIN;
    loop {
        let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && wanted(&said) {
            return said;
        }
        assert!(Instant::now() < deadline, "{words:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        sleep(Duration::from_millis(50)).await;
    }
}

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

/// A list of words in docker-compose.yml, with `changes` made to each.
fn words(path: &[&str], changes: &[(&str, &str)]) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docker-compose.yml")).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    let list = path.iter().fold(&documents[0], |yaml, name| &yaml[*name]);
    let changed = |word: &Yaml<'_>| {
        let word = word.as_str().unwrap().to_owned();
        changes.iter().fold(word, |word, (from, to)| word.replace(from, to))
    };
    list.as_sequence().unwrap_or_else(|| panic!("no list at {path:?}")).iter().map(changed).collect()
}

/// Mutations that turned it red: `ssl=off`, another password in `pgpass`, a setting that Postgres does not know.
#[tokio::test]
async fn postgres_of_compose_takes_a_gateway_over_tls_with_its_password() {
    let host = Host::new();
    let user = Some("postgres");
    let (data, password) = (host.word("run/data"), host.word("database/password"));
    let initdb = postgres_binaries().join("initdb").display().to_string();
    done(
        as_user(user, &initdb)
            .args(["-D", &data, "-U", "kaipan", "-A", "scram-sha-256", "--pwfile", &password])
            .args(["-E", "UTF8", "--locale=C"])
            .current_dir("/"),
    );
    let (secrets, settings, port) = (host.word("database"), host.word("postgres"), free_port().to_string());
    let mounts = [("/run/secrets", secrets.as_str()), ("/etc/kaipan", settings.as_str())];
    let mut start = words(&["services", "postgres", "command"], &mounts);
    start[0] = postgres_binaries().join("postgres").display().to_string();
    // The last word counts: not the container's address.
    let own = ["-D", &data, "-p", &port, "-k", &host.word("run"), "-c", "listen_addresses=127.0.0.1"];
    start.extend(own.map(str::to_owned));
    let _postgres = host.keep(user, &start, "postgres.log");
    let mut healthy = words(&["services", "postgres", "healthcheck", "test"], &[]).split_off(1);
    // A client, so on the PATH where the server's programs are not.
    let beside = postgres_binaries().join("pg_isready");
    if beside.is_file() {
        healthy[0] = beside.display().to_string();
    }
    healthy.extend(["-p", &port].map(str::to_owned));
    let healthy: Vec<&str> = healthy.iter().map(String::as_str).collect();
    until(&healthy, |_| true).await;

    let migrate = |pgpass: &str| {
        let url = format!("postgres://kaipan@127.0.0.1:{port}/postgres?sslmode=require");
        let mut migrate = Command::new(binary());
        migrate.arg("migrate").env_clear().env("HOME", host.path("run")).env("PGPASSFILE", host.path(pgpass));
        migrate.env("KAIPAN_DATABASE_URL", url).env("KAIPAN_KEYRING", host.path("gateway/keys.json"));
        migrate.output().unwrap()
    };
    let taken = migrate("gateway/pgpass");
    let log = fs::read_to_string(host.path("postgres.log")).unwrap();
    assert!(taken.status.success(), "{}{log}", String::from_utf8_lossy(&taken.stderr));
    let refused = migrate("gateway/no-such-file");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("password"), "{refused:?}");
}

/// `docker compose up` starts both gateways at the same moment on an empty database and without a keyring: one makes each, the
/// other takes it, and the first admin is added while both run.
///
/// Mutation that turned it red: migrations that take no lock.
#[tokio::test]
async fn postgres_two_gateways_start_at_once_on_nothing() {
    let home = Home::empty(Database::Postgres).await;
    let (one, other) = tokio::join!(home.serve(), home.serve_another());
    let other = other.expect("the second gateway joins");
    add_admin(&home).await;
    for gateway in [&one, &other] {
        admin(gateway).await.get("/api/v1/openings").await.ok();
    }
}

/// Mutations that turned it red: a quorum of four, a Sentinel's file written anew at each start.
#[tokio::test]
async fn redis_of_compose_fails_over_and_its_sentinels_remember() {
    let host = Host::new();
    let ports: Vec<String> = (0..5).map(|_| free_port().to_string()).collect();
    let settings = host.word("redis");
    let mounted = ("/etc/kaipan", settings.as_str());
    let server = |service: &str, port: &str, changes: &[(&str, &str)]| {
        let mut start = words(&["services", service, "command"], changes);
        let own = ["--port", port, "--bind", "127.0.0.1", "--dir", &host.word("run")];
        start.extend(own.map(str::to_owned));
        host.keep(None, &start, &format!("{service}.log"))
    };
    let here = [mounted, (MASTER, "127.0.0.1"), ("6379", ports[0].as_str())];
    let master = server("redis-1", &ports[0], &[mounted]);
    let _replica = server("redis-2", &ports[1], &here);
    let cli = |port: &str, words: &[&str]| -> Vec<String> {
        let all = ["redis-cli", "-p", port].into_iter().chain(words.iter().copied());
        all.map(str::to_owned).collect()
    };
    let ask = async |port: &str, what: &[&str], wanted: &str| {
        let line = cli(port, what);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        until(&line, |said| said.contains(wanted)).await
    };
    ask(&ports[0], &["CONFIG", "GET", "maxmemory-policy"], "noeviction").await;
    ask(&ports[1], &["INFO", "replication"], "master_link_status:up").await;

    let sentinel = |n: usize| {
        let folder = host.path(&format!("sentinel-{n}"));
        fs::create_dir_all(&folder).unwrap();
        let folder = folder.display().to_string();
        let mut start = words(&["x-sentinel", "entrypoint"], &here);
        let data = start.iter().position(|word| word == "/data").expect("the Sentinel's volume");
        start[data] = folder;
        start.extend(words(&["x-sentinel", "command"], &[("26379", &ports[2 + n])]));
        start.extend(["--bind", "127.0.0.1"].map(str::to_owned));
        host.keep(None, &start, &format!("sentinel-{n}.log"))
    };
    let mut sentinels: Vec<Kept> = (0..3).map(sentinel).collect();
    for port in &ports[2..] {
        // All three know each other and the replica, and could agree.
        ask(port, &["SENTINEL", "CKQUORUM", "kaipan"], "OK 3 usable").await;
        ask(port, &["SENTINEL", "REPLICAS", "kaipan"], &ports[1]).await;
    }
    let who = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "kaipan"];
    ask(&ports[2], &who, &ports[0]).await;

    drop(master);
    for port in &ports[2..] {
        ask(port, &who, &ports[1]).await;
    }
    ask(&ports[1], &["INFO", "replication"], "role:master").await;

    // A Sentinel that starts again does not go back to the master of its command line.
    drop(sentinels.remove(0));
    let _again = sentinel(0);
    let said = ask(&ports[2], &who, "127.0.0.1").await;
    assert!(said.contains(&ports[1]), "{said}");
}
