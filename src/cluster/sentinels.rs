//! The Sentinels of a Redis: how many answer this gateway, and whether they could name another master. Told to people, and
//! nothing decides by it: whom the connection follows is the link's affair.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisConnectionInfo, RedisResult};
use tokio::time::timeout;

use super::link::info;
use crate::config::RedisAt;
use crate::limits::{REDIS_ANSWER_TIMEOUT, REDIS_CONNECT_TIMEOUT};

pub(super) const PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentinels {
    /// In this gateway's settings.
    pub named: u32,
    /// Of these, that answer and know the master's name.
    pub reachable: u32,
    /// That know of each other, as those say that answer.
    pub known: u32,
    /// Why they could not name another master, in the words of one of them.
    pub refusal: Option<String>,
}

/// Asks each of them again and again. Ends at once where there is none.
pub(super) async fn watch(at: RedisAt, say: impl Fn(Sentinels)) {
    let Some(service) = &at.service else { return };
    loop {
        let said = join_all(at.hosts.iter().map(|host| ask(host, service))).await;
        say(count(&said));
        tokio::time::sleep(PERIOD).await;
    }
}

/// What one of them said.
struct Said {
    others: u32,
    refusal: Option<String>,
}

fn count(said: &[Option<Said>]) -> Sentinels {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let heard = || said.iter().flatten();
    Sentinels {
        named: number(said.len()),
        reachable: number(heard().count()),
        known: heard().map(|one| one.others + 1).max().unwrap_or(0),
        refusal: heard().find_map(|one| one.refusal.clone()),
    }
}

async fn ask(host: &(String, u16), service: &str) -> Option<Said> {
    let asked = async {
        let mut connection = connect(host).await?;
        let mut command = redis::cmd("SENTINEL");
        let master: HashMap<String, String> =
            command.arg("MASTER").arg(service).query_async(&mut connection).await?;
        let others = master.get("num-other-sentinels").and_then(|count| count.parse().ok()).unwrap_or(0);
        let mut command = redis::cmd("SENTINEL");
        let quorum: RedisResult<String> =
            command.arg("CKQUORUM").arg(service).query_async(&mut connection).await;
        // Another error says nothing of the quorum: it may be a right that is missing.
        let refusal = quorum.err().filter(|error| error.code() == Some("NOQUORUM"));
        let refusal = refusal.map(|error| error.detail().unwrap_or("NOQUORUM").trim().to_owned());
        RedisResult::Ok(Said { others, refusal })
    };
    timeout(REDIS_CONNECT_TIMEOUT, asked).await.ok()?.ok()
}

async fn connect(host: &(String, u16)) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(REDIS_CONNECT_TIMEOUT))
        .set_response_timeout(Some(REDIS_ANSWER_TIMEOUT));
    let client = Client::open(info(host.clone(), RedisConnectionInfo::default())?)?;
    client.get_multiplexed_async_connection_with_config(&config).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_is_named_and_not_reachable() {
        let said = |others| Some(Said { others, refusal: None });
        let all = Sentinels { named: 3, reachable: 3, known: 3, refusal: None };
        assert_eq!(count(&[said(2), said(2), said(2)]), all);
        assert_eq!(count(&[None, said(2), None]), Sentinels { reachable: 1, ..all.clone() });
        assert_eq!(count(&[None]), Sentinels { named: 1, reachable: 0, known: 0, refusal: None });
        let refuses = Some(Said { others: 2, refusal: Some("1 usable".to_owned()) });
        let refused = Sentinels { reachable: 2, refusal: Some("1 usable".to_owned()), ..all };
        assert_eq!(count(&[said(2), None, refuses]), refused);
    }
}
