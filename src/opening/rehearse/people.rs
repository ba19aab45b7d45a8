//! The simulated roster: the structure of the real one, filled with people who do not exist.

use std::collections::HashMap;

use super::RehearseError;
use crate::domain::ids::RowId;
use crate::domain::simulated::Simulated;
use crate::vault::{Field, Purpose, Vault};

/// What is kept of a real registration: nothing that names anybody.
#[derive(sqlx::FromRow)]
pub struct Line {
    household: Option<String>,
    group_name: String,
    lot_number: Option<i64>,
    quota_home: i64,
}

/// A simulated registration, sealed. All of them may pick: a load that is turned away for papers measures nothing.
pub struct Row {
    pub ord: i64,
    pub id: String,
    pub code: String,
    pub name: Vec<u8>,
    pub document_kind: &'static str,
    pub document: Vec<u8>,
    pub document_bidx: Vec<u8>,
    pub phone: Vec<u8>,
    pub phone_bidx: Vec<u8>,
    pub household: Option<String>,
    pub group: String,
    pub lot_number: Option<i64>,
    pub quota_home: i64,
}

/// `buyers` people; where they are more than the roster's, its structure begins again, with households of their own.
pub fn simulate(
    vault: &Vault,
    lines: &[Line],
    buyers: u32,
    quota_home: i64,
) -> Result<Vec<Row>, RehearseError> {
    let households = households(lines);
    let mut rows = Vec::with_capacity(usize::try_from(buyers).unwrap_or(0));
    for (place, at) in (0..buyers).zip(0_usize..) {
        let model = lines.get(at.checked_rem(lines.len()).unwrap_or(0));
        let round = at.checked_div(lines.len()).unwrap_or(0);
        let household = model.and_then(|line| households.get(line.household.as_deref()?));
        let person = Simulated(place);
        let phone = person.phone().map_err(|_| RehearseError::Person)?;
        let document = person.document().map_err(|_| RehearseError::Person)?;
        let id = RowId::generate().to_string();
        rows.push(Row {
            ord: i64::from(place),
            code: person.code(),
            name: vault.seal(Field::RegistrationName, &id, &person.name())?,
            document_kind: document.kind().as_str(),
            document: vault.seal(Field::RegistrationDocument, &id, document.number())?,
            document_bidx: vault.index(Purpose::Document, &document.identity()),
            phone: vault.seal(Field::RegistrationPhone, &id, phone.as_str())?,
            phone_bidx: vault.index(Purpose::Phone, phone.as_str()),
            // The real household's number may be a name.
            household: household.map(|number| format!("H{number:05}-{round}")),
            group: model.map(|line| line.group_name.clone()).unwrap_or_default(),
            // A number is drawn once.
            lot_number: model.filter(|_| round == 0).and_then(|line| line.lot_number),
            quota_home: model.map_or(quota_home, |line| line.quota_home),
            id,
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
