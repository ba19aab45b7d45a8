//! Where a unit stands, read from what surrounds its row: the sheet's name, the title above the table. And the one way
//! of writing an address by which two rows are found to mean the same unit.

use crate::domain::kind::UnitKind;
use crate::domain::text::{clean, compact};

/// What a sheet's name and titles say about all its rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub kind: Option<UnitKind>,
    building: Option<String>,
}

impl Place {
    pub fn of_sheet(name: &str) -> Self {
        Self { kind: kind_in(name), building: whole_building(name).or_else(|| mentioned_building(name)) }
    }

    /// A row above the header. The sheet's own name knows the kind better than a title's prose.
    pub fn read_title(&mut self, title: &str) {
        self.kind = self.kind.or_else(|| kind_in(title));
        if let Some(building) = labelled_building(title) {
            self.building = Some(building);
        } else if self.building.is_none() {
            self.building = mentioned_building(title);
        }
    }

    /// A row between two blocks of a sheet: only what is certain.
    pub fn read_label(&mut self, text: &str) {
        if let Some(building) = labelled_building(text).or_else(|| whole_building(text)) {
            self.building = Some(building);
        }
    }

    /// Parking and storage belong to the site; their numbers are unique without a building.
    pub fn building_of(&self, kind: UnitKind) -> Option<String> {
        match kind {
            UnitKind::Home => self.building.clone(),
            UnitKind::Parking | UnitKind::Shop | UnitKind::Storage => None,
        }
    }
}

/// The one kind that a text names; `None` when it names none, or several.
pub(super) fn kind_in(text: &str) -> Option<UnitKind> {
    let text = compact(text);
    let words: [(UnitKind, &[&str]); 4] = [
        (UnitKind::Parking, &["车位", "车库", "停车"]),
        (UnitKind::Storage, &["储藏", "储物", "仓储"]),
        (UnitKind::Shop, &["商铺", "店铺", "商业", "底商", "商服", "网点"]),
        (UnitKind::Home, &["住宅", "公寓", "洋房", "别墅"]),
    ];
    let mut named = words.iter().filter(|(_, words)| words.iter().any(|word| text.contains(word)));
    match (named.next(), named.next()) {
        (Some((kind, _)), None) => Some(*kind),
        _ => None,
    }
}

/// `地下1层`, `B1`, `-2`, `负一层`, `3F`
pub(super) fn is_floor(text: &str) -> bool {
    let text = compact(text);
    let digits = text.trim_start_matches(['B', 'b', '-']).trim_end_matches(['F', 'f']);
    text.ends_with('层')
        || text.ends_with('楼')
        || (!digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
}

/// A text that is nothing but a building: `1#楼`, `12幢`, `A座`, or (as a sheet's name) a bare number.
fn whole_building(text: &str) -> Option<String> {
    let text = clean(text);
    let bare = strip_building_words(&text);
    let number = !bare.is_empty() && bare.len() <= 4 && bare.chars().all(|c| c.is_ascii_alphanumeric());
    let says_so = bare.len() < text.len() || bare.chars().all(|c| c.is_ascii_digit());
    (number && says_so).then_some(text)
}

/// `幢号：1#` in a title.
fn labelled_building(title: &str) -> Option<String> {
    let title = clean(title);
    for label in ["幢号", "楼号", "栋号", "楼栋号", "楼栋", "楼幢"] {
        let Some((_, after)) = title.split_once(label) else { continue };
        let Some(value) = after.trim_start().strip_prefix([':', '：']) else { continue };
        let value: String = value
            .trim_start()
            .chars()
            .take_while(|c| !matches!(c, ' ' | ',' | ';' | '，' | '；' | '、'))
            .collect();
        if !value.is_empty() {
            return Some(value);
        }
    }
    None
}

/// The only `3幢`, `12号楼` or `5#` in a title; two different ones say nothing.
fn mentioned_building(title: &str) -> Option<String> {
    let chars: Vec<char> = clean(title).chars().collect();
    let mut found: Option<String> = None;
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        while chars.get(at).is_some_and(char::is_ascii_digit) {
            at += 1;
        }
        if at == start {
            at += 1;
            continue;
        }
        let marks: String = chars.iter().skip(at).take_while(|c| "#号楼幢栋".contains(**c)).collect();
        // A bare 号 numbers anything: "第018号".
        if at - start <= 3 && !marks.is_empty() && marks != "号" {
            let mention: String = chars.iter().skip(start).take(at - start + marks.chars().count()).collect();
            match &found {
                Some(other) if strip_building_words(other) != strip_building_words(&mention) => return None,
                _ => found = Some(mention),
            }
        }
        at += marks.chars().count();
    }
    found
}

fn strip_building_words(text: &str) -> &str {
    text.trim_end_matches(['#', '号', '楼', '幢', '栋', '座', ' '])
}

/// Two rows are the same unit if this is the same: `1#`, `1号楼` and `1幢` are one building, `2层` and `2` one floor.
/// What stands in a building goes by building, section, floor and room; anything else has a number of its own, and
/// correcting where it lies must not make a second unit of it.
pub(super) fn identity(kind: UnitKind, building: &str, section: &str, floor: &str, room: &str) -> String {
    let plain = |text: &str| compact(text).to_uppercase();
    let building = plain(building);
    let building = strip_building_words(&building);
    let room = plain(room);
    let room = room.strip_suffix('室').or_else(|| room.strip_suffix('号')).unwrap_or(&room);
    let kind = kind.as_str();
    if building.is_empty() {
        format!("{kind}|{room}")
    } else {
        let section = plain(section);
        let section = section.strip_suffix("单元").unwrap_or(&section);
        let floor = plain(floor);
        let floor = floor.strip_suffix(['层', '楼', 'F']).unwrap_or(&floor);
        format!("{kind}|{building}|{section}|{floor}|{room}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_alone() {
        assert_eq!(kind_in("地下车位"), Some(UnitKind::Parking));
        assert_eq!(kind_in("商铺价目表"), Some(UnitKind::Shop));
        assert_eq!(kind_in("储藏室"), Some(UnitKind::Storage));
        assert_eq!(kind_in("住宅及车位价目表"), None);
        assert_eq!(kind_in("1#楼"), None);
    }

    #[test]
    fn buildings_are_found_around_the_table() {
        let of = |sheet: &str, titles: &[&str]| {
            let mut place = Place::of_sheet(sheet);
            titles.iter().for_each(|title| place.read_title(title));
            place.building
        };
        assert_eq!(of("1#楼", &[]).as_deref(), Some("1#楼"));
        assert_eq!(of("12", &[]).as_deref(), Some("12"));
        assert_eq!(of("A座", &[]).as_deref(), Some("A座"));
        assert_eq!(of("3#楼住宅", &[]).as_deref(), Some("3#楼"));
        assert_eq!(of("Sheet1", &[]), None);
        assert_eq!(of("价目表", &[]), None);
        let permit =
            "楼盘名称：云栖里花园   幢号：1#   预售许可证号：云房预售字(2026)第018号   自备案之日起12个月";
        assert_eq!(of("Sheet1", &[permit]).as_deref(), Some("1#"));
        assert_eq!(of("Sheet1", &["云栖里花园3号楼一房一价表"]).as_deref(), Some("3号楼"));
        assert_eq!(of("Sheet1", &["1#、2#楼价目表"]), None);
        assert_eq!(of("Sheet1", &["预售字第018号"]), None);
    }

    #[test]
    fn one_unit_has_one_identity() {
        let home = |b, s, f, r| identity(UnitKind::Home, b, s, f, r);
        assert_eq!(home("1#", "1单元", "2", "201"), home("1号楼", "1", "2层", "201室"));
        assert_eq!(home("a座", "", "3a", "3A01"), home("A", "", "3A", "3a01"));
        assert_ne!(home("1#", "1", "2", "201"), home("2#", "1", "2", "201"));
        assert_ne!(home("1#", "1", "2", "201"), home("1#", "2", "2", "201"));
        let parking = |f, r| identity(UnitKind::Parking, "", "", f, r);
        assert_eq!(parking("地下1层", "B1-001"), parking("", "b1-001"));
    }

    #[test]
    fn floors_are_told_from_other_places() {
        for floor in ["地下1层", "B1", "-2", "负一层", "3F", "12"] {
            assert!(is_floor(floor), "{floor}");
        }
        for place in ["沿街", "A区", "北门"] {
            assert!(!is_floor(place), "{place}");
        }
    }
}
