//! A published opening as this door serves it: what is the same for everyone is made once.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::rates::Rates;
use super::wire;
use crate::http::pages::Static;
use crate::opening::Live;
use crate::opening::answer::ClaimState;
use crate::opening::board::Status;

/// Deals shown on the big screen.
const LAST_DEALS: usize = 12;

pub struct Open {
    pub live: Arc<Live>,
    pub rates: Rates,
    /// Names the catalogue's bytes; browsers keep them under it for ever.
    pub catalogue_hash: String,
    pub catalogue: Static,
    /// What the big screen shows of the claims, as of a sequence: made once a change, not once a screen.
    deals: ArcSwapOption<(i64, Vec<wire::ScreenDeal>)>,
}

impl Open {
    pub fn new(live: Arc<Live>) -> Self {
        let units = wire::catalogue_units(&live.facts);
        let bytes = serde_json::to_vec(&units).unwrap_or_default();
        let catalogue_hash = hex::encode(Sha256::digest(&bytes));
        let catalogue = wire::Catalogue { hash: catalogue_hash.clone(), units };
        let bytes = Bytes::from(serde_json::to_vec(&catalogue).unwrap_or_default());
        Self {
            live,
            rates: Rates::default(),
            catalogue_hash,
            catalogue: Static::immutable("application/json", bytes),
            deals: ArcSwapOption::empty(),
        }
    }

    pub fn opening(&self) -> wire::Opening {
        wire::opening(&self.live, &self.catalogue_hash)
    }

    pub fn board(&self) -> wire::Board {
        let snapshot = self.live.board().snapshot();
        wire::Board { seq: snapshot.seq, status: wire::status_digits(&snapshot.statuses) }
    }

    pub fn screen(&self) -> wire::Screen {
        let snapshot = self.live.board().snapshot();
        let control = self.live.control();
        let facts = &self.live.facts;
        let count = |status| snapshot.statuses.iter().filter(|other| **other == status).count();
        let (sold, withheld) = (count(Status::Sold), count(Status::Withheld));
        let offered = snapshot.statuses.len().saturating_sub(withheld);
        wire::Screen {
            now_ms: self.live.now().ms(),
            seq: snapshot.seq,
            phase: self.live.phase().as_str(),
            paused: control.paused,
            start_ms: control.start_at.ms(),
            end_ms: control.end_at.ms(),
            participants: facts.registrations.len(),
            units: snapshot.statuses.len(),
            sold,
            held: count(Status::Held),
            free: count(Status::Free),
            withheld,
            sell_through_bp: (sold * 10_000).checked_div(offered).unwrap_or(0),
            last_deals: self.last_deals(snapshot.seq),
            units_hash: facts.units_hash.clone(),
            roster_hash: facts.roster_hash.clone(),
        }
    }

    fn last_deals(&self, seq: i64) -> Vec<wire::ScreenDeal> {
        if let Some(known) = self.deals.load().as_deref().filter(|(at, _)| *at == seq) {
            return known.1.clone();
        }
        let mut claims = self.live.all_claims();
        claims.retain(|claim| matches!(claim.state, ClaimState::Held | ClaimState::Sold));
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.seq));
        let name = |who| {
            let registration = self.live.facts.registration(who);
            registration.map_or_else(String::new, |registration| registration.name_masked.clone())
        };
        let deals: Vec<wire::ScreenDeal> = claims
            .iter()
            .take(LAST_DEALS)
            .map(|claim| wire::ScreenDeal {
                unit: claim.unit.0,
                name_masked: name(claim.registration),
                at_ms: claim.created_at.ms(),
                state: claim.state.as_str(),
            })
            .collect();
        self.deals.store(Some(Arc::new((seq, deals.clone()))));
        deals
    }
}
