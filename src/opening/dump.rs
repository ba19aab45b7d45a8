//! An opening's truth as plain values: every claim and every journal entry, for audits and the notary's copy.
//!
//! The opening may be running. One statement reads the claims together with the head's sequence, and the journal is
//! cut there: what is printed was all true at one moment.

use serde::Serialize;

use crate::domain::ids::OpeningId;
use crate::store::{Ledger, Reader, StoreError, fetch_all};

#[derive(Debug, Serialize)]
pub struct Dump {
    pub claims: Vec<DumpedClaim>,
    pub journal: Vec<DumpedEntry>,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
pub struct DumpedClaim {
    pub id: String,
    pub unit: i64,
    /// The number on the roster; absent for a withheld unit.
    pub registration: Option<String>,
    pub key: Option<String>,
    pub state: String,
    pub occupying: bool,
    pub seq: i64,
}

/// A claim, and the head's next sequence when it was read.
#[derive(sqlx::FromRow)]
struct Snapshot {
    next_seq: i64,
    #[sqlx(flatten)]
    claim: DumpedClaim,
}

#[derive(Debug, Serialize)]
pub struct DumpedEntry {
    pub seq: i64,
    pub kind: String,
    pub at_ms: i64,
    /// The entry's canonical bytes, as JSON.
    pub body: serde_json::Value,
}

/// Entries read at once.
const PAGE: i64 = 5_000;

pub async fn dump(ledger: &Ledger, read: &mut Reader, opening: &OpeningId) -> Result<Dump, StoreError> {
    let snapshot = fetch_all!(
        read,
        Snapshot,
        "SELECT h.next_seq, c.id, c.unit_ord AS unit, r.code AS registration, c.request_key AS key, c.state,
                c.occupying, c.seq
         FROM claim c
         JOIN opening_head h ON h.opening_id = c.opening_id
         LEFT JOIN registration r ON r.opening_id = c.opening_id AND r.ord = c.registration_ord
         WHERE c.opening_id = $1 ORDER BY c.seq",
        opening
    )?;
    let end = snapshot.first().map_or(i64::MAX, |row| row.next_seq);
    let claims = snapshot.into_iter().map(|row| row.claim).collect();
    let mut journal = Vec::new();
    loop {
        let after = journal.last().map_or(0, |entry: &DumpedEntry| entry.seq);
        let mut page = ledger.journal_after(opening, after, PAGE).await?;
        page.retain(|entry| entry.seq < end);
        if page.is_empty() {
            return Ok(Dump { claims, journal });
        }
        for entry in page {
            let body = serde_json::from_slice(&entry.body)
                .map_err(|e| StoreError::Corrupt(format!("journal entry {}: {e}", entry.seq)))?;
            journal.push(DumpedEntry { seq: entry.seq, kind: entry.kind, at_ms: entry.at.ms(), body });
        }
    }
}
