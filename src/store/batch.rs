//! Statements over many rows, cut into few fixed sizes: a group of any size then runs statements that are prepared
//! already, instead of one more text for every new length (a text for 2,000 claims takes longer to parse than to run).

use std::sync::OnceLock;

/// Rows of one statement, largest first. Under load a group is some ten rows, and each statement more is a way to
/// SQLite's thread or to Postgres and back: up to sixteen rows are one statement. 128 rows of the widest insert stay far below SQLite's
/// 32,766 parameters.
pub(crate) const SIZES: [usize; 19] = [128, 64, 32, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1];

/// The text of one statement in each of its sizes. `#` stands for a parameter, inside quotes too: write none there.
pub(crate) struct Text {
    /// Up to the rows; its parameters are bound once a statement.
    head: &'static str,
    /// One row.
    row: &'static str,
    tail: &'static str,
    sqlite: [OnceLock<&'static str>; SIZES.len()],
    postgres: [OnceLock<&'static str>; SIZES.len()],
}

impl Text {
    pub(crate) const fn new(head: &'static str, row: &'static str, tail: &'static str) -> Self {
        Self {
            head,
            row,
            tail,
            sqlite: [const { OnceLock::new() }; SIZES.len()],
            postgres: [const { OnceLock::new() }; SIZES.len()],
        }
    }

    /// SQLite's parameters stay nameless: it looks every name up in a list, once for each of them and each run.
    pub(crate) fn sqlite(&self, rows: usize) -> &'static str {
        cached(&self.sqlite, rows, || self.build(rows, |text, _| text.push('?')))
    }

    pub(crate) fn postgres(&self, rows: usize) -> &'static str {
        cached(&self.postgres, rows, || {
            self.build(rows, |text, number| {
                text.push('$');
                text.push_str(&number.to_string());
            })
        })
    }

    fn build(&self, rows: usize, parameter: impl Fn(&mut String, usize)) -> String {
        let parts = std::iter::repeat_n(self.row, rows).enumerate();
        let parts = parts.flat_map(|(at, row)| [if at == 0 { "" } else { ", " }, row]);
        let mut text = String::with_capacity(self.head.len() + (self.row.len() + 8) * rows + self.tail.len());
        let mut number = 0;
        for part in [self.head].into_iter().chain(parts).chain([self.tail]) {
            for piece in part.split_inclusive('#') {
                match piece.strip_suffix('#') {
                    None => text.push_str(piece),
                    Some(before) => {
                        number += 1;
                        text.push_str(before);
                        parameter(&mut text, number);
                    }
                }
            }
        }
        text
    }
}

/// Texts live as long as the program: there are as many as statements in the source times their sizes.
fn cached(
    sizes: &[OnceLock<&'static str>; SIZES.len()],
    rows: usize,
    build: impl FnOnce() -> String,
) -> &'static str {
    let build = || String::leak(build()) as &'static str;
    match SIZES.iter().position(|size| *size == rows).and_then(|at| sizes.get(at)) {
        Some(text) => text.get_or_init(build),
        None => build(),
    }
}

/// The rows in order, in slices whose lengths are all in [`SIZES`].
pub(crate) fn slices<R>(mut rows: &[R]) -> impl Iterator<Item = &[R]> {
    std::iter::from_fn(move || {
        let size = SIZES.iter().find(|size| **size <= rows.len())?;
        let (slice, rest) = rows.split_at_checked(*size)?;
        rows = rest;
        Some(slice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_is_cut_into_sizes_that_are_prepared_once() {
        for length in [0, 1, 15, 16, 17, 31, 33, 64, 100, 127, 128, 2_000] {
            let rows: Vec<usize> = (0..length).collect();
            let cut: Vec<&[usize]> = slices(&rows).collect();
            assert!(cut.iter().all(|slice| SIZES.contains(&slice.len())), "{length}");
            assert_eq!(cut.concat(), rows);
        }
        assert_eq!(slices(&[0; 13]).count(), 1);
        assert_eq!(slices(&[0; 2_000]).count(), 17, "15 of 128, one of 64, one of 16");
    }

    #[test]
    fn parameters_are_nameless_for_sqlite_and_numbered_for_postgres() {
        let text = Text::new("WITH v AS (SELECT #) VALUES ", "(#, 1, #)", " TAIL");
        assert_eq!(text.sqlite(1), "WITH v AS (SELECT ?) VALUES (?, 1, ?) TAIL");
        assert_eq!(text.postgres(1), "WITH v AS (SELECT $1) VALUES ($2, 1, $3) TAIL");
        let eight = text.postgres(8);
        assert!(
            eight.contains("($2, 1, $3), ($4, 1, $5)") && eight.ends_with("($16, 1, $17) TAIL"),
            "{eight}"
        );
        assert_eq!(text.postgres(8).as_ptr(), eight.as_ptr(), "built once");
    }
}
