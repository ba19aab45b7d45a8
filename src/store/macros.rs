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

/// Inserts many rows in one statement and returns one column of the rows that went in:
/// `insert_rows!(on, "INSERT INTO t (a, b) ", rows, |row, r| { row.push_bind(r.a).push_bind(r.b); },
/// " ON CONFLICT DO NOTHING RETURNING a" => String)`. `rows` is a slice of at most a few hundred; an empty one
/// touches nothing.
macro_rules! insert_rows {
    ($on:expr, $insert:literal, $rows:expr, |$sep:ident, $item:ident| $bind:block, $tail:literal => $out:ty) => {
        match $on.exec() {
            _ if $rows.is_empty() => Ok(Vec::new()),
            $crate::store::Exec::Sqlite(conn) => {
                let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new($insert);
                query.push_values($rows.iter(), |mut $sep, $item| $bind);
                query.push($tail).build_query_scalar::<$out>().fetch_all(&mut *conn).await
            }
            $crate::store::Exec::Postgres(conn) => {
                let mut query = sqlx::QueryBuilder::<sqlx::Postgres>::new($insert);
                query.push_values($rows.iter(), |mut $sep, $item| $bind);
                query.push($tail).build_query_scalar::<$out>().fetch_all(&mut *conn).await
            }
        }
        .map_err($crate::store::StoreError::from)
    };
}

pub(crate) use fetch;
pub(crate) use {execute, fetch_all, fetch_one, fetch_optional, insert_rows};
