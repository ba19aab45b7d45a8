//! A run with every default filled in, and what cannot be run.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::settings::Arrivals;

/// Taps and connections of one run: each is a record in memory.
pub const DUES_MAX: usize = 2_000_000;
/// Buyers of one run. The addresses of one machine end sooner.
pub const BUYERS_MAX: u32 = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Everybody taps once at the start, or within a moment
    Burst,
    /// Taps arrive faster and faster until a limit breaks
    Ramp,
    /// Taps arrive steadily for a long time
    Soak,
    /// Everybody connects at once, goes, and comes again
    Storm,
    /// Everybody watches a few changes
    Board,
    /// Sign-in, favourites, taps and the cashier, all at once
    Mixed,
}

impl Scenario {
    /// As it stands on the command line and in the report.
    pub fn word(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Ramp => "ramp",
            Self::Soak => "soak",
            Self::Storm => "storm",
            Self::Board => "board",
            Self::Mixed => "mixed",
        }
    }
}

/// A run with every default filled in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub scenario: Scenario,
    pub buyers_url: String,
    /// The other gateways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    pub staff_url: Option<String>,
    pub opening: String,
    pub rehearse: bool,
    pub login: Option<String>,
    pub buyers: u32,
    pub first: u32,
    #[serde(serialize_with = "as_ms", rename = "within_ms")]
    pub within: Duration,
    pub per_s: f64,
    pub from_per_s: f64,
    pub to_per_s: f64,
    pub step_per_s: f64,
    #[serde(serialize_with = "as_ms", rename = "step_for_ms")]
    pub step_for: Duration,
    #[serde(serialize_with = "as_ms", rename = "for_ms")]
    pub run_for: Duration,
    #[serde(serialize_with = "as_ms", rename = "every_ms")]
    pub every: Duration,
    pub waves: u32,
    pub arrivals: Arrivals,
    pub connect_per_s: f64,
    pub over_http: u32,
    #[serde(serialize_with = "as_ms", rename = "patience_ms")]
    pub patience: Duration,
    pub threads: usize,
    pub seed: u64,
    /// Name and value, as the report knows them.
    pub limits: Vec<(String, f64)>,
    #[serde(serialize_with = "as_ms", rename = "lag_ms")]
    pub lag: Duration,
    #[serde(skip)]
    pub out: Option<PathBuf>,
    #[serde(skip)]
    pub record: Option<PathBuf>,
    #[serde(skip)]
    pub roster: Option<PathBuf>,
    #[serde(skip)]
    pub truth: Option<PathBuf>,
}

impl Plan {
    /// From T to the last tap or the last connection.
    pub fn lasts(&self) -> Duration {
        match self.scenario {
            Scenario::Burst => self.within,
            Scenario::Ramp => self.step_for.mul_f64(self.steps()),
            Scenario::Soak | Scenario::Board | Scenario::Mixed => self.run_for,
            Scenario::Storm => self.every * self.waves,
        }
    }

    /// How many rates a ramp goes through.
    fn steps(&self) -> f64 {
        ((self.to_per_s - self.from_per_s) / self.step_per_s).max(0.0).floor() + 1.0
    }

    pub(super) fn checked(self) -> Result<Self, String> {
        let positive = [
            ("per-s", self.per_s),
            ("from-per-s", self.from_per_s),
            ("step-per-s", self.step_per_s),
            ("connect-per-s", self.connect_per_s),
        ];
        if let Some((flag, _)) = positive.iter().find(|(_, value)| !value.is_finite() || *value < 0.001) {
            return Err(format!("--{flag} must be more than 0"));
        }
        if self.buyers == 0 || self.buyers > BUYERS_MAX {
            return Err(format!("--buyers must be 1 to {BUYERS_MAX}"));
        }
        if self.scenario == Scenario::Mixed && !self.gateways.is_empty() {
            return Err("--gateway: the people of `mixed` all go to one door".to_owned());
        }
        if self.over_http > 100 {
            return Err("--over-http is a percentage".to_owned());
        }
        if self.scenario == Scenario::Storm && (self.waves == 0 || self.every < self.within * 2) {
            return Err(
                "--every must be at least twice --within: a wave goes before the next one comes".to_owned()
            );
        }
        let taps = match self.scenario {
            Scenario::Soak => self.per_s * self.run_for.as_secs_f64(),
            Scenario::Ramp => {
                (self.from_per_s + self.to_per_s) / 2.0 * self.steps() * self.step_for.as_secs_f64()
            }
            Scenario::Storm => f64::from(self.waves) * f64::from(self.buyers) * 2.0,
            Scenario::Burst | Scenario::Board | Scenario::Mixed => f64::from(self.buyers),
        };
        if taps > DUES_MAX as f64 {
            return Err(format!("{taps:.0} taps are more than one run keeps in memory ({DUES_MAX})"));
        }
        Ok(self)
    }
}

fn as_ms<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64() * 1_000.0)
}
