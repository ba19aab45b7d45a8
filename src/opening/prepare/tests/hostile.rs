//! Files that mean harm, or were cut on the way: an answer, never a panic, never more memory than the limits allow.

use std::io::Write;

use proptest::prelude::*;
use rust_xlsxwriter::Workbook;
use zip::write::SimpleFileOptions;

use super::*;

/// A workbook with one sheet whose XML is given.
fn with_sheet_xml(sheet: &str) -> Vec<u8> {
    let plain = workbook(&[("1#", &[&["室号", "总价"]])]);
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(plain)).unwrap();
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).unwrap();
        let name = part.name().unwrap().into_owned();
        out.start_file(&name, SimpleFileOptions::default()).unwrap();
        if name == "xl/worksheets/sheet1.xml" {
            out.write_all(sheet.as_bytes()).unwrap();
        } else {
            std::io::copy(&mut part, &mut out).unwrap();
        }
    }
    out.finish().unwrap().into_inner()
}

fn sheet(cells: &str) -> Vec<u8> {
    let ns = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    with_sheet_xml(&format!("<worksheet xmlns=\"{ns}\"><sheetData>{cells}</sheetData></worksheet>"))
}

#[test]
fn what_is_no_spreadsheet_says_so() {
    let read = |bytes: &[u8]| read_price_list(bytes, "x").unwrap_err();
    assert_eq!(read(b""), FileProblem::Empty);
    assert_eq!(read(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1]), FileProblem::OldOrProtected);
    assert_eq!(read(b"\x89PNG\r\n\x1a\n\0\0\0"), FileProblem::UnknownFormat);
    assert_eq!(read(b"%PDF-1.4\0"), FileProblem::UnknownFormat);
    assert!(matches!(read(b"PK\x03\x04junk"), FileProblem::Unreadable { .. }));
    assert_eq!(read(b"hello\nworld\n"), FileProblem::HeaderNotFound);
    let big = vec![b'a'; limits::IMPORT_BYTES_MAX + 1];
    assert_eq!(read(&big), FileProblem::TooLarge { bytes: big.len(), max: limits::IMPORT_BYTES_MAX });
}

/// 200 MB of zeros are 0.2 MB in a zip file.
#[test]
fn a_zip_bomb_is_refused_before_it_is_unpacked() {
    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    bomb.start_file("xl/workbook.xml", SimpleFileOptions::default()).unwrap();
    for _ in 0..200 {
        bomb.write_all(&[0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap().into_inner();
    assert!(bomb.len() < 1 << 20);
    assert_eq!(
        read_roster(&bomb, "x").unwrap_err(),
        FileProblem::UnpacksTooLarge { max: limits::IMPORT_UNPACKED_BYTES_MAX }
    );
}

#[test]
fn the_limits_hold_and_are_named() {
    let read = |bytes: &[u8]| read_price_list(bytes, "x").unwrap_err();
    let far = sheet("<row r=\"1\"><c r=\"XFD1\"><v>1</v></c></row>");
    assert_eq!(read(&far), FileProblem::TooMany { what: "columns", max: 100, sheet: "1#".to_owned() });
    // One cell at the far corner costs one cell.
    let low = sheet("<row r=\"1048576\"><c r=\"A1048576\"><v>1</v></c></row>");
    assert_eq!(read(&low), FileProblem::HeaderNotFound);
    // A shared formula may claim any index; nothing is kept by it.
    let formula =
        sheet("<row r=\"1\"><c r=\"A1\"><f t=\"shared\" si=\"4000000000\" ref=\"A1:A2\">1</f></c></row>");
    assert_eq!(read(&formula), FileProblem::HeaderNotFound);
    let wide =
        format!("<row r=\"2\"><c r=\"A2\" t=\"inlineStr\"><is><t>{}</t></is></c></row>", "长".repeat(2_001));
    assert_eq!(read(&sheet(&wide)), FileProblem::CellTooLong { sheet: "1#".to_owned(), row: 2, max: 2_000 });
    let rows: String = (1..=limits::IMPORT_ROWS_MAX + 1).map(|r| format!("{r}\n")).collect();
    assert_eq!(
        read(rows.as_bytes()),
        FileProblem::TooMany { what: "rows", max: limits::IMPORT_ROWS_MAX, sheet: "x".to_owned() }
    );
    let columns = "a,".repeat(limits::IMPORT_COLUMNS_MAX + 1);
    assert_eq!(read(columns.as_bytes()).code(), "FILE_TOO_MANY");
    let mut many = Workbook::new();
    for _ in 0..=limits::IMPORT_SHEETS_MAX {
        many.add_worksheet();
    }
    assert_eq!(read(&many.save_to_buffer().unwrap()).code(), "FILE_TOO_MANY");
}

/// Rows and cells in any order, a cell twice: read as Excel would.
#[test]
fn cells_out_of_order_are_put_in_order() {
    let text = |at: &str, text: &str| format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let rows = [
        format!("<row r=\"2\">{}{}</row>", text("C2", "90"), text("A2", "999")),
        format!("<row r=\"1\">{}{}</row>", text("B1", "总价"), text("A1", "室号")),
        format!("<row r=\"2\">{}{}</row>", text("A2", "101"), text("B2", "900000")),
        format!("<row r=\"1\">{}</row>", text("C1", "建筑面积")),
    ];
    let reading = read_price_list(&sheet(&rows.concat()), "x").unwrap();
    let unit = &reading.rows[0].value;
    assert_eq!(
        (unit.room.as_str(), unit.total.unwrap().0, unit.gross_area.unwrap().0),
        ("101", 90_000_000, 9_000)
    );
}

/// A cell address that overflows the parser's arithmetic: a panic in debug builds, contained.
#[test]
fn a_panic_of_the_parser_is_an_answer() {
    let absurd = sheet("<row r=\"1\"><c r=\"ZZZZZZZZZZZZ99999999999999\"><v>1</v></c></row>");
    assert!(read_price_list(&absurd, "x").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Damaged samples are read or refused, within the limits either way.
    #[test]
    fn damaged_files_are_answered(
        cut in 0_usize..20_000,
        flips in proptest::collection::vec((0_usize..20_000, any::<u8>()), 0..12),
    ) {
        let mut bytes = DIRTY.to_vec();
        bytes.truncate(bytes.len().saturating_sub(cut % 2 * cut));
        for (at, value) in flips {
            let len = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at % len) { *byte = value; }
        }
        if let Ok(reading) = read_roster(&bytes, "x.xlsx") {
            prop_assert!(reading.rows.len() + reading.refused.len() <= limits::IMPORT_ROWS_MAX);
        }
        let _ = read_price_list(&bytes, "x.xlsx");
    }

    /// Damage inside the sheet's XML, which a zip file's checksum would hide from us.
    #[test]
    fn damaged_xml_is_answered(flips in proptest::collection::vec((0_usize..600, any::<char>()), 1..6)) {
        let good = "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>室号</t></is></c><c r=\"B1\" t=\"inlineStr\"><is><t>总价\
            </t></is></c></row><row r=\"2\"><c r=\"A2\"><f>1+1</f><v>2</v></c><c r=\"B2\" s=\"1\"><v>1e5</v></c></row>";
        let mut chars: Vec<char> = good.chars().collect();
        for (at, c) in flips { let len = chars.len(); chars[at % len] = c; }
        let _ = read_price_list(&sheet(&chars.into_iter().collect::<String>()), "x.xlsx");
    }

    /// Any text is a table of something, or none.
    #[test]
    fn any_text_is_answered(text in "[室号总价姓名手机证件码0-9A-Z,\"\n;\t =+#.-]{0,400}") {
        let _ = read_price_list(text.as_bytes(), "1#.csv");
        let _ = read_roster(text.as_bytes(), "1#.csv");
    }
}
