//! One text of SQL for both databases. Parameters are `$1, $2 …` (SQLite reads them too); the text is a literal, so
//! that the test that prepares every query can find it.

/// `execute!(on, "SQL", binds…) -> Result<u64, StoreError>`: the number of rows changed.
macro_rules! execute {
    ($on:expr, $sql:literal $(, $bind:expr)* $(,)?) => {
        match $on.exec() {
            $crate::store::Exec::Sqlite(conn) => sqlx::query::<sqlx::Sqlite>($sql)
                $(.bind($bind))*.execute(&mut *conn).await.map(|done| done.rows_affected()),
            $crate::store::Exec::Postgres(conn) => sqlx::query::<sqlx::Postgres>($sql)
                $(.bind($bind))*.execute(&mut *conn).await.map(|done| done.rows_affected()),
        }
        .map_err($crate::store::StoreError::from)
    };
}

macro_rules! fetch {
    ($method:ident, $on:expr, $row:ty, $sql:literal $(, $bind:expr)*) => {
        match $on.exec() {
            $crate::store::Exec::Sqlite(conn) => sqlx::query_as::<sqlx::Sqlite, $row>($sql)
                $(.bind($bind))*.$method(&mut *conn).await,
            $crate::store::Exec::Postgres(conn) => sqlx::query_as::<sqlx::Postgres, $row>($sql)
                $(.bind($bind))*.$method(&mut *conn).await,
        }
        .map_err($crate::store::StoreError::from)
    };
}

/// `fetch_all!(on, Row, "SQL", binds…) -> Result<Vec<Row>, StoreError>`.
macro_rules! fetch_all {
    ($on:expr, $row:ty, $sql:literal $(, $bind:expr)* $(,)?) => {
        $crate::store::macros::fetch!(fetch_all, $on, $row, $sql $(, $bind)*)
    };
}

/// `fetch_optional!(on, Row, "SQL", binds…) -> Result<Option<Row>, StoreError>`.
macro_rules! fetch_optional {
    ($on:expr, $row:ty, $sql:literal $(, $bind:expr)* $(,)?) => {
        $crate::store::macros::fetch!(fetch_optional, $on, $row, $sql $(, $bind)*)
    };
}

/// `fetch_one!(on, Row, "SQL", binds…) -> Result<Row, StoreError>`.
macro_rules! fetch_one {
    ($on:expr, $row:ty, $sql:literal $(, $bind:expr)* $(,)?) => {
        $crate::store::macros::fetch!(fetch_one, $on, $row, $sql $(, $bind)*)
    };
}

/// One statement over many rows, in the prepared sizes of [`crate::store::batch`]: `#` stands for a parameter, the first
/// brackets hold what is bound once a statement, the second what is bound for each row.
///
/// `execute_rows!(on, rows, "INSERT INTO t (a, b) VALUES ", "(#, #)", " ON CONFLICT DO NOTHING", [], |r| [r.a, r.b])`
/// gives the number of rows changed, `fetch_rows!(on, Row, rows, …)` the rows.
macro_rules! execute_rows {
    ($on:expr, $rows:expr, $head:literal, $row:literal, $tail:literal,
     [$($fixed:expr),* $(,)?], |$item:pat_param| [$($bind:expr),* $(,)?] $(,)?) => {{
        static TEXT: $crate::store::batch::Text = $crate::store::batch::Text::new($head, $row, $tail);
        let mut changed: u64 = 0;
        for slice in $crate::store::batch::slices($rows) {
            changed += match $on.exec() {
                $crate::store::Exec::Sqlite(conn) => {
                    let mut query = sqlx::query::<sqlx::Sqlite>(TEXT.sqlite(slice.len()))$(.bind($fixed))*;
                    for $item in slice {
                        query = query$(.bind($bind))*;
                    }
                    query.execute(&mut *conn).await.map(|done| done.rows_affected())
                }
                $crate::store::Exec::Postgres(conn) => {
                    let mut query = sqlx::query::<sqlx::Postgres>(TEXT.postgres(slice.len()))$(.bind($fixed))*;
                    for $item in slice {
                        query = query$(.bind($bind))*;
                    }
                    query.execute(&mut *conn).await.map(|done| done.rows_affected())
                }
            }
            .map_err($crate::store::StoreError::from)?;
        }
        changed
    }};
}

macro_rules! fetch_rows {
    ($on:expr, $out:ty, $rows:expr, $head:literal, $row:literal, $tail:literal,
     [$($fixed:expr),* $(,)?], |$item:pat_param| [$($bind:expr),* $(,)?] $(,)?) => {{
        static TEXT: $crate::store::batch::Text = $crate::store::batch::Text::new($head, $row, $tail);
        let mut found: Vec<$out> = Vec::new();
        for slice in $crate::store::batch::slices($rows) {
            found.extend(
                match $on.exec() {
                    $crate::store::Exec::Sqlite(conn) => {
                        let text = TEXT.sqlite(slice.len());
                        let mut query = sqlx::query_as::<sqlx::Sqlite, $out>(text)$(.bind($fixed))*;
                        for $item in slice {
                            query = query$(.bind($bind))*;
                        }
                        query.fetch_all(&mut *conn).await
                    }
                    $crate::store::Exec::Postgres(conn) => {
                        let text = TEXT.postgres(slice.len());
                        let mut query = sqlx::query_as::<sqlx::Postgres, $out>(text)$(.bind($fixed))*;
                        for $item in slice {
                            query = query$(.bind($bind))*;
                        }
                        query.fetch_all(&mut *conn).await
                    }
                }
                .map_err($crate::store::StoreError::from)?,
            );
        }
        found
    }};
}

pub(crate) use fetch;
pub(crate) use {execute, execute_rows, fetch_all, fetch_one, fetch_optional, fetch_rows};
