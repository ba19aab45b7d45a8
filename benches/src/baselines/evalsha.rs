//! One EVALSHA a request: check-and-set of a unit and of its buyer's quota, as a careful shop on Redis would do it.
//! One multiplexed connection, which pipelines whatever the runtime's threads send at the same time.

use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use crate::failure::{Outcome, While};

/// The unit is looked at before the quota, and the loser, who is nine in ten, costs one GET.
const SCRIPT: &str = r"
if redis.call('GET', KEYS[1]) then return 0 end
local used = tonumber(redis.call('GET', KEYS[2]) or '0')
if used >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], used + 1)
return 1
";
const QUOTA: u32 = 1_000;

#[derive(Clone)]
pub struct Redis {
    connection: MultiplexedConnection,
    script: String,
}

impl Redis {
    /// Connects, empties the database and loads the script.
    pub async fn open(url: &str) -> Outcome<Self> {
        let client = redis::Client::open(url).during("Redis")?;
        // The usual 500 ms are for interactive use; here a late answer is a figure, not a failure.
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection.during("connecting to Redis")?;
        let () = redis::cmd("FLUSHALL").query_async(&mut connection).await.during("emptying Redis")?;
        let script = redis::cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query_async(&mut connection).await;
        Ok(Self { connection, script: script.during("loading the script")? })
    }

    pub async fn take(&self, unit: u32, registration: &str) -> Outcome<bool> {
        let mut connection = self.connection.clone();
        let won: i32 = redis::cmd("EVALSHA")
            .arg(&self.script)
            .arg(2)
            .arg(format!("u:{unit}"))
            .arg(format!("q:{registration}"))
            .arg(registration)
            .arg(QUOTA)
            .query_async(&mut connection)
            .await
            .during("EVALSHA")?;
        Ok(won == 1)
    }
}
