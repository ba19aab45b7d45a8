//! The files of a deployment (OP-85): docker-compose.yml, the Dockerfile, and what they hand to nginx, Prometheus, Postgres and
//! Redis. There is no engine where the tests run, so what can be wrong without one is looked for here; that Compose reads the
//! file, and nginx, Postgres and Redis theirs, is tried with the programs themselves (scripts/parts.sh, tests/it).

mod checks;
mod dockerfile;
mod files;

use std::collections::BTreeSet;
use std::process::Command;

use files::Files;

/// The variables that `kaipan serve` takes.
fn settings() -> BTreeSet<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_kaipan")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let named = help.split("[env: ").skip(1).filter_map(|rest| rest.split([']', '=']).next());
    named.map(str::to_owned).collect()
}

fn faults(files: &Files) -> Vec<String> {
    let mut faults = checks::faults(files, &settings());
    faults.extend(dockerfile::faults(files));
    faults
}

#[test]
fn the_files_of_a_deployment_agree() {
    let faults = faults(&Files::default());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Each check, shown what it is there for: a file, what is broken in it, and the words that must come of it.
const BROKEN: [(&str, &str, &str, &str); 35] = [
    ("docker-compose.yml", "    sentinel-1: {condition", "    sentinel-9: {condition", "names sentinel-9"),
    ("docker-compose.yml", "  watch: {ipam", "  watched: {ipam", "networks names watch"),
    ("docker-compose.yml", "  edge: {ipam", "  spare: {}\n  edge: {ipam", "nobody is in: [\"spare\"]"),
    ("docker-compose.yml", "./deploy/nginx/kaipan.conf:", "./deploy/nginx/kaipan.cnf:", "does not exist"),
    (
        "docker-compose.yml",
        "kaipan.conf:/etc/nginx/kaipan.conf:ro",
        "kaipan.conf:/etc/nginx/kaipan.conf",
        "may write",
    ),
    ("docker-compose.yml", "setup.sh:/setup.sh:ro", "setup.sh:setup.sh:ro", "leads nowhere"),
    (
        "docker-compose.yml",
        "  prometheus:\n  grafana:\n",
        "  prometheus:\n",
        "used, and not both: [\"grafana\"]",
    ),
    (
        "docker-compose.yml",
        "KAIPAN_TRUSTED_PROXIES:",
        "KAIPAN_TRUSTED_PROXY:",
        "knows no KAIPAN_TRUSTED_PROXY",
    ),
    ("Dockerfile", "KAIPAN_DATA_DIR=", "KAIPAN_DATA_FOLDER=", "knows no KAIPAN_DATA_FOLDER"),
    ("docker-compose.yml", "KAIPAN_GATEWAY_NAME: gateway-2", "KAIPAN_GATEWAY_NAME: gateway-1", "to people"),
    ("docker-compose.yml", "ipv4_address: 172.30.80.12", "ipv4_address: 172.30.80.11", "is taken"),
    ("docker-compose.yml", "subnet: 172.30.81.0/24", "subnet: 172.30.91.0/24", "is not in data"),
    ("docker-compose.yml", "LISTEN: 0.0.0.0:8080", "LISTEN: 0.0.0.0:8090", "kaipan_buyers is"),
    ("docker-compose.yml", "LISTEN: 0.0.0.0:8081", "LISTEN: 127.0.0.1:8081", "kaipan_staff is"),
    (
        "deploy/compose/upstreams/kaipan.conf",
        "    server 172.30.80.12:8080",
        "    # 172.30.80.12:8080",
        "kaipan_buyers is",
    ),
    ("deploy/compose/targets/kaipan.yml", "gateway-2:8081", "gateway-2:8080", "Prometheus asks"),
    ("deploy/compose/grafana/kaipan.yml", "prometheus:9090", "127.0.0.1:9090", "Grafana asks"),
    ("docker-compose.yml", "PROXIES: 172.30.80.10", "PROXIES: 172.30.80.0/24", "does not trust the proxy"),
    ("docker-compose.yml", "FROM: 172.30.82.10,", "FROM: ", "no metrics"),
    (
        "docker-compose.yml",
        "\"172.30.81.21\", \"6379\", \"2\"",
        "\"172.30.81.22\", \"6379\", \"2\"",
        "does not watch",
    ),
    (
        "docker-compose.yml",
        "\"172.30.81.21\", \"6379\", \"2\"",
        "\"172.30.81.21\", \"6379\", \"1\"",
        "no majority",
    ),
    (
        "docker-compose.yml",
        "172.30.81.33:26379/kaipan",
        "172.30.81.33:26379/mymaster",
        "does not ask the Sentinels",
    ),
    ("deploy/redis/sentinel.conf", "milliseconds kaipan", "milliseconds sale", "does not ask the Sentinels"),
    (
        "docker-compose.yml",
        "\"--replicaof\", \"172.30.81.21\"",
        "\"--replicaof\", \"172.30.81.22\"",
        "does not follow",
    ),
    ("docker-compose.yml", "data: {internal: true, ", "data: {", "has a way out"),
    (
        "docker-compose.yml",
        "    shm_size: 256m",
        "    ports: [\"127.0.0.1:5432:5432\"]",
        "postgres is published",
    ),
    ("docker-compose.yml", "[\"443:443\", ", "[\"443:80\", ", "nothing listens on 80"),
    ("docker-compose.yml", "127.0.0.1:9090:9090", "9090:9090", "open to everybody"),
    ("Dockerfile", "/readyz\"]", "/ready\"]", "Dockerfile: no such probe"),
    ("docker-compose.yml", "127.0.0.1/readyz", "127.0.0.1/metrics", "proxy: no such probe"),
    (
        "docker-compose.yml",
        "test: [\"CMD\", \"pg_isready\"",
        "tests: [\"CMD\", \"pg_isready\"",
        "has no health check",
    ),
    ("docker-compose.yml", "stop_grace_period: 30s", "stop_grace_period: 20s", "in the middle of its drain"),
    ("docker-compose.yml", "  restart: unless-stopped", "  restart: \"no\"", "does not come back"),
    ("deploy/postgres/postgresql.conf", "max_connections = 120", "max_connections = 40", "need 49"),
    ("deploy/postgres/postgresql.conf", "opens 12 at most", "opens 10 at most", "does not say"),
];

#[test]
fn every_check_finds_what_it_is_there_for() {
    let settings = settings();
    for (file, from, to, words) in BROKEN {
        let faults = checks::faults(&Files::with(file, from, to), &settings);
        assert!(faults.iter().any(|fault| fault.contains(words)), "{to:?} in {file} gave {faults:?}");
    }
}

#[test]
fn every_check_of_the_dockerfile_finds_what_it_is_there_for() {
    for (file, from, to, words) in dockerfile::BROKEN {
        let faults = dockerfile::faults(&Files::with(file, from, to));
        assert!(faults.iter().any(|fault| fault.contains(words)), "{to:?} in {file} gave {faults:?}");
    }
}

/// The gateway itself reads the settings of docker-compose.yml, and has one thing to say about them, which
/// docs/operations.md answers. It stops at the keyring, which is the first thing that it opens.
///
/// Mutations that turned it red: a space in an address of `KAIPAN_TRUSTED_PROXIES`; `sslmode=require` left out.
#[test]
fn the_program_takes_the_settings_of_a_gateway() {
    let compose = Files::default().yaml("docker-compose.yml");
    let environment = compose["services"]["gateway-1"]["environment"].as_object().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kaipan"));
    command.arg("serve").env_clear();
    for (name, value) in environment {
        // As with KAIPAN_HOST=kp.example: without it the gateway says that only pages of this machine may act, rightly.
        command.env(name, value.as_str().expect("text").replace("https://localhost", "https://kp.example"));
    }
    // No folder can be made below a file.
    command.env("KAIPAN_KEYRING", "/dev/null/keys.json").env("KAIPAN_LOG_FORMAT", "text");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("/dev/null/keys.json"), "{said}");
    let of_settings = |line: &&str| line.contains("WARN kaipan::app: ");
    let warnings: Vec<&str> = said.lines().filter(of_settings).collect();
    let [warning] = warnings[..] else { panic!("{said}") };
    assert!(warning.contains("redis_urls names another machine"), "{said}");
}
