//! What a run is asked for: flags, and a small TOML file of the same names.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::plan::{Plan, Scenario};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Independent of each other, as people are
    #[default]
    Poisson,
    /// The same time between any two
    Even,
}

/// Flags, or a file; a flag wins over the file.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The buyers' door, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    pub buyers_url: Option<String>,
    /// The buyers' door of one more gateway of the same opening, once for each: the buyers are spread evenly over all of them
    #[arg(long = "gateway", value_name = "URL")]
    #[serde(rename = "gateway")]
    pub gateways: Option<Vec<String>>,
    /// The staff's door, such as http://127.0.0.1:8081: sessions before the run, the truth after it
    #[arg(long, value_name = "URL")]
    pub staff_url: Option<String>,
    /// The opening's id. Taps need a rehearsal: see --rehearse
    #[arg(long, value_name = "ID")]
    pub opening: Option<String>,
    /// Make a rehearsal copy of the opening first, and play in the copy
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    pub rehearse: Option<bool>,
    /// A member of staff with the rights `rehearse` and `audit`; the password comes from the environment, in
    /// KAIPAN_LOADTEST_PASSWORD, or instead of both a session's token in KAIPAN_LOADTEST_TOKEN
    #[arg(long, value_name = "NAME")]
    pub login: Option<String>,
    /// How many buyers [default: 1000]
    #[arg(long, value_name = "N")]
    pub buyers: Option<u32>,
    /// The first of them, by the roster: runs on several machines share the buyers [default: 0]
    #[arg(long, value_name = "N")]
    pub first: Option<u32>,
    /// burst: over how long the taps are spread, 0 for one instant; storm: over how long a wave comes
    /// [default: 100ms; storm: 1s]
    #[arg(long, value_name = "TIME")]
    pub within: Option<Time>,
    /// soak: taps a second [default: 200]
    #[arg(long, value_name = "RATE")]
    pub per_s: Option<f64>,
    /// ramp: the first rate, the last, and how much faster each step is [default: 500, 20000, 500]
    #[arg(long, value_name = "RATE")]
    pub from_per_s: Option<f64>,
    #[arg(long, value_name = "RATE")]
    pub to_per_s: Option<f64>,
    #[arg(long, value_name = "RATE")]
    pub step_per_s: Option<f64>,
    /// ramp: how long a rate is held [default: 5s]
    #[arg(long, value_name = "TIME")]
    pub step_for: Option<Time>,
    /// soak, board and mixed: how long it goes on [default: 10m; board: 20s; mixed: 60s]
    #[arg(long = "for", value_name = "TIME")]
    #[serde(rename = "for")]
    pub run_for: Option<Time>,
    /// board: from one change to the next [default: 500ms]; storm: from one wave to the next [default: 5s]
    #[arg(long, value_name = "TIME")]
    pub every: Option<Time>,
    /// storm: how many waves [default: 5]
    #[arg(long, value_name = "N")]
    pub waves: Option<u32>,
    /// ramp and soak: how taps arrive [default: poisson]
    #[arg(long, value_enum, value_name = "HOW")]
    pub arrivals: Option<Arrivals>,
    /// Connections made a second before the start [default: 2000]
    #[arg(long, value_name = "RATE")]
    pub connect_per_s: Option<f64>,
    /// Of a hundred buyers, how many pick over HTTP instead of the WebSocket [default: 0]
    #[arg(long, value_name = "PERCENT")]
    pub over_http: Option<u32>,
    /// How long after its moment a tap may ask for its answer before it counts as unanswered [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub patience: Option<Time>,
    /// Threads that hold the connections [default: half of the cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// The same seed wants the same units at the same moments [default: by chance, and printed]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Limit: 99 of 100 answers within [default: 1s]
    #[arg(long, value_name = "TIME")]
    pub p99: Option<Time>,
    /// Limit: the slowest answer within
    #[arg(long, value_name = "TIME")]
    pub slowest: Option<Time>,
    /// Limit: taps without an answer [default: 0]
    #[arg(long, value_name = "N")]
    pub unanswered: Option<u64>,
    /// Limit: what came back and was no answer, as a share of the taps
    #[arg(long, value_name = "SHARE")]
    pub errors: Option<f64>,
    /// Limit: 99 of 100 boards show a change within
    #[arg(long, value_name = "TIME")]
    pub board_p99: Option<Time>,
    /// Limit: the server's memory, in MiB
    #[arg(long, value_name = "MIB")]
    pub rss_mib: Option<f64>,
    /// The generator's own lateness, 99 of 100 taps, above which the run is refused [default: a tenth of --p99]
    #[arg(long, value_name = "TIME")]
    pub lag: Option<Time>,
    /// Where report.json and report.html go [default: nowhere, only the verdict is printed]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Also write every tap and answer, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// mixed: the roster as CSV with the columns 认筹编号 and 手机号: whom to play. Simulated people only
    #[arg(long, value_name = "FILE")]
    pub roster: Option<PathBuf>,
    /// The truth from a file that `kaipan opening dump --json` wrote, instead of from the staff's door
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
}

/// A length of time as people write it: `250ms`, `5s`, `10m`, `1h`; without a unit, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(pub Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let seconds = match &text[digits.len()..] {
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return Err(format!("{text:?} is no time: expected such as 250ms, 5s, 10m or 1h")),
        };
        let number: f64 =
            digits.parse().map_err(|_| format!("{text:?} is no time: expected such as 250ms or 5s"))?;
        let time = Duration::try_from_secs_f64(number * seconds);
        time.map(Self).map_err(|_| format!("{text:?} is no time"))
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Time> for String {
    fn from(Time(time): Time) -> Self {
        format!("{}s", time.as_secs_f64())
    }
}

impl Settings {
    /// These flags over what a file says; the error is a sentence.
    pub fn over(&self, file: &str) -> Result<Self, String> {
        // As a whole first: an error then names its line.
        let file: Self = toml::from_str(file).map_err(|error| error.to_string())?;
        let table = |settings: &Self| toml::Table::try_from(settings).map_err(|error| error.to_string());
        let mut both = table(&file)?;
        both.extend(table(self)?);
        both.try_into().map_err(|error| error.to_string())
    }

    /// Fills in the defaults; the error is a sentence.
    pub fn plan(self, scenario: Scenario) -> Result<Plan, String> {
        let missing = |flag: &str| format!("--{flag} is missing");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let seconds = Duration::from_secs;
        let or = |given: Option<Time>, usual: Duration| given.map_or(usual, |Time(time)| time);
        let p99 = or(self.p99, seconds(1));
        let taps = scenario != Scenario::Storm;
        let mut limits = Vec::new();
        let mut limit = |name: &str, value: Option<f64>| {
            limits.extend(value.map(|value| (name.to_owned(), value)));
        };
        let ms = |Time(time): Time| time.as_secs_f64() * 1_000.0;
        limit("answer_p99_ms", taps.then_some(ms(Time(p99))));
        limit("answer_max_ms", self.slowest.map(ms));
        limit("unanswered_count", Some(self.unanswered.unwrap_or(0) as f64));
        limit("errors_share", self.errors);
        limit("board_p99_ms", self.board_p99.map(ms));
        limit("server_rss_mib", self.rss_mib);
        let (within, every, run_for) = match scenario {
            Scenario::Storm => (seconds(1), seconds(5), seconds(0)),
            Scenario::Board => (seconds(0), Duration::from_millis(500), seconds(20)),
            Scenario::Mixed => (seconds(0), seconds(0), seconds(60)),
            _ => (Duration::from_millis(100), seconds(0), seconds(600)),
        };
        let mut gateways = self.gateways.unwrap_or_default();
        let first = gateways.first().cloned();
        let buyers_url = self.buyers_url.or(first).ok_or_else(|| missing("buyers-url"))?;
        // Named twice it would have twice as many buyers.
        gateways.retain(|url| url.trim_end_matches('/') != buyers_url.trim_end_matches('/'));
        let plan = Plan {
            scenario,
            buyers_url,
            gateways,
            staff_url: self.staff_url,
            opening: self.opening.ok_or_else(|| missing("opening"))?,
            rehearse: self.rehearse.unwrap_or(false),
            login: self.login,
            buyers: self.buyers.unwrap_or(1_000),
            first: self.first.unwrap_or(0),
            within: or(self.within, within),
            per_s: self.per_s.unwrap_or(200.0),
            from_per_s: self.from_per_s.unwrap_or(500.0),
            to_per_s: self.to_per_s.unwrap_or(20_000.0),
            step_per_s: self.step_per_s.unwrap_or(500.0),
            step_for: or(self.step_for, seconds(5)),
            run_for: or(self.run_for, run_for),
            every: or(self.every, every),
            waves: self.waves.unwrap_or(5),
            arrivals: self.arrivals.unwrap_or_default(),
            connect_per_s: self.connect_per_s.unwrap_or(2_000.0),
            over_http: self.over_http.unwrap_or(0),
            patience: or(self.patience, seconds(30)),
            threads: self.threads.unwrap_or(cores / 2).clamp(1, 64),
            seed: self.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
            limits,
            lag: or(self.lag, p99 / 10),
            out: self.out,
            record: self.record,
            roster: self.roster,
            truth: self.truth,
        };
        plan.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> String {
        format!("buyers_url = 'http://127.0.0.1:1'\nopening = 'O'\n{text}")
    }

    fn named(text: &str) -> Settings {
        toml::from_str(&file(text)).unwrap()
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let file = file("buyers = 500\nwithin = '2s'\np99 = '250ms'\nfor = '1m'");
        let flags = Settings { buyers: Some(70), ..Settings::default() };
        let plan = flags.over(&file).unwrap().plan(Scenario::Burst).unwrap();
        assert_eq!((plan.buyers, plan.within), (70, Duration::from_secs(2)));
        assert_eq!((plan.run_for, plan.patience), (Duration::from_secs(60), Duration::from_secs(30)));
        assert_eq!(plan.limits, [("answer_p99_ms".to_owned(), 250.0), ("unanswered_count".to_owned(), 0.0)]);
        assert_eq!(plan.lag, Duration::from_millis(25), "a tenth of the limit");
    }

    /// Mutation that turned it red: the first gateway kept among the others too.
    #[test]
    fn gateways_stand_beside_the_buyers_url_or_without_it() {
        let two = |file: &str| {
            let settings: Settings = toml::from_str(file).unwrap();
            let plan = settings.plan(Scenario::Burst).unwrap();
            (plan.buyers_url, plan.gateways)
        };
        let expected = ("http://a:1".to_owned(), vec!["http://b:2".to_owned()]);
        for file in [
            "buyers_url = 'http://a:1'\ngateway = ['http://b:2']",
            "buyers_url = 'http://a:1'\ngateway = ['http://a:1/', 'http://b:2']",
            "gateway = ['http://a:1', 'http://b:2']",
        ] {
            assert_eq!(two(&format!("opening = 'O'\n{file}")), expected, "{file}");
        }
        assert_eq!(named("").plan(Scenario::Burst).unwrap().gateways, Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_run_is_said_by_its_flag() {
        for (text, scenario, says) in [
            ("buyers = 0", Scenario::Burst, "--buyers"),
            ("buyers = 60001", Scenario::Burst, "--buyers"),
            ("per_s = 0", Scenario::Soak, "--per-s"),
            ("per_s = nan", Scenario::Soak, "--per-s"),
            ("over_http = 101", Scenario::Burst, "--over-http"),
            ("every = '1s'", Scenario::Storm, "--every"),
            ("per_s = 1e5\nfor = '1h'", Scenario::Soak, "more than one run keeps"),
            ("gateway = ['http://127.0.0.1:2']", Scenario::Mixed, "--gateway"),
        ] {
            let why = named(text).plan(scenario).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
        assert!(Settings::default().plan(Scenario::Burst).unwrap_err().contains("--buyers-url"));
        assert!(toml::from_str::<Settings>("within = '5 parsecs'").is_err());
        assert!(toml::from_str::<Settings>("buyrs = 5").is_err(), "a mistyped name is not passed over");
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, ms) in [("250ms", 250), ("5s", 5_000), ("1.5m", 90_000), ("1h", 3_600_000), ("3", 3_000)] {
            let time: Time = text.parse().unwrap();
            assert_eq!(time, Time(Duration::from_millis(ms)), "{text}");
            assert_eq!(String::from(time).parse(), Ok(time), "{text}");
        }
        for text in ["", "ms", "-1s", "5d", "1e400s"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }
}
