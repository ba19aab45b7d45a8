//! The published openings of this process.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::Digest;

use super::gate2::Between;
use super::lifecycle::Phase;
use super::live::Live;
use super::recover::{self, RecoverError, Running};
use crate::cluster::{Gate2, Link};
use crate::config::RedisLost;
use crate::domain::ids::OpeningId;
use crate::domain::time::{Clock, Micros};
use crate::store::{Db, StoreError, fetch_all};
use crate::telemetry::stage;
use crate::vault::Vault;

/// Cheap to clone. Openings' tasks run on the runtime that starts them: the backend's.
#[derive(Clone)]
pub struct Openings(Arc<Inner>);

struct Inner {
    db: Db,
    vault: Arc<Vault>,
    clock: Clock,
    /// The Redis that the openings are spread over; none: the database alone.
    links: Vec<Link>,
    when_lost: RedisLost,
    /// This process, in leases and clock reports.
    gateway: String,
    /// Read by every request, written when an opening is published or withdrawn; never held over an await.
    running: RwLock<HashMap<OpeningId, Running>>,
    /// One recovery at a time, so that an opening never runs twice in this process.
    starting: tokio::sync::Mutex<()>,
}

impl Openings {
    pub fn new(db: Db, vault: Arc<Vault>, clock: Clock) -> Self {
        Self::between(db, vault, clock, Vec::new(), RedisLost::Continue)
    }

    /// With Redis between several gateways.
    pub fn between(db: Db, vault: Arc<Vault>, clock: Clock, links: Vec<Link>, when_lost: RedisLost) -> Self {
        let gateway = crate::domain::ids::RowId::generate().to_string();
        Self(Arc::new(Inner {
            db,
            vault,
            clock,
            links,
            when_lost,
            gateway,
            running: RwLock::default(),
            starting: tokio::sync::Mutex::default(),
        }))
    }

    /// Under which name this process takes leases and reports its clocks.
    pub fn gateway(&self) -> &str {
        &self.0.gateway
    }

    pub fn get(&self, opening: &OpeningId) -> Option<Arc<Live>> {
        let running = self.0.running.read().unwrap_or_else(PoisonError::into_inner);
        running.get(opening).map(|running| running.live.clone())
    }

    pub fn list(&self) -> Vec<Arc<Live>> {
        let running = self.0.running.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Arc<Live>> = running.values().map(|running| running.live.clone()).collect();
        all.sort_by(|a, b| a.facts.id.cmp(&b.facts.id));
        all
    }

    /// Brings this process in line with the database: starts every public opening that does not run here, stops
    /// those that are no longer public or were published anew, and starts those again that know more than it. At start, and
    /// whenever a gateway may have published.
    pub async fn reconcile(&self) -> Result<(), RecoverError> {
        let public = self.public().await?;
        for live in self.list() {
            let here = (live.facts.id.clone(), live.facts.published_at);
            if !public.contains(&here) {
                self.stop(&here.0);
            } else if live.is_set_back() {
                self.start_anew(&live).await?;
            }
        }
        for (opening, _) in public {
            self.start(&opening).await?;
        }
        Ok(())
    }

    /// Starts an opening that was just published, if it does not run here yet.
    pub async fn start(&self, opening: &OpeningId) -> Result<Arc<Live>, RecoverError> {
        let _one_at_a_time = self.0.starting.lock().await;
        if let Some(live) = self.get(opening) {
            return Ok(live);
        }
        self.bring_up(opening).await
    }

    /// Starts an opening again whose database was set back. Until the new one stands the old one answers no pick.
    async fn start_anew(&self, old: &Arc<Live>) -> Result<(), RecoverError> {
        let _one_at_a_time = self.0.starting.lock().await;
        let opening = &old.facts.id;
        if self.get(opening).is_some_and(|live| Arc::ptr_eq(&live, old)) {
            old.leave_behind().await?;
            self.bring_up(opening).await?;
        }
        Ok(())
    }

    /// The caller holds the lock of starts.
    async fn bring_up(&self, opening: &OpeningId) -> Result<Arc<Live>, RecoverError> {
        let mut read = self.0.db.read().await?;
        let facts = recover::read_facts(&mut read, &self.0.vault, opening);
        let facts = stage(&format!("reading units and roster of opening {opening}"), facts).await?;
        drop(read);
        let (ledger, clock, gateway) = (self.0.db.clone(), self.0.clock.clone(), self.0.gateway.clone());
        let started = Box::pin(recover::start(ledger.into(), facts, clock, gateway, self.redis_of(opening)));
        let running = stage(&format!("recovering opening {opening}"), started).await?;
        let live = running.live.clone();
        let before =
            self.0.running.write().unwrap_or_else(PoisonError::into_inner).insert(opening.clone(), running);
        drop(before);
        Ok(live)
    }

    /// The opening's Redis: the same at every gateway that names the same ones in the same order.
    pub fn link_of(&self, opening: &OpeningId) -> Option<&Link> {
        let digest = sha2::Sha256::digest(opening.as_str().as_bytes());
        let number = digest.iter().fold(0_usize, |number, byte| number.wrapping_mul(31) + usize::from(*byte));
        self.0.links.get(number.checked_rem(self.0.links.len())?)
    }

    fn redis_of(&self, opening: &OpeningId) -> Option<Between> {
        let link = self.link_of(opening)?;
        Some(Between { gate: Gate2::new(link.clone(), opening.as_str()), when_lost: self.0.when_lost })
    }

    /// Stops an opening here: after an unpublish.
    pub fn stop(&self, opening: &OpeningId) {
        let stopped = self.0.running.write().unwrap_or_else(PoisonError::into_inner).remove(opening);
        drop(stopped);
    }

    async fn public(&self) -> Result<Vec<(OpeningId, Micros)>, StoreError> {
        let mut read = self.0.db.read().await?;
        let rows = fetch_all!(
            read,
            (OpeningId, String, Option<Micros>),
            "SELECT h.opening_id, h.phase, o.published_at
             FROM opening_head h JOIN opening o ON o.id = h.opening_id ORDER BY h.opening_id"
        )?;
        let public = |phase: &str| Phase::from_name(phase).is_some_and(Phase::is_public);
        let known = |(id, _, published_at): (OpeningId, String, Option<Micros>)| {
            (id, published_at.unwrap_or_default())
        };
        Ok(rows.into_iter().filter(|(_, phase, _)| public(phase)).map(known).collect())
    }
}
