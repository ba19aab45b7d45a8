//! One Redis, standalone or behind its Sentinels: one connection that everybody clones, kept up by a task of its own.
//!
//! Nobody on a pick's way waits for a connection: without one the call fails at once, and says that nothing was sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, FromRedisValue, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, RedisResult, ScriptInvocation,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::scripts::Script;
use super::sentinels::{self, Sentinels};
use crate::config::RedisAt;
use crate::limits::{REDIS_ANSWER_TIMEOUT, REDIS_CONNECT_TIMEOUT, REDIS_LOOK_PERIOD, REDIS_STREAM_BLOCK_MS};

/// Until the first look has ended.
const CONNECTING: &str = "connecting";

/// A call that brought no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    /// Nothing was sent.
    #[error("not connected: {0}")]
    Away(Arc<str>),
    /// It may have been carried out.
    #[error("no answer: {0}")]
    Unknown(Arc<str>),
    /// The server said no.
    #[error("refused: {0}")]
    Refused(Arc<str>),
}

/// How a Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Its address, without credentials.
    pub at: String,
    pub reachable: bool,
    /// It was never there, and the first try to connect is not over.
    pub connecting: bool,
    /// Why not, or what is wrong with it; empty when all is well.
    pub reason: String,
    /// Since when it is reachable, or not.
    pub since: Instant,
    /// The server that answers: behind Sentinels the master that they name. Empty while there is none.
    pub master: String,
    /// Of that server: another one after a failover or a restart.
    pub run_id: String,
    pub version: String,
    pub round_trip: Duration,
    /// `maxmemory-policy`: anything but `noeviction` may drop what it was told.
    pub eviction: String,
    pub replicas: u32,
    /// None where there are none, or they were not asked yet.
    pub sentinels: Option<Sentinels>,
}

/// Cheap to clone; the task ends with the last clone.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
    sentinels: JoinHandle<()>,
}

struct Shared {
    at: RedisAt,
    current: ArcSwapOption<Server>,
    /// Held for a few instructions, never over an await.
    health: Mutex<Health>,
    /// Somebody found the connection broken.
    broken: Notify,
    /// It came or went: for the one who tells of it.
    turned: Notify,
}

/// A connection to a master.
pub struct Server {
    connection: MultiplexedConnection,
    address: String,
    pub run_id: String,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.keeper.abort();
        self.sentinels.abort();
    }
}

impl Link {
    /// Starts the task that connects and keeps looking. Called on a tokio runtime; waits for nothing.
    pub fn start(at: &RedisAt) -> Self {
        let health = Health {
            at: at.to_string(),
            reachable: false,
            connecting: true,
            reason: CONNECTING.to_owned(),
            since: Instant::now(),
            master: String::new(),
            run_id: String::new(),
            version: String::new(),
            round_trip: Duration::ZERO,
            eviction: String::new(),
            replicas: 0,
            sentinels: None,
        };
        let shared = Arc::new(Shared {
            at: at.clone(),
            current: ArcSwapOption::empty(),
            health: Mutex::new(health),
            broken: Notify::new(),
            turned: Notify::new(),
        });
        let keeper = tokio::spawn(keep(Arc::clone(&shared)));
        let told = Arc::clone(&shared);
        let sentinels =
            tokio::spawn(sentinels::watch(at.clone(), move |said| told.health().sentinels = Some(said)));
        Self(Arc::new(Inner { shared, keeper, sentinels }))
    }

    /// The connection, if there is one now.
    pub fn server(&self) -> Result<Arc<Server>, LinkError> {
        let shared = &self.0.shared;
        shared.current.load_full().ok_or_else(|| LinkError::Away(shared.health().reason.as_str().into()))
    }

    pub fn health(&self) -> Health {
        self.0.shared.health().clone()
    }

    /// It came or went since this was last asked; one asks.
    pub async fn turned(&self) {
        self.0.shared.turned.notified().await;
    }

    /// Runs a script on this very connection: what belongs together must not be spread over a failover.
    pub async fn run<T: FromRedisValue>(
        &self,
        server: &Arc<Server>,
        script: &Script,
        fill: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, LinkError> {
        let mut invocation = script.lua.prepare_invoke();
        fill(&mut invocation);
        let mut connection = server.connection.clone();
        invocation.invoke_async(&mut connection).await.map_err(|error| self.failed(server, &error))
    }

    /// A connection of its own, for reads that wait.
    pub async fn dedicated(&self) -> Result<MultiplexedConnection, LinkError> {
        let wait = Duration::from_millis(REDIS_STREAM_BLOCK_MS) + REDIS_ANSWER_TIMEOUT;
        let connected = connect(&self.0.shared.at, wait).await;
        let (connection, _address) = connected.map_err(|error| LinkError::Away(error.to_string().into()))?;
        Ok(connection)
    }

    /// What an error leaves behind. A broken connection is not used again.
    pub(super) fn failed(&self, server: &Arc<Server>, error: &RedisError) -> LinkError {
        let why: Arc<str> = error.to_string().into();
        // A demoted master refuses writes: whoever is master now is another server.
        let demoted = error.code() == Some("READONLY");
        let silent = error.is_timeout() || error.is_io_error() || error.is_connection_dropped();
        if demoted || silent || error.is_unrecoverable_error() {
            self.0.shared.give_up(server, &why);
        }
        if silent { LinkError::Unknown(why) } else { LinkError::Refused(why) }
    }
}

impl Server {
    pub fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }
}

impl Shared {
    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a broken connection out of use, unless another has taken its place already.
    fn give_up(&self, server: &Arc<Server>, why: &str) {
        let found = self.current.load();
        if found.as_ref().is_some_and(|current| Arc::ptr_eq(current, server)) {
            self.current.store(None);
            self.say_away(why);
            self.broken.notify_one();
        }
    }

    fn say_away(&self, why: &str) {
        let mut health = self.health();
        // Also of one that was never there: a wrong address is found out by this line.
        if health.reachable || health.connecting {
            health.since = Instant::now();
            self.turned.notify_one();
            tracing::warn!(redis = %self.at, why, "Redis is lost");
        }
        health.reachable = false;
        health.connecting = false;
        health.master.clear();
        health.reason = why.to_owned();
    }

    fn say_here(&self, server: &Server, look: &Look, round_trip: Duration) {
        let mut health = self.health();
        if !health.reachable {
            health.since = Instant::now();
            self.turned.notify_one();
            tracing::info!(redis = %self.at, master = server.address, run_id = look.run_id, "Redis is here");
        }
        health.reachable = true;
        health.connecting = false;
        health.master.clone_from(&server.address);
        health.reason = match look.eviction.as_str() {
            "noeviction" => String::new(),
            policy => {
                format!("maxmemory-policy is {policy}: it may drop what it was told; set noeviction")
            }
        };
        if health.eviction != look.eviction && !health.reason.is_empty() {
            tracing::warn!(redis = %self.at, reason = health.reason, "Redis is not set up as it should be");
        }
        health.run_id.clone_from(&look.run_id);
        health.version.clone_from(&look.version);
        health.eviction.clone_from(&look.eviction);
        health.replicas = look.replicas;
        health.round_trip = round_trip;
    }
}

/// Connects, looks whether it is still the same master, connects again.
async fn keep(shared: Arc<Shared>) {
    loop {
        match Box::pin(open(&shared.at)).await {
            Ok((server, look, round_trip)) => {
                shared.say_here(&server, &look, round_trip);
                let server = Arc::new(server);
                shared.current.store(Some(Arc::clone(&server)));
                watch(&shared, &server).await;
            }
            Err(error) => shared.say_away(&error.to_string()),
        }
        tokio::time::sleep(REDIS_LOOK_PERIOD).await;
    }
}

/// Until this connection is no longer one to the master.
async fn watch(shared: &Shared, server: &Arc<Server>) {
    let mut sentinels_asked = Instant::now();
    loop {
        // Woken or not: the word may be an old one, of the connection before.
        let _woken = timeout(REDIS_LOOK_PERIOD, shared.broken.notified()).await;
        if !shared.current.load().as_ref().is_some_and(|current| Arc::ptr_eq(current, server)) {
            return;
        }
        let asked = Instant::now();
        match look(&mut server.connection()).await {
            Ok(look) if look.run_id == server.run_id && look.is_master => {
                shared.say_here(server, &look, asked.elapsed())
            }
            Ok(look) => {
                let why = if look.is_master { "another server answers" } else { "it is a replica now" };
                return shared.give_up(server, why);
            }
            Err(error) => return shared.give_up(server, &error.to_string()),
        }
        // Behind Sentinels the old master may live on, alone: they know who is the master. Asked less often, because each
        // time takes connections of its own.
        if shared.at.service.is_some() && sentinels_asked.elapsed() >= sentinels::PERIOD {
            sentinels_asked = Instant::now();
            if !is_still_master(&shared.at, server).await {
                return shared.give_up(server, "the Sentinels name another master");
            }
        }
    }
}

async fn open(at: &RedisAt) -> RedisResult<(Server, Look, Duration)> {
    let (mut connection, address) = connect(at, REDIS_ANSWER_TIMEOUT).await?;
    let asked = Instant::now();
    let look = look(&mut connection).await?;
    if !look.is_master {
        return Err(wrong("it is a replica"));
    }
    if look.is_cluster {
        return Err(wrong("it is a node of a Redis Cluster; give each Redis of its own, or Sentinels"));
    }
    Ok((Server { connection, address, run_id: look.run_id.clone() }, look, asked.elapsed()))
}

/// A connection, and to which server.
async fn connect(at: &RedisAt, answer_within: Duration) -> RedisResult<(MultiplexedConnection, String)> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(REDIS_CONNECT_TIMEOUT))
        .set_response_timeout(Some(answer_within));
    let connected = async {
        let client = match &at.service {
            None => Client::open(info(at.hosts.first().cloned().unwrap_or_default(), settings(at))?)?,
            Some(_) => sentinels(at)?.async_get_client().await?,
        };
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok((connection, client.get_connection_info().addr().to_string()))
    };
    // A Sentinel that took the connection and says nothing has no limit of its own.
    timeout(REDIS_CONNECT_TIMEOUT * 3, connected).await.unwrap_or_else(|_| Err(wrong("no answer in time")))
}

fn sentinels(at: &RedisAt) -> RedisResult<SentinelClient> {
    let nodes = at.hosts.iter().map(|host| info(host.clone(), RedisConnectionInfo::default()));
    let master = SentinelNodeConnectionInfo::default().set_redis_connection_info(settings(at));
    let service = at.service.clone().unwrap_or_default();
    SentinelClient::build(
        nodes.collect::<RedisResult<Vec<_>>>()?,
        service,
        Some(master),
        SentinelServerType::Master,
    )
}

/// Whether the Sentinels' master is the server of this connection. When none of them answers, it stays.
async fn is_still_master(at: &RedisAt, server: &Arc<Server>) -> bool {
    let other = async {
        let client = sentinels(at)?.async_get_client().await?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(REDIS_CONNECT_TIMEOUT))
            .set_response_timeout(Some(REDIS_ANSWER_TIMEOUT));
        look(&mut client.get_multiplexed_async_connection_with_config(&config).await?).await
    };
    match timeout(REDIS_CONNECT_TIMEOUT, other).await {
        Ok(Ok(look)) => look.run_id == server.run_id || !look.is_master,
        Ok(Err(_)) | Err(_) => true,
    }
}

pub(super) fn info(host: (String, u16), settings: RedisConnectionInfo) -> RedisResult<ConnectionInfo> {
    Ok(host.into_connection_info()?.set_redis_settings(settings))
}

fn settings(at: &RedisAt) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default().set_db(at.db);
    if let Some(username) = &at.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &at.password {
        settings = settings.set_password(password);
    }
    settings
}

fn wrong(why: &'static str) -> RedisError {
    RedisError::from((redis::ErrorKind::Client, why))
}

/// What INFO says.
struct Look {
    run_id: String,
    version: String,
    eviction: String,
    is_master: bool,
    is_cluster: bool,
    replicas: u32,
}

async fn look(connection: &mut MultiplexedConnection) -> RedisResult<Look> {
    let text: String = redis::cmd("INFO").query_async(connection).await?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    };
    Ok(Look {
        run_id: field("run_id"),
        version: field("redis_version"),
        eviction: field("maxmemory_policy"),
        is_master: field("role") == "master",
        is_cluster: field("cluster_enabled") == "1",
        replicas: field("connected_slaves").parse().unwrap_or(0),
    })
}
