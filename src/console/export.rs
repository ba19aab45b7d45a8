//! Results as files for people's spreadsheets. What a person typed stays text there: it never becomes a formula.

use rust_xlsxwriter::{Workbook, XlsxError};

use crate::domain::text::looks_like_formula;
use crate::domain::time::Micros;

pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// One grant.
pub struct ResultRow {
    pub seq: i64,
    pub unit: String,
    pub kind: &'static str,
    pub total_fen: i64,
    pub state: &'static str,
    pub registration: String,
    pub name: String,
    pub phone: String,
    pub consultant: String,
    pub deposit_fen: i64,
    pub paid_fen: i64,
    pub created_at: Micros,
}

const HEADER: [&str; 12] = [
    "序号",
    "房源",
    "类型",
    "总价(元)",
    "状态",
    "认筹编号",
    "姓名",
    "手机号",
    "置业顾问",
    "定金(元)",
    "已付(元)",
    "选房时间",
];

fn kind_name(kind: &str) -> &'static str {
    match kind {
        "home" => "住宅",
        "parking" => "车位",
        "shop" => "商铺",
        "storage" => "储藏室",
        _ => "",
    }
}

fn state_name(state: &str) -> &'static str {
    match state {
        "held" => "已锁定",
        "sold" => "已认购",
        "lapsed" => "超时释放",
        "released" => "销控释放",
        "given_up" => "已放弃",
        _ => "",
    }
}

/// Beijing time, which every project keeps today.
fn time(at: Micros) -> String {
    let Ok(at) = jiff::Timestamp::from_microsecond(at.0) else { return String::new() };
    let beijing = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    at.to_zoned(beijing).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// Fen as yuan with two decimals, exactly.
fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let fen = fen.unsigned_abs();
    format!("{sign}{}.{:02}", fen / 100, fen % 100)
}

fn cells(row: &ResultRow) -> [String; 12] {
    [
        row.seq.to_string(),
        row.unit.clone(),
        kind_name(row.kind).to_owned(),
        yuan(row.total_fen),
        state_name(row.state).to_owned(),
        row.registration.clone(),
        row.name.clone(),
        row.phone.clone(),
        row.consultant.clone(),
        yuan(row.deposit_fen),
        yuan(row.paid_fen),
        time(row.created_at),
    ]
}

/// Columns that are amounts.
const AMOUNTS: [usize; 3] = [3, 9, 10];

pub fn xlsx(rows: &[ResultRow]) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet().set_name("选房结果")?;
    for (column, title) in (0..).zip(HEADER) {
        sheet.write_string(0, column, title)?;
    }
    for (line, row) in (1..).zip(rows) {
        for (at, cell) in cells(row).into_iter().enumerate() {
            let column = u16::try_from(at).unwrap_or(u16::MAX);
            match cell.parse::<f64>() {
                Ok(amount) if AMOUNTS.contains(&at) => sheet.write_number(line, column, amount)?,
                // Written as text, whatever it begins with.
                _ => sheet.write_string(line, column, cell)?,
            };
        }
    }
    sheet.autofit();
    workbook.save_to_buffer()
}

pub fn csv(rows: &[ResultRow]) -> Result<Vec<u8>, csv::Error> {
    // Excel takes a UTF-8 file for one only if it begins with a byte order mark.
    let mut bytes = "\u{feff}".as_bytes().to_vec();
    let mut writer = csv::Writer::from_writer(&mut bytes);
    writer.write_record(HEADER)?;
    for row in rows {
        writer.write_record(cells(row).map(defuse))?;
    }
    writer.flush()?;
    drop(writer);
    Ok(bytes)
}

/// CSV has no types: a leading apostrophe tells a spreadsheet that this is text.
fn defuse(cell: String) -> String {
    if looks_like_formula(&cell) && cell.parse::<f64>().is_err() { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> ResultRow {
        ResultRow {
            seq: 7,
            unit: "1#-1单元-1203".into(),
            kind: "home",
            total_fen: 243_921_405,
            state: "sold",
            registration: "RC00001".into(),
            name: name.into(),
            phone: "199****0000".into(),
            consultant: "顾问01".into(),
            deposit_fen: 5_000_000,
            paid_fen: 0,
            created_at: Micros::from_secs(1_784_000_000),
        }
    }

    /// OP-71: what a person typed leaves as text, in both formats. Mutation caught: `defuse` left out.
    #[test]
    fn a_name_that_looks_like_a_formula_leaves_as_text() {
        let csv = String::from_utf8(csv(&[row("=HYPERLINK(\"http://x\")")]).unwrap()).unwrap();
        assert!(csv.starts_with('\u{feff}'));
        assert!(csv.contains("'=HYPERLINK"), "{csv}");
        assert!(csv.contains(",2439214.05,"), "{csv}");
        assert!(csv.contains("2026-07-14"), "{csv}");

        use calamine::Reader;
        let bytes = xlsx(&[row("=1+1")]).unwrap();
        let mut book: calamine::Xlsx<_> =
            calamine::open_workbook_from_rs(std::io::Cursor::new(bytes)).unwrap();
        let range = book.worksheet_range("选房结果").unwrap();
        assert_eq!(range.get_value((1, 6)), Some(&calamine::Data::String("=1+1".into())));
        assert_eq!(range.get_value((1, 3)), Some(&calamine::Data::Float(2_439_214.05)));
        let formulas = book.worksheet_formula("选房结果").unwrap();
        assert!(formulas.used_cells().next().is_none());
    }
}
