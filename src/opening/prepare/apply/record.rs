//! A registration between the roster's row and the database's: plain to compare, sealed to store.

use serde::{Deserialize, Serialize};

use super::super::RosterRow;
use super::super::report::Change;
use crate::domain::document::Document;
use crate::store::StoreError;
use crate::vault::{Field, Purpose, Vault, VaultError};

/// As it is stored.
#[derive(sqlx::FromRow)]
pub(super) struct Stored {
    pub id: String,
    pub ord: i64,
    pub code: String,
    name_sealed: Vec<u8>,
    document_kind: String,
    document_sealed: Vec<u8>,
    phone_sealed: Option<Vec<u8>>,
    co_buyers_sealed: Option<Vec<u8>>,
    household: Option<String>,
    eligibility: String,
    proxy_sealed: Option<Vec<u8>>,
    consultant: String,
    group_name: String,
    lot_number: Option<i64>,
    quota_home: i64,
    earnest_fen: i64,
    remarks_sealed: Option<Vec<u8>>,
}

/// As it is compared.
#[derive(PartialEq, Eq)]
pub(super) struct Record {
    pub code: String,
    name: String,
    pub document_kind: String,
    document_number: String,
    pub phone: Option<String>,
    co_buyers: Vec<CoBuyer>,
    pub household: Option<String>,
    pub eligibility: String,
    proxy: Option<String>,
    pub consultant: String,
    pub group: String,
    pub lot_number: Option<i64>,
    pub quota_home: i64,
    pub earnest_fen: i64,
    remarks: Option<String>,
}

/// As it stands in the sealed JSON.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct CoBuyer {
    name: String,
    document: Option<CoDocument>,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct CoDocument {
    kind: String,
    number: String,
}

/// The sealed half of a row, and the indexes by which it is found.
pub(super) struct Sealed {
    pub name: Vec<u8>,
    pub document: Vec<u8>,
    pub document_bidx: Vec<u8>,
    pub phone: Option<Vec<u8>>,
    pub phone_bidx: Option<Vec<u8>>,
    pub co_buyers: Option<Vec<u8>>,
    pub proxy: Option<Vec<u8>>,
    pub remarks: Option<Vec<u8>>,
}

impl Record {
    pub fn of_row(row: &RosterRow, quota_home: i64) -> Self {
        let co_document = |document: &Document| CoDocument {
            kind: document.kind().as_str().to_owned(),
            number: document.number().to_owned(),
        };
        Self {
            code: row.code.clone(),
            name: row.name.clone(),
            document_kind: row.document.kind().as_str().to_owned(),
            document_number: row.document.number().to_owned(),
            phone: row.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            co_buyers: row
                .co_buyers
                .iter()
                .map(|buyer| CoBuyer {
                    name: buyer.name.clone(),
                    document: buyer.document.as_ref().map(co_document),
                })
                .collect(),
            household: row.household.clone(),
            eligibility: row.eligibility.as_str().to_owned(),
            proxy: row.proxy.clone(),
            consultant: row.consultant.clone(),
            group: row.group.clone(),
            lot_number: row.lot_number,
            quota_home: row.quota_home.unwrap_or(quota_home),
            earnest_fen: row.earnest.0,
            remarks: Some(row.remarks.clone()).filter(|remarks| !remarks.is_empty()),
        }
    }

    pub fn open(stored: &Stored, vault: &Vault) -> Result<Self, super::ImportError> {
        let open = |field, sealed: &Vec<u8>| vault.open_text(field, &stored.id, sealed);
        let open_some =
            |field, sealed: &Option<Vec<u8>>| sealed.as_ref().map(|sealed| open(field, sealed)).transpose();
        let co_buyers = match open_some(Field::RegistrationCoBuyers, &stored.co_buyers_sealed)? {
            None => Vec::new(),
            Some(json) => serde_json::from_str(&json)
                .map_err(|_| StoreError::Corrupt(format!("the co-buyers of registration {}", stored.code)))?,
        };
        Ok(Self {
            code: stored.code.clone(),
            name: open(Field::RegistrationName, &stored.name_sealed)?,
            document_kind: stored.document_kind.clone(),
            document_number: open(Field::RegistrationDocument, &stored.document_sealed)?,
            phone: open_some(Field::RegistrationPhone, &stored.phone_sealed)?,
            co_buyers,
            household: stored.household.clone(),
            eligibility: stored.eligibility.clone(),
            proxy: open_some(Field::RegistrationProxy, &stored.proxy_sealed)?,
            consultant: stored.consultant.clone(),
            group: stored.group_name.clone(),
            lot_number: stored.lot_number,
            quota_home: stored.quota_home,
            earnest_fen: stored.earnest_fen,
            remarks: open_some(Field::RegistrationRemarks, &stored.remarks_sealed)?,
        })
    }

    /// Sealed for the row `id`. Every sealing gives other bytes, so only what is written is sealed.
    pub fn seal(&self, id: &str, vault: &Vault) -> Result<Sealed, VaultError> {
        let seal = |field, text: &str| vault.seal(field, id, text);
        let seal_some = |field, text: Option<&String>| text.map(|text| seal(field, text)).transpose();
        let co_buyers = match self.co_buyers.as_slice() {
            [] => None,
            // Strings and options always serialise.
            buyers => serde_json::to_string(buyers).ok(),
        };
        Ok(Sealed {
            name: seal(Field::RegistrationName, &self.name)?,
            document: seal(Field::RegistrationDocument, &self.document_number)?,
            document_bidx: vault
                .index(Purpose::Document, &identity(&self.document_kind, &self.document_number)),
            phone: seal_some(Field::RegistrationPhone, self.phone.as_ref())?,
            phone_bidx: self.phone.as_ref().map(|phone| vault.index(Purpose::Phone, phone)),
            co_buyers: seal_some(Field::RegistrationCoBuyers, co_buyers.as_ref())?,
            proxy: seal_some(Field::RegistrationProxy, self.proxy.as_ref())?,
            remarks: seal_some(Field::RegistrationRemarks, self.remarks.as_ref())?,
        })
    }

    /// The documents of the buyer and the co-buyers, as [`Document::identity`] writes them.
    pub fn documents(&self) -> impl Iterator<Item = String> {
        let co_buyers = self.co_buyers.iter().filter_map(|buyer| buyer.document.as_ref());
        std::iter::once(identity(&self.document_kind, &self.document_number))
            .chain(co_buyers.map(|document| identity(&document.kind, &document.number)))
    }

    /// What differs, field by field; empty if nothing does.
    pub fn changes(&self, after: &Self) -> Vec<Change> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let number = |value: Option<i64>| value.map_or_else(String::new, |value| value.to_string());
        let mut found = Vec::new();
        let mut compare = |field: &'static str, before: String, after: String, show: fn(&str) -> String| {
            if before != after {
                let (before, after) = (show(&before), show(&after));
                found.push(Change { what: self.code.clone(), field, before, after });
            }
        };
        let plain: fn(&str) -> String = str::to_owned;
        compare("name", self.name.clone(), after.name.clone(), plain);
        compare("document_kind", self.document_kind.clone(), after.document_kind.clone(), plain);
        compare("document", self.document_number.clone(), after.document_number.clone(), mask_tail);
        compare("phone", text(&self.phone), text(&after.phone), mask_tail);
        compare("co_buyers", self.co_buyers_text(), after.co_buyers_text(), mask_co_buyers);
        compare("household", text(&self.household), text(&after.household), plain);
        compare("eligibility", self.eligibility.clone(), after.eligibility.clone(), plain);
        compare("proxy", text(&self.proxy), text(&after.proxy), plain);
        compare("consultant", self.consultant.clone(), after.consultant.clone(), plain);
        compare("group", self.group.clone(), after.group.clone(), plain);
        compare("lot_number", number(self.lot_number), number(after.lot_number), plain);
        compare("quota_home", self.quota_home.to_string(), after.quota_home.to_string(), plain);
        compare("earnest_fen", self.earnest_fen.to_string(), after.earnest_fen.to_string(), plain);
        compare("remarks", text(&self.remarks), text(&after.remarks), plain);
        found
    }

    /// `name kind:number`, one a line.
    fn co_buyers_text(&self) -> String {
        let line = |buyer: &CoBuyer| match &buyer.document {
            None => buyer.name.clone(),
            Some(document) => format!("{} {}", buyer.name, identity(&document.kind, &document.number)),
        };
        self.co_buyers.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// The same text as [`Document::identity`], of stored parts.
fn identity(kind: &str, number: &str) -> String {
    format!("{kind}:{number}")
}

/// The last four characters; the others are stars.
fn mask_tail(value: &str) -> String {
    let hidden = value.chars().count().saturating_sub(4);
    "*".repeat(hidden).chars().chain(value.chars().skip(hidden)).collect()
}

fn mask_co_buyers(lines: &str) -> String {
    let mask = |line: &str| match line.rsplit_once(':') {
        None => line.to_owned(),
        Some((before, number)) => format!("{before}:{}", mask_tail(number)),
    };
    lines.lines().map(mask).collect::<Vec<_>>().join("\n")
}
