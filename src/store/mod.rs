//! Gate 3's ground: one database layer over two databases, SQLite (embedded) and Postgres.
//!
//! A closed enum of pools, one text of SQL per query, dispatched by four small macros ([`execute!`](crate::store::execute)
//! and its siblings). The store knows nothing of openings' rules, of Redis, of HTTP: it runs transactions and says
//! truthfully how they ended. `tests/it/sql.rs` prepares every query on both databases.

mod acknowledged;
mod backup;
pub(crate) mod batch;
mod checked;
mod db;
mod error;
mod health;
mod ledger;
mod lock;
pub(crate) mod macros;
mod postgres;
mod queue;
#[cfg(test)]
pub(crate) mod testing;

pub use acknowledged::Acknowledged;
pub use backup::{
    BackupError, BackupTo, BehindSince, Bounds, RestoreError, Restored, lay_out_postgres, restore,
};
pub use checked::{OpeningFound, openings as openings_found, raise_epochs};
pub use db::{Db, Exec, Reader, Tx};
pub use error::StoreError;
pub use health::{DatabaseHealth, DatabaseKind, PoolUse, Standby};
#[cfg(test)]
pub use ledger::sim;
pub use ledger::{
    ClaimRow, Entry, Head, Keyed, Ledger, LedgerTx, NewClaim, NewPlace, PaymentRow, SettledPayment,
};
pub use lock::{FolderKind, FolderLock, FolderLockError};
pub(crate) use macros::{execute, execute_rows, fetch_all, fetch_one, fetch_optional, fetch_rows};
pub use queue::Priority;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Clock;

    #[tokio::test]
    async fn one_text_serves_reads_writes_and_batches() -> Result<(), StoreError> {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open_sqlite(folder.path(), Clock::system()).await?;
        let mut tx = db.begin(Priority::Staff).await?;
        let rows = [("a", 1_i64), ("b", 2), ("a", 3)];
        let stored = fetch_rows!(
            tx,
            (String,),
            &rows,
            "INSERT INTO org (id, name, created_at) VALUES ",
            "(#, #, #)",
            " ON CONFLICT DO NOTHING RETURNING id",
            [],
            |(id, at)| [*id, *id, *at]
        );
        assert_eq!(stored, [("a".to_owned(),), ("b".to_owned(),)]);
        tx.commit().await?;

        let mut tx = db.begin(Priority::Staff).await?;
        assert_eq!(execute!(tx, "UPDATE org SET name = $2 WHERE id = $1", "a", "A")?, 1);
        drop(tx); // rolled back

        let mut read = db.read().await?;
        let found = fetch_all!(
            read,
            (String, i64),
            "SELECT name, created_at FROM org WHERE id <= $1 ORDER BY id",
            "b"
        )?;
        assert_eq!(found.last(), Some(&("b".to_owned(), 2)));
        assert_eq!(found.get(1), Some(&("a".to_owned(), 1)));
        let missing = fetch_optional!(read, (String,), "SELECT name FROM org WHERE id = $1", "none")?;
        assert!(missing.is_none());
        let mut read = db.read().await?;
        let refused = execute!(read, "UPDATE org SET name = 'x'");
        assert!(refused.is_err(), "readers can't write");
        Ok(())
    }
}
