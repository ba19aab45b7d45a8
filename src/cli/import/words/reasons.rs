//! The words for each reason, English and Chinese. A `match` over all of them, so that one without words does not compile.

use super::Lang;
use crate::domain::kind::UnitKind;
use crate::opening::prepare::{FileProblem, Reason};

impl Lang {
    pub const fn kind(self, kind: UnitKind) -> &'static str {
        self.pick(match kind {
            UnitKind::Home => ["homes", "住宅"],
            UnitKind::Parking => ["parking spaces", "车位"],
            UnitKind::Shop => ["shops", "商铺"],
            UnitKind::Storage => ["storage rooms", "储藏室"],
        })
    }

    pub const fn of_row(self, reason: Reason) -> &'static str {
        self.pick(match reason {
            Reason::FormulaWithoutValue => [
                "a formula without its value: open the file in Excel and save it once",
                "公式没有算出的值，请在表格软件里打开、保存一次",
            ],
            Reason::CellError => ["the cell holds an error", "单元格是错误值"],
            Reason::CellDate => [
                "Excel turned this into a date: set the cell to text and type it again",
                "表格软件把它变成了日期，请改为文本重填",
            ],
            Reason::TextTooLong => ["the text is too long", "文字过长"],
            Reason::KindUnknown => [
                "home, parking space, shop or storage room? It can't be told",
                "看不出是住宅、车位、商铺还是储藏室",
            ],
            Reason::BuildingMissing => ["no building", "缺楼栋"],
            Reason::RoomMissing => ["no room or number", "缺室号或编号"],
            Reason::AreaMissing => ["no floor area", "缺建筑面积"],
            Reason::AreaInvalid => ["the area is no valid number", "面积不是有效数字"],
            Reason::UnitPriceInvalid => ["the unit price is no valid amount", "单价不是有效金额"],
            Reason::TotalInvalid => ["the total is no valid amount", "总价不是有效金额"],
            Reason::UnitDuplicate => ["this unit came before", "与前面的房源重复"],
            Reason::CodeMissing => ["no registration code", "缺认筹编号"],
            Reason::CodeDuplicate => ["the registration code came before", "认筹编号重复"],
            Reason::NameMissing => ["no name", "缺姓名"],
            Reason::PhoneInvalid => ["not a mainland mobile number of 11 digits", "不是 11 位大陆手机号"],
            Reason::DocumentMissing => ["no document number", "缺证件号码"],
            Reason::DocumentKindUnknown => ["unknown kind of document", "不认识的证件类型"],
            Reason::DocumentInvalid => ["not the form of such a document number", "证件号码的样式不对"],
            Reason::DocumentDate => {
                ["the date of birth in the document number does not exist", "证件号码里的出生日期不存在"]
            }
            Reason::DocumentCheckDigit => {
                ["the check digit of the document number is wrong", "证件号码的校验位不符"]
            }
            Reason::DocumentRounded => [
                "Excel rounded the document number: set the column to text and type it again",
                "证件号码被表格软件截断，后几位已丢失，请以文本重填",
            ],
            Reason::DocumentDuplicate => ["the document number came before", "证件号码重复"],
            Reason::CoBuyersUnmatched => {
                ["co-buyers and their documents differ in number", "共同购房人与其证件号码数目不一致"]
            }
            Reason::EligibilityUnknown => ["the eligibility is not understood", "看不懂的资格审核结果"],
            Reason::QuotaInvalid => {
                ["the quota is no whole number from 1 to 99", "可选套数不是 1 到 99 的整数"]
            }
            Reason::LotNumberInvalid => ["the lot number is no positive whole number", "摇号序号不是正整数"],
            Reason::EarnestInvalid => ["the earnest money is no valid amount", "诚意金不是有效金额"],
            Reason::FormulaText => {
                ["text that looks like a formula, kept as text", "像公式的文字，已按文字保存"]
            }
            Reason::PhoneShared => ["another household has this phone too", "与其他家庭共用手机号"],
            Reason::PhoneMissing => ["no phone: this person can't sign in", "缺手机号，将无法登录"],
            Reason::EligibilityMissing => {
                ["no eligibility: taken as pending", "没有资格审核结果，按待审核处理"]
            }
            Reason::PriceMismatch => [
                "unit price × area differs from the total by 1 yuan or more; the total counts",
                "单价乘面积与总价相差 1 元或以上，以总价为准",
            ],
            Reason::TotalMissing => {
                ["no total: to be filled in before publication", "缺总价，补全前不能发布"]
            }
            Reason::SheetSkipped => {
                ["no header that is understood on this sheet: skipped", "这张表没有可识别的表头，已跳过"]
            }
            Reason::SheetHidden => ["a hidden sheet: skipped", "隐藏的工作表，已跳过"],
        })
    }

    /// The English is the problem's own.
    pub fn of_file(self, problem: &FileProblem) -> String {
        match problem {
            _ if self == Self::En => problem.to_string(),
            FileProblem::TooLarge { bytes, max } => format!("文件有 {bytes} 字节，最多 {max} 字节"),
            FileProblem::Empty => "文件是空的".to_owned(),
            FileProblem::OldOrProtected => {
                "是旧式 .xls 或加了密码的工作簿，请另存为不带密码的 .xlsx".to_owned()
            }
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
}
