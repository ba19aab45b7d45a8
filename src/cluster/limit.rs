//! Leaky buckets that all gateways share, so that whoever tries too often gains nothing by going from one to another; and
//! names that they remember together, so that nobody is a stranger at one who is known at another.
//!
//! All this is an aid, not a promise: without Redis, or after it was flushed, each gateway counts and remembers alone.

use redis::AsyncCommands;

use super::link::{Link, LinkError};
use super::scripts;
use crate::domain::time::Micros;

/// A bucket's name, how long one try takes to leak away, and how much it holds.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<'a> {
    /// Nothing from which somebody could be recognised: whoever reads Redis reads this.
    pub name: &'a str,
    pub every: Micros,
    pub depth: Micros,
}

impl Link {
    /// Counts a try, or says how long to wait for the next one. It is judged by the server's clock.
    pub async fn count(&self, bucket: Bucket<'_>) -> Result<Option<Micros>, LinkError> {
        let wait = self.limit(bucket, "try").await?;
        Ok((wait > 0).then_some(Micros(wait)))
    }

    /// Gives a counted try back.
    pub async fn give_back(&self, bucket: Bucket<'_>) -> Result<(), LinkError> {
        self.limit(bucket, "forgive").await.map(drop)
    }

    /// Remembers a name for so many seconds.
    pub async fn note(&self, name: &str, for_s: u64) -> Result<(), LinkError> {
        let server = self.server()?;
        let noted = server.connection().set_ex(known(name), 1, for_s).await;
        noted.map_err(|error| self.failed(&server, &error))
    }

    /// Whether some gateway has noted this name.
    pub async fn is_noted(&self, name: &str) -> Result<bool, LinkError> {
        let server = self.server()?;
        let noted = server.connection().exists(known(name)).await;
        noted.map_err(|error| self.failed(&server, &error))
    }

    async fn limit(&self, bucket: Bucket<'_>, what: &str) -> Result<i64, LinkError> {
        let server = self.server()?;
        let Bucket { name, every, depth } = bucket;
        self.run(&server, &scripts::LIMIT, |call| {
            call.key(format!("kp:limit:{name}")).arg(every.0).arg(depth.0).arg(what);
        })
        .await
    }
}

fn known(name: &str) -> String {
    format!("kp:known:{name}")
}
