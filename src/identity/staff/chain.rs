//! The staff log as a chain: written, begun over rows from before there was one, and checked (CO-6).
//!
//! A row's hash is keyed, and covers its predecessor's hash, its number and every column. So a row that was changed, removed,
//! swapped or put in by hand is found, and whoever has the database but not the keyring can not make it fit again. What a
//! chain alone can not show is that its end was cut off with the head set back: for that somebody writes number and hash
//! down elsewhere ([`Known`]).
//!
//! What is sealed is hashed as it reads, through a digest of its own: sealing it again under a newer key breaks nothing,
//! and a text that has to be erased one day may leave its digest behind.

use crate::domain::ids::{OpeningId, OrgId, RowId, StaffId};
use crate::domain::kind::names;
use crate::domain::time::Micros;
use crate::limits::STAFF_LOG_PAGE;
use crate::store::{Db, Priority, Reader, Tx, execute, fetch_all, fetch_optional};
use crate::vault::{Field, Vault};

use super::{Actor, LogEntry, StaffError, log_staff_action};

/// Changes when the form of what is hashed does.
const FORM: &[u8] = b"staff log 1";

/// What the hash covers, but for the number and the predecessor.
#[derive(sqlx::FromRow)]
pub(super) struct Content {
    pub id: RowId,
    pub opening_id: Option<OpeningId>,
    pub staff_id: Option<StaffId>,
    pub staff: String,
    pub action: String,
    pub object: String,
    pub params_sealed: Vec<u8>,
    pub at: Micros,
}

impl Content {
    fn hash(&self, vault: &Vault, seq: i64, previous: Option<&[u8]>) -> Vec<u8> {
        // What does not open is hashed as it lies there: a start must not fail at it, and a change is found all the same.
        let params = match vault.open_text(Field::StaffLogParams, self.id.as_str(), &self.params_sealed) {
            Ok(text) => text.into_bytes(),
            Err(_) => self.params_sealed.clone(),
        };
        vault.chain_hash(&[
            FORM,
            previous.unwrap_or_default(),
            OrgId::default_org().as_str().as_bytes(),
            &seq.to_be_bytes(),
            self.id.as_str().as_bytes(),
            // No id is empty, so nobody can pass for none.
            self.opening_id.as_ref().map_or("", |id| id.as_str()).as_bytes(),
            self.staff_id.as_ref().map_or("", |id| id.as_str()).as_bytes(),
            self.staff.as_bytes(),
            self.action.as_bytes(),
            self.object.as_bytes(),
            &self.at.0.to_be_bytes(),
            &vault.chain_hash(&[b"params", &params]),
        ])
    }
}

type Head = (i64, Option<Vec<u8>>);

/// Appends a row to the chain. The head row is taken here and kept to the end of the transaction: call it last.
pub(super) async fn append(tx: &mut Tx, vault: &Vault, row: &Content) -> Result<(), StaffError> {
    let head = fetch_optional!(
        tx,
        Head,
        "UPDATE staff_log_head SET seq = seq + 1 WHERE org_id = $1 RETURNING seq, hash",
        OrgId::default_org()
    )?;
    let (seq, previous) = head.ok_or(StaffError::Corrupt)?;
    let hash = row.hash(vault, seq, previous.as_deref());
    execute!(
        tx,
        "INSERT INTO staff_log (id, org_id, opening_id, staff_id, staff, action, object, params_sealed, at, seq, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &row.id,
        OrgId::default_org(),
        &row.opening_id,
        &row.staff_id,
        &row.staff,
        &row.action,
        &row.object,
        &row.params_sealed,
        row.at,
        seq,
        &hash
    )?;
    set_head(tx, seq, &hash).await
}

async fn set_head(tx: &mut Tx, seq: i64, hash: &[u8]) -> Result<(), StaffError> {
    let org = OrgId::default_org();
    execute!(tx, "UPDATE staff_log_head SET seq = $2, hash = $3 WHERE org_id = $1", org, seq, hash)?;
    Ok(())
}

async fn head(read: &mut Reader) -> Result<Option<Head>, StaffError> {
    let org = OrgId::default_org();
    Ok(fetch_optional!(read, Head, "SELECT seq, hash FROM staff_log_head WHERE org_id = $1", org)?)
}

/// The first start with a chain puts what was written before into it, in order of time, and says so in the log. From then on a
/// row without its place in the chain is a fault, which no start mends: whoever could write it could write anything.
pub async fn begin_chain(db: &Db, vault: &Vault, now: Micros) -> Result<(), StaffError> {
    // Nearly always there is nothing to do, and then a start writes nothing.
    let mut read = db.read().await?;
    if !matches!(head(&mut read).await?, Some((0, None))) || !any_row(&mut read).await? {
        return Ok(());
    }
    drop(read);
    let mut tx = db.begin(Priority::Bulk).await?;
    let org = OrgId::default_org();
    let still = execute!(tx, "UPDATE staff_log_head SET seq = 0 WHERE org_id = $1 AND seq = 0", org)?;
    if still == 0 {
        // Another gateway started at the same time and was first.
        return Ok(());
    }
    let (mut seq, mut hash, mut after) = (0, None, (Micros(i64::MIN), String::new()));
    loop {
        let rows = fetch_all!(
            tx,
            Content,
            "SELECT id, opening_id, staff_id, staff, action, object, params_sealed, at FROM staff_log
             WHERE org_id = $1 AND (at > $2 OR (at = $2 AND id > $3)) ORDER BY at, id LIMIT $4",
            OrgId::default_org(),
            after.0,
            &after.1,
            STAFF_LOG_PAGE
        )?;
        let Some(last) = rows.last() else { break };
        after = (last.at, last.id.as_str().to_owned());
        for row in rows {
            seq += 1;
            let link = row.hash(vault, seq, hash.as_deref());
            execute!(tx, "UPDATE staff_log SET seq = $2, hash = $3 WHERE id = $1", &row.id, seq, &link)?;
            hash = Some(link);
        }
    }
    set_head(&mut tx, seq, hash.as_deref().unwrap_or_default()).await?;
    let params = serde_json::json!({ "rows": seq });
    let entry = LogEntry { opening: None, action: "LOG_CHAINED", object: "staff_log", params };
    log_staff_action(&mut tx, vault, &Actor::Server, &entry, now).await?;
    tx.commit().await?;
    Ok(())
}

async fn any_row(read: &mut Reader) -> Result<bool, StaffError> {
    let org = OrgId::default_org();
    Ok(fetch_optional!(read, (RowId,), "SELECT id FROM staff_log WHERE org_id = $1 LIMIT 1", org)?.is_some())
}

names!(
    /// What is wrong with the first row that is.
    Fault {
        /// It does not say what was hashed, or does not follow the row before it: changed, swapped, or put in by hand.
        Changed = "CHANGED",
        /// Its number is not there.
        Missing = "MISSING",
        /// It stands in the table and has no number: put in by hand, or written by a program from before the chain.
        Unchained = "UNCHAINED",
        /// It stands after the last row that the head knows.
        BeyondHead = "BEYOND_HEAD",
        /// It is sound, but not the row that the head, or whoever wrote its hash down, knows by this number.
        Another = "ANOTHER",
        /// The head itself is gone.
        HeadMissing = "HEAD_MISSING",
    }
);

/// The first row that is wrong, by number or by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub seq: Option<i64>,
    pub id: Option<String>,
    pub fault: Fault,
}

/// What a check found: how many rows are sound from the first one on, the hash of the last of them, and what comes then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    pub rows: i64,
    pub hash: Option<Vec<u8>>,
    pub wrong: Option<Wrong>,
}

/// A row that somebody wrote down at an earlier check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub seq: i64,
    pub hash: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct Link {
    seq: i64,
    hash: Option<Vec<u8>>,
    #[sqlx(flatten)]
    content: Content,
}

/// Reads the whole chain, beside servers that write it. It holds one page of it at a time.
pub async fn check_chain(db: &Db, vault: &Vault, known: Option<&Known>) -> Result<Checked, StaffError> {
    let mut read = db.read().await?;
    let mut found = Checked::default();
    let Some((last, head_hash)) = head(&mut read).await? else {
        found.wrong = Some(Wrong { seq: None, id: None, fault: Fault::HeadMissing });
        return Ok(found);
    };
    let wrong = |seq: i64, id: Option<&RowId>, fault| {
        Some(Wrong { seq: Some(seq), id: id.map(|id| id.as_str().to_owned()), fault })
    };
    while found.rows < last {
        let page = fetch_all!(
            read,
            Link,
            "SELECT seq, hash, id, opening_id, staff_id, staff, action, object, params_sealed, at FROM staff_log
             WHERE org_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4",
            OrgId::default_org(),
            found.rows,
            last,
            STAFF_LOG_PAGE
        )?;
        if page.is_empty() {
            found.wrong = wrong(found.rows + 1, None, Fault::Missing);
            return Ok(found);
        }
        for row in page {
            let seq = found.rows + 1;
            let id = Some(&row.content.id);
            if row.seq != seq {
                found.wrong = wrong(seq, None, Fault::Missing);
                return Ok(found);
            }
            let hash = row.content.hash(vault, seq, found.hash.as_deref());
            if row.hash.as_ref() != Some(&hash) {
                found.wrong = wrong(seq, id, Fault::Changed);
                return Ok(found);
            }
            let another = |expected: &[u8]| expected != hash.as_slice();
            if (seq == last && another(head_hash.as_deref().unwrap_or_default()))
                || known.is_some_and(|known| known.seq == seq && another(&known.hash))
            {
                found.wrong = wrong(seq, id, Fault::Another);
                return Ok(found);
            }
            (found.rows, found.hash) = (seq, Some(hash));
        }
    }
    found.wrong = match known {
        Some(known) if known.seq > last => wrong(last + 1, None, Fault::Missing),
        _ => outside(&mut read).await?,
    };
    Ok(found)
}

/// A row that is not in the chain. Asked in one statement, in which the head is as new as the rows.
async fn outside(read: &mut Reader) -> Result<Option<Wrong>, StaffError> {
    let row = fetch_optional!(
        read,
        (RowId, Option<i64>),
        "SELECT l.id, l.seq FROM staff_log l LEFT JOIN staff_log_head h ON h.org_id = l.org_id
         WHERE l.seq IS NULL OR h.seq IS NULL OR l.seq > h.seq OR l.seq < 1 ORDER BY l.at, l.id LIMIT 1"
    )?;
    Ok(row.map(|(id, seq)| Wrong {
        seq,
        id: Some(id.as_str().to_owned()),
        fault: if seq.is_none() { Fault::Unchained } else { Fault::BeyondHead },
    }))
}

/// When a row was written, by whom, and what it says, for whoever has to look at it.
pub async fn row_of(db: &Db, id: &str) -> Result<Option<(Micros, String, String)>, StaffError> {
    let mut read = db.read().await?;
    Ok(fetch_optional!(
        read,
        (Micros, String, String),
        "SELECT at, staff, action FROM staff_log WHERE id = $1",
        id
    )?)
}
