//! What a running opening knows of its units and buyers: compiled at publication, frozen, read by every pick. A pick
//! calls no other module.

use std::collections::HashMap;

use super::answer::HolderKind;
use crate::domain::ids::{OpeningId, ProjectId, PropertyId, RegOrd, UnitOrd};
use crate::domain::kind::{Eligibility, PerKind, UnitKind};
use crate::domain::money::Fen;
use crate::domain::time::Micros;

/// The frozen part of an opening.
#[derive(Debug, Clone)]
pub struct Facts {
    pub id: OpeningId,
    pub project_id: ProjectId,
    pub project_name: String,
    pub name: String,
    pub rehearsal: bool,
    pub simulated: bool,
    pub hold: Micros,
    pub favourites_max: u32,
    pub deposit: PerKind<Fen>,
    pub quota: PerKind<u16>,
    pub household_quota: PerKind<Option<u16>>,
    pub units_hash: String,
    pub roster_hash: String,
    /// Which publication this is: withdrawn and published again, it is another one.
    pub published_at: Micros,
    /// By ordinal.
    pub units: Vec<Unit>,
    /// By ordinal.
    pub registrations: Vec<Registration>,
    /// By the number on the roster.
    pub by_code: HashMap<String, RegOrd>,
}

/// One line of the catalogue.
#[derive(Debug, Clone)]
pub struct Unit {
    pub property: PropertyId,
    pub kind: UnitKind,
    pub building: String,
    pub section: String,
    pub floor: String,
    pub room: String,
    pub layout: String,
    pub facing: String,
    pub gross_area_centi: Option<i64>,
    pub inner_area_centi: Option<i64>,
    pub unit_price: Option<Fen>,
    pub total: Fen,
    pub remarks: String,
}

/// One line of the admission list. No phone, no document; the name only masked.
#[derive(Debug, Clone)]
pub struct Registration {
    pub code: String,
    pub name_masked: String,
    pub group: String,
    pub lot_number: Option<i64>,
    pub eligibility: Eligibility,
    pub household: Option<Household>,
    pub quota_home: u16,
    pub earnest: Fen,
}

/// A household's number on the roster, and its place in order of first appearance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Household {
    pub name: String,
    pub ord: u32,
}

/// Whose numbered places a pick takes, for a class of units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub kind: HolderKind,
    /// As stored in `quota_place.holder`.
    pub name: String,
    /// In the inventory: registrations are even, households odd, so that both may grow.
    pub index: u32,
    pub limit: u16,
}

/// One or two holders: the registration, then its household.
#[derive(Debug, Clone, Copy)]
pub struct HolderIndexes {
    of: [u32; 2],
    count: usize,
}

impl HolderIndexes {
    pub fn as_slice(&self) -> &[u32] {
        self.of.get(..self.count).unwrap_or(&self.of)
    }

    /// Whose place the one at `at` is.
    pub const fn kind(at: usize) -> HolderKind {
        if at == 0 { HolderKind::Registration } else { HolderKind::Household }
    }
}

impl Facts {
    pub fn unit(&self, unit: UnitOrd) -> Option<&Unit> {
        self.units.get(usize::try_from(unit.0).ok()?)
    }

    pub fn registration(&self, who: RegOrd) -> Option<&Registration> {
        self.registrations.get(usize::try_from(who.0).ok()?)
    }

    /// The registration itself, and its household where the opening sets a limit.
    pub fn holders(&self, who: RegOrd, kind: UnitKind) -> Vec<Holder> {
        let Some(registration) = self.registration(who) else { return Vec::new() };
        let own = Holder {
            kind: HolderKind::Registration,
            name: who.0.to_string(),
            index: registration_holder(who),
            limit: self.own_limit(registration, kind),
        };
        let household = registration.household.as_ref().and_then(|household| {
            Some(Holder {
                kind: HolderKind::Household,
                name: household.name.clone(),
                index: household_holder(household.ord),
                limit: self.household_quota.get(kind)?,
            })
        });
        std::iter::once(own).chain(household).collect()
    }

    /// The same holders as the inventory knows them; a losing pick allocates nothing.
    pub fn holder_indexes(&self, who: RegOrd, kind: UnitKind) -> HolderIndexes {
        let household = self.registration(who).and_then(|registration| registration.household.as_ref());
        match household.filter(|_| self.household_quota.get(kind).is_some()) {
            Some(household) => {
                HolderIndexes { of: [registration_holder(who), household_holder(household.ord)], count: 2 }
            }
            None => HolderIndexes { of: [registration_holder(who), 0], count: 1 },
        }
    }

    /// 可选套数 counts homes; the other kinds follow the opening.
    pub fn own_limit(&self, registration: &Registration, kind: UnitKind) -> u16 {
        match kind {
            UnitKind::Home => registration.quota_home,
            other => self.quota.get(other),
        }
    }
}

pub const fn registration_holder(who: RegOrd) -> u32 {
    who.0.saturating_mul(2)
}

pub const fn household_holder(ord: u32) -> u32 {
    ord.saturating_mul(2).saturating_add(1)
}
