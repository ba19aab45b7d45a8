//! What an import says afterwards, in the words of docs/protocol.md.

use std::collections::BTreeMap;

use serde::Serialize;

use super::problem::{Reading, RowProblem};
use super::{RosterRow, UnitRow};

/// Good rows, totals, and everything that was refused or is worth a look.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ImportReport {
    pub accepted: usize,
    /// Price lists: the accepted totals together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_fen: Option<i64>,
    /// Rosters: the accepted earnest money together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earnest_total_fen: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_kind: Option<BTreeMap<&'static str, usize>>,
    pub refused: Vec<RowProblem>,
    pub warnings: Vec<RowProblem>,
    /// What the file changes in the opening; absent when it was read without one.
    #[serde(flatten)]
    pub effect: Option<Effect>,
    /// Is it in the database now? A dry run and a refused all-or-nothing import store nothing.
    pub stored: bool,
}

/// The file against what the opening holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Effect {
    pub added: usize,
    pub changed: Vec<Change>,
    pub unchanged: usize,
    /// What the opening holds and the file does not name. It stays.
    pub missing: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// A registration's code, or a unit's address.
    pub what: String,
    pub field: &'static str,
    /// Phones and documents are masked; `after` stands in the file for whoever needs it.
    pub before: String,
    pub after: String,
}

impl ImportReport {
    pub fn of_units(reading: &Reading<UnitRow>) -> Self {
        let mut by_kind = BTreeMap::new();
        for row in &reading.rows {
            *by_kind.entry(row.value.kind.as_str()).or_default() += 1;
        }
        let total = reading.rows.iter().filter_map(|row| row.value.total).map(|total| total.0).sum();
        Self { total_fen: Some(total), by_kind: Some(by_kind), ..Self::of(reading) }
    }

    pub fn of_registrations(reading: &Reading<RosterRow>) -> Self {
        let earnest = reading.rows.iter().map(|row| row.value.earnest.0).sum();
        Self { earnest_total_fen: Some(earnest), ..Self::of(reading) }
    }

    fn of<R>(reading: &Reading<R>) -> Self {
        Self {
            accepted: reading.rows.len(),
            refused: reading.refused.clone(),
            warnings: reading.warnings.clone(),
            ..Self::default()
        }
    }
}
