//! The simulated roster: the structure of the real one, filled with people who do not exist.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::prepare::RosterRow;
use super::RehearseError;
use crate::domain::kind::Eligibility;
use crate::domain::money::Fen;
use crate::domain::simulated::Simulated;

/// What is kept of a real registration: nothing that names anybody.
#[derive(sqlx::FromRow)]
pub struct Line {
    household: Option<String>,
    group_name: String,
    lot_number: Option<i64>,
    quota_home: i64,
}

/// `buyers` people; where they are more than the roster's, its structure begins again, with households of their own. All
/// of them may pick: a load that is turned away for papers measures nothing.
pub fn simulate(lines: &[Line], buyers: u32) -> Result<Vec<RosterRow>, RehearseError> {
    let households = households(lines);
    let mut rows = Vec::with_capacity(usize::try_from(buyers).unwrap_or(0));
    for (place, at) in (0..buyers).zip(0_usize..) {
        let model = lines.get(at.checked_rem(lines.len()).unwrap_or(0));
        let round = at.checked_div(lines.len()).unwrap_or(0);
        let household = model.and_then(|line| households.get(line.household.as_deref()?));
        let person = Simulated(place);
        rows.push(RosterRow {
            code: person.code(),
            name: person.name(),
            document: person.document().map_err(|_| RehearseError::Person)?,
            document_column: Arc::default(),
            phone: Some(person.phone().map_err(|_| RehearseError::Person)?),
            co_buyers: Vec::new(),
            // The real household's number may be a name.
            household: household.map(|number| format!("H{number:05}-{round}")),
            eligibility: Eligibility::Passed,
            proxy: None,
            consultant: String::new(),
            group: model.map(|line| line.group_name.clone()).unwrap_or_default(),
            // A number is drawn once.
            lot_number: model.filter(|_| round == 0).and_then(|line| line.lot_number),
            quota_home: model.map(|line| line.quota_home),
            earnest: Fen::ZERO,
            remarks: String::new(),
        });
    }
    Ok(rows)
}

/// The households in order of first appearance, numbered.
fn households(lines: &[Line]) -> HashMap<&str, usize> {
    let mut numbers = HashMap::new();
    for household in lines.iter().filter_map(|line| line.household.as_deref()) {
        let next = numbers.len() + 1;
        numbers.entry(household).or_insert(next);
    }
    numbers
}
