//! An opening's truth as JSON: every claim and every journal entry, for audits and the notary's copy. It comes in
//! pieces, because a journal of a million entries must not stand in memory as a whole.
//!
//! The opening may be running. One statement reads the claims together with the head's sequence, and the journal is
//! cut there: what is printed was all true at one moment.

use serde::Serialize;

use crate::domain::ids::OpeningId;
use crate::limits::JOURNAL_PAGE;
use crate::store::{Db, Ledger, StoreError, fetch_all, fetch_optional};

#[derive(Debug, Serialize, sqlx::FromRow)]
struct DumpedClaim {
    id: String,
    unit: i64,
    /// The number on the roster; absent for a withheld unit.
    registration: Option<String>,
    key: Option<String>,
    state: String,
    occupying: bool,
    seq: i64,
}

/// A claim, and the head's next sequence when it was read.
#[derive(sqlx::FromRow)]
struct Snapshot {
    next_seq: i64,
    #[sqlx(flatten)]
    claim: DumpedClaim,
}

#[derive(Debug, Serialize)]
struct DumpedEntry {
    seq: i64,
    kind: String,
    at_ms: i64,
    /// The entry's canonical bytes, as JSON.
    body: serde_json::Value,
}

/// A dump under way: the pieces of `{"claims":[…],"journal":[…]}`, one after the other.
pub struct Dump {
    db: Db,
    opening: OpeningId,
    next: Next,
    /// The journal is cut before this sequence.
    end: i64,
}

enum Next {
    Claims,
    /// The page after this sequence.
    Journal(i64),
    Nothing,
}

impl Dump {
    pub fn new(db: Db, opening: OpeningId) -> Self {
        Self { db, opening, next: Next::Claims, end: 0 }
    }

    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        match self.next {
            Next::Claims => self.claims().await.map(Some),
            Next::Journal(after) => self.journal(after).await.map(Some),
            Next::Nothing => Ok(None),
        }
    }

    async fn claims(&mut self) -> Result<Vec<u8>, StoreError> {
        let mut read = self.db.read().await?;
        // For an opening without a claim: what the journal held before that was so names none either.
        let head = fetch_optional!(
            read,
            (i64,),
            "SELECT next_seq FROM opening_head WHERE opening_id = $1",
            &self.opening
        )?;
        let claims = fetch_all!(
            read,
            Snapshot,
            "SELECT h.next_seq, c.id, c.unit_ord AS unit, r.code AS registration, c.request_key AS key, c.state,
                    c.occupying, c.seq
             FROM claim c
             JOIN opening_head h ON h.opening_id = c.opening_id
             LEFT JOIN registration r ON r.opening_id = c.opening_id || '' AND r.ord = c.registration_ord
             WHERE c.opening_id = $1 ORDER BY c.seq",
            &self.opening
        )?;
        self.end = claims.first().map(|row| row.next_seq).or(head.map(|(next,)| next)).unwrap_or(0);
        self.next = Next::Journal(0);
        let mut json = b"{\"claims\":[".to_vec();
        join(&mut json, claims.iter().map(|row| &row.claim), false)?;
        json.extend_from_slice(b"],\"journal\":[");
        Ok(json)
    }

    async fn journal(&mut self, after: i64) -> Result<Vec<u8>, StoreError> {
        let ledger = Ledger::from(self.db.clone());
        let mut page = ledger.journal_after(&self.opening, after, JOURNAL_PAGE).await?;
        page.retain(|entry| entry.seq < self.end);
        let Some(last) = page.last().map(|entry| entry.seq) else {
            self.next = Next::Nothing;
            return Ok(b"]}".to_vec());
        };
        self.next = Next::Journal(last);
        let mut entries = Vec::with_capacity(page.len());
        for entry in page {
            let body = serde_json::from_slice(&entry.body)
                .map_err(|e| StoreError::Corrupt(format!("journal entry {}: {e}", entry.seq)))?;
            entries.push(DumpedEntry { seq: entry.seq, kind: entry.kind, at_ms: entry.at.ms(), body });
        }
        let mut json = Vec::new();
        join(&mut json, entries.iter(), after > 0)?;
        Ok(json)
    }
}

/// The values with commas between them, and one before the first where others went before.
fn join(
    json: &mut Vec<u8>,
    values: impl Iterator<Item = impl Serialize>,
    continued: bool,
) -> Result<(), StoreError> {
    for (value, at) in values.zip(0_usize..) {
        if continued || at > 0 {
            json.push(b',');
        }
        serde_json::to_writer(&mut *json, &value).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::time::Micros;
    use crate::store::{Entry, Priority, testing};

    async fn whole(db: &Db, opening: &OpeningId) -> Value {
        let mut dump = Dump::new(db.clone(), opening.clone());
        let mut json = Vec::new();
        while let Some(piece) = dump.next().await.unwrap() {
            json.extend(piece);
        }
        serde_json::from_slice(&json).unwrap()
    }

    /// OP-38: the pieces make one document, however many pages the journal has, and what came after the look at the head
    /// is not in it. Mutations caught: the comma between pages left out; `retain` left out.
    #[tokio::test]
    async fn the_pieces_make_one_document_cut_at_the_head() {
        let (_folder, db) = testing::sqlite().await;
        let opening = testing::opening(&db, Micros::from_secs(1)).await;
        assert_eq!(whole(&db, &opening).await, serde_json::json!({"claims": [], "journal": []}));

        let cut = 2 * JOURNAL_PAGE + 2;
        let entry = |seq| Entry {
            seq,
            kind: "armed".to_owned(),
            version: 1,
            at: Micros::from_secs(2),
            body: b"{\"n\":1}".to_vec(),
        };
        let ledger = Ledger::from(db.clone());
        let mut tx = ledger.begin(&opening, Priority::Staff).await.unwrap();
        let mut head = tx.take_head(1).await.unwrap().unwrap();
        let entries: Vec<Entry> = (1..cut + 3).map(entry).collect();
        tx.append_journal(&entries).await.unwrap();
        head.next_seq = cut;
        tx.save_head(&head).await.unwrap();
        tx.commit().await.unwrap();

        let told = whole(&db, &opening).await;
        let seqs: Vec<i64> =
            told["journal"].as_array().unwrap().iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
        assert_eq!(seqs, (1..cut).collect::<Vec<_>>());
        let first = serde_json::json!({"seq": 1, "kind": "armed", "at_ms": 2_000, "body": {"n": 1}});
        assert_eq!(told["journal"][0], first);
    }
}
