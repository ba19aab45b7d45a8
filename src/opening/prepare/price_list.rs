//! Price lists (一房一价表) as registries and offices write them: one sheet a building, titles above the header, merged
//! buildings, other columns for parking and shops.

use std::collections::HashMap;

use super::grid::{Cell, Row, Sheet};
use super::place::{self, Place};
use super::problem::{Fault, FileProblem, Located, Reading, Reason, RowRef};
use super::table::{Column, Line, formula_texts, is_note};
use super::walk::{Met, walk};
use crate::domain::area::AreaCenti;
use crate::domain::kind::UnitKind;
use crate::domain::money::Fen;

/// One unit as the list states it. Texts are cleaned; an empty one means that the list says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitRow {
    pub kind: UnitKind,
    pub building: String,
    pub section: String,
    pub floor: String,
    /// The room's number; for parking, shops and storage their own number.
    pub room: String,
    pub layout: String,
    pub facing: String,
    pub gross_area: Option<AreaCenti>,
    pub inner_area: Option<AreaCenti>,
    pub unit_price: Option<Fen>,
    /// Absent with a warning: the list may come before its prices, and the pre-flight insists on them.
    pub total: Option<Fen>,
    pub remarks: String,
}

impl UnitRow {
    /// What makes two rows the same unit, whatever way its address is written.
    pub fn identity(&self) -> String {
        place::identity(self.kind, &self.building, &self.section, &self.floor, &self.room)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Col {
    Kind,
    Building,
    Section,
    Room,
    Number,
    Floor,
    Location,
    Layout,
    Facing,
    InnerArea,
    GrossArea,
    UnitPrice,
    Total,
    Remarks,
}

/// A row in which all of these are blank is a remark.
const KEYS: [Col; 5] = [Col::Room, Col::Number, Col::GrossArea, Col::UnitPrice, Col::Total];

/// What makes a row more than a remark.
const VALUES: [Col; 3] = [Col::GrossArea, Col::UnitPrice, Col::Total];

/// Columns whose text is kept as it is.
const FREE_TEXTS: [Col; 9] = [
    Col::Building,
    Col::Section,
    Col::Floor,
    Col::Room,
    Col::Number,
    Col::Location,
    Col::Layout,
    Col::Facing,
    Col::Remarks,
];

/// Below this a difference between unit price × area and the total is rounding.
const MISMATCH_TOLERANCE: Fen = Fen(100);

impl Column for Col {
    const ALL: &'static [Self] = &[
        Self::Kind,
        Self::Building,
        Self::Section,
        Self::Room,
        Self::Number,
        Self::Floor,
        Self::Location,
        Self::Layout,
        Self::Facing,
        Self::InnerArea,
        Self::GrossArea,
        Self::UnitPrice,
        Self::Total,
        Self::Remarks,
    ];

    fn names(self) -> &'static str {
        match self {
            Self::Kind => "房屋类型 物业类型 物业类别 产品类型 业态 房屋用途 规划用途 用途 类型 类别 kind",
            Self::Building => "幢号 楼号 楼栋 楼栋号 栋号 楼幢 楼幢号 幢 栋 楼座 座号 号楼 building",
            Self::Section => "单元 单元号 单元名称 section",
            Self::Room => "室号 房号 房间号 房屋号 户号 门牌号 房间 室 房屋坐落号 room",
            Self::Number => {
                "编号 车位号 车位编号 商铺号 商铺编号 铺号 铺位号 储藏室号 储藏室编号 储藏间编号 房源编号 number no."
            }
            Self::Floor => "楼层 所在楼层 所在层 层号 层 层次 名义层 floor",
            Self::Location => "位置 区域 所在位置 location",
            Self::Layout => "户型 房型 户型结构 layout",
            Self::Facing => "朝向 主朝向 方位 facing",
            Self::InnerArea => "套内建筑面积 套内面积 套内使用面积 innerarea",
            Self::GrossArea => "建筑面积 预测建筑面积 实测建筑面积 总面积 面积 grossarea area",
            Self::UnitPrice => "单价 销售单价 建筑面积单价 建面单价 毛坯单价 备案单价 unitprice",
            Self::Total => {
                "总价 销售总价 房屋总价 总房款 总价款 总金额 备案总价 车位总价 价格 售价 total totalprice"
            }
            Self::Remarks => "备注 说明 备注说明 remarks",
        }
    }

    fn resembles(self, header: &str) -> bool {
        let inner = header.contains("套内");
        match self {
            Self::InnerArea => inner && header.contains("面积") && !header.contains("单价"),
            Self::GrossArea => {
                !inner && header.ends_with("建筑面积") && !header.contains("分摊") && !header.contains("公摊")
            }
            Self::UnitPrice => !inner && header.ends_with("单价"),
            Self::Total => header.ends_with("总价") || header.ends_with("总价款"),
            _ => false,
        }
    }

    fn is_enough(has: &dyn Fn(Self) -> bool) -> bool {
        (has(Self::Room) || has(Self::Number))
            && (has(Self::Total) || has(Self::UnitPrice) || has(Self::GrossArea))
    }
}

pub(super) fn read(sheets: &[Sheet]) -> Result<Reading<UnitRow>, FileProblem> {
    let mut list = List::default();
    walk(sheets, |met: Met<'_, Col>| match met {
        Met::Skipped(problem) => list.reading.warnings.push(problem),
        Met::Sheet(sheet) => list.place = Place::of_sheet(&sheet.name),
        Met::Title(row) => title_texts(row).for_each(|text| list.place.read_title(&text)),
        Met::Header => list.above = Above::default(),
        // A block's own title in the middle of a sheet: "幢号：2#".
        Met::Line(line) if is_note(&line, &KEYS, &VALUES) => {
            title_texts(line.row).for_each(|text| list.place.read_label(&text));
        }
        Met::Line(line) => list.row(&line),
    })?;
    Ok(list.reading)
}

#[derive(Default)]
struct List {
    reading: Reading<UnitRow>,
    seen: HashMap<String, RowRef>,
    place: Place,
    above: Above,
}

/// What stands above a cell and holds for it when it is blank.
#[derive(Default)]
struct Above {
    building: Option<String>,
    section: Option<String>,
    floor: Option<String>,
}

impl List {
    fn row(&mut self, line: &Line<'_, Col>) {
        let address = address(line, &self.place, &mut self.above);
        let unit = match address.and_then(|address| unit(line, address, &mut self.reading)) {
            Ok(unit) => unit,
            Err(fault) => return self.reading.refused.push(line.problem(fault)),
        };
        let located = Located { sheet: line.sheet.name.clone(), row: line.row.number, value: unit };
        let unit = &located.value;
        if let Some(first) = self.seen.get(&unit.identity()) {
            let column = if line.cell(Col::Room).is_blank() { Col::Number } else { Col::Room };
            let fault = Fault::of(column, Reason::UnitDuplicate, line.cell(column)).naming(first.clone());
            return self.reading.refused.push(line.problem(fault));
        }
        self.seen.insert(unit.identity(), located.at());
        let warnings = &mut self.reading.warnings;
        formula_texts(line, &FREE_TEXTS, warnings);
        match (unit.total, unit.unit_price, unit.gross_area) {
            (None, ..) => warnings.push(line.problem(Fault::new(Col::Total, Reason::TotalMissing, ""))),
            (Some(total), Some(price), Some(area))
                if area.price_differs(price, total, MISMATCH_TOLERANCE) =>
            {
                let cell = line.cell(Col::Total);
                warnings.push(line.problem(Fault::of(Col::Total, Reason::PriceMismatch, cell)));
            }
            _ => {}
        }
        self.reading.rows.push(located);
    }
}

/// Which unit a row speaks of.
struct Address {
    kind: UnitKind,
    building: String,
    section: String,
    floor: String,
    room: String,
}

/// Reads what identifies a row's unit; the first fault refuses the row.
fn address(line: &Line<'_, Col>, place: &Place, above: &mut Above) -> Result<Address, Fault<Col>> {
    // Before anything can be refused: the rows below need it.
    let building = inherited(line, Col::Building, &mut above.building, true);
    let fresh_building = !line.cell(Col::Building).is_blank();
    if fresh_building {
        (above.section, above.floor) = (None, None);
    }
    let section = inherited(line, Col::Section, &mut above.section, !line.sheet.knows_merges);
    let floor = inherited(line, Col::Floor, &mut above.floor, !line.sheet.knows_merges);
    let (building, section, floor) = (building?, section?, floor?);

    let room = line.text(Col::Room)?;
    let number = line.text(Col::Number)?;
    let kind = kind_of(line, place)?;
    let building = building.or_else(|| place.building_of(kind)).unwrap_or_default();
    if kind == UnitKind::Home && building.is_empty() {
        return Err(Fault::new(Col::Building, Reason::BuildingMissing, ""));
    }
    let column = if line.header.column(Col::Room).is_some() { Col::Room } else { Col::Number };
    let Some(room) = room.or(number) else {
        return Err(Fault::new(column, Reason::RoomMissing, ""));
    };
    let (mut section, mut floor) = (section.unwrap_or_default(), floor.unwrap_or_default());
    if let Some(location) = line.seen_text(Col::Location)? {
        // "地下1层" is a floor; "沿街" is a part of the site.
        let free = if place::is_floor(&location) { &mut floor } else { &mut section };
        if free.is_empty() {
            *free = location;
        }
    }
    Ok(Address { kind, building, section, floor, room })
}

/// Reads the rest. A row refused here is still known by its address.
fn unit(line: &Line<'_, Col>, at: Address, reading: &mut Reading<UnitRow>) -> Result<UnitRow, Fault<Col>> {
    let identity = place::identity(at.kind, &at.building, &at.section, &at.floor, &at.room);
    let unit = details(line, at);
    if unit.is_err() {
        reading.refused_keys.insert(identity);
    }
    unit
}

fn details(line: &Line<'_, Col>, at: Address) -> Result<UnitRow, Fault<Col>> {
    let Address { kind, building, section, floor, room } = at;
    let gross_area = area(line, Col::GrossArea)?;
    if gross_area.is_none() && matches!(kind, UnitKind::Home | UnitKind::Shop) {
        return Err(Fault::new(Col::GrossArea, Reason::AreaMissing, ""));
    }
    Ok(UnitRow {
        kind,
        building,
        section,
        floor,
        room,
        layout: line.text(Col::Layout)?.unwrap_or_default(),
        facing: line.text(Col::Facing)?.unwrap_or_default(),
        gross_area,
        inner_area: area(line, Col::InnerArea)?,
        unit_price: money(line, Col::UnitPrice, Reason::UnitPriceInvalid)?,
        total: money(line, Col::Total, Reason::TotalInvalid)?,
        remarks: line.text(Col::Remarks)?.unwrap_or_default(),
    })
}

/// A text that holds for the rows below too: merged, or (where `fill`) simply left blank there.
fn inherited(
    line: &Line<'_, Col>,
    column: Col,
    above: &mut Option<String>,
    fill: bool,
) -> Result<Option<String>, Fault<Col>> {
    let own = line.seen_text(column)?;
    if own.is_some() {
        above.clone_from(&own);
    }
    Ok(if fill { above.clone() } else { own })
}

/// The row's own kind, the sheet's or its title's, or what its columns say.
fn kind_of(line: &Line<'_, Col>, place: &Place) -> Result<UnitKind, Fault<Col>> {
    if let Some(label) = line.seen_text(Col::Kind)? {
        // "类型" may hold something else than a kind of unit ("毛坯"): then the sheet says what it lists.
        if let Some(kind) = place::kind_in(&label) {
            return Ok(kind);
        }
    }
    let by_columns =
        line.header.column(Col::Room).or(line.header.column(Col::Layout)).map(|_| UnitKind::Home);
    let by_number = place::kind_in(line.header.text(Col::Number));
    place.kind.or(by_number).or(by_columns).ok_or_else(|| Fault::new(Col::Kind, Reason::KindUnknown, ""))
}

fn area(line: &Line<'_, Col>, column: Col) -> Result<Option<AreaCenti>, Fault<Col>> {
    let cell = line.sound(column)?;
    if is_nothing(cell) {
        return Ok(None);
    }
    match cell.hundredths(false).and_then(AreaCenti::checked) {
        Some(area) => Ok(Some(area)),
        None => Err(Fault::of(column, Reason::AreaInvalid, cell)),
    }
}

/// Money in yuan, or in ten thousands where the header says so (`总价(万元)`).
fn money(line: &Line<'_, Col>, column: Col, invalid: Reason) -> Result<Option<Fen>, Fault<Col>> {
    let cell = line.sound(column)?;
    if is_nothing(cell) {
        return Ok(None);
    }
    match cell.hundredths(line.header.text(column).contains('万')) {
        Some(fen) if fen > 0 => Ok(Some(Fen(fen))),
        _ => Err(Fault::of(column, invalid, cell)),
    }
}

fn is_nothing(cell: &Cell) -> bool {
    cell.is_blank() || matches!(cell, Cell::Text(text) if matches!(text.trim(), "-" | "--" | "—" | "/"))
}

fn title_texts(row: &Row) -> impl Iterator<Item = String> {
    row.filled().map(|(_, cell)| cell.text())
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
