//! The published openings of this process.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::lifecycle::Phase;
use super::live::Live;
use super::recover::{self, RecoverError, Running};
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
    /// This process, in leases and clock reports.
    gateway: String,
    /// Read by every request, written when an opening is published or withdrawn; never held over an await.
    running: RwLock<HashMap<OpeningId, Running>>,
    /// One recovery at a time, so that an opening never runs twice in this process.
    starting: tokio::sync::Mutex<()>,
}

impl Openings {
    pub fn new(db: Db, vault: Arc<Vault>, clock: Clock) -> Self {
        let gateway = crate::domain::ids::RowId::generate().to_string();
        Self(Arc::new(Inner {
            db,
            vault,
            clock,
            gateway,
            running: RwLock::default(),
            starting: tokio::sync::Mutex::default(),
        }))
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
    /// those that are no longer public or were published anew. At start, and whenever a gateway may have published.
    pub async fn reconcile(&self) -> Result<(), RecoverError> {
        let public = self.public().await?;
        for live in self.list() {
            let here = (live.facts.id.clone(), live.facts.published_at);
            if !public.contains(&here) {
                self.stop(&here.0);
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
        let mut read = self.0.db.read().await?;
        let facts = recover::read_facts(&mut read, &self.0.vault, opening);
        let facts = stage(&format!("reading units and roster of opening {opening}"), facts).await?;
        drop(read);
        let started =
            recover::start(self.0.db.clone().into(), facts, self.0.clock.clone(), self.0.gateway.clone());
        let running = stage(&format!("recovering opening {opening}"), started).await?;
        let live = running.live.clone();
        self.0.running.write().unwrap_or_else(PoisonError::into_inner).insert(opening.clone(), running);
        Ok(live)
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
