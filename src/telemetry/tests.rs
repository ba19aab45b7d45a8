//! What is written about the metrics is compared with the metrics: the page that explains them, in both directions, and
//! whatever dashboards and alerts ask for.
//!
//! Mutations that turned it red: a metric without a row, a row without a metric, a row of the wrong kind, a dashboard
//! and a rule that name `kaipan_sockets_open`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::names::{ALL, Metric};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Name and kind of each row: "| `name` | kind | …".
fn explained() -> BTreeMap<String, String> {
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let mut explained = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(cells.len() == 8 && cells[2..7].iter().all(|cell| !cell.is_empty()), "unfinished: {row}");
        let before = explained.insert(cells[1].trim_matches('`').to_owned(), cells[2].to_owned());
        assert_eq!(before, None, "twice: {row}");
    }
    explained
}

#[test]
fn metrics_are_named_once_and_by_the_rules_of_prometheus() {
    let names: HashSet<&str> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), ALL.len());
    for Metric { name, kind, help } in ALL {
        let prefixed = name.starts_with("kaipan_") || name.starts_with("process_");
        assert!(prefixed && !help.is_empty(), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
        assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}");
    }
}

/// OP-84.
#[test]
fn every_metric_is_explained_and_nothing_else_is() {
    let known: BTreeMap<String, String> =
        ALL.iter().map(|metric| (metric.name.to_owned(), metric.kind.to_owned())).collect();
    assert_eq!(explained(), known);
}

/// The metrics that a text names, without a histogram's endings.
fn named(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("kaipan_") || word.starts_with("process_"));
    let plain = |word: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        let is_histogram = |name: &&str| Metric::find(name).is_some_and(|metric| metric.kind == "histogram");
        base.filter(is_histogram).unwrap_or(word).to_owned()
    };
    ours.map(plain).collect()
}

fn files_in(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// OP-84.
#[test]
fn dashboards_and_alerts_ask_for_metrics_that_exist() {
    let mut asked = 0;
    for folder in ["deploy/prometheus", "deploy/grafana/dashboards"] {
        for file in files_in(folder) {
            for name in named(&fs::read_to_string(&file).unwrap()) {
                assert!(Metric::find(&name).is_some(), "{}: {name}", file.display());
                asked += 1;
            }
        }
    }
    assert!(asked > 100, "only {asked}: were the files read?");
}

/// An alert that fires at night says where to read on: every link leads to a heading that is there.
#[test]
fn every_alert_leads_to_its_place_in_the_runbook() {
    let rules = fs::read_to_string(root().join("deploy/prometheus/rules.yml")).unwrap();
    let alerts = rules.lines().filter(|line| line.trim_start().starts_with("- alert:")).count();
    let links: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).collect();
    assert!(alerts > 10 && alerts == links.len(), "{alerts} alerts, {} links", links.len());
    for link in links {
        let (page, anchor) = link.trim_matches('"').rsplit_once('#').unwrap();
        let file = page.rsplit_once("/docs/").unwrap().1;
        let text = fs::read_to_string(root().join("docs").join(file)).unwrap();
        let anchored = format!("<a id=\"{anchor}\"></a>");
        assert!(text.contains(&anchored), "{link}: no {anchored}");
    }
}
