//! The report in Chinese. A `match` over every reason, so that one without words does not compile.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::List;
use crate::cli::values::yuan;
use crate::domain::kind::UnitKind;
use crate::opening::prepare::{FileProblem, ImportReport, Reason, RowProblem};

/// Changes, and rows that the file does not name, before the rest is only counted.
const LINES_SHOWN: usize = 40;

pub(super) fn print_report(file: &str, list: List, report: &ImportReport) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match list {
        List::Prices => {
            let count =
                |kind: UnitKind| report.by_kind.as_ref().and_then(|by| by.get(kind.as_str())).copied();
            let kinds: Vec<String> = UnitKind::ALL
                .iter()
                .filter_map(|kind| count(*kind).map(|count| format!("{} {count}", kind_words(*kind))))
                .collect();
            let kinds = if kinds.is_empty() { String::new() } else { format!("（{}）", kinds.join("，")) };
            let total = yuan(report.total_fen.unwrap_or_default());
            writeln!(out, "{file}：可收 {} 套{kinds}，总价 {total} 元", report.accepted)?;
        }
        List::Roster => {
            let total = yuan(report.earnest_total_fen.unwrap_or_default());
            writeln!(out, "{file}：可收 {} 份登记，诚意金 {total} 元", report.accepted)?;
        }
    }
    print_list(&mut out, "拒收", &report.refused)?;
    print_list(&mut out, "提醒", &report.warnings)?;
    if let Some(effect) = &report.effect {
        let (changed, missing) = (effect.changed.len(), effect.missing.len());
        writeln!(
            out,
            "新增 {}，改动 {changed} 处，未变 {}，表中没有而保留的 {missing}",
            effect.added, effect.unchanged
        )?;
        let changes = effect.changed.iter().map(|change| {
            format!("改 {}：{} 由「{}」变为「{}」", change.what, change.field, change.before, change.after)
        });
        print_first(&mut out, changes)?;
        print_first(&mut out, effect.missing.iter().map(|what| format!("保留 {what}")))?;
    }
    writeln!(out, "{}", if report.stored { "已写入。" } else { "没有写入。" })
}

pub(super) fn print_problem(file: &str, problem: &FileProblem) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{file}：{}（{}）。没有写入。", of_file(problem), problem.code())
}

pub(super) fn problem_json(problem: &FileProblem) -> Value {
    json!({
        "accepted": 0, "refused": [], "warnings": [], "stored": false,
        "file": {"code": problem.code(), "params": problem.params()},
    })
}

fn print_list(out: &mut impl Write, title: &str, problems: &[RowProblem]) -> io::Result<()> {
    writeln!(out, "{title} {} 行", problems.len())?;
    for problem in problems {
        let RowProblem { sheet, row, column, reason, value, first, registration } = problem;
        write!(out, "  {sheet} 第 {row} 行")?;
        if !column.is_empty() {
            write!(out, "「{column}」")?;
        }
        write!(out, " {}", of_row(*reason))?;
        if !value.is_empty() {
            write!(out, "：{value}")?;
        }
        if let Some(first) = first {
            write!(out, "（先见于 {} 第 {} 行）", first.sheet, first.row)?;
        }
        if let Some(code) = registration {
            write!(out, "（已登记于 {code}）")?;
        }
        writeln!(out, " [{}]", reason.as_str())?;
    }
    Ok(())
}

/// A screenful; `--json` has them all.
fn print_first(out: &mut impl Write, mut lines: impl ExactSizeIterator<Item = String>) -> io::Result<()> {
    for line in lines.by_ref().take(LINES_SHOWN) {
        writeln!(out, "  {line}")?;
    }
    match lines.len() {
        0 => Ok(()),
        more => writeln!(out, "  …… 另有 {more} 处，见 --json"),
    }
}

const fn kind_words(kind: UnitKind) -> &'static str {
    match kind {
        UnitKind::Home => "住宅",
        UnitKind::Parking => "车位",
        UnitKind::Shop => "商铺",
        UnitKind::Storage => "储藏室",
    }
}

const fn of_row(reason: Reason) -> &'static str {
    match reason {
        Reason::FormulaWithoutValue => "公式没有算出的值，请在表格软件里打开、保存一次",
        Reason::CellError => "单元格是错误值",
        Reason::CellDate => "表格软件把它变成了日期，请改为文本重填",
        Reason::TextTooLong => "文字过长",
        Reason::KindUnknown => "看不出是住宅、车位、商铺还是储藏室",
        Reason::BuildingMissing => "缺楼栋",
        Reason::RoomMissing => "缺室号或编号",
        Reason::AreaMissing => "缺建筑面积",
        Reason::AreaInvalid => "面积不是有效数字",
        Reason::UnitPriceInvalid => "单价不是有效金额",
        Reason::TotalInvalid => "总价不是有效金额",
        Reason::UnitDuplicate => "与前面的房源重复",
        Reason::CodeMissing => "缺认筹编号",
        Reason::CodeDuplicate => "认筹编号重复",
        Reason::NameMissing => "缺姓名",
        Reason::PhoneInvalid => "不是 11 位大陆手机号",
        Reason::DocumentMissing => "缺证件号码",
        Reason::DocumentKindUnknown => "不认识的证件类型",
        Reason::DocumentInvalid => "证件号码的样式不对",
        Reason::DocumentDate => "证件号码里的出生日期不存在",
        Reason::DocumentCheckDigit => "证件号码的校验位不符",
        Reason::DocumentRounded => "证件号码被表格软件截断，后几位已丢失，请以文本重填",
        Reason::DocumentDuplicate => "证件号码重复",
        Reason::CoBuyersUnmatched => "共同购房人与其证件号码数目不一致",
        Reason::EligibilityUnknown => "看不懂的资格审核结果",
        Reason::QuotaInvalid => "可选套数不是 1 到 99 的整数",
        Reason::LotNumberInvalid => "摇号序号不是正整数",
        Reason::EarnestInvalid => "诚意金不是有效金额",
        Reason::FormulaText => "像公式的文字，已按文字保存",
        Reason::PhoneShared => "与其他家庭共用手机号",
        Reason::PhoneMissing => "缺手机号，将无法登录",
        Reason::EligibilityMissing => "没有资格审核结果，按待审核处理",
        Reason::PriceMismatch => "单价乘面积与总价相差 1 元或以上，以总价为准",
        Reason::TotalMissing => "缺总价，补全前不能发布",
        Reason::SheetSkipped => "这张表没有可识别的表头，已跳过",
        Reason::SheetHidden => "隐藏的工作表，已跳过",
    }
}

pub(super) fn of_file(problem: &FileProblem) -> String {
    match problem {
        FileProblem::TooLarge { bytes, max } => format!("文件有 {bytes} 字节，最多 {max} 字节"),
        FileProblem::Empty => "文件是空的".to_owned(),
        FileProblem::OldOrProtected => "是旧式 .xls 或加了密码的工作簿，请另存为不带密码的 .xlsx".to_owned(),
        FileProblem::UnknownFormat => "既不是 .xlsx 也不是 .csv".to_owned(),
        FileProblem::Unreadable { detail } => format!("工作簿读不出来：{detail}"),
        FileProblem::EncodingUnknown => "文字既不是 UTF-8 也不是 GB18030".to_owned(),
        FileProblem::UnpacksTooLarge { max } => format!("工作簿解开后超过 {max} 字节"),
        FileProblem::TooMany { what, max, sheet } => format!("{sheet} 里的 {what} 过多，最多 {max}"),
        FileProblem::CellTooLong { sheet, row, max } => {
            format!("{sheet} 第 {row} 行有单元格超过 {max} 个字")
        }
        FileProblem::HeaderNotFound => "没有一张表有可识别的表头".to_owned(),
    }
}
