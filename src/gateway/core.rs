//! What the buyers' door is made of: one [`Gateway`] a process, one [`Core`] a loop.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::open::Open;
use super::rates::Addresses;
use super::socket::{Hubs, Presence};
use super::tokens::Tokens;
use crate::domain::ids::OpeningId;
use crate::domain::time::{Clock, Micros};
use crate::http::health::Readiness;
use crate::http::lateness::Lateness;
use crate::http::token::TokenKey;
use crate::http::{Backend, Code, Drain, Problem};
use crate::identity::buyers::Buyers;
use crate::opening::{Live, Openings};
use crate::store::Db;

/// What the composition root hands over.
pub struct Parts {
    pub openings: Openings,
    pub db: Db,
    pub buyers: Buyers,
    pub backend: Backend,
    pub clock: Clock,
    pub token_key: TokenKey,
    /// Cookies are marked `Secure`: every page is served over TLS.
    pub secure_cookies: bool,
    pub drain: Drain,
    pub readiness: Readiness,
}

/// Shared by all loops of the process.
pub struct Gateway {
    pub parts: Parts,
    pub presence: Arc<Presence>,
    pub addresses: Addresses,
    /// Read by every request, written when an opening appears; never held over an await.
    open: RwLock<HashMap<OpeningId, Arc<Open>>>,
}

/// One loop's view: the shared gateway, and what lives on this loop alone.
#[derive(Clone)]
pub struct Core {
    pub gateway: Arc<Gateway>,
    pub hubs: Arc<Hubs>,
    pub tokens: Arc<Tokens>,
    /// Every pick over HTTP asks it first; the hubs of sockets have their own.
    pub lateness: Arc<Lateness>,
}

impl Gateway {
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            presence: Arc::default(),
            addresses: Addresses::default(),
            open: RwLock::default(),
        })
    }

    /// Call inside the runtime of the loop it is for.
    pub fn core(self: &Arc<Self>, lateness: Arc<Lateness>) -> Core {
        Core { gateway: Arc::clone(self), hubs: Arc::default(), tokens: Arc::default(), lateness }
    }

    /// Wall time, for sessions and codes; an opening has its own clock.
    pub fn now(&self) -> Micros {
        self.parts.clock.wall()
    }

    /// A published opening. Its catalogue is made on the first request that meets it, off the loop.
    pub async fn find(&self, opening: &OpeningId) -> Result<Arc<Open>, Problem> {
        if !self.parts.readiness.is_ready() {
            return Err(Code::NotReady.into());
        }
        let Some(live) = self.parts.openings.get(opening) else {
            self.forget(opening);
            return Err(Code::NotFound.into());
        };
        if let Some(open) = self.known(&live) {
            return Ok(open);
        }
        let (made, clock) = (Arc::clone(&live), self.parts.clock.clone());
        let making = async move { Arc::new(Open::new(made, clock)) };
        let open = Box::pin(self.parts.backend.run(making)).await?;
        let mut known = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever came first wins: rates are counted in one place only.
        let kept = known.entry(opening.clone()).or_insert_with(|| Arc::clone(&open));
        if !Arc::ptr_eq(&kept.live, &live) {
            *kept = open;
        }
        Ok(Arc::clone(kept))
    }

    /// Lets go of an opening that was withdrawn, or its memory would stay for ever.
    fn forget(&self, opening: &OpeningId) {
        let is_known = self.open.read().unwrap_or_else(PoisonError::into_inner).contains_key(opening);
        if is_known {
            self.open.write().unwrap_or_else(PoisonError::into_inner).remove(opening);
        }
    }

    fn known(&self, live: &Arc<Live>) -> Option<Arc<Open>> {
        let known = self.open.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&live.facts.id).filter(|open| Arc::ptr_eq(&open.live, live)).cloned()
    }
}
