//! OP-11, OP-23: rosters.

use super::*;

fn read(bytes: &[u8]) -> Reading<RosterRow> {
    read_roster(bytes, "名单.xlsx").unwrap()
}

const HEADER: &[&str] =
    &["认筹编号", "姓名", "证件类型", "证件号码", "手机号", "家庭编号", "资格审核", "可选套数"];

/// One sheet of rows under [`HEADER`].
fn roster(rows: &[&[&str]]) -> Reading<RosterRow> {
    let all: Vec<&[&str]> = std::iter::once(HEADER).chain(rows.iter().copied()).collect();
    read(&workbook(&[("名单", &all)]))
}

/// OP-23: ten thousand registrations, their earnest money, in time.
#[test]
fn the_sample_roster_is_read_whole() {
    let begun = std::time::Instant::now();
    let (reading, expected) = (read(ROSTER), expected());
    // Unoptimised, beside every other test, it is given three times what people are promised.
    let limit = if cfg!(debug_assertions) { 15.0 } else { 5.0 };
    assert!(begun.elapsed().as_secs_f32() < limit, "{:?}", begun.elapsed());
    assert_eq!((reading.rows.len(), reading.refused.len()), (10_000, 0));
    assert_eq!(lines(&reading.warnings), Vec::<String>::new());
    let earnest: i64 = reading.rows.iter().map(|row| row.value.earnest.0).sum();
    assert_eq!(earnest, expected["roster_earnest_fen"].as_i64().unwrap());
    let count = |eligibility| reading.rows.iter().filter(|row| row.value.eligibility == eligibility).count();
    assert_eq!(
        [Eligibility::Passed, Eligibility::Pending, Eligibility::Failed].map(count),
        [9_750, 125, 125]
    );
    let third = &reading.rows[2].value;
    assert_eq!(
        (third.co_buyers[0].name.as_str(), third.quota_home, third.lot_number),
        ("共有人00003", Some(1), Some(1_392))
    );
    assert_eq!(third.co_buyers[0].document.as_ref().unwrap().tail(), "0029");
}

/// OP-11: exactly the rows of the dirty roster are refused, each with its reason, and its warnings.
///
/// Mutations that turned it red: a refused row registering its document; warning inside a household; sixteen digits of
/// a number taken as text.
#[test]
fn the_dirty_roster_is_refused_row_by_row() {
    let (reading, expected) = (read(DIRTY), expected());
    let mut refused = Vec::new();
    let mut warned = Vec::new();
    for row in expected["dirty_rows"].as_array().unwrap() {
        if let Some(reason) = row["reason"].as_str() {
            let list = if row["refused"].as_bool().unwrap() { &mut refused } else { &mut warned };
            list.push((row["row"].as_u64().unwrap() as u32, reason));
        }
    }
    let short = |problems: &[RowProblem]| -> Vec<(u32, &'static str)> {
        problems.iter().map(|p| (p.row, p.reason.as_str())).collect()
    };
    assert_eq!(short(&reading.refused), refused);
    assert_eq!(short(&reading.warnings), warned);
    assert_eq!(reading.rows.len() as u64, expected["dirty_accepted"].as_u64().unwrap());
    let earnest: i64 = reading.rows.iter().map(|row| row.value.earnest.0).sum();
    assert_eq!(earnest, expected["dirty_earnest_fen"].as_i64().unwrap());
    assert_eq!(
        lines(&reading.refused),
        [
            "57 证件号码 DOCUMENT_CHECK_DIGIT 990000196802160550",
            "64 证件号码 DOCUMENT_DATE 990000202302300012",
            "71 手机号 PHONE_INVALID 1990000006",
            "78 姓名 NAME_MISSING ",
            "85 证件号码 DOCUMENT_DUPLICATE 990000199511030827",
            "92 认筹编号 CODE_DUPLICATE RC00090",
            "106 证件号码 DOCUMENT_ROUNDED 990000198001010000",
            "113 可选套数 QUOTA_INVALID 两套",
            "120 可选套数 QUOTA_INVALID -1",
            "134 姓名 FORMULA_WITHOUT_VALUE =A2&\"x\"",
        ]
    );
    // The later row names the one that has it already.
    let first = |at: usize| reading.refused[at].first.as_ref().map(|first| first.row);
    assert_eq!((first(4), first(5)), (Some(84), Some(91)));
    assert_eq!(reading.warnings[0].first.as_ref().map(|first| first.row), Some(98));
    // Text that begins like a formula stays text.
    let row = &reading.rows.iter().find(|row| row.row == 127).unwrap().value;
    assert_eq!(row.name, "=HYPERLINK(\"http://x\",\"点我\")");
    for (row, phone) in [(22, "19900000020"), (29, "19900000027"), (36, "19900000034"), (50, "19900000048")] {
        let read = reading.rows.iter().find(|located| located.row == row).unwrap();
        assert_eq!(read.value.phone.as_ref().unwrap().as_str(), phone);
    }
}

/// The text twin: the same, but that a formula without a value has left only a blank there.
#[test]
fn the_csv_twin_says_the_same() {
    let original = read(DIRTY);
    let (name, text) = csv_twins(DIRTY).remove(0);
    let (gbk, ..) = encoding_rs::GB18030.encode(&text);
    for bytes in [text.as_bytes(), &gbk] {
        let twin = read_roster(bytes, &name).unwrap();
        let rows = |reading: &Reading<RosterRow>| -> Vec<(u32, RosterRow)> {
            reading.rows.iter().filter(|row| row.row != 134).map(|row| (row.row, row.value.clone())).collect()
        };
        assert!(rows(&twin) == rows(&original));
        let refused = |reading: &Reading<RosterRow>| -> Vec<(u32, Reason)> {
            reading.refused.iter().filter(|p| p.row != 134).map(|p| (p.row, p.reason)).collect()
        };
        assert_eq!(refused(&twin), refused(&original));
    }
}

#[test]
fn documents_of_every_kind() {
    let reading = roster(&[
        &["A1", "甲", "护照", "E10000007", "13800000001", "", "已通过", "#1"],
        &["A2", "乙", "港澳居民来往内地通行证", "H12345678", "13800000002", "", "待审核", "2套"],
        &["A3", "丙", "台胞证", "01234567", "13800000003", "", "未通过", "２"],
        &["A4", "丁", "外国人永久居留身份证", "CHN110080010112", "13800000004", "", "通过", ""],
        &["A5", "戊", "军官证", "南字第01234567号", "13800000005", "", "通过", "#1"],
        &["A6", "己", "", "990000195801010009", "13800000006", "", "通过", "#1"],
        &["A7", "庚", "驾驶证", "990000195801010009", "13800000007", "", "通过", "#1"],
        &["A8", "辛", "护照", "无", "13800000008", "", "通过", "#1"],
        &["A9", "壬", "护照", "", "13800000009", "", "通过", "#1"],
        &["B1", "癸", "", "01234567", "13800000010", "", "通过", "#1"],
        &["B2", "子", "居民身份证", "9.90000195801E+17", "13800000011", "", "通过", "#1"],
        &["B3", "丑", "护照", "e1000-0007", "13800000012", "", "通过", "#1"],
    ]);
    assert_eq!(
        lines(&reading.refused),
        [
            "8 证件类型 DOCUMENT_KIND_UNKNOWN 驾驶证",
            "9 证件号码 DOCUMENT_INVALID 无",
            "10 证件号码 DOCUMENT_MISSING ",
            "11 证件类型 DOCUMENT_KIND_UNKNOWN ",
            "12 证件号码 DOCUMENT_ROUNDED 9.90000195801E+17",
            "13 证件号码 DOCUMENT_DUPLICATE e1000-0007",
        ]
    );
    let quotas: Vec<_> = reading.rows.iter().map(|row| row.value.quota_home).collect();
    assert_eq!(quotas, [Some(1), Some(2), Some(2), None, Some(1), Some(1)]);
}

#[test]
fn quotas_eligibility_and_codes_are_not_guessed() {
    let reading = roster(&[
        &["", "甲", "护照", "E10000001", "13800000001", "", "通过", "#1"],
        &["A2", "乙", "护照", "E10000002", "", "", "", "#1"],
        &["A3", "丙", "护照", "E10000003", "13800000003", "", "也许", "#1"],
        &["A4", "丁", "护照", "E10000004", "13800000004", "", "通过", "#1.5"],
        &["A5", "戊", "护照", "E10000005", "13800000005", "", "通过", "#0"],
        &["a2", "己", "护照", "E10000006", "13800000006", "", "通过", "#1"],
        &["A7", "庚", "护照", "E10000007", "!", "", "通过", "#1"],
        &["合计", "", "", "", "", "", "", "#7"],
        &["制表人：某某", "审核人：某某"],
    ]);
    assert_eq!(
        lines(&reading.refused),
        [
            "2 认筹编号 CODE_MISSING ",
            "4 资格审核 ELIGIBILITY_UNKNOWN 也许",
            "5 可选套数 QUOTA_INVALID 1.5",
            "6 可选套数 QUOTA_INVALID 0",
            "7 认筹编号 CODE_DUPLICATE a2",
            "8 手机号 PHONE_INVALID !",
        ]
    );
    assert_eq!(lines(&reading.warnings), ["3 手机号 PHONE_MISSING ", "3 资格审核 ELIGIBILITY_MISSING "]);
    assert_eq!(reading.rows[0].value.eligibility, Eligibility::Pending);
}

/// A family may share a phone; strangers who do are pointed out, whichever rows stand between them.
#[test]
fn a_shared_phone_warns_only_across_households() {
    let reading = roster(&[
        &["A1", "甲", "护照", "E10000001", "13800000001", "J1", "通过", "#1"],
        &["A2", "乙", "护照", "E10000002", "138 0000 0001", "J1", "通过", "#1"],
        &["A3", "丙", "护照", "E10000003", "13800000001", "J2", "通过", "#1"],
        &["A4", "丁", "护照", "E10000004", "13800000001", "J2", "通过", "#1"],
        &["A5", "戊", "护照", "E10000005", "13800000005", "", "通过", "#1"],
        &["A6", "己", "护照", "E10000006", "13800000005", "", "通过", "#1"],
        &["A7", "庚", "护照", "E10000007", "13800000007", "J3", "也许", "#1"],
        &["A8", "辛", "护照", "E10000008", "13800000007", "J4", "通过", "#1"],
    ]);
    let warned: Vec<_> =
        reading.warnings.iter().map(|w| (w.row, w.reason, w.first.as_ref().unwrap().row)).collect();
    assert_eq!(
        warned,
        [(4, Reason::PhoneShared, 2), (5, Reason::PhoneShared, 2), (7, Reason::PhoneShared, 6)]
    );
}

#[test]
fn co_buyers_are_matched_with_their_documents() {
    let header: &[&str] = &[
        "编号",
        "购房人",
        "身份证号码",
        "联系电话",
        "共有人",
        "共有人身份证号",
        "诚意金（万元）",
        "摇号序号",
    ];
    let one = "990000195801010009";
    let (two, three) = ("990000195908140014", "99000019600327002X");
    let pair = format!("{two}、{three}");
    let reading = read(&workbook(&[(
        "Sheet1",
        &[
            &["某项目诚意登记名单"],
            header,
            &["A1", "甲", one, "13800000001", "乙、丙", &pair, "#5", "#3"],
            &["A2", "丁", "990000196110120035", "13800000002", "戊；己", two, "#5", "#3"],
            &["A3", "庚", "990000196205250043", "13800000003", "辛", three, "#5", "#3"],
            &["A4", "壬", "990000196312100059", "13800000004", "癸", "", "#0.5", "#3"],
            &["A5", "子", "990000196407230067", "13800000005", "丑", "990000196407230067", "", "三"],
            &["A6", "子", "990000196407230067", "13800000005", "", "", "", "三"],
            &["A7", "子", "990000196407230067", "13800000005", "", "", "很多", ""],
        ],
    )]));
    assert_eq!(
        lines(&reading.refused),
        [
            "4 共有人 CO_BUYERS_UNMATCHED 戊；己",
            &format!("5 共有人身份证号 DOCUMENT_DUPLICATE {three}"),
            "7 摇号序号 LOT_NUMBER_INVALID 三",
            "8 摇号序号 LOT_NUMBER_INVALID 三",
            "9 诚意金（万元） EARNEST_INVALID 很多",
        ]
    );
    let buyers: Vec<_> = reading.rows[0].value.co_buyers.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(buyers, ["乙", "丙"]);
    assert_eq!(reading.rows.iter().map(|row| row.value.earnest.0).collect::<Vec<_>>(), [5_000_000, 500_000]);
}
