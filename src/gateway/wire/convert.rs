//! From the opening's values to the wire's, by hand: a field that is added below is not on the wire until it is here.

use serde_json::{Map, Value};

use super::{Answer, CatalogueUnit, Claim, DeviceRequest, Opening, PerKind, Registration, ServerFrame};
use crate::domain::ids::RegOrd;
use crate::domain::kind::{self, UnitKind};
use crate::identity::buyers;
use crate::opening::Live;
use crate::opening::answer::{self, Key, Refusal};
use crate::opening::facts::Facts;

impl<T> PerKind<T> {
    fn of<F>(values: kind::PerKind<F>, convert: impl Fn(F) -> T) -> Self {
        Self {
            home: convert(values.home),
            parking: convert(values.parking),
            shop: convert(values.shop),
            storage: convert(values.storage),
        }
    }
}

pub fn opening(live: &Live, catalogue_hash: &str, wechat: bool) -> Opening {
    let facts = &live.facts;
    let control = live.control();
    Opening {
        id: facts.id.to_string(),
        name: facts.name.clone(),
        project_name: facts.project_name.clone(),
        phase: live.phase().as_str(),
        paused: control.paused,
        start_ms: control.start_at.ms(),
        end_ms: control.end_at.ms(),
        now_ms: live.now().ms(),
        hold_s: facts.hold.0.div_euclid(1_000_000),
        favourites_max: facts.favourites_max,
        participants: facts.registrations.len(),
        deposit_fen: PerKind::of(facts.deposit, |fen| fen.0),
        quota: PerKind::of(facts.quota, |places| places),
        catalogue_hash: catalogue_hash.to_owned(),
        units_hash: facts.units_hash.clone(),
        roster_hash: facts.roster_hash.clone(),
        rehearsal: facts.rehearsal,
        simulated: facts.simulated,
        wechat,
    }
}

pub fn catalogue_units(facts: &Facts) -> Vec<CatalogueUnit> {
    let units = (0_u32..).zip(&facts.units);
    units
        .map(|(ordinal, unit)| CatalogueUnit {
            unit: ordinal,
            kind: unit.kind.as_str(),
            building: unit.building.clone(),
            section: unit.section.clone(),
            floor: unit.floor.clone(),
            room: unit.room.clone(),
            layout: unit.layout.clone(),
            facing: unit.facing.clone(),
            gross_area_centi: unit.gross_area_centi,
            inner_area_centi: unit.inner_area_centi,
            unit_price_fen: unit.unit_price.map(|fen| fen.0),
            total_fen: unit.total.0,
            remarks: unit.remarks.clone(),
        })
        .collect()
}

/// `None` if the admission list has no such registration.
pub fn registration(facts: &Facts, who: RegOrd) -> Option<Registration> {
    let registration = facts.registration(who)?;
    let quota = |kind| facts.own_limit(registration, kind);
    Some(Registration {
        code: registration.code.clone(),
        name_masked: registration.name_masked.clone(),
        group: registration.group.clone(),
        lot_number: registration.lot_number,
        quota: PerKind {
            home: quota(UnitKind::Home),
            parking: quota(UnitKind::Parking),
            shop: quota(UnitKind::Shop),
            storage: quota(UnitKind::Storage),
        },
        eligibility: registration.eligibility.as_str(),
        earnest_fen: registration.earnest.0,
    })
}

pub fn claim(claim: &answer::Claim) -> Claim {
    Claim {
        id: claim.id.to_string(),
        unit: claim.unit.0,
        state: claim.state.as_str(),
        generation: claim.generation,
        code: claim.code.clone(),
        deposit_fen: claim.deposit.0,
        paid_fen: claim.paid.0,
        deadline_ms: claim.deadline_at.map(|at| at.ms()),
        created_ms: claim.created_at.ms(),
        seq: claim.seq,
        extended: claim.extended,
    }
}

pub fn device_request(request: &buyers::DeviceRequest) -> DeviceRequest {
    DeviceRequest { session: request.session.to_string(), label: request.label.clone() }
}

impl Answer {
    pub fn of(key: &Key, answer: &answer::Answer) -> Self {
        let key = key.as_str().to_owned();
        match answer {
            answer::Answer::Yes(granted) => Self::Yes { key, claim: claim(granted) },
            answer::Answer::No(refusal) => {
                Self::No { key, code: refusal.code(), params: refusal_params(*refusal) }
            }
            answer::Answer::InProgress => Self::InProgress { key },
            answer::Answer::Unknown => Self::Unknown { key },
        }
    }

    /// The one refusal that the door itself decides: only one device of a registration picks.
    pub fn viewer_device(key: &Key) -> Self {
        Self::No { key: key.as_str().to_owned(), code: "VIEWER_DEVICE", params: Map::new() }
    }
}

pub fn refusal_params(refusal: Refusal) -> Map<String, Value> {
    let mut params = Map::new();
    match refusal {
        Refusal::QuotaUsed { holder, kind } => {
            params.insert("holder".to_owned(), holder.as_str().into());
            params.insert("kind".to_owned(), kind.as_str().into());
        }
        Refusal::Taken { unit } | Refusal::Withheld { unit } | Refusal::AlreadyYours { unit } => {
            params.insert("unit".to_owned(), unit.0.into());
        }
        Refusal::NotOpenYet
        | Refusal::Closed
        | Refusal::Paused
        | Refusal::NotAdmitted
        | Refusal::UnitUnknown
        | Refusal::NotRecorded => {}
    }
    params
}

pub fn control(live: &Live) -> ServerFrame {
    let control = live.control();
    ServerFrame::Control {
        phase: live.phase().as_str(),
        paused: control.paused,
        start_ms: control.start_at.ms(),
        end_ms: control.end_at.ms(),
        now_ms: live.now().ms(),
    }
}
