//! Slows whoever tries too often: a leaky bucket for each key, in bounded memory.
//!
//! Nobody is locked out for good: a bucket leaks at a steady rate, so there is always a next try, and the answer says
//! when. A try is counted before its outcome is known and given back when it succeeds; counting failures afterwards
//! would let a thousand parallel guesses pass while the first is still being checked.
//!
//! Several gateways count together, in Redis, and each for itself: a try passes only if both say so. While Redis does not
//! answer, what each counts for itself is the limit.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use dashmap::DashMap;

use crate::cluster::{Bucket, Link};
use crate::domain::time::Micros;
use crate::limits::THROTTLE_KEYS_MAX;
use crate::vault::{Secret, Vault};

/// `burst` tries at once, then one each `every_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub burst: i64,
    pub every_ms: i64,
}

/// Who tries what: its parts in a fixed order.
pub(super) type Key<'a> = [&'a [u8]];

pub(super) struct Throttle {
    what: &'static str,
    every: i64,
    depth: i64,
    hasher: RandomState,
    /// A hash of the key → when its bucket is empty, in microseconds. Keys come from clients, so their text is not
    /// kept; the hash is seeded, so nobody can aim at another's bucket.
    empty_at: DashMap<u64, i64>,
    shared: Option<Shared>,
}

/// The way to the buckets of all gateways.
#[derive(Clone)]
pub(super) struct Shared {
    link: Link,
    vault: Arc<Vault>,
}

impl Shared {
    pub(super) fn new(link: Link, vault: &Arc<Vault>) -> Self {
        Self { link, vault: Arc::clone(vault) }
    }

    /// Whether some gateway knows this key; not, while Redis does not answer.
    pub(super) async fn knows(&self, what: &str, key: &Key<'_>) -> bool {
        self.link.is_noted(&self.name(what, key)).await.unwrap_or(false)
    }

    /// Tells all gateways of this key.
    pub(super) async fn note(&self, what: &str, key: &Key<'_>, for_s: u64) {
        let _lost = self.link.note(&self.name(what, key), for_s).await;
    }

    /// The same at every gateway, and told by nobody without the keyring: Redis holds no login and no address.
    fn name(&self, what: &str, key: &Key<'_>) -> String {
        let mut value = Vec::new();
        for part in key {
            value.extend_from_slice(&part.len().to_be_bytes());
            value.extend_from_slice(part);
        }
        hex::encode(self.vault.hash_secret(Secret::Bucket, what, &value))
    }
}

impl Throttle {
    /// `what` tells this throttle's buckets from another's.
    pub(super) fn new(what: &'static str, rate: Rate, shared: Option<Shared>) -> Self {
        let every = Micros::from_ms(rate.every_ms.max(1)).0;
        Self {
            what,
            every,
            depth: every.saturating_mul(rate.burst.max(1)),
            hasher: RandomState::new(),
            empty_at: DashMap::new(),
            shared,
        }
    }

    /// Counts a try, or says how long to wait for the next one. Waits for Redis no longer than for any answer of it.
    pub(super) async fn attempt(&self, key: &Key<'_>, now: Micros) -> Result<(), Micros> {
        let counted = self.count(key, now)?;
        // What memory has no room for Redis is not told either, or a flood of keys would fill it.
        let Some(shared) = self.shared.as_ref().filter(|_| counted) else { return Ok(()) };
        let name = shared.name(self.what, key);
        match shared.link.count(self.bucket(&name)).await {
            Ok(Some(wait)) => {
                self.give_back(key);
                Err(wait)
            }
            // Refusing would let whoever takes Redis away keep everybody out.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Gives a counted try back: it was not a failure.
    pub(super) async fn forgive(&self, key: &Key<'_>) {
        self.give_back(key);
        if let Some(shared) = &self.shared {
            let name = shared.name(self.what, key);
            // Not given back, it leaks away.
            let _lost = shared.link.give_back(self.bucket(&name)).await;
        }
    }

    fn bucket<'a>(&self, name: &'a str) -> Bucket<'a> {
        Bucket { name, every: Micros(self.every), depth: Micros(self.depth) }
    }

    /// Whether there was room to count it.
    fn count(&self, key: &Key<'_>, now: Micros) -> Result<bool, Micros> {
        let key = self.hasher.hash_one(key);
        if !self.empty_at.contains_key(&key) && self.empty_at.len() >= THROTTLE_KEYS_MAX {
            self.sweep(now);
            if self.empty_at.len() >= THROTTLE_KEYS_MAX {
                // Refusing would turn a flood of keys into a lock-out of everybody; every key here has a coarser
                // bound behind it (the address's bucket, the code's five tries).
                return Ok(false);
            }
        }
        let mut empty_at = self.empty_at.entry(key).or_insert(now.0);
        // A wall clock that was stepped back must not leave a bucket fuller than full.
        let filled = (*empty_at - now.0).clamp(0, self.depth).saturating_add(self.every);
        if filled > self.depth {
            return Err(Micros(filled - self.depth));
        }
        *empty_at = now.0.saturating_add(filled);
        Ok(true)
    }

    fn give_back(&self, key: &Key<'_>) {
        if let Some(mut empty_at) = self.empty_at.get_mut(&self.hasher.hash_one(key)) {
            *empty_at -= self.every;
        }
    }

    /// Forgets keys whose buckets are empty.
    pub(super) fn sweep(&self, now: Micros) {
        self.empty_at.retain(|_, empty_at| *empty_at > now.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::REDIS_ANSWER_TIMEOUT;
    use crate::vault::Keyring;

    const NOW: Micros = Micros::from_secs(1_000);
    const A: &Key<'static> = &[b"a"];

    fn throttle() -> Throttle {
        Throttle::new("test", Rate { burst: 3, every_ms: 10_000 }, None)
    }

    #[tokio::test]
    async fn a_burst_then_one_at_a_time_and_never_for_good() {
        let throttle = throttle();
        for _ in 0..3 {
            assert_eq!(throttle.attempt(A, NOW).await, Ok(()));
        }
        assert_eq!(throttle.attempt(A, NOW).await, Err(Micros::from_secs(10)));
        assert_eq!(throttle.attempt(&[b"b"], NOW).await, Ok(()), "another key is not concerned");
        let next = NOW.plus(Micros::from_secs(10));
        assert_eq!(throttle.attempt(A, next).await, Ok(()), "a refused try did not cost anything");
        assert!(throttle.attempt(A, next).await.is_err());
    }

    #[tokio::test]
    async fn success_costs_nothing() {
        let throttle = throttle();
        for _ in 0..100 {
            assert_eq!(throttle.attempt(A, NOW).await, Ok(()));
            throttle.forgive(A).await;
        }
    }

    /// Mutation caught: without the clamp, an hour's step back refused everybody for that hour.
    #[tokio::test]
    async fn a_stepped_clock_does_not_lock_out() {
        let throttle = throttle();
        for _ in 0..3 {
            throttle.attempt(A, NOW.plus(Micros::from_secs(3_600))).await.unwrap();
        }
        assert_eq!(throttle.attempt(A, NOW).await, Err(Micros::from_secs(10)));
    }

    #[tokio::test]
    async fn memory_is_bounded_and_swept() {
        let throttle = throttle();
        for key in 0..THROTTLE_KEYS_MAX + 50 {
            assert_eq!(throttle.attempt(&[&key.to_be_bytes()], NOW).await, Ok(()));
        }
        assert!(throttle.empty_at.len() <= THROTTLE_KEYS_MAX);
        throttle.sweep(NOW.plus(Micros::from_secs(60)));
        assert_eq!(throttle.empty_at.len(), 0);
    }

    /// OP-85. A server that is silent costs no time, and what is counted here still limits. `tests/it/together.rs`
    /// shows two gateways and a Redis. Mutations caught: no answer taken for a refusal; memory's own count left out.
    #[tokio::test]
    async fn without_redis_each_gateway_counts_alone() {
        // Takes connections and answers nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", silent.local_addr().unwrap());
        let link = Link::start(&url.parse().unwrap());
        let vault = Arc::new(Vault::from_keyring(&Keyring::generate().unwrap()).unwrap());
        let shared = Shared::new(link, &vault);
        let throttle = Throttle::new("test", Rate { burst: 3, every_ms: 10_000 }, Some(shared));
        let begun = tokio::time::Instant::now();
        for _ in 0..3 {
            assert_eq!(throttle.attempt(A, NOW).await, Ok(()));
        }
        assert_eq!(throttle.attempt(A, NOW).await, Err(Micros::from_secs(10)));
        throttle.forgive(A).await;
        assert_eq!(throttle.attempt(A, NOW).await, Ok(()));
        assert!(begun.elapsed() < REDIS_ANSWER_TIMEOUT, "{:?}", begun.elapsed());
    }

    /// Whoever reads Redis learns nobody's login, and parts that run into each other are not the same key. Mutation caught:
    /// the parts without their lengths.
    #[tokio::test]
    async fn a_bucket_is_named_by_a_keyed_hash_of_all_its_parts() {
        let link = Link::start(&"redis://127.0.0.1:1".parse().unwrap());
        let ring = Keyring::generate().unwrap();
        let shared = || Shared::new(link.clone(), &Arc::new(Vault::from_keyring(&ring).unwrap()));
        let name = shared().name("log-in", &[b"ab", b"c"]);
        assert_eq!(name, shared().name("log-in", &[b"ab", b"c"]), "the same at every gateway");
        assert_ne!(name, shared().name("log-in", &[b"a", b"bc"]));
        assert_ne!(name, shared().name("code", &[b"ab", b"c"]));
        let elsewhere = Arc::new(Vault::from_keyring(&Keyring::generate().unwrap()).unwrap());
        assert_ne!(name, Shared::new(link.clone(), &elsewhere).name("log-in", &[b"ab", b"c"]));
    }
}
