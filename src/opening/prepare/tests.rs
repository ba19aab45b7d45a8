//! The offices' own sheets against what they are known to hold, and sheets of other offices written here.

use rust_xlsxwriter::{Format, Workbook, Worksheet};
use serde_json::Value;

use super::*;
use crate::domain::kind::{Eligibility, UnitKind};

mod hostile;
mod rosters;
mod units;

const PRICE_LIST: &[u8] = include_bytes!("../../../demo/price-list.xlsx");
const ROSTER: &[u8] = include_bytes!("../../../demo/roster.xlsx");
const DIRTY: &[u8] = include_bytes!("../../../tests/data/roster-dirty.xlsx");

fn expected() -> Value {
    serde_json::from_str(include_str!("../../../tests/data/expected-import.json")).unwrap()
}

/// A workbook of text sheets; a cell that is a plain number is written as one, `!f` as a formula without a value.
fn workbook(sheets: &[(&str, &[&[&str]])]) -> Vec<u8> {
    let mut book = Workbook::new();
    for (name, rows) in sheets {
        fill(book.add_worksheet().set_name(*name).unwrap(), rows);
    }
    book.save_to_buffer().unwrap()
}

fn fill(sheet: &mut Worksheet, rows: &[&[&str]]) {
    for (row, cells) in rows.iter().enumerate() {
        for (column, text) in cells.iter().enumerate() {
            let (row, column) = (row as u32, column as u16);
            match text.strip_prefix('#').and_then(|number| number.parse::<f64>().ok()) {
                Some(number) => sheet.write_number(row, column, number).unwrap(),
                None if text.is_empty() => continue,
                None => sheet.write_string(row, column, *text).unwrap(),
            };
        }
    }
}

/// One line a problem: `row column REASON value`.
fn lines(problems: &[RowProblem]) -> Vec<String> {
    problems.iter().map(|p| format!("{} {} {} {}", p.row, p.column, p.reason.as_str(), p.value)).collect()
}

/// The sheets of a workbook as the text files that "save as .csv" would make of them.
fn csv_twins(bytes: &[u8]) -> Vec<(String, String)> {
    let sheets = workbook::read(bytes).unwrap();
    sheets
        .iter()
        .map(|sheet| {
            let mut text = String::new();
            let last = sheet.rows.last().map_or(0, |row| row.number);
            for number in 1..=last {
                let row = sheet.rows.iter().find(|row| row.number == number);
                let columns = row.and_then(|row| row.cells.last()).map_or(0, |(at, _)| *at);
                for column in 0..=columns {
                    let cell = row.map_or(String::new(), |row| match row.cell(column) {
                        grid::Cell::Text(text) => text.clone(),
                        // What a spreadsheet shows, and therefore saves, of a number that long.
                        grid::Cell::Number(number) if *number >= 1e15 => "9.90000198001E+17".to_owned(),
                        other => other.text(),
                    });
                    text.push_str(if column > 0 { "," } else { "" });
                    text.push_str(&format!("\"{}\"", cell.replace('"', "\"\"")));
                }
                text.push_str("\r\n");
            }
            (format!("{}.csv", sheet.name), text)
        })
        .collect()
}
