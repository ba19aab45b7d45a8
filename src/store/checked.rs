//! What a restored database must show before anybody trusts it, and what must be changed in it. For both databases.

use super::macros::{execute, fetch_all};
use super::{Exec, StoreError};

/// An opening of the restored database.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OpeningFound {
    pub id: String,
    pub phase: String,
    pub next_seq: i64,
    pub first_seq: i64,
    pub last_seq: i64,
    pub entries: i64,
    /// Microseconds since 1970, by the database's time; 0: nothing has happened in it.
    pub last_at: i64,
}

impl OpeningFound {
    /// Why its journal is not one history without a gap.
    pub fn fault(&self) -> Option<String> {
        let whole = self.last_seq + 1 == self.next_seq && self.entries == self.last_seq - self.first_seq + 1;
        let empty = self.entries == 0 && self.last_seq == 0;
        (!whole && !empty).then(|| {
            format!(
                "the journal of opening {} has {} entries from {} to {}, and the next is {}",
                self.id, self.entries, self.first_seq, self.last_seq, self.next_seq
            )
        })
    }
}

/// Every opening that was published, by id.
pub async fn openings(on: &mut Exec<'_>) -> Result<Vec<OpeningFound>, StoreError> {
    fetch_all!(
        on,
        OpeningFound,
        "SELECT h.opening_id AS id, h.phase, h.next_seq, COALESCE(MIN(j.seq), 0) AS first_seq,
                COALESCE(MAX(j.seq), 0) AS last_seq, COUNT(j.seq) AS entries, COALESCE(MAX(j.at), 0) AS last_at
         FROM opening_head h LEFT JOIN journal j ON j.opening_id = h.opening_id
         GROUP BY h.opening_id, h.phase, h.next_seq ORDER BY h.opening_id"
    )
}

/// Redis' keys carry the epoch. What is still there under the epochs of the lost timeline, or will be written by a gateway
/// that slept through the restore, must never be met again: not even if that timeline had raised its epoch since the last
/// commit that was saved. So each opening's epoch goes up by more than a sale can.
pub async fn raise_epochs(on: &mut Exec<'_>, by: i64) -> Result<u64, StoreError> {
    execute!(on, "UPDATE opening_head SET epoch = epoch + $1", by)
}

/// A newer program's database is not this one's to judge.
pub fn known_schema(found: i64) -> Result<(), StoreError> {
    let known = super::db::schema_known();
    if found > known { Err(StoreError::SchemaUnknown { found, known }) } else { Ok(()) }
}
