//! What the staff's door says, as `docs/protocol.md` has it. The layers below never see these types.

pub mod status;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::ids::{ProjectId, UnitOrd};
use crate::domain::kind;
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::opening::answer::{Claim, ClaimState};
use crate::opening::cashier::Person;
use crate::opening::drafts::{self, Overview, Settings, UnitLine};
use crate::opening::facts::Facts;
use crate::opening::label::unit_label as label;
use crate::opening::preflight;
use crate::store::PaymentRow;

/// One value for each kind of unit.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
pub struct PerKind<T> {
    pub home: T,
    pub parking: T,
    pub shop: T,
    pub storage: T,
}

impl<T: Copy> PerKind<T> {
    fn map<U>(self, change: impl Fn(T) -> U) -> PerKind<U> {
        PerKind {
            home: change(self.home),
            parking: change(self.parking),
            shop: change(self.shop),
            storage: change(self.storage),
        }
    }
}

impl<T> From<kind::PerKind<T>> for PerKind<T> {
    fn from(from: kind::PerKind<T>) -> Self {
        Self { home: from.home, parking: from.parking, shop: from.shop, storage: from.storage }
    }
}

impl<T> From<PerKind<T>> for kind::PerKind<T> {
    fn from(from: PerKind<T>) -> Self {
        Self { home: from.home, parking: from.parking, shop: from.shop, storage: from.storage }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Project {
    pub id: String,
    pub name: String,
    pub time_zone: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Projects {
    pub projects: Vec<Project>,
}

pub fn project(project: drafts::Project) -> Project {
    Project { id: project.id.to_string(), name: project.name, time_zone: project.time_zone }
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct NewProject {
    pub name: String,
}

/// What an admin sets; times that are left out keep their defaults.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OpeningDraft {
    #[schema(value_type = String)]
    pub project: ProjectId,
    pub name: String,
    pub start_ms: i64,
    pub end_ms: i64,
    #[serde(default = "default_hold_s")]
    pub hold_s: i64,
    #[serde(default = "default_favourites_max")]
    pub favourites_max: i64,
    pub deposit_fen: PerKind<i64>,
    #[serde(default = "default_quota")]
    pub quota: PerKind<i64>,
    #[serde(default)]
    pub household_quota: PerKind<Option<i64>>,
}

fn default_hold_s() -> i64 {
    Settings::HOLD_S_USUAL
}

fn default_favourites_max() -> i64 {
    Settings::FAVOURITES_USUAL
}

fn default_quota() -> PerKind<i64> {
    Settings::QUOTA_USUAL.into()
}

/// Settings to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OpeningPatch {
    pub name: Option<String>,
    pub start_ms: Option<i64>,
    pub end_ms: Option<i64>,
    pub hold_s: Option<i64>,
    pub favourites_max: Option<i64>,
    pub deposit_fen: Option<PerKind<i64>>,
    pub quota: Option<PerKind<i64>>,
    pub household_quota: Option<PerKind<Option<i64>>>,
}

impl OpeningDraft {
    pub fn settings(&self) -> Settings {
        Settings {
            name: self.name.clone(),
            start_at: Micros::from_ms(self.start_ms),
            end_at: Micros::from_ms(self.end_ms),
            hold: Micros::from_secs(self.hold_s),
            favourites_max: self.favourites_max,
            deposit: self.deposit_fen.map(Fen).into(),
            quota: self.quota.into(),
            household_quota: self.household_quota.into(),
        }
    }
}

impl OpeningPatch {
    pub fn apply(self, settings: Settings) -> Settings {
        Settings {
            name: self.name.unwrap_or(settings.name),
            start_at: self.start_ms.map_or(settings.start_at, Micros::from_ms),
            end_at: self.end_ms.map_or(settings.end_at, Micros::from_ms),
            hold: self.hold_s.map_or(settings.hold, Micros::from_secs),
            favourites_max: self.favourites_max.unwrap_or(settings.favourites_max),
            deposit: self.deposit_fen.map_or(settings.deposit, |deposit| deposit.map(Fen).into()),
            quota: self.quota.map_or(settings.quota, Into::into),
            household_quota: self.household_quota.map_or(settings.household_quota, Into::into),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UnitTotals {
    pub total: i64,
    pub by_kind: std::collections::BTreeMap<&'static str, i64>,
    pub withheld: i64,
    pub total_fen: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RosterTotals {
    pub total: i64,
    pub earnest_fen: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OpeningAdmin {
    pub id: String,
    pub project: String,
    pub project_name: String,
    pub name: String,
    pub state: &'static str,
    pub paused: bool,
    /// A rehearsal sells nothing; `simulated` says that its buyers are a program's.
    pub rehearsal: bool,
    pub simulated: bool,
    pub start_ms: i64,
    pub end_ms: i64,
    pub now_ms: i64,
    pub hold_s: i64,
    pub favourites_max: i64,
    pub deposit_fen: PerKind<i64>,
    pub quota: PerKind<i64>,
    pub household_quota: PerKind<Option<i64>>,
    pub units: UnitTotals,
    pub registrations: RosterTotals,
    pub units_hash: Option<String>,
    pub roster_hash: Option<String>,
    pub buyer_url: String,
    pub screen_url: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Openings {
    pub openings: Vec<OpeningAdmin>,
}

/// `now` is the opening's clock where it runs, wall time before.
pub fn opening(overview: Overview, now: Micros, buyers_url: &str) -> OpeningAdmin {
    let settings = overview.settings;
    let control = crate::opening::lifecycle::Control {
        phase: overview.phase,
        paused: overview.paused,
        start_at: settings.start_at,
        end_at: settings.end_at,
        version: 0,
        epoch: 0,
    };
    OpeningAdmin {
        buyer_url: format!("{buyers_url}/o/{}", overview.id),
        screen_url: format!("{buyers_url}/screen/{}", overview.id),
        id: overview.id.to_string(),
        project: overview.project.to_string(),
        project_name: overview.project_name,
        name: settings.name,
        state: control.phase_at(now).as_str(),
        paused: overview.paused,
        rehearsal: overview.rehearsal,
        simulated: overview.simulated,
        start_ms: settings.start_at.ms(),
        end_ms: settings.end_at.ms(),
        now_ms: now.ms(),
        hold_s: settings.hold.0 / 1_000_000,
        favourites_max: settings.favourites_max,
        deposit_fen: PerKind::from(settings.deposit).map(|fen| fen.0),
        quota: settings.quota.into(),
        household_quota: settings.household_quota.into(),
        units: UnitTotals {
            total: overview.units_by_kind.iter().map(|(_, count)| count).sum(),
            by_kind: overview.units_by_kind.iter().map(|(kind, count)| (kind.as_str(), *count)).collect(),
            withheld: overview.withheld,
            total_fen: overview.total.0,
        },
        registrations: RosterTotals { total: overview.registrations, earnest_fen: overview.earnest.0 },
        units_hash: overview.units_hash,
        roster_hash: overview.roster_hash,
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UnitAdmin {
    pub unit: i64,
    pub kind: String,
    pub building: String,
    pub section: String,
    pub floor: String,
    pub room: String,
    pub layout: String,
    pub facing: String,
    pub gross_area_centi: Option<i64>,
    pub inner_area_centi: Option<i64>,
    pub unit_price_fen: Option<i64>,
    pub total_fen: Option<i64>,
    pub remarks: String,
    pub withheld_reason: Option<String>,
    pub status: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Units {
    pub units: Vec<UnitAdmin>,
}

pub fn unit(line: UnitLine) -> UnitAdmin {
    let state = line.claim_state.as_deref().and_then(ClaimState::from_name);
    let status = match (state, &line.withheld_reason) {
        (Some(ClaimState::Held), _) => "held",
        (Some(ClaimState::Sold), _) => "sold",
        (Some(ClaimState::Withheld), _) | (None, Some(_)) => "withheld",
        _ => "free",
    };
    UnitAdmin {
        unit: line.ord,
        kind: line.kind,
        building: line.building,
        section: line.section,
        floor: line.floor,
        room: line.room,
        layout: line.layout,
        facing: line.facing,
        gross_area_centi: line.gross_area_centi,
        inner_area_centi: line.inner_area_centi,
        unit_price_fen: line.unit_price_fen.map(|fen| fen.0),
        total_fen: line.total_fen.map(|fen| fen.0),
        remarks: line.remarks,
        withheld_reason: line.withheld_reason,
        status,
    }
}

pub fn unit_label(facts: &Facts, unit: UnitOrd) -> String {
    facts.unit(unit).map_or_else(String::new, |unit| label(&unit.building, &unit.section, &unit.room))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct Withhold {
    #[schema(value_type = Vec<u32>)]
    pub units: Vec<UnitOrd>,
    pub reason: String,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct Unwithhold {
    #[schema(value_type = Vec<u32>)]
    pub units: Vec<UnitOrd>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RegistrationLine {
    pub code: String,
    pub name_masked: String,
    pub phone_masked: String,
    pub document_kind: String,
    pub document_masked: String,
    pub consultant: String,
    pub group: String,
    /// `passed`, `pending` or `failed`: who may look and not pick.
    pub eligibility: String,
    pub lot_number: Option<i64>,
    pub earnest_fen: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Registrations {
    pub total: usize,
    pub registrations: Vec<RegistrationLine>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Preflight {
    pub ok: bool,
    pub findings: Vec<Finding>,
    pub units_hash: String,
    pub roster_hash: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Finding {
    pub code: &'static str,
    pub severity: &'static str,
    pub params: Value,
    pub page: &'static str,
}

pub fn preflight(preflight: preflight::Preflight) -> Preflight {
    Preflight {
        ok: preflight.is_ok(),
        findings: preflight
            .findings
            .into_iter()
            .map(|finding| Finding {
                code: finding.code,
                severity: finding.severity.as_str(),
                params: serde_json::json!({ "count": finding.count, "first": finding.first }),
                page: finding.page.as_str(),
            })
            .collect(),
        units_hash: preflight.units_hash,
        roster_hash: preflight.roster_hash,
    }
}

/// Why staff intervene.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Reason {
    pub reason: String,
}

/// Why staff intervene, and in which hold as they saw it.
#[derive(Debug, Deserialize, ToSchema)]
pub struct HoldReason {
    pub generation: i64,
    pub reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Hold {
    pub claim: String,
    pub unit: u32,
    pub unit_label: String,
    pub code: String,
    pub name: String,
    pub phone_tail: String,
    pub registration: String,
    pub state: &'static str,
    pub generation: i64,
    pub deposit_fen: i64,
    pub paid_fen: i64,
    pub earnest_fen: i64,
    pub deadline_ms: Option<i64>,
    pub created_ms: i64,
    pub extended: bool,
    pub seq: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Holds {
    pub holds: Vec<Hold>,
}

pub fn hold(facts: &Facts, claim: &Claim, person: Option<&Person>) -> Hold {
    let registration = facts.registration(claim.registration);
    let phone = person.and_then(|person| person.phone.as_deref()).unwrap_or_default();
    let tail_at = phone.len().saturating_sub(4);
    Hold {
        claim: claim.id.to_string(),
        unit: claim.unit.0,
        unit_label: unit_label(facts, claim.unit),
        code: claim.code.clone(),
        name: person.map(|person| person.name.clone()).unwrap_or_default(),
        phone_tail: phone.get(tail_at..).unwrap_or_default().to_owned(),
        registration: registration.map(|r| r.code.clone()).unwrap_or_default(),
        state: claim.state.as_str(),
        generation: claim.generation,
        deposit_fen: claim.deposit.0,
        paid_fen: claim.paid.0,
        earnest_fen: registration.map_or(0, |r| r.earnest.0),
        deadline_ms: claim.deadline_at.map(Micros::ms),
        created_ms: claim.created_at.ms(),
        extended: claim.extended,
        seq: claim.seq,
    }
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct NewPayment {
    pub generation: i64,
    /// `cash`, `pos` or `transfer`.
    pub method: String,
    pub reference: String,
    pub amount_fen: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Payment {
    pub id: String,
    pub claim: String,
    pub generation: i64,
    pub method: String,
    pub reference: String,
    pub amount_fen: i64,
    pub applied_fen: i64,
    pub refund_fen: i64,
    pub refund_reason: Option<String>,
    pub created_ms: i64,
    pub by: String,
}

/// `by` is the name of who recorded it, where the account is still known.
pub fn payment(row: PaymentRow, by: Option<&String>) -> Payment {
    Payment {
        id: row.id.to_string(),
        claim: row.claim_id.to_string(),
        generation: row.generation,
        method: row.method,
        reference: row.reference,
        amount_fen: row.amount_fen.0,
        applied_fen: row.applied_fen.0,
        refund_fen: row.refund_fen.0,
        refund_reason: row.refund_reason,
        created_ms: row.created_at.ms(),
        by: by.cloned().unwrap_or(row.recorded_by),
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentDone {
    pub payment: Payment,
    pub hold: Hold,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Refunds {
    pub refunds: Vec<Payment>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Minute {
    pub at_ms: i64,
    pub held: usize,
    pub sold: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    pub now_ms: i64,
    pub seq: i64,
    pub units: usize,
    pub withheld: usize,
    pub free: usize,
    pub held: usize,
    pub sold: usize,
    /// Deals ÷ units not withheld, in basis points.
    pub sell_through_bp: usize,
    pub sold_fen: i64,
    pub signed_in: usize,
    pub connected: usize,
    pub picks: u64,
    pub refusals: std::collections::BTreeMap<&'static str, u64>,
    pub per_minute: Vec<Minute>,
    pub holds_about_to_lapse: Vec<Hold>,
}
