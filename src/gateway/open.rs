//! A published opening as this door serves it: what is the same for everyone is made once.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::deals::Deals;
use super::rates::Rates;
use super::socket::Allowance;
use super::wire;
use crate::domain::time::Clock;
use crate::http::pages::Static;
use crate::opening::Live;
use crate::opening::board::Status;

pub struct Open {
    pub live: Arc<Live>,
    pub rates: Rates,
    /// Names the catalogue's bytes; browsers keep them under it for ever.
    pub catalogue_hash: String,
    pub catalogue: Static,
    /// What the big screen shows of the claims.
    deals: Deals,
}

impl Open {
    pub fn new(live: Arc<Live>, clock: Clock) -> Self {
        let units = wire::catalogue_units(&live.facts);
        let bytes = serde_json::to_vec(&units).unwrap_or_default();
        let catalogue_hash = hex::encode(Sha256::digest(&bytes));
        let catalogue = wire::Catalogue { hash: catalogue_hash.clone(), units };
        let bytes = Bytes::from(serde_json::to_vec(&catalogue).unwrap_or_default());
        Self {
            deals: Deals::new(&live),
            rates: Rates::of(is_rehearsed(&live), live.facts.registrations.len(), clock),
            catalogue_hash,
            catalogue: Static::immutable("application/json", bytes),
            live,
        }
    }

    /// What one socket may say.
    pub fn frames(&self) -> Allowance {
        Allowance::of(is_rehearsed(&self.live))
    }

    /// `wechat`: whether buyers may sign in by it.
    pub fn opening(&self, wechat: bool) -> wire::Opening {
        wire::opening(&self.live, &self.catalogue_hash, wechat)
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
            last_deals: self.deals.last(&self.live),
            units_hash: facts.units_hash.clone(),
            roster_hash: facts.roster_hash.clone(),
        }
    }
}

/// With simulated buyers: a rehearsal with real ones (公测) keeps a sale's limits.
fn is_rehearsed(live: &Live) -> bool {
    live.facts.rehearsal && live.facts.simulated
}
