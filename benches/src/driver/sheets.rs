//! Spreadsheets of any size, made up row by row: an opening's price list and roster as sales offices write them.

use std::fmt::Write;
use std::path::Path;

use rust_xlsxwriter::Workbook;

use crate::failure::{Outcome, While};

const PRICE_HEADER: [&str; 11] = [
    "幢号",
    "单元",
    "室号",
    "楼层",
    "户型",
    "朝向",
    "建筑面积(㎡)",
    "套内建筑面积(㎡)",
    "单价(元/㎡)",
    "总价(元)",
    "备注",
];
const ROSTER_HEADER: [&str; 11] = [
    "认筹编号",
    "姓名",
    "证件类型",
    "证件号码",
    "手机号",
    "家庭编号",
    "资格审核",
    "置业顾问",
    "组别",
    "可选套数",
    "诚意金(元)",
];

/// A home of the price list; a hundred to a building.
fn home(n: u32) -> [String; 11] {
    let (building, floor, room) = (n / 100 + 1, n % 100 / 4 + 1, n % 4 + 1);
    [
        format!("{building}#"),
        "1单元".to_owned(),
        format!("{floor}0{room}"),
        floor.to_string(),
        "3室2厅2卫".to_owned(),
        "南".to_owned(),
        "100.00".to_owned(),
        "80.00".to_owned(),
        "20000".to_owned(),
        "2000000".to_owned(),
        String::new(),
    ]
}

/// A made-up person: a region code that does not exist, a phone from a range that is not handed out.
fn person(n: u32) -> [String; 11] {
    let code = format!("RC{:06}", n + 1);
    [
        code.clone(),
        format!("购房人{code}"),
        "居民身份证".to_owned(),
        document(n),
        format!("199{n:08}"),
        format!("JT{n:06}"),
        "已通过".to_owned(),
        "顾问01".to_owned(),
        "普通".to_owned(),
        "1".to_owned(),
        "50000".to_owned(),
    ]
}

/// An identity number with the right check digit (GB 11643).
fn document(n: u32) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let digits = format!("990000{:04}{:02}01{:03}", 1950 + n / 12_000 % 50, n / 1_000 % 12 + 1, n % 1_000);
    let sum: u32 = digits.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{digits}{}", char::from(CHECKS[(sum % 11) as usize]))
}

pub fn price_list(units: u32) -> String {
    let mut csv = PRICE_HEADER.join(",") + "\n";
    for n in 0..units {
        // Writing to a String does not fail.
        let _ = writeln!(csv, "{}", home(n).join(","));
    }
    csv
}

/// A workbook as Excel would save it: figures as numbers, all else as text.
fn workbook(
    file: &Path,
    header: [&str; 11],
    rows: u32,
    row: fn(u32) -> [String; 11],
    numbers: &[usize],
) -> Outcome<()> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, words) in (0..).zip(header) {
        sheet.write_string(0, column, words).during("writing a sheet")?;
    }
    for n in 0..rows {
        for (column, text) in (0..).zip(row(n)) {
            match text.parse::<f64>() {
                Ok(number) if numbers.contains(&usize::from(column)) => {
                    sheet.write_number(n + 1, column, number)
                }
                _ => sheet.write_string(n + 1, column, text),
            }
            .during("writing a sheet")?;
        }
    }
    book.save(file).during("saving a workbook")
}

pub fn price_book(file: &Path, units: u32) -> Outcome<()> {
    workbook(file, PRICE_HEADER, units, home, &[3, 6, 7, 8, 9])
}

pub fn roster_book(file: &Path, people: u32) -> Outcome<()> {
    workbook(file, ROSTER_HEADER, people, person, &[9, 10])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_home_and_every_person_is_another_one() {
        let homes: BTreeSet<_> = (0..20_000).map(|n| home(n)[..3].join("/")).collect();
        assert_eq!(homes.len(), 20_000);
        let documents: BTreeSet<_> = (0..120_000).map(document).collect();
        assert_eq!(documents.len(), 120_000);
        let people: BTreeSet<_> = (99_000..101_000).map(person).collect();
        assert_eq!(people.len(), 2_000);
        assert!(people.iter().all(|person| person[4].len() == 11), "eleven digits of a phone");
        assert!(price_list(3).ends_with("1#,1单元,103,1,3室2厅2卫,南,100.00,80.00,20000,2000000,\n"));
    }
}
