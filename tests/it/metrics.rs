//! `/metrics` of a server that has sold something: every metric that `docs/metrics.md` explains is there, with the kind
//! that it names, and says what happened.

use std::collections::BTreeMap;

use reqwest::Method;
use rstest::rstest;

use crate::harness::{Api, Database, Home, Plan, Sale};

/// Those that a Postgres server has no say in.
const OF_SQLITE: [&str; 4] = [
    "kaipan_data_free_bytes",
    "kaipan_database_bytes",
    "kaipan_backup_behind_seconds",
    "kaipan_backup_seconds",
];

/// Those that a server without Redis has no say in; `chaos` reads them.
const OF_REDIS: [&str; 4] = [
    "kaipan_gate2_calls_total",
    "kaipan_gate2_answers_total",
    "kaipan_gate2_seconds",
    "kaipan_gate2_rebuilds_total",
];

/// Name and kind of each row of the page that explains them.
fn explained() -> BTreeMap<String, String> {
    let page = include_str!("../../docs/metrics.md").lines().filter(|line| line.starts_with("| `"));
    let cell = |row: &str, at: usize| row.split('|').nth(at).unwrap().trim().trim_matches('`').to_owned();
    page.map(|row| (cell(row, 1), cell(row, 2))).collect()
}

struct Page {
    kinds: BTreeMap<String, String>,
    /// By name and labels as printed.
    samples: BTreeMap<String, f64>,
}

impl Page {
    async fn of(api: &Api) -> Self {
        let reply = api.get("/metrics").await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, "text/plain; version=0.0.4; charset=utf-8")
        );
        let text = reply.text();
        let kind = |line: &str| {
            let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            Some((name.to_owned(), kind.to_owned()))
        };
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
            Some((name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}"))))
        };
        let samples: BTreeMap<String, f64> = text.lines().filter_map(sample).collect();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        assert_eq!(samples.len(), lines, "a sample is said twice");
        Self { kinds: text.lines().filter_map(kind).collect(), samples }
    }

    fn value(&self, sample: &str) -> f64 {
        *self.samples.get(sample).unwrap_or_else(|| panic!("no {sample} in {:#?}", self.samples))
    }
}

/// OP-84. Mutations that turned it red: the collector not set, so that openings have no figures; a counter of yeses
/// that counts refusals; the page for clients behind a proxy.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn op_84_a_small_sale_shows_in_every_metric_that_is_explained(#[case] database: Database) {
    let mut home = Home::new(database).await;
    // With everything that SQLite can have.
    let backup = tempfile::tempdir().unwrap();
    if database == Database::Sqlite {
        let folder = String::leak(backup.path().to_str().unwrap().to_owned());
        home.settings.push(("KAIPAN_BACKUP_DIR", folder));
    }
    let server = home.serve().await;
    let plan = Plan { withheld: vec![11], starts_in_ms: 3_000, ..Plan::default() };
    let sale = Sale::publish(&server, &plan).await;
    let of = |name: &str| format!("{name}{{opening=\"{}\"}}", sale.opening);
    let before = Page::of(&server.staff()).await;
    let starts_in_s = before.value(&of("kaipan_opening_starts_in_seconds"));
    assert!((0.0..3.0).contains(&starts_in_s), "{starts_in_s}");
    assert_eq!(before.value("kaipan_ready"), 1.0);
    assert_eq!(before.value("kaipan_panics_total"), 0.0, "an alert must see the step from 0 to 1");

    let (first, second) = (sale.buyer(0).await, sale.buyer(1).await);
    sale.started().await;
    let mut link = sale.link(&server, &first).await;
    link.frame("mine").await;
    link.pick("the-first-tap", 3).await.unwrap();
    assert_eq!(link.answer("the-first-tap", 3).await.unwrap()["answer"], "yes");
    assert_eq!(second.pick("a-moment-late", 3).await["code"], "TAKEN");
    sale.board_shows("000100000003").await;

    // The entry that opens the gate is written when the keeper looks, and may come after the picks: until all of it is shown.
    let shown = async {
        loop {
            let page = Page::of(&server.buyers()).await;
            let at = ["kaipan_journal_head", "kaipan_journal_applied", "kaipan_board_seq"];
            let at = at.map(|name| page.value(&of(name)));
            if page.value(&of("kaipan_opening_armed")) == 1.0 && at[0] == at[1] && at[1] == at[2] {
                return page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let page = tokio::time::timeout(std::time::Duration::from_secs(20), shown)
        .await
        .expect("the board comes to the head");
    let mut expected = explained();
    OF_REDIS.iter().for_each(|name| drop(expected.remove(*name)));
    if database == Database::Postgres {
        OF_SQLITE.iter().for_each(|name| drop(expected.remove(*name)));
    }
    assert_eq!(page.kinds, expected);

    let phase = |phase| format!("kaipan_opening_phase{{opening=\"{}\",phase=\"{phase}\"}}", sale.opening);
    let units = |status| format!("kaipan_units{{opening=\"{}\",status=\"{status}\"}}", sale.opening);
    let taken = format!("kaipan_refusals_total{{opening=\"{}\",code=\"TAKEN\"}}", sale.opening);
    for (sample, value) in [
        (phase("live"), 1.0),
        (phase("armed"), 0.0),
        (of("kaipan_opening_armed"), 1.0),
        (of("kaipan_picks_total"), 2.0),
        (of("kaipan_yes_total"), 1.0),
        (taken, 1.0),
        (units("free"), 10.0),
        (units("held"), 1.0),
        (units("withheld"), 1.0),
        (of("kaipan_holds"), 1.0),
        (of("kaipan_signed_in"), 2.0),
        (of("kaipan_connected"), 1.0),
        ("kaipan_sockets{kind=\"buyer\"}".to_owned(), 1.0),
        ("kaipan_codes_sent_total".to_owned(), 2.0),
        ("kaipan_sign_ins_total{outcome=\"ok\"}".to_owned(), 2.0),
        ("kaipan_openings{phase=\"live\"}".to_owned(), 1.0),
        // The alerts on slow answers read this very bucket.
        ("kaipan_socket_answer_seconds_bucket{le=\"1\"}".to_owned(), 1.0),
    ] {
        assert_eq!(page.value(&sample), value, "{sample}");
    }
    let head = page.value(&of("kaipan_journal_head"));
    assert!(head >= 2.0 && head == page.value(&of("kaipan_journal_applied")), "{head}");
    assert_eq!(page.value(&of("kaipan_board_seq")), head);
    assert!(page.value(&of("kaipan_clock_offset_seconds")).abs() < 0.05);
    assert!(page.value(&of("kaipan_opening_starts_in_seconds")) < 0.0);
    assert!(page.value("process_open_fds") > 10.0 && page.value("process_resident_memory_bytes") > 1e6);

    // Through a proxy nobody reads it, not even this machine, and the health checks are for everybody.
    for door in [server.buyers(), server.staff()] {
        let forwarded = door.request(Method::GET, "/metrics").header("x-forwarded-for", "127.0.0.1");
        door.send(forwarded).await.unwrap().refused(404, "NOT_FOUND");
        let checked = door.request(Method::GET, "/healthz").header("x-forwarded-for", "127.0.0.1");
        assert_eq!(door.send(checked).await.unwrap().status, 200);
    }
}
