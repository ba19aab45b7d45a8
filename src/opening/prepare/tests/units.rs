//! OP-11, OP-12: price lists.

use super::*;
use crate::domain::money::Fen;

fn read(bytes: &[u8]) -> Reading<UnitRow> {
    read_price_list(bytes, "价目表.xlsx").unwrap()
}

fn unit<'a>(reading: &'a Reading<UnitRow>, room: &str) -> &'a UnitRow {
    &reading.rows.iter().find(|row| row.value.room == room).unwrap().value
}

/// OP-11: 726 units by kind, and the total to the fen.
#[test]
fn the_sample_price_list_is_read_to_the_fen() {
    let (reading, expected) = (read(PRICE_LIST), expected());
    assert_eq!(lines(&reading.refused), Vec::<String>::new());
    assert_eq!(lines(&reading.warnings), Vec::<String>::new());
    assert_eq!(reading.rows.len() as u64, expected["units"].as_u64().unwrap());
    for kind in [UnitKind::Home, UnitKind::Parking, UnitKind::Shop] {
        let count = reading.rows.iter().filter(|row| row.value.kind == kind).count() as u64;
        assert_eq!(count, expected["units_by_kind"][kind.as_str()].as_u64().unwrap());
    }
    let total: i64 = reading.rows.iter().map(|row| row.value.total.unwrap().0).sum();
    assert_eq!(total, expected["unit_total_fen"].as_i64().unwrap());
    // A merged building reaches its last row, a floor keeps its letter, a parking space its place.
    let last = reading.rows.iter().rfind(|row| &*row.sheet == "1#楼").unwrap();
    assert_eq!((last.row, last.value.building.as_str(), last.value.room.as_str()), (131, "1#", "3304"));
    assert_eq!(unit(&reading, "3A01").floor, "3A");
    let space = unit(&reading, "B1-001");
    assert_eq!(
        (space.building.as_str(), space.floor.as_str(), space.total),
        ("", "地下1层", Some(Fen(13_800_000)))
    );
    assert_eq!(unit(&reading, "S01").section, "沿街");
}

/// The text twin of a sheet says the same as the sheet, though it knows no merged cells.
#[test]
fn the_csv_twin_of_each_sheet_says_the_same() {
    let whole = read(PRICE_LIST);
    let mut rows = 0;
    for (name, text) in csv_twins(PRICE_LIST) {
        let twin = read_price_list(text.as_bytes(), &name).unwrap();
        let sheet = name.trim_end_matches(".csv");
        let original: Vec<_> = whole.rows.iter().filter(|row| &*row.sheet == sheet).collect();
        assert_eq!(twin.rows.len(), original.len(), "{name}");
        for (twin, original) in twin.rows.iter().zip(original) {
            assert_eq!((twin.row, &twin.value), (original.row, &original.value), "{name}");
        }
        assert_eq!(lines(&twin.refused), Vec::<String>::new());
        rows += twin.rows.len();
    }
    assert_eq!(rows, 726);
}

/// Two-level headers, units in brackets of either width, several blocks in one sheet, totals in ten thousands.
#[test]
fn other_offices_write_other_sheets() {
    let reading = read(&workbook(&[
        (
            "住宅",
            &[
                &["某某府销售价格公示"],
                &["序号", "楼 号", "单元", "楼层", "房 号", "户型", "面积（㎡）", "", "价格", ""],
                &["", "", "", "", "", "", "建筑面积", "套内面积", "单价（元/㎡）", "总价（万元）"],
                &["#1", "12号楼", "2", "#3", "#302", "三室", "#100.5", "#80", "#20000", "#201"],
                &["#2", "", "", "#4", "#402", "三室", "１００．５", "80㎡", "20,000", "201.0001"],
                &["小计", "", "", "", "", "", "#201", "", "", "#402"],
                &["注：以上价格不含维修基金。"],
                &["楼号：13#"],
                &["序号", "房号", "建筑面积", "总价(元)"],
                &["1", "101", "90", "￥1,800,000.5元"],
            ],
        ),
        (
            "价格表2",
            &[
                &["储藏室价目表"],
                &["储藏室号", "面积(m²)", "价格(元)", "状态"],
                &["C-01", "8.5", "30000", "可售"],
            ],
        ),
        ("填表说明", &[&["请按要求填写"], &["一、", "价格为含税价"]]),
    ]));
    assert_eq!(lines(&reading.refused), Vec::<String>::new());
    assert_eq!(lines(&reading.warnings), ["5 总价（万元） PRICE_MISMATCH 201.0001", "1  SHEET_SKIPPED "]);
    let first = unit(&reading, "302");
    assert_eq!((first.building.as_str(), first.section.as_str(), first.floor.as_str()), ("12号楼", "2", "3"));
    assert_eq!((first.total, first.unit_price), (Some(Fen(201_000_000)), Some(Fen(2_000_000))));
    let second = unit(&reading, "402");
    assert_eq!(
        (second.building.as_str(), second.gross_area.unwrap().0, second.inner_area.unwrap().0),
        ("12号楼", 10_050, 8_000)
    );
    let third = unit(&reading, "101");
    assert_eq!((third.building.as_str(), third.total), ("13#", Some(Fen(180_000_050))));
    assert_eq!(unit(&reading, "C-01").kind, UnitKind::Storage);
    assert_eq!(reading.rows.len(), 4);
}

#[test]
fn a_merged_price_is_not_counted_twice() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("3幢").unwrap();
    fill(sheet, &[&["室号", "建筑面积", "总价"], &["101", "#90", ""], &["102", "#90", ""]]);
    sheet.merge_range(1, 2, 2, 2, "2000000", &Format::new()).unwrap();
    let reading = read(&book.save_to_buffer().unwrap());
    assert_eq!(reading.rows.iter().filter_map(|row| row.value.total).collect::<Vec<_>>(), [Fen(200_000_000)]);
    assert_eq!(lines(&reading.warnings), ["3 总价 TOTAL_MISSING "]);
}

#[test]
fn every_refusal_of_a_unit_has_its_name() {
    let reading = read(&workbook(&[
        (
            "1#楼",
            &[
                &["室号", "楼层", "户型", "建筑面积", "单价", "总价", "备注"],
                &["101", "1", "A", "#90", "#10000", "#900000", "=1+1"],
                &["101室", "1", "A", "#90", "#10000", "#900000"],
                &["", "1", "A", "#90", "#10000", "#900000"],
                &["103", "1", "A", "九十", "#10000", "#900000"],
                &["104", "1", "A", "#-90", "#10000", "#900000"],
                &["105", "1", "A", "", "#10000", "#900000"],
                &["106", "1", "A", "#90", "面议", "#900000"],
                &["107", "1", "A", "#90", "#10000", "待定"],
                &["108", "1", "A", "#90", "#10000", "#0"],
                &["109", "1", "A", "#90", "#10000", "#900000.995"],
                &["110", "1", "A", "#90", "#10000", "#900001"],
                &["111", "-1", "A", "#90", "#10000", "-"],
            ],
        ),
        ("其他", &[&["编号", "总价"], &["X1", "1000"]]),
        ("清单", &[&["房号", "建筑面积", "总价"], &["201", "90", "1000"]]),
    ]));
    assert_eq!(
        lines(&reading.refused),
        [
            "3 室号 UNIT_DUPLICATE 101室",
            "4 室号 ROOM_MISSING ",
            "5 建筑面积 AREA_INVALID 九十",
            "6 建筑面积 AREA_INVALID -90",
            "7 建筑面积 AREA_MISSING ",
            "8 单价 UNIT_PRICE_INVALID 面议",
            "9 总价 TOTAL_INVALID 待定",
            "10 总价 TOTAL_INVALID 0",
            "2  KIND_UNKNOWN ",
            "2  BUILDING_MISSING ",
        ]
    );
    assert_eq!(reading.refused[0].first, Some(RowRef { sheet: "1#楼".to_owned(), row: 2 }));
    // One yuan is where a difference begins, after the total was rounded to the fen.
    assert_eq!(
        lines(&reading.warnings),
        [
            "2 备注 FORMULA_TEXT =1+1",
            "11 总价 PRICE_MISMATCH 900000.995",
            "12 总价 PRICE_MISMATCH 900001",
            "13 总价 TOTAL_MISSING ",
        ]
    );
}

/// A formula gives the value that the office saw; nothing is calculated here. (Without one: the dirty roster.)
#[test]
fn a_formula_gives_its_cached_value() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("1#").unwrap();
    fill(
        sheet,
        &[
            &["室号", "建筑面积", "单价", "2026年备案总价"],
            &["101", "#90", "#10000", ""],
            &["", "", "", ""],
            &["制表人：某某", "", "", "审核人：某某"],
        ],
    );
    sheet.write_formula(1, 3, rust_xlsxwriter::Formula::new("=B2*C2").set_result("900000")).unwrap();
    let reading = read(&book.save_to_buffer().unwrap());
    assert_eq!(reading.rows.iter().map(|row| row.value.total).collect::<Vec<_>>(), [Some(Fen(90_000_000))]);
    assert_eq!(lines(&reading.refused), Vec::<String>::new());
}

#[test]
fn hidden_sheets_dates_and_errors_are_not_guessed_at() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("1#").unwrap();
    fill(sheet, &[&["室号", "建筑面积", "总价"], &["", "#90", "#900000"], &["102", "#90", ""]]);
    let date = Format::new().set_num_format("yyyy-mm-dd");
    sheet.write_number_with_format(1, 0, 46_082.0, &date).unwrap();
    sheet.write_formula(2, 2, rust_xlsxwriter::Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
    let hidden = book.add_worksheet().set_name("旧价").unwrap().set_hidden(true);
    fill(hidden, &[&["室号", "建筑面积", "总价"], &["101", "#90", "#1"]]);
    let reading = read(&book.save_to_buffer().unwrap());
    assert_eq!(lines(&reading.refused), ["2 室号 CELL_DATE 2026-03-01", "3 总价 CELL_ERROR #DIV/0!"]);
    assert_eq!(lines(&reading.warnings), ["1  SHEET_HIDDEN "]);
    assert!(reading.rows.is_empty());
}

#[test]
fn a_file_without_a_header_is_refused_as_a_whole() {
    let found = read_price_list(&workbook(&[("1#", &[&["室号"], &["101"]])]), "x.xlsx");
    assert_eq!(found.unwrap_err(), FileProblem::HeaderNotFound);
}
