//! .csv bytes to one grid. Own parser, forty lines, because a report must name rows as Excel counts them: a blank line
//! is a row, a line break inside quotes is not (the csv crate skips the first and counts the second).

use std::collections::HashMap;

use encoding_rs::{GB18030, UTF_8, UTF_16BE, UTF_16LE};

use super::grid::{Budget, Cell, Row, Sheet};
use super::problem::FileProblem;

/// `name` is the file's name without its folder and ending; it stands in for a sheet's name.
pub(super) fn read(bytes: &[u8], name: &str) -> Result<Sheet, FileProblem> {
    let text = decode(bytes)?;
    let mut rows = Vec::new();
    let mut budget = Budget::default();
    let mut number = 0_u32;
    let delimiter = delimiter_of(&text);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        number = number.saturating_add(1);
        let mut row = Row { number, cells: Vec::new() };
        let mut at = 0_usize;
        loop {
            let (field, end, after) = next_field(rest, delimiter);
            rest = after;
            budget.text(name, number, &field)?;
            let cell = Cell::Text(unquoted_by_excel(field));
            if !cell.is_blank() {
                row.cells.push((budget.column(name, at)?, cell));
            }
            at += 1;
            if end == End::Row {
                break;
            }
        }
        if !row.cells.is_empty() {
            budget.row(name)?;
            rows.push(row);
        }
    }
    Ok(Sheet { name: name.into(), hidden: false, rows, merges: HashMap::new(), knows_merges: false })
}

/// UTF-8 with or without a mark, UTF-16 with one ("Unicode text"), else what Excel writes in China.
fn decode(bytes: &[u8]) -> Result<String, FileProblem> {
    let (encoding, body) = match bytes {
        [0xEF, 0xBB, 0xBF, body @ ..] => (UTF_8, body),
        [0xFF, 0xFE, body @ ..] => (UTF_16LE, body),
        [0xFE, 0xFF, body @ ..] => (UTF_16BE, body),
        body if std::str::from_utf8(body).is_ok() => (UTF_8, body),
        body => (GB18030, body),
    };
    match encoding.decode_without_bom_handling_and_without_replacement(body) {
        Some(text) if text.contains('\0') => Err(FileProblem::UnknownFormat),
        Some(text) => Ok(text.into_owned()),
        None => Err(FileProblem::EncodingUnknown),
    }
}

/// The candidate that occurs most in the first lines.
fn delimiter_of(text: &str) -> char {
    let head = text.char_indices().nth(4_000).map_or(text, |(cut, _)| &text[..cut]);
    let count = |c: char| head.matches(c).count();
    let tabs = count('\t');
    let semicolons = count(';');
    let commas = count(',');
    if tabs > commas && tabs >= semicolons {
        '\t'
    } else if semicolons > commas {
        ';'
    } else {
        ','
    }
}

#[derive(PartialEq)]
enum End {
    Field,
    Row,
}

/// The next field of RFC 4180, how it ended, and what follows. An unclosed quote ends with the text.
fn next_field(text: &str, delimiter: char) -> (String, End, &str) {
    let mut field = String::new();
    let mut rest = text;
    if let Some(quoted) = text.strip_prefix('"') {
        rest = quoted;
        loop {
            match rest.split_once('"') {
                None => {
                    field.push_str(rest);
                    return (field, End::Row, "");
                }
                Some((part, after)) => {
                    field.push_str(part);
                    rest = after;
                }
            }
            match rest.strip_prefix('"') {
                Some(after) => {
                    field.push('"');
                    rest = after;
                }
                None => break,
            }
        }
    }
    // Unquoted text, or what follows a closing quote by mistake: kept, as Excel keeps it.
    let end = rest.find([delimiter, '\n', '\r']).unwrap_or(rest.len());
    let (tail, after) = rest.split_at(end);
    field.push_str(tail);
    match after.chars().next() {
        Some(c) if c == delimiter => (field, End::Field, &after[c.len_utf8()..]),
        _ => (field, End::Row, after.strip_prefix("\r\n").unwrap_or_else(|| after.get(1..).unwrap_or(""))),
    }
}

/// `="0199"` is how exports keep Excel from eating zeros; a reader sees `0199`.
fn unquoted_by_excel(field: String) -> String {
    let inner = field.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('"') => inner.to_owned(),
        _ => field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &[u8]) -> Vec<(u32, Vec<String>)> {
        let sheet = read(text, "t").unwrap();
        sheet.rows.iter().map(|row| (row.number, row.cells.iter().map(|(_, c)| c.text()).collect())).collect()
    }

    /// Rows count as Excel counts them: a blank line is one, a break inside quotes is none.
    #[test]
    fn rows_count_as_excel_counts() {
        let text = "a,b\r\n\r\n\"x\ny\",\"1,\"\"2\"\"\"\nlast";
        let expected = [(1, vec!["a", "b"]), (3, vec!["x y", "1,\"2\""]), (4, vec!["last"])];
        let found = cells(text.as_bytes());
        assert_eq!(found.len(), 3);
        for ((row, fields), (expected_row, expected_fields)) in found.iter().zip(expected) {
            assert_eq!(
                (*row, fields.iter().map(String::as_str).collect::<Vec<_>>()),
                (expected_row, expected_fields)
            );
        }
    }

    #[test]
    fn every_encoding_that_offices_send() {
        let text = "姓名,手机号\n张三,19900000001\n";
        let expected = cells(text.as_bytes());
        assert_eq!(expected[1].1, ["张三", "19900000001"]);
        let (gbk, ..) = GB18030.encode(text);
        let utf16: Vec<u8> =
            [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(cells(&gbk), expected);
        assert_eq!(cells(&utf16), expected);
        assert_eq!(cells(&[&[0xEF, 0xBB, 0xBF], text.as_bytes()].concat()), expected);
        assert_eq!(cells(text.replace(',', "\t").as_bytes()), expected);
        assert_eq!(cells(text.replace(',', ";").as_bytes()), expected);
        assert_eq!(decode(b"\xFF\xFF\x80\x80"), Err(FileProblem::EncodingUnknown));
        assert_eq!(decode(b"a\0b"), Err(FileProblem::UnknownFormat));
    }

    #[test]
    fn quirks() {
        assert_eq!(cells(b"=\"0199\",\"a\"b,\"open\nend")[0].1, ["0199", "ab", "open end"]);
        assert_eq!(cells(b""), []);
        assert_eq!(cells(b"\n\n,,\n"), []);
    }

    proptest::proptest! {
        /// Whatever the csv crate writes comes back field by field.
        #[test]
        fn reads_what_others_write(rows in proptest::collection::vec(
            proptest::collection::vec("[a-z\"',;\n\r 中]{0,6}", 2..5), 1..6))
        {
            let mut writer = csv::WriterBuilder::new().flexible(true).quote_style(csv::QuoteStyle::Always)
                .from_writer(Vec::new());
            // The first row fixes the delimiter that is guessed.
            writer.write_record(["a"; 40]).unwrap();
            for row in &rows { writer.write_record(row).unwrap(); }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let mut rest = text.as_str();
            let mut found = vec![vec![]];
            while !rest.is_empty() {
                let (field, end, after) = next_field(rest, ',');
                rest = after;
                found.last_mut().unwrap().push(field);
                if end == End::Row { found.push(vec![]); }
            }
            found.pop();
            proptest::prop_assert_eq!(&found[1..], &rows[..]);
        }
    }
}
