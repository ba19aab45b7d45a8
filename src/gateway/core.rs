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
use crate::identity::buyers::{Buyers, WechatSignIn};
use crate::opening::{Live, Openings};
use crate::store::Db;

/// What the composition root hands over.
pub struct Parts {
    pub openings: Openings,
    pub db: Db,
    pub buyers: Buyers,
    /// None: nobody signs in by WeChat here.
    pub wechat: Option<WechatSignIn>,
    /// Where WeChat may lead back to; the first is the usual one.
    pub public_origins: Vec<String>,
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

impl Core {
    pub fn has_wechat(&self) -> bool {
        self.gateway.parts.wechat.is_some()
    }
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
        let Some(live) = self.parts.openings.get(opening) else { return Err(Code::NotFound.into()) };
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

    /// Lets go of openings that no longer run here: perhaps nobody asks for them again, and their units, buyers and
    /// answers would stay for ever. Their buyers' devices stay known: an opening that is published again takes its old
    /// sessions, and on SQLite they are read at the start only.
    pub fn forget_stopped(&self) {
        let openings = &self.parts.openings;
        let stopped = |id: &OpeningId, open: &mut Arc<Open>| {
            openings.get(id).is_none_or(|live| !Arc::ptr_eq(&live, &open.live))
        };
        let mut known = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> = known.extract_if(stopped).collect();
        // A hundred thousand people's answers take their time to drop; every request of every opening looks in here.
        drop(known);
        drop(gone);
    }

    fn known(&self, live: &Arc<Live>) -> Option<Arc<Open>> {
        let known = self.open.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&live.facts.id).filter(|open| Arc::ptr_eq(&open.live, live)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::time::Micros;
    use crate::gateway::testing;
    use crate::store::testing as store_testing;
    use std::sync::Arc;

    /// Seen red: nothing let go of; and only what is known by an id that does not run here, so that an opening that was
    /// published again kept what it was before.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_stopped_is_let_go_of_and_what_runs_is_kept() {
        let (_folder, db) = store_testing::sqlite().await;
        let gateway = testing::gateway(&db).await;
        let openings = &gateway.parts.openings;
        let id = store_testing::opening(&db, Micros::from_secs(1_800_000_000)).await;
        openings.start(&id).await.unwrap();
        let open = Arc::downgrade(&gateway.find(&id).await.unwrap());
        gateway.forget_stopped();
        assert!(open.upgrade().is_some());

        openings.stop(&id);
        openings.start(&id).await.unwrap();
        gateway.forget_stopped();
        assert!(open.upgrade().is_none());
    }
}
