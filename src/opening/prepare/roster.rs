//! Rosters of registrations (认筹名单): who may come, with which document, phone, household and quota.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::grid::{Cell, Sheet};
use super::problem::{Fault, FileProblem, Located, Reading, Reason, RowRef};
use super::table::{Column, Line, formula_texts, is_note};
use super::walk::{Met, walk};
use crate::domain::document::{BadDocument, Document, DocumentKind};
use crate::domain::kind::Eligibility;
use crate::domain::money::Fen;
use crate::domain::phone::Phone;
use crate::domain::text::compact;
use crate::limits;

/// One registration as the roster states it. Texts are cleaned; an empty one means that the roster says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct RosterRow {
    pub code: String,
    pub name: String,
    pub document: Document,
    /// Absent with a warning: nobody could sign in for it, so the pre-flight insists on one.
    pub phone: Option<Phone>,
    pub co_buyers: Vec<CoBuyer>,
    pub household: Option<String>,
    pub eligibility: Eligibility,
    pub proxy: Option<String>,
    pub consultant: String,
    pub group: String,
    pub lot_number: Option<i64>,
    /// `None`: the opening's own quota holds.
    pub quota_home: Option<i64>,
    pub earnest: Fen,
    pub remarks: String,
    /// The header's text, under which a document that is stored already is reported.
    pub document_column: Arc<str>,
}

impl RosterRow {
    /// The buyer's document, then the co-buyers'.
    pub fn documents(&self) -> impl Iterator<Item = &Document> {
        let co_buyers = self.co_buyers.iter().filter_map(|buyer| buyer.document.as_ref());
        std::iter::once(&self.document).chain(co_buyers)
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct CoBuyer {
    pub name: String,
    pub document: Option<Document>,
}

/// By its code only: a log line must not name people.
impl fmt::Debug for RosterRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RosterRow").field("code", &self.code).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Col {
    Code,
    Name,
    DocumentKind,
    Document,
    Phone,
    CoNames,
    CoDocumentKinds,
    CoDocuments,
    Household,
    Eligibility,
    Proxy,
    Consultant,
    Group,
    LotNumber,
    Quota,
    Earnest,
    Remarks,
}

/// A row in which all of these are blank is a remark, or a line of a template that nobody filled in.
const KEYS: [Col; 4] = [Col::Code, Col::Name, Col::Document, Col::Phone];

/// What makes a row more than a remark.
const VALUES: [Col; 2] = [Col::Document, Col::Phone];

/// Columns whose text is kept as it is.
const FREE_TEXTS: [Col; 8] = [
    Col::Code,
    Col::Name,
    Col::CoNames,
    Col::Household,
    Col::Proxy,
    Col::Consultant,
    Col::Group,
    Col::Remarks,
];

impl Column for Col {
    const ALL: &'static [Self] = &[
        Self::Code,
        Self::Name,
        Self::DocumentKind,
        Self::Document,
        Self::Phone,
        Self::CoNames,
        Self::CoDocumentKinds,
        Self::CoDocuments,
        Self::Household,
        Self::Eligibility,
        Self::Proxy,
        Self::Consultant,
        Self::Group,
        Self::LotNumber,
        Self::Quota,
        Self::Earnest,
        Self::Remarks,
    ];

    fn names(self) -> &'static str {
        match self {
            Self::Code => {
                "认筹编号 认筹号 认筹单号 诚意登记编号 登记编号 登记号 意向登记号 客户编号 选房编号 编号 code"
            }
            Self::Name => {
                "姓名 购房人姓名 客户姓名 认筹人姓名 购房人 认筹人 登记人 意向购房人 主购房人 买受人 客户名称 客户 name"
            }
            Self::DocumentKind => "证件类型 证件类别 证件种类 证件名称 购房人证件类型 documentkind",
            Self::Document => {
                "证件号码 证件号 身份证号码 身份证号 身份证件号码 有效证件号码 购房人证件号码 购房人身份证号 证件编号 身份证 \
                 document"
            }
            Self::Phone => {
                "手机号 手机号码 手机 联系手机 移动电话 联系电话 电话 电话号码 联系方式 phone mobile"
            }
            Self::CoNames => {
                "共同购房人 共同购房人姓名 共有人 共有人姓名 共同买受人 共同认筹人 联名购房人 cobuyers"
            }
            Self::CoDocumentKinds => "共同购房人证件类型 共有人证件类型 共同买受人证件类型",
            Self::CoDocuments => {
                "共同购房人证件号码 共同购房人证件号 共同购房人身份证号 共同购房人身份证号码 共有人证件号码 共有人证件号 共有人身份证号 \
                 共有人身份证号码 共同买受人证件号码"
            }
            Self::Household => "家庭编号 家庭号 家庭代码 家庭组号 户编号 家庭 household",
            Self::Eligibility => {
                "资格审核 购房资格 资格审核结果 购房资格审核 资格审查 资格状态 审核状态 审核结果 资格 eligibility"
            }
            Self::Proxy => "委托代理人 代理人 受托人 被委托人 proxy",
            Self::Consultant => "置业顾问 销售顾问 顾问 业务员 销售员 consultant",
            Self::Group => "组别 摇号组别 分组 购房人类别 客户类别 家庭类型 家庭类别 类别 group",
            Self::LotNumber => "摇号序号 摇号顺序 摇号顺序号 选房顺序号 选房序号 选房顺序 顺序号 lotnumber",
            Self::Quota => "可选套数 可购套数 限购套数 选房套数 套数 quota",
            Self::Earnest => "诚意金 诚意金金额 诚意金额 认筹金 认筹金额 意向金 earnest",
            Self::Remarks => "备注 说明 备注说明 remarks",
        }
    }

    fn resembles(self, _header: &str) -> bool {
        // People's columns are too alike ("证件号码" of whom?) to be taken by resemblance.
        false
    }

    fn is_enough(has: &dyn Fn(Self) -> bool) -> bool {
        has(Self::Name) && (has(Self::Phone) || has(Self::Document))
    }
}

pub(super) fn read(sheets: &[Sheet]) -> Result<Reading<RosterRow>, FileProblem> {
    let mut roster = Roster::default();
    walk(sheets, |met: Met<'_, Col>| match met {
        Met::Skipped(problem) => roster.reading.warnings.push(problem),
        Met::Line(line) if !is_note(&line, &KEYS, &VALUES) => {
            if let Err(fault) = roster.row(&line) {
                roster.reading.refused_keys.extend(code_of(&line));
                roster.reading.refused.push(line.problem(fault));
            }
        }
        Met::Sheet(_) | Met::Title(_) | Met::Header | Met::Line(_) => {}
    })?;
    Ok(roster.reading)
}

/// Only accepted rows count as the first to have a code, a document or a phone.
#[derive(Default)]
struct Roster {
    reading: Reading<RosterRow>,
    codes: HashMap<String, RowRef>,
    documents: HashMap<String, RowRef>,
    /// The first row of each household that has the phone.
    phones: HashMap<Phone, Vec<(Option<String>, RowRef)>>,
}

impl Roster {
    fn row(&mut self, line: &Line<'_, Col>) -> Result<(), Fault<Col>> {
        let row = registration(line)?;
        let code = row.code.to_uppercase();
        if let Some(first) = self.codes.get(&code) {
            return Err(
                Fault::of(Col::Code, Reason::CodeDuplicate, line.cell(Col::Code)).naming(first.clone())
            );
        }
        let at = RowRef { sheet: line.sheet.name.to_string(), row: line.row.number };
        let mut mine: Vec<String> = Vec::with_capacity(1 + row.co_buyers.len());
        for (at_document, document) in row.documents().enumerate() {
            let column = if at_document == 0 { Col::Document } else { Col::CoDocuments };
            let identity = document.identity();
            let own = mine.contains(&identity).then_some(&at);
            if let Some(first) = self.documents.get(&identity).or(own) {
                let fault = Fault::of(column, Reason::DocumentDuplicate, line.cell(column));
                return Err(fault.naming(first.clone()));
            }
            mine.push(identity);
        }
        // From here on the row is accepted.
        self.codes.insert(code, at.clone());
        self.documents.extend(mine.into_iter().map(|identity| (identity, at.clone())));
        formula_texts(line, &FREE_TEXTS, &mut self.reading.warnings);
        self.warn(line, &row, &at);
        self.reading.rows.push(Located { sheet: line.sheet.name.clone(), row: line.row.number, value: row });
        Ok(())
    }

    fn warn(&mut self, line: &Line<'_, Col>, row: &RosterRow, at: &RowRef) {
        let warnings = &mut self.reading.warnings;
        match &row.phone {
            None => warnings.push(line.problem(Fault::new(Col::Phone, Reason::PhoneMissing, ""))),
            Some(phone) => {
                let holders = self.phones.entry(phone.clone()).or_default();
                // A row without a household is a household of its own.
                let other = |household: &Option<String>| household.is_none() || *household != row.household;
                if let Some((_, first)) = holders.iter().find(|(household, _)| other(household)) {
                    let fault = Fault::of(Col::Phone, Reason::PhoneShared, line.cell(Col::Phone));
                    warnings.push(line.problem(fault.naming(first.clone())));
                }
                // One of each kind is enough to warn every later row, and keeps the list short.
                if holders.len() < 2 && holders.iter().all(|(household, _)| other(household)) {
                    holders.push((row.household.clone(), at.clone()));
                }
            }
        }
        if line.seen(Col::Eligibility).is_blank() {
            warnings.push(line.problem(Fault::new(Col::Eligibility, Reason::EligibilityMissing, "")));
        }
    }
}

/// The code of a row that was refused, as an import compares codes.
fn code_of(line: &Line<'_, Col>) -> Option<String> {
    line.text(Col::Code).ok().flatten().map(|code| compact(&code).to_uppercase())
}

/// Reads one row; the first fault refuses it.
fn registration(line: &Line<'_, Col>) -> Result<RosterRow, Fault<Col>> {
    let code = line.text(Col::Code)?.map(|code| compact(&code));
    let code = code.ok_or_else(|| Fault::new(Col::Code, Reason::CodeMissing, ""))?;
    let name = line
        .text(Col::Name)?
        .ok_or_else(|| Fault::of(Col::Name, Reason::NameMissing, line.cell(Col::Name)))?;
    Ok(RosterRow {
        code,
        name,
        document: document(line)?,
        phone: phone(line)?,
        co_buyers: co_buyers(line)?,
        household: line.seen_text(Col::Household)?.map(|household| compact(&household)),
        eligibility: eligibility(line)?,
        proxy: line.text(Col::Proxy)?,
        consultant: line.seen_text(Col::Consultant)?.unwrap_or_default(),
        group: line.seen_text(Col::Group)?.unwrap_or_default(),
        lot_number: whole(line, Col::LotNumber, Reason::LotNumberInvalid, i64::from(u32::MAX))?,
        quota_home: whole(line, Col::Quota, Reason::QuotaInvalid, limits::QUOTA_HOME_MAX)?,
        earnest: earnest(line)?,
        remarks: line.text(Col::Remarks)?.unwrap_or_default(),
        document_column: line.header.text(Col::Document).into(),
    })
}

fn document(line: &Line<'_, Col>) -> Result<Document, Fault<Col>> {
    let label = line.text(Col::DocumentKind)?;
    let cell = line.sound(Col::Document)?;
    if was_rounded(cell) {
        return Err(Fault::of(Col::Document, Reason::DocumentRounded, cell));
    }
    let number =
        line.text(Col::Document)?.ok_or_else(|| Fault::new(Col::Document, Reason::DocumentMissing, ""))?;
    let kind = match label {
        Some(label) => DocumentKind::from_label(&label),
        None if line.header.text(Col::Document).contains("身份证号") => Some(DocumentKind::ResidentId),
        None => DocumentKind::guess(&number),
    };
    let unknown = || Fault::of(Col::DocumentKind, Reason::DocumentKindUnknown, line.cell(Col::DocumentKind));
    Document::new(kind.ok_or_else(unknown)?, &number)
        .map_err(|bad| Fault::of(Col::Document, document_reason(bad), cell))
}

const fn document_reason(bad: BadDocument) -> Reason {
    match bad {
        BadDocument::Shape => Reason::DocumentInvalid,
        BadDocument::Date => Reason::DocumentDate,
        BadDocument::CheckDigit => Reason::DocumentCheckDigit,
    }
}

/// A spreadsheet keeps fifteen digits of a number; the rest of a document number is gone and must not be guessed. A
/// text file shows it as `9.9E+17`.
fn was_rounded(cell: &Cell) -> bool {
    match cell {
        Cell::Number(number) => number.abs() >= 1e15,
        Cell::Text(written) => {
            let written = compact(written).to_uppercase();
            written.split_once('E').is_some_and(|(digits, power)| {
                let exponent = power.trim_start_matches('+');
                // "123E4567" may be a passport; a point or a plus sign tells.
                (digits.contains('.') || exponent.len() < power.len())
                    && !exponent.is_empty()
                    && exponent.chars().all(|c| c.is_ascii_digit())
                    && digits.starts_with(|c: char| c.is_ascii_digit())
                    && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
            })
        }
        _ => false,
    }
}

fn phone(line: &Line<'_, Col>) -> Result<Option<Phone>, Fault<Col>> {
    let cell = line.sound(Col::Phone)?;
    if cell.is_blank() {
        return Ok(None);
    }
    match Phone::parse(&cell.text()) {
        Ok(phone) => Ok(Some(phone)),
        Err(_) => Err(Fault::of(Col::Phone, Reason::PhoneInvalid, cell)),
    }
}

/// Names and documents of co-buyers stand in two cells; several in one cell are separated.
fn co_buyers(line: &Line<'_, Col>) -> Result<Vec<CoBuyer>, Fault<Col>> {
    let cell = line.sound(Col::CoDocuments)?;
    if was_rounded(cell) {
        return Err(Fault::of(Col::CoDocuments, Reason::DocumentRounded, cell));
    }
    let names = split(line.text(Col::CoNames)?.as_deref());
    let numbers = split(line.text(Col::CoDocuments)?.as_deref());
    let labels = split(line.text(Col::CoDocumentKinds)?.as_deref());
    let matched = numbers.is_empty() || numbers.len() == names.len();
    if !matched || names.len() > limits::CO_BUYERS_MAX || (labels.len() > 1 && labels.len() != numbers.len())
    {
        return Err(Fault::of(Col::CoNames, Reason::CoBuyersUnmatched, line.cell(Col::CoNames)));
    }
    let mut buyers = Vec::with_capacity(names.len());
    for (at, name) in names.into_iter().enumerate() {
        let document = match numbers.get(at) {
            None => None,
            Some(number) => {
                let kind = match labels.get(at).or(labels.first()) {
                    Some(label) => DocumentKind::from_label(label),
                    None => DocumentKind::guess(number),
                };
                let fault = |reason| Fault::of(Col::CoDocuments, reason, cell);
                let kind = kind.ok_or_else(|| fault(Reason::DocumentKindUnknown))?;
                Some(Document::new(kind, number).map_err(|bad| fault(document_reason(bad)))?)
            }
        };
        buyers.push(CoBuyer { name, document });
    }
    Ok(buyers)
}

fn split(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default()
        .split(['、', ',', ';', '，', '；', '/', '|'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Nothing said is pending, with a warning: a pending buyer may look, not pick.
fn eligibility(line: &Line<'_, Col>) -> Result<Eligibility, Fault<Col>> {
    let Some(label) = line.seen_text(Col::Eligibility)? else { return Ok(Eligibility::Pending) };
    match compact(&label).as_str() {
        "已通过" | "通过" | "审核通过" | "合格" | "有效" | "有资格" | "符合" | "passed" | "是" => {
            Ok(Eligibility::Passed)
        }
        "待审核" | "审核中" | "未审核" | "待定" | "待复核" | "复核中" | "pending" => {
            Ok(Eligibility::Pending)
        }
        "未通过" | "不通过" | "审核不通过" | "审核未通过" | "不合格" | "无效" | "无资格" | "不符合"
        | "驳回" | "failed" | "否" => Ok(Eligibility::Failed),
        _ => Err(Fault::of(Col::Eligibility, Reason::EligibilityUnknown, line.seen(Col::Eligibility))),
    }
}

/// A whole number from 1 to `max`; a blank cell says nothing.
fn whole(line: &Line<'_, Col>, column: Col, invalid: Reason, max: i64) -> Result<Option<i64>, Fault<Col>> {
    let cell = line.sound(column)?;
    if cell.is_blank() {
        return Ok(None);
    }
    match cell.whole() {
        Some(number) if (1..=max).contains(&number) => Ok(Some(number)),
        _ => Err(Fault::of(column, invalid, cell)),
    }
}

fn earnest(line: &Line<'_, Col>) -> Result<Fen, Fault<Col>> {
    let cell = line.sound(Col::Earnest)?;
    if line.text(Col::Earnest)?.is_none() {
        return Ok(Fen::ZERO);
    }
    match cell.hundredths(line.header.text(Col::Earnest).contains('万')) {
        Some(fen) if fen >= 0 => Ok(Fen(fen)),
        _ => Err(Fault::of(Col::Earnest, Reason::EarnestInvalid, cell)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::normal;
    use super::*;

    #[test]
    fn every_name_is_already_normal() {
        for column in Col::ALL {
            for name in column.names().split(' ') {
                assert_eq!(normal(name), name);
            }
        }
    }
}
