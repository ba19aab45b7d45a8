use clap::Parser;

use super::*;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: Settings,
}

fn resolve(flags: &[&str]) -> Result<Config, ConfigError> {
    let arguments = std::iter::once("kaipan").chain(flags.iter().copied());
    Flags::try_parse_from(arguments).unwrap().settings.resolve(4)
}

#[test]
fn without_a_word_it_serves_this_machine_from_sqlite() {
    let config = resolve(&[]).unwrap();
    assert_eq!(config.buyers_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.staff_listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.public_origins, ["http://127.0.0.1:8080", "http://localhost:8080"]);
    assert_eq!(config.data.dir, Path::new("data"));
    assert_eq!(config.data.database_url, None);
    assert_eq!(config.buyers_threads, 4);
    let reads = |address: &str| config.metrics_from.iter().any(|n| n.contains(address.parse().unwrap()));
    assert!(reads("127.0.0.1") && reads("127.9.9.9") && reads("::1") && !reads("128.0.0.1") && !reads("::2"));
    assert_eq!(config.warnings(), []);
}

/// The first origin is the buyers' address that the console and the demo print.
#[test]
fn the_first_origin_is_one_that_answers() {
    let first = |listen: &str| resolve(&["--listen", listen]).unwrap().public_origins[0].clone();
    assert_eq!(first("192.168.1.20:8080"), "http://192.168.1.20:8080");
    assert_eq!(first("[::1]:8080"), "http://[::1]:8080");
    assert_eq!(first("0.0.0.0:8080"), "http://127.0.0.1:8080");
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kaipan.toml");
    let text = "data_dir = 'from-file'\nbuyers_listen = '127.0.0.1:9000'\ntrusted_proxies = ['10.0.0.0/8']\n\
                log_format = 'json'\n";
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let config = resolve(&["--config", file, "--listen", "127.0.0.1:9100"]).unwrap();
    assert_eq!(config.buyers_listen.port(), 9_100);
    assert_eq!(config.staff_listen.port(), 8_081);
    assert_eq!(config.data.dir, Path::new("from-file"));
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.trusted_proxies, ["10.0.0.0/8".parse().unwrap()]);
}

#[test]
fn what_can_not_be_meant_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kaipan.toml");
    fs::write(&file, "buyer_listen = '127.0.0.1:9000'\n").unwrap();
    let cases = [
        (vec!["--config", file.to_str().unwrap()], "buyer_listen"),
        (vec!["--config", "/none/kaipan.toml"], "/none/kaipan.toml"),
        (vec!["--public-origin", "kp.example"], "kp.example"),
        (vec!["--public-origin", "https://kp.example/page"], "/page"),
        (vec!["--listen", "127.0.0.1:1", "--staff-listen", "127.0.0.1:1"], "127.0.0.1:1"),
        (vec!["--database-url", "postgres:///k", "--redis-url", "10.0.0.1:6379"], "10.0.0.1:6379"),
        (vec!["--redis-url", "redis://127.0.0.1"], "database_url"),
        (vec!["--gateway-name", "\u{7}"], "gateway_name"),
    ];
    for (flags, named) in cases {
        let error = resolve(&flags).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(named), "{text}");
    }
}

#[test]
fn risky_pairs_are_named() {
    let open = "0.0.0.0:8080".parse().unwrap();
    let cases: &[(&[&str], &[Warning])] = &[
        (&["--listen", "0.0.0.0:8080"], &[Warning::OriginsOnlyLocal { listen: open }]),
        (
            &["--listen", "0.0.0.0:8080", "--public-origin", "http://10.1.1.1:8080"],
            &[Warning::PlainHttp { origin: "http://10.1.1.1:8080".to_owned() }],
        ),
        (&["--public-origin", "https://kp.example"], &[Warning::ProxyNotTrusted]),
        (&["--public-origin", "https://kp.example", "--trusted-proxy", "127.0.0.1"], &[]),
        (&["--trusted-proxy", "0.0.0.0/0"], &[Warning::EveryoneTrusted]),
        (&["--metrics-from", "::/0"], &[Warning::MetricsForEveryone]),
        (&["--metrics-from", "10.1.0.0/16"], &[]),
        (
            &["--public-origin", "https://a.example,http://localhost:1", "--trusted-proxy", "127.0.0.1"],
            &[Warning::MixedOrigins],
        ),
        (
            &["--staff-listen", "0.0.0.0:8081"],
            &[Warning::StaffDoorExposed { listen: "0.0.0.0:8081".parse().unwrap() }],
        ),
        (&["--crowd"], &[]),
        (
            &[
                "--crowd",
                "--listen",
                "0.0.0.0:8080",
                "--public-origin",
                "https://a.example",
                "--trusted-proxy",
                "10.0.0.1",
            ],
            &[Warning::CrowdAllowed],
        ),
        (&["--database-url", "postgres://u:p@db.example/kaipan"], &[Warning::DatabaseInTheClear]),
        (&["--database-url", "postgres://u:p@db.example/kaipan?sslmode=verify-full"], &[]),
        (&["--database-url", "postgres://u:p@127.0.0.1:5432/kaipan"], &[]),
        (&["--database-url", "postgres:///kaipan?host=/run/postgresql"], &[]),
        (&["--database-url", "postgres:///kaipan", "--redis-url", "redis://127.0.0.1"], &[]),
        (
            &["--database-url", "postgres:///kaipan", "--redis-url", "redis://10.0.0.9"],
            &[Warning::RedisInTheClear],
        ),
    ];
    for (flags, expected) in cases {
        assert_eq!(resolve(flags).unwrap().warnings(), *expected, "{flags:?}");
    }
}

#[test]
fn several_redis_are_named_by_flags_or_by_one_variable() {
    let both = ["redis://127.0.0.1:1", "redis-sentinel://127.0.0.1/sale"];
    let database = ["--database-url", "postgres:///k"];
    let flags = ["--redis-url", both[0], "--redis-url", both[1], "--redis-lost", "hold"];
    let config = resolve(&[&database[..], &flags[..]].concat()).unwrap();
    assert_eq!(config.redis, both.map(|url| url.parse().unwrap()));
    assert_eq!(config.redis_lost, RedisLost::Hold);
    let in_one = both.join(" ");
    assert_eq!(resolve(&[&database[..], &["--redis-url", &in_one]].concat()).unwrap().redis, config.redis);
    assert_eq!(resolve(&[]).unwrap().redis, []);
    assert!(resolve(&[]).unwrap().gateway_name.ends_with(":8080"));
}

#[test]
fn a_password_is_never_printed() {
    let config = resolve(&["--database-url", "postgres://u:secret@127.0.0.1/kaipan"]).unwrap();
    assert!(!format!("{config:?}").contains("secret"));
}
