//! What an admin sets in a draft, and which values are possible.

use super::drafts::DraftError;
use crate::domain::kind::PerKind;
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::limits::{FAVOURITES_MAX, HOLD_S_MAX, NAME_CHARS_MAX, OPENING_S_MAX, QUOTA_MAX};

/// What an admin sets.
#[derive(Debug, Clone)]
pub struct Settings {
    pub name: String,
    pub start_at: Micros,
    pub end_at: Micros,
    pub hold: Micros,
    pub favourites_max: i64,
    pub deposit: PerKind<Fen>,
    pub quota: PerKind<i64>,
    pub household_quota: PerKind<Option<i64>>,
}

impl Settings {
    /// What an opening has when nobody says otherwise.
    pub const HOLD_S_USUAL: i64 = 900;
    pub const FAVOURITES_USUAL: i64 = 10;
    pub const QUOTA_USUAL: PerKind<i64> = PerKind { home: 1, parking: 1, shop: 1, storage: 1 };

    /// Names the first value that is not possible, as the wire does.
    pub(super) fn check(&self) -> Result<(), DraftError> {
        let quotas = [self.quota.home, self.quota.parking, self.quota.shop, self.quota.storage];
        let household = self.household_quota;
        let households = [household.home, household.parking, household.shop, household.storage];
        let deposits = [self.deposit.home, self.deposit.parking, self.deposit.shop, self.deposit.storage];
        let in_order = self.start_at < self.end_at;
        let fields = [
            ("name", is_name(&self.name)),
            ("start_ms", self.start_at > Micros(0)),
            ("end_ms", in_order && self.end_at.since(self.start_at) <= Micros::from_secs(OPENING_S_MAX)),
            ("hold_s", (Micros::from_secs(1)..=Micros::from_secs(HOLD_S_MAX)).contains(&self.hold)),
            ("favourites_max", (0..=FAVOURITES_MAX).contains(&self.favourites_max)),
            ("deposit_fen", deposits.iter().all(|deposit| *deposit >= Fen::ZERO)),
            ("quota", quotas.iter().all(|quota| (0..=QUOTA_MAX).contains(quota))),
            ("household_quota", households.iter().flatten().all(|quota| (0..=QUOTA_MAX).contains(quota))),
        ];
        match fields.into_iter().find(|(_, fits)| !fits) {
            Some((field, _)) => Err(DraftError::Field(field)),
            None => Ok(()),
        }
    }
}

pub(super) fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= NAME_CHARS_MAX
}
