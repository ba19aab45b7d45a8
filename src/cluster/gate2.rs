//! One opening's noticeboard: its keys, and the calls on them. The simulator has a twin with the same operations.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, ScriptInvocation};

use super::link::{Link, LinkError, Server};
use super::scripts::{self, Script};
#[cfg(test)]
use super::sim::SimRedis;
use super::words::{News, Noted, Said, Tap};
use crate::limits::{
    GATE2_FORGET_S, GATE2_PENDING_MS, REDIS_STREAM_BLOCK_MS, STREAM_KEPT, STREAM_PAGE, TELL_ENTRIES_MAX,
};
use crate::telemetry::names;

/// A call that brought nothing to go by.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Gate2Error {
    /// This epoch was not loaded there, or by another server than the one that answers.
    #[error("this epoch is not loaded")]
    Unsealed,
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Cheap to clone.
#[derive(Clone)]
pub enum Gate2 {
    Redis(OnRedis),
    #[cfg(test)]
    Sim(SimRedis),
}

#[derive(Clone)]
pub struct OnRedis {
    link: Link,
    opening: Arc<str>,
}

/// Where a follower of the stream stands. Dropped and made anew when it breaks.
pub enum Follower {
    Redis(MultiplexedConnection),
    #[cfg(test)]
    Sim(SimRedis),
}

impl Gate2 {
    /// An opening's noticeboard at this Redis.
    pub fn new(link: Link, opening: &str) -> Self {
        Self::Redis(OnRedis { link, opening: opening.into() })
    }

    /// Marks the taps' units as on their way to the database.
    pub async fn claim(&self, epoch: i64, taps: &[Tap]) -> Result<Vec<Said>, Gate2Error> {
        match self {
            Self::Redis(redis) => redis.ask(&scripts::CLAIM, epoch, taps).await,
            #[cfg(test)]
            Self::Sim(sim) => sim.claim(epoch, taps).await,
        }
    }

    /// After a [claim](Self::claim) whose outcome is not known. Changes nothing.
    pub async fn look(&self, epoch: i64, taps: &[Tap]) -> Result<Vec<Said>, Gate2Error> {
        match self {
            Self::Redis(redis) => redis.ask(&scripts::LOOK, epoch, taps).await,
            #[cfg(test)]
            Self::Sim(sim) => sim.look(epoch, taps).await,
        }
    }

    /// Tells what is committed, in the journal's order; sent twice it changes nothing more.
    pub async fn tell(&self, epoch: i64, news: &[News]) -> Result<(), Gate2Error> {
        match self {
            Self::Redis(redis) => {
                let server = redis.link.server()?;
                redis.tell(&server, epoch, news).await
            }
            #[cfg(test)]
            Self::Sim(sim) => sim.tell(epoch, news).await,
        }
    }

    /// Takes back what refused taps left: unit and tap.
    pub async fn settle(&self, epoch: i64, taps: &[(u32, String)]) -> Result<(), Gate2Error> {
        match self {
            Self::Redis(redis) => redis.settle(epoch, taps).await,
            #[cfg(test)]
            Self::Sim(sim) => sim.settle(epoch, taps).await,
        }
    }

    /// Whether this epoch is loaded, by the server that answers.
    pub async fn is_sealed(&self, epoch: i64) -> Result<bool, Gate2Error> {
        match self {
            Self::Redis(redis) => redis.is_sealed(epoch).await,
            #[cfg(test)]
            Self::Sim(sim) => sim.is_sealed(epoch).await,
        }
    }

    /// Loads an epoch and seals it, all at one server, and forgets the one before.
    pub async fn rebuild(&self, epoch: i64, words: &[News]) -> Result<(), Gate2Error> {
        match self {
            Self::Redis(redis) => redis.rebuild(epoch, words).await,
            #[cfg(test)]
            Self::Sim(sim) => sim.rebuild(epoch, words).await,
        }
    }

    pub async fn follower(&self) -> Result<Follower, Gate2Error> {
        match self {
            Self::Redis(redis) => Ok(Follower::Redis(redis.link.dedicated().await?)),
            #[cfg(test)]
            Self::Sim(sim) => Ok(Follower::Sim(sim.clone())),
        }
    }

    /// Entries of the stream after `after`, as they come; none when nothing came for a while.
    pub async fn next(
        &self,
        follower: &mut Follower,
        epoch: i64,
        after: i64,
    ) -> Result<Vec<(i64, Noted)>, Gate2Error> {
        match (self, follower) {
            (Self::Redis(redis), Follower::Redis(connection)) => redis.next(connection, epoch, after).await,
            #[cfg(test)]
            (Self::Sim(sim), Follower::Sim(_)) => sim.next(epoch, after).await,
            #[cfg(test)]
            _ => Ok(Vec::new()),
        }
    }
}

impl OnRedis {
    /// In braces what Redis hashes, so that an opening's keys are always together.
    fn key(&self, epoch: i64, what: &str) -> String {
        format!("kp:{{{}}}:{epoch}:{what}", self.opening)
    }

    async fn run<T: redis::FromRedisValue>(
        &self,
        server: &Arc<Server>,
        script: &Script,
        fill: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, Gate2Error> {
        let asked = tokio::time::Instant::now();
        let opening = self.opening.to_string();
        let answer = self.link.run(server, script, fill).await;
        metrics::counter!(names::GATE2_CALLS, "opening" => opening.clone(), "script" => script.name)
            .increment(1);
        metrics::histogram!(names::GATE2_SECONDS, "opening" => opening).record(asked.elapsed().as_secs_f64());
        Ok(answer?)
    }

    async fn ask(&self, script: &Script, epoch: i64, taps: &[Tap]) -> Result<Vec<Said>, Gate2Error> {
        let server = self.link.server()?;
        let answers: Vec<String> = self
            .run(&server, script, |call| {
                call.key(self.key(epoch, "units")).key(self.key(epoch, "seal")).arg(&server.run_id);
                if script.name == scripts::CLAIM.name {
                    call.arg(GATE2_PENDING_MS);
                }
                for tap in taps {
                    call.arg(tap.unit).arg(&tap.tap).arg(tap.applied);
                }
            })
            .await?;
        if answers.first().is_some_and(|answer| answer == "UNSEALED") {
            return Err(Gate2Error::Unsealed);
        }
        let said: Option<Vec<Said>> = answers.iter().map(|answer| Said::read(answer)).collect();
        match said {
            Some(said) if said.len() == taps.len() => Ok(said),
            _ => Err(Gate2Error::Link(LinkError::Refused("an answer that no script gives".into()))),
        }
    }

    async fn tell(&self, server: &Arc<Server>, epoch: i64, news: &[News]) -> Result<(), Gate2Error> {
        for part in news.chunks(TELL_ENTRIES_MAX) {
            let _last: String = self
                .run(server, &scripts::TELL, |call| {
                    call.key(self.key(epoch, "units")).key(self.key(epoch, "stream"));
                    call.arg(STREAM_KEPT).arg(GATE2_FORGET_S);
                    for News { seq, word, entry } in part {
                        call.arg(*seq);
                        match word {
                            Some((unit, word)) => call.arg(*unit).arg(word.text(*seq)),
                            None => call.arg("").arg(""),
                        };
                        match entry {
                            Some(Noted { kind, version, at, body }) => {
                                call.arg(kind).arg(*version).arg(*at).arg(body.as_slice())
                            }
                            None => call.arg("").arg("").arg("").arg(""),
                        };
                    }
                })
                .await?;
        }
        Ok(())
    }

    async fn settle(&self, epoch: i64, taps: &[(u32, String)]) -> Result<(), Gate2Error> {
        let server = self.link.server()?;
        let _taken: i64 = self
            .run(&server, &scripts::SETTLE, |call| {
                call.key(self.key(epoch, "units"));
                for (unit, tap) in taps {
                    call.arg(*unit).arg(tap);
                }
            })
            .await?;
        Ok(())
    }

    async fn is_sealed(&self, epoch: i64) -> Result<bool, Gate2Error> {
        let server = self.link.server()?;
        // Asked for, it is kept: an opening that somebody looks after does not go by itself.
        let seal: Option<String> = redis::cmd("GETEX")
            .arg(self.key(epoch, "seal"))
            .arg("EX")
            .arg(GATE2_FORGET_S)
            .query_async(&mut server.connection())
            .await
            .map_err(|error| self.link.failed(&server, &error))?;
        Ok(seal.is_some_and(|seal| seal == server.run_id))
    }

    async fn rebuild(&self, epoch: i64, words: &[News]) -> Result<(), Gate2Error> {
        let server = self.link.server()?;
        self.tell(&server, epoch, words).await?;
        let _ok: String = self
            .run(&server, &scripts::SEAL, |call| {
                call.key(self.key(epoch, "seal")).arg(&server.run_id).arg(GATE2_FORGET_S);
            })
            .await?;
        // Nobody looks there any more; left, it would go by itself.
        let old = ["units", "stream", "seal"].map(|what| self.key(epoch - 1, what));
        let _removed: Result<i64, _> = server.connection().unlink(&old).await;
        Ok(())
    }

    async fn next(
        &self,
        connection: &mut MultiplexedConnection,
        epoch: i64,
        after: i64,
    ) -> Result<Vec<(i64, Noted)>, Gate2Error> {
        let block = usize::try_from(REDIS_STREAM_BLOCK_MS).unwrap_or(usize::MAX);
        let options = StreamReadOptions::default().block(block).count(STREAM_PAGE);
        let key = self.key(epoch, "stream");
        let read: Option<StreamReadReply> = connection
            .xread_options(&[key], &[format!("{after}-0")], &options)
            .await
            .map_err(|error| LinkError::Unknown(error.to_string().into()))?;
        let ids = read.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids);
        let entries = ids.map(|entry| {
            let seq = entry.id.strip_suffix("-0")?.parse().ok()?;
            let noted = Noted {
                kind: entry.get("k")?,
                version: entry.get("v")?,
                at: entry.get("a")?,
                body: entry.get("b")?,
            };
            Some((seq, noted))
        });
        // What is not ours ends the page: the journal has the rest.
        Ok(entries.map_while(|entry| entry).collect())
    }
}
