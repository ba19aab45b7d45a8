//! What must be right before an opening is published, and the hashes of what publication freezes.

use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::FromRow;

use super::label::unit_label;
use crate::domain::ids::OpeningId;
use crate::domain::kind::names;
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::store::{Exec, StoreError, fetch_all, fetch_one, fetch_optional};

names!(
    /// A stop refuses publication; a warning asks for a second look.
    Severity { Stop = "stop", Warn = "warn" }
);

names!(
    /// The console page on which a finding is mended.
    Page { Settings = "settings", Units = "units", Roster = "roster" }
);

/// One thing that is wrong or doubtful.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: &'static str,
    pub severity: Severity,
    pub page: Page,
    /// How many units or registrations it concerns, where that is the question.
    pub count: Option<i64>,
    /// The first of them, as people name it.
    pub first: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Preflight {
    pub findings: Vec<Finding>,
    /// Hex SHA-256 of what would be frozen now.
    pub units_hash: String,
    pub roster_hash: String,
}

impl Preflight {
    pub fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Stop)
    }
}

#[derive(FromRow)]
struct UnitLine {
    ord: i64,
    kind: String,
    building: String,
    section: String,
    floor: String,
    room: String,
    layout: String,
    facing: String,
    gross_area_centi: Option<i64>,
    inner_area_centi: Option<i64>,
    unit_price_fen: Option<Fen>,
    total_fen: Option<Fen>,
    withheld_reason: Option<String>,
}

#[derive(FromRow)]
struct RosterLine {
    ord: i64,
    code: String,
    document_bidx: Vec<u8>,
    phone_bidx: Option<Vec<u8>>,
    household: Option<String>,
    eligibility: String,
    group_name: String,
    lot_number: Option<i64>,
    quota_home: i64,
    earnest_fen: Fen,
}

#[derive(FromRow)]
struct Settings {
    start_at: Micros,
    end_at: Micros,
    deposit_home_fen: Fen,
    rehearsal: bool,
}

/// Looks at everything that publication would freeze.
pub async fn look(on: &mut Exec<'_>, opening: &OpeningId, now: Micros) -> Result<Preflight, StoreError> {
    let units = fetch_all!(
        on,
        UnitLine,
        "SELECT ord, kind, building, section, floor, room, layout, facing, gross_area_centi,
                inner_area_centi, unit_price_fen, total_fen, withheld_reason
         FROM unit_shown WHERE opening_id = $1 ORDER BY ord",
        opening
    )?;
    let roster = fetch_all!(
        on,
        RosterLine,
        "SELECT ord, code, document_bidx, phone_bidx, household, eligibility, group_name, lot_number,
                quota_home, earnest_fen
         FROM registration_shown WHERE opening_id = $1 ORDER BY ord",
        opening
    )?;
    let settings = fetch_one!(
        on,
        Settings,
        "SELECT h.start_at, h.end_at, o.deposit_home_fen, o.rehearsal
         FROM opening o JOIN opening_head h ON h.opening_id = o.id WHERE o.id = $1",
        opening
    )?;
    let mut findings = Vec::new();
    look_at_settings(&settings, now, &mut findings);
    look_at_units(&units, &mut findings);
    look_at_roster(&roster, &mut findings);
    if !settings.rehearsal
        && let Some(occupied) = occupied_elsewhere(on, opening).await?
    {
        findings.push(occupied);
    }
    Ok(Preflight { findings, units_hash: units_hash(&units), roster_hash: roster_hash(&roster) })
}

fn finding(code: &'static str, severity: Severity, page: Page) -> Finding {
    Finding { code, severity, page, count: None, first: None }
}

fn look_at_settings(settings: &Settings, now: Micros, findings: &mut Vec<Finding>) {
    if settings.start_at <= now {
        findings.push(finding("START_IN_PAST", Severity::Stop, Page::Settings));
    }
    if settings.end_at <= settings.start_at {
        findings.push(finding("END_BEFORE_START", Severity::Stop, Page::Settings));
    }
    if settings.deposit_home_fen <= Fen::ZERO {
        findings.push(finding("DEPOSIT_ZERO", Severity::Warn, Page::Settings));
    }
}

fn look_at_units(units: &[UnitLine], findings: &mut Vec<Finding>) {
    if units.is_empty() {
        findings.push(finding("NO_UNITS", Severity::Stop, Page::Units));
    } else if units.iter().all(|unit| unit.withheld_reason.is_some()) {
        findings.push(finding("ALL_UNITS_WITHHELD", Severity::Stop, Page::Units));
    }
    let unpriced = units.iter().filter(|unit| unit.total_fen.is_none_or(|total| total <= Fen::ZERO));
    count("UNIT_WITHOUT_PRICE", Severity::Stop, Page::Units, unpriced, UnitLine::label, findings);
}

fn look_at_roster(roster: &[RosterLine], findings: &mut Vec<Finding>) {
    if roster.is_empty() {
        findings.push(finding("NO_REGISTRATIONS", Severity::Stop, Page::Roster));
    } else if roster.iter().all(|line| line.eligibility != "passed") {
        findings.push(finding("NOBODY_ELIGIBLE", Severity::Stop, Page::Roster));
    }
    let label = |line: &RosterLine| line.code.clone();
    let no_phone = roster.iter().filter(|line| line.phone_bidx.is_none());
    count("REGISTRATION_WITHOUT_PHONE", Severity::Stop, Page::Roster, no_phone, label, findings);
    let pending = roster.iter().filter(|line| line.eligibility == "pending");
    count("ELIGIBILITY_PENDING", Severity::Warn, Page::Roster, pending, label, findings);
}

fn count<'l, L: 'l>(
    code: &'static str,
    severity: Severity,
    page: Page,
    mut lines: impl Iterator<Item = &'l L>,
    label: impl Fn(&L) -> String,
    findings: &mut Vec<Finding>,
) {
    if let Some(first) = lines.next() {
        let count = i64::try_from(lines.count()).unwrap_or(i64::MAX).saturating_add(1);
        findings.push(Finding { code, severity, page, count: Some(count), first: Some(label(first)) });
    }
}

/// Homes that another opening holds or sold: they can't be on offer here, but may be withheld.
async fn occupied_elsewhere(on: &mut Exec<'_>, opening: &OpeningId) -> Result<Option<Finding>, StoreError> {
    let row = fetch_optional!(
        on,
        (i64, Option<String>),
        "SELECT COUNT(*), MIN(u.building || '-' || u.room) FROM unit_shown u
         JOIN claim c ON c.property_id = u.property_id AND c.occupying AND NOT c.rehearsal
         WHERE u.opening_id = $1 AND c.opening_id <> $1",
        opening
    )?;
    Ok(row.filter(|(count, _)| *count > 0).map(|(count, first)| Finding {
        count: Some(count),
        first,
        ..finding("PROPERTY_OCCUPIED", Severity::Stop, Page::Units)
    }))
}

impl UnitLine {
    fn label(&self) -> String {
        unit_label(&self.building, &self.section, &self.room)
    }
}

/// SHA-256 over one line a row: fields in the order written here, separated by U+001F, lines ended by U+000A, absent
/// values empty. `docs/protocol.md` repeats this for whoever checks.
fn hash<'l, L: 'l>(lines: impl Iterator<Item = &'l L>, fields: impl Fn(&L) -> Vec<String>) -> String {
    let mut sha = Sha256::new();
    for line in lines {
        sha.update(fields(line).join("\u{1f}"));
        sha.update("\n");
    }
    hex::encode(sha.finalize())
}

fn units_hash(units: &[UnitLine]) -> String {
    let number = |n: Option<i64>| n.map_or_else(String::new, |n| n.to_string());
    hash(units.iter(), |unit| {
        vec![
            unit.ord.to_string(),
            unit.kind.clone(),
            unit.building.clone(),
            unit.section.clone(),
            unit.floor.clone(),
            unit.room.clone(),
            unit.layout.clone(),
            unit.facing.clone(),
            number(unit.gross_area_centi),
            number(unit.inner_area_centi),
            number(unit.unit_price_fen.map(|fen| fen.0)),
            number(unit.total_fen.map(|fen| fen.0)),
            // Withheld units are part of what is disclosed.
            if unit.withheld_reason.is_some() { "withheld".to_owned() } else { String::new() },
        ]
    })
}

fn roster_hash(roster: &[RosterLine]) -> String {
    hash(roster.iter(), |line| {
        vec![
            line.ord.to_string(),
            line.code.clone(),
            hex::encode(&line.document_bidx),
            line.phone_bidx.as_ref().map_or_else(String::new, hex::encode),
            line.household.clone().unwrap_or_default(),
            line.eligibility.clone(),
            line.group_name.clone(),
            line.lot_number.map_or_else(String::new, |n| n.to_string()),
            line.quota_home.to_string(),
            line.earnest_fen.0.to_string(),
        ]
    })
}
