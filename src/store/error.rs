//! How a database call can end badly, told apart by what the caller may still believe.

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing of this transaction is stored.
    #[error("the database refused or did not answer: {0}")]
    Sql(#[from] sqlx::Error),
    /// The setting is no address.
    #[error("database_url can not be read: {0}")]
    Address(String),
    /// `place` is without the password.
    #[error("no connection to Postgres at {place}: {why}")]
    Unreachable { place: String, why: String },
    /// The commit was sent and its answer was lost: it may or may not be stored.
    #[error("the outcome of the commit is unknown: {0}")]
    CommitUnknown(#[source] sqlx::Error),
    #[error("migrations failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database was migrated by a newer program.
    #[error(
        "the database has schema version {found}, this program knows up to {known}: use the newer program"
    )]
    SchemaUnknown { found: i64, known: i64 },
    #[error(transparent)]
    Backup(#[from] super::BackupError),
    #[error("a stored row does not read back: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// The violated constraint or index, as the database names it. SQLite names a table's columns instead
    /// (`claim.opening_id, claim.unit_ord`), so callers compare with [`StoreError::is_unique_violation`] first.
    pub fn constraint(&self) -> Option<String> {
        match self {
            Self::Sql(sqlx::Error::Database(db)) => {
                Some(db.constraint().map_or_else(|| db.message().to_owned(), str::to_owned))
            }
            _ => None,
        }
    }

    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(db)) if db.is_unique_violation())
    }
}
