//! A private Redis, with a replica and a Sentinel where a test wants them, and what can befall them. Started from the
//! installed binaries with the settings that Kaipan ships (`deploy/redis/`), on free ports, gone with the test process.

use std::path::Path;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, FromRedisValue, RedisResult};
use tokio::time::{Instant, sleep};

use super::guard::{Guard, Guarded};
use super::ports::free_port;

/// Longer than a start, a synchronisation or a failover takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(20);
/// The name in the address with Sentinels.
const SERVICE: &str = "kaipan";
/// Replication signs in by a name of its own, so that it alone can be cut.
const REPLICATION: &str = "replication";

pub struct Redis {
    guard: Guard,
    pub first: Node,
    pub second: Option<Node>,
    sentinel: Option<Node>,
}

/// One server.
pub struct Node {
    pub port: u16,
    process: Guarded,
}

impl Redis {
    /// One server, which nobody watches.
    pub async fn alone() -> Self {
        let mut guard = Guard::post("redis");
        let port = free_port();
        let first = Node::start(&mut guard, port).await;
        Self { guard, first, second: None, sentinel: None }
    }

    /// A server and its replica.
    pub async fn pair() -> Self {
        let mut redis = Self::alone().await;
        let second = Node::start(&mut redis.guard, free_port()).await;
        second.call::<()>(&["REPLICAOF", "127.0.0.1", &redis.first.port.to_string()]).await;
        second.until("INFO", &["replication"], |info| info.contains("master_link_status:up")).await;
        redis.second = Some(second);
        redis
    }

    /// A server, its replica, and a Sentinel that watches both.
    pub async fn watched() -> Self {
        let mut redis = Self::pair().await;
        // After the replica: a Sentinel asks a healthy master for its replicas every ten seconds.
        let port = free_port();
        let folder = redis.guard.folder().join("sentinel");
        std::fs::create_dir(&folder).unwrap();
        let (script, folder) = (deploy("sentinel.sh"), folder.display().to_string());
        let (master, own) = (redis.first.port.to_string(), port.to_string());
        let process = redis.guard.start(&[
            "sh",
            &script,
            &folder,
            "127.0.0.1",
            &master,
            "1",
            "--port",
            &own,
            "--bind",
            "127.0.0.1",
        ]);
        let sentinel = Node { port, process };
        sentinel.answers().await;
        // The shipped two seconds are for a network; here a silent server is a dead one.
        sentinel.call::<()>(&["SENTINEL", "SET", SERVICE, "down-after-milliseconds", "500"]).await;
        sentinel.call::<()>(&["SENTINEL", "SET", SERVICE, "failover-timeout", "3000"]).await;
        sentinel.until("SENTINEL", &["REPLICAS", SERVICE], |replicas| replicas.contains("\"slave\"")).await;
        redis.sentinel = Some(sentinel);
        redis
    }

    /// As a gateway's setting.
    pub fn url(&self) -> String {
        match &self.sentinel {
            Some(sentinel) => format!("redis-sentinel://127.0.0.1:{}/{SERVICE}", sentinel.port),
            None => format!("redis://127.0.0.1:{}", self.first.port),
        }
    }

    pub fn replica(&self) -> &Node {
        self.second.as_ref().expect("a replica")
    }

    pub fn sentinel(&self) -> &Node {
        self.sentinel.as_ref().expect("a Sentinel")
    }

    /// After a kill: the same port, another process that holds nothing.
    pub async fn restart_empty(&mut self) {
        let port = self.first.port;
        let before = self.first.process;
        self.first = Node::start(&mut self.guard, port).await;
        assert_ne!(format!("{before:?}"), format!("{:?}", self.first.process));
    }

    /// From now on the replica hears nothing of what the master is told.
    pub async fn cut_replication(&self) {
        self.first.call::<()>(&["ACL", "SETUSER", REPLICATION, "off"]).await;
        self.first.call::<i64>(&["CLIENT", "KILL", "TYPE", "replica"]).await;
        self.first.until("INFO", &["replication"], |info| info.contains("connected_slaves:0")).await;
    }

    /// The replica becomes a master, whoever else is one.
    pub async fn promote_by_hand(&self) {
        self.replica().call::<()>(&["REPLICAOF", "NO", "ONE"]).await;
        self.replica().until("INFO", &["replication"], |info| info.contains("role:master")).await;
    }

    /// Waits until the Sentinel names the replica as master, and it is one.
    pub async fn failed_over(&self) {
        let port = format!("{}", self.replica().port);
        self.sentinel()
            .until("SENTINEL", &["GET-MASTER-ADDR-BY-NAME", SERVICE], |address| address.contains(&port))
            .await;
        self.replica().until("INFO", &["replication"], |info| info.contains("role:master")).await;
    }

    /// A failover while the master is well, as an operator asks for one.
    pub async fn fail_over_politely(&self) {
        self.sentinel().call::<()>(&["SENTINEL", "FAILOVER", SERVICE]).await;
        self.failed_over().await;
    }
}

impl Node {
    async fn start(guard: &mut Guard, port: u16) -> Self {
        let folder = guard.folder().join(port.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let settings = folder.join("redis.conf");
        let lines = [
            format!("include {}", deploy("redis.conf")),
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", folder.display()),
            format!("user {REPLICATION} on >secret +psync +replconf +ping"),
            format!("masteruser {REPLICATION}"),
            "masterauth secret".to_owned(),
        ];
        std::fs::write(&settings, lines.join("\n")).unwrap();
        let process = guard.start(&["redis-server", settings.to_str().unwrap()]);
        let node = Self { port, process };
        node.answers().await;
        node
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let client = ::redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        // The client's own half a second is short for a machine on which everything runs at once.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(WITHIN / 4))
            .set_response_timeout(Some(WITHIN / 4));
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// One command, and its answer.
    pub async fn call<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_call(words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    async fn try_call<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = ::redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut self.connect().await?).await
    }

    /// Asks until the answer, as text, is as wanted.
    pub async fn until(&self, command: &str, words: &[&str], wanted: impl Fn(&str) -> bool) {
        let asked = [&[command], words].concat();
        let deadline = Instant::now() + WITHIN;
        loop {
            let said = match self.try_call::<::redis::Value>(&asked).await {
                Ok(value) => format!("{value:?}"),
                Err(error) => error.to_string(),
            };
            if wanted(&said) {
                return;
            }
            assert!(Instant::now() < deadline, "{asked:?} after {WITHIN:?}: {said}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn answers(&self) {
        self.until("PING", &[], |said| said.contains("PONG")).await;
    }

    pub fn kill(&self) {
        self.process.kill();
    }

    /// Waits until a stream has been told up to this sequence.
    pub async fn told(&self, stream: &str, seq: i64) {
        let deadline = Instant::now() + WITHIN;
        while self.told_to(stream).await < seq {
            assert!(Instant::now() < deadline, "the stream ends before {seq}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The sequence of a stream's last entry.
    pub async fn told_to(&self, stream: &str) -> i64 {
        let last: Vec<(String, ::redis::Value)> =
            self.call(&["XREVRANGE", stream, "+", "-", "COUNT", "1"]).await;
        last.first().map_or(0, |(id, _)| id.strip_suffix("-0").unwrap().parse().unwrap())
    }
}

/// A file that Kaipan ships for Redis.
fn deploy(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/redis").join(name).display().to_string()
}
