//! Every query of the product, prepared on both databases: a typing error in SQL, a column that a migration renamed, a
//! word that one of them does not know, are found without a caller.
//!
//! The queries are the string literals in calls of the macros of `src/store/macros.rs`.
//! Seen red with `RETURNING epoch` misspelt in `src/store/ledger/sql.rs`, and with `now()` in a text (SQLite has none).
//!
//! And planned by a Postgres that has no statistics, as on the day when everybody signs in within minutes: no query goes
//! through a whole opening for each row. Seen red with `EXISTS … OR EXISTS` in `keyed` of `src/store/ledger/groups.rs` (every
//! claim into a hash, for each group of picks) and without `|| ''` in `src/identity/buyers/follow.rs`.

use std::fs;

use rstest::rstest;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr, SqliteConnection};

use crate::harness::{Database, Home};
use source::{Token, root, rust_files, tokens};

#[path = "../tree/source.rs"]
#[expect(dead_code, reason = "the layer test uses the rest of it")]
mod source;

/// The queries in a source text; those over many rows, over this many.
fn queries(text: &str, rows: usize) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for at in 0..tokens.len().saturating_sub(2) {
        // A list of nothing but queries (src/identity/sealed/places.rs).
        if tokens[at].word() == Some("places") && tokens[at + 1].is('!') && tokens[at + 2].is('{') {
            let list = tokens[at + 3..].iter().take_while(|token| !token.is('}'));
            found.extend(list.filter_map(|token| match token {
                Token::Text(text) => Some(unescaped(text)),
                _ => None,
            }));
            continue;
        }
        let many_rows = match tokens[at].word() {
            Some("execute" | "fetch_all" | "fetch_optional" | "fetch_one") => false,
            Some("execute_rows" | "fetch_rows") => true,
            _ => continue,
        };
        if !(tokens[at + 1].is('!') && tokens[at + 2].is('(')) {
            continue;
        }
        let texts: Vec<String> = arguments(&tokens[at + 2..])
            .iter()
            .filter_map(|token| match token {
                Token::Text(text) => Some(unescaped(text)),
                _ => None,
            })
            .collect();
        match texts.as_slice() {
            // Up to the rows, one row, the rest; `#` is a parameter.
            [head, row, tail, ..] if many_rows => {
                let rows = vec![row.as_str(); rows].join(", ");
                found.push(numbered(&format!("{head}{rows}{tail}")))
            }
            [query, ..] => found.push(query.clone()),
            // A call inside the macros themselves has no literal.
            [] => {}
        }
    }
    found
}

/// A number for each `#`.
fn numbered(text: &str) -> String {
    let mut parts = text.split('#');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.zip(1..).fold(first, |text, (part, n)| format!("{text}${n}{part}"))
}

/// The tokens up to the parenthesis that closes the first one.
fn arguments(tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        depth += i32::from(token.is('(')) - i32::from(token.is(')'));
        if depth == 0 {
            return &tokens[..at];
        }
    }
    tokens
}

/// A literal's text: a backslash at a line's end joins it with the next.
fn unescaped(literal: &str) -> String {
    let mut lines = literal.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + line.trim_start()).replace("\\\"", "\"")
}

#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn every_query_is_understood(#[case] database: Database) {
    let home = Home::empty(database).await;
    // A start migrates.
    assert!(home.serve().await.stop().await.success());
    let mut faults = Vec::new();
    let mut count = 0;
    for file in rust_files("src") {
        let found = queries(&fs::read_to_string(&file).unwrap(), 1);
        count += found.len();
        for query in found {
            if let Err(error) = prepare(&home, &query).await {
                faults.push(format!("{}: {error}\n{query}", file.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(count > 40, "the reader finds {count} queries; it has lost sight of the macros");
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n\n"));
}

async fn prepare(home: &Home, query: &str) -> sqlx::Result<()> {
    let query = AssertSqlSafe(query.to_owned()).into_sql_str();
    match home.database_url() {
        Some(url) => {
            let mut connection = PgConnection::connect(url).await?;
            connection.prepare(query).await?;
            connection.close().await
        }
        None => {
            let file = home.data_dir().join("kaipan.db");
            let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
            connection.prepare(query).await?;
            connection.close().await
        }
    }
}

/// Where the queries of the day are. What prepares an opening has hours, and is measured by itself.
const WHILE_IT_SELLS: [&str; 4] =
    ["src/store", "src/identity/buyers", "src/opening/dump.rs", "src/opening/recover.rs"];

#[tokio::test]
async fn no_query_goes_through_an_opening_for_each_row_postgres() {
    let home = Home::empty(Database::Postgres).await;
    assert!(home.serve().await.stop().await.success());
    let mut on = PgConnection::connect(home.database_url().unwrap()).await.unwrap();
    // Claims of some minutes, which nobody has counted yet; what they refer to does not matter here.
    on.execute(
        "SET plan_cache_mode = force_generic_plan; SET session_replication_role = replica;
         ALTER TABLE claim SET (autovacuum_enabled = false);
         INSERT INTO claim (id, org_id, opening_id, unit_ord, property_id, rehearsal, registration_ord, request_key, state,
             occupying, generation, code, deposit_fen, paid_fen, extended, created_at, changed_at, seq, changed_seq)
         SELECT 'c' || n, 'o', 'a', n, 'p' || n, false, n, 'k' || n, 'held', true, 1, 'x', 0, 0, false, 0, 0, n, n
         FROM generate_series(1, 5000) n",
    )
    .await
    .unwrap();
    let (mut faults, mut count) = (Vec::new(), 0);
    for file in rust_files("src") {
        let name = file.strip_prefix(root()).unwrap();
        if !WHILE_IT_SELLS.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        for query in queries(&fs::read_to_string(&file).unwrap(), 24) {
            let plan = plan(&mut on, &query).await;
            count += 1;
            if plan.contains("hashed SubPlan") || plan.contains("Join Filter: ") {
                faults.push(format!("{}:\n{query}\n{plan}", name.display()));
            }
        }
    }
    assert!(count > 40, "the reader finds {count} queries; it has lost sight of the macros");
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n\n"));
}

/// How Postgres would go about a query of which it knows no parameter.
async fn plan(on: &mut PgConnection, query: &str) -> String {
    on.execute(AssertSqlSafe(format!("PREPARE looked_at AS {query}"))).await.unwrap();
    let (parameters,): (Option<i32>,) = sqlx::query_as(
        "SELECT array_length(parameter_types, 1) FROM pg_prepared_statements WHERE name = 'looked_at'",
    )
    .fetch_one(&mut *on)
    .await
    .unwrap();
    let nulls = vec!["NULL"; parameters.unwrap_or(0) as usize].join(", ");
    let nulls = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE looked_at{nulls}"));
    let lines: Vec<(String,)> = sqlx::query_as(explain).fetch_all(&mut *on).await.unwrap();
    on.execute("DEALLOCATE looked_at").await.unwrap();
    lines.into_iter().map(|(line,)| line + "\n").collect()
}

#[test]
fn the_reader_finds_queries_in_calls() {
    let text = r#"
        execute!(tx, "UPDATE a SET b = $1 \
                      WHERE c", x)?;
        fetch_one!(read, (String,), "SELECT 1", "bound")
        fetch_rows!(on, (String,), rows, "WITH v (a) AS (VALUES ", "(CAST(# AS TEXT))", ") SELECT a FROM v", [], |r| [r.f("x")])
    "#;
    let of_rows = "WITH v (a) AS (VALUES (CAST($1 AS TEXT))) SELECT a FROM v";
    assert_eq!(queries(text, 1), ["UPDATE a SET b = $1 WHERE c", "SELECT 1", of_rows]);
}
