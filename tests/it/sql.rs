//! Every query of the product, prepared on both databases: a typing error in SQL, a column that a migration renamed, a
//! word that one of them does not know, are found without a caller.
//!
//! The queries are the string literals in calls of the macros of `src/store/macros.rs`.
//! Seen red with `RETURNING epoch` misspelt in `src/store/ledger/sql.rs`, and with `now()` in a text (SQLite has none).

use std::fs;

use rstest::rstest;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr, SqliteConnection};

use crate::harness::{Database, Home};
use source::{Token, root, rust_files, tokens};

#[path = "../tree/source.rs"]
#[expect(dead_code, reason = "the layer test uses the rest of it")]
mod source;

/// The queries in a source text.
fn queries(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for at in 0..tokens.len().saturating_sub(2) {
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
                found.push(format!("{head}{row}{tail}").replace('#', "NULL"))
            }
            [query, ..] => found.push(query.clone()),
            // A call inside the macros themselves has no literal.
            [] => {}
        }
    }
    found
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
        let found = queries(&fs::read_to_string(&file).unwrap());
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

#[test]
fn the_reader_finds_queries_in_calls() {
    let text = r#"
        execute!(tx, "UPDATE a SET b = $1 \
                      WHERE c", x)?;
        fetch_one!(read, (String,), "SELECT 1", "bound")
        fetch_rows!(on, (String,), rows, "WITH v (a) AS (VALUES ", "(CAST(# AS TEXT))", ") SELECT a FROM v", [], |r| [r.f("x")])
    "#;
    let of_rows = "WITH v (a) AS (VALUES (CAST(NULL AS TEXT))) SELECT a FROM v";
    assert_eq!(queries(text), ["UPDATE a SET b = $1 WHERE c", "SELECT 1", of_rows]);
}
