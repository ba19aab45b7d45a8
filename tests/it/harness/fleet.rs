//! Several gateways on one Postgres, and on one Redis where a test wants it. Each speaks to its servers through wires of
//! its own, which the test holds; to a Redis behind a Sentinel it speaks directly, because the Sentinel names the address.

use std::process::Stdio;

use tokio::process::Command;

use super::home::Home;
use super::ports::free_port;
use super::postgres::Cluster;
use super::proxy::Proxy;
use super::redis::Redis;
use super::server::Server;
use super::{Api, Database};

pub struct Fleet {
    /// Before the home: what a server said lies in its folder.
    pub gateways: Vec<Gateway>,
    pub home: Home,
    to_redis: ToRedis,
}

#[derive(Clone)]
enum ToRedis {
    None,
    Port(u16),
    Url(String),
}

pub struct Gateway {
    pub postgres: Proxy,
    redis: Option<Proxy>,
    buyers_port: u16,
    staff_port: u16,
    environment: Vec<(&'static str, String)>,
    /// None while it is dead.
    server: Option<Server>,
}

impl Fleet {
    /// On a database of its own in the cluster that all tests share.
    pub async fn start(count: usize, redis: Option<&Redis>) -> Self {
        Self::at(Home::new(Database::Postgres).await, count, redis).await
    }

    pub async fn start_on(cluster: &Cluster, count: usize, redis: Option<&Redis>) -> Self {
        Self::at(Home::on(cluster).await, count, redis).await
    }

    /// On a home whose settings the test has made.
    pub async fn at(home: Home, count: usize, redis: Option<&Redis>) -> Self {
        let to_redis = match redis {
            None => ToRedis::None,
            Some(redis) if redis.url().starts_with("redis-sentinel:") => ToRedis::Url(redis.url()),
            Some(redis) => ToRedis::Port(redis.first.port),
        };
        let mut fleet = Self { home, gateways: Vec::new(), to_redis };
        for _ in 0..count {
            fleet.add().await;
        }
        fleet
    }

    /// One more gateway, which joins those that serve.
    pub async fn add(&mut self) -> usize {
        let command = self.serve();
        self.add_by(command).await
    }

    /// The same by another program that reads this home's settings.
    pub async fn add_by(&mut self, command: Command) -> usize {
        let url = self.home.database_url().expect("several gateways are on Postgres");
        let (server, database) = url.rsplit_once('/').unwrap();
        let (user, port) = server.rsplit_once(':').unwrap();
        let postgres = Proxy::to(port.parse().unwrap()).await;
        let mut environment = vec![
            ("KAIPAN_DATABASE_URL", format!("{user}:{}/{database}", postgres.port)),
            // Many servers share the machine here, and none needs all of it.
            ("KAIPAN_BUYERS_THREADS", "1".to_owned()),
            // Thousands sign in from one address.
            ("KAIPAN_CROWD", "true".to_owned()),
        ];
        let redis = match &self.to_redis {
            ToRedis::Port(port) => Some(Proxy::to(*port).await),
            ToRedis::None | ToRedis::Url(_) => None,
        };
        let redis_url = match (&redis, &self.to_redis) {
            (Some(wire), _) => Some(format!("redis://127.0.0.1:{}", wire.port)),
            (None, ToRedis::Url(url)) => Some(url.clone()),
            (None, ToRedis::None | ToRedis::Port(_)) => None,
        };
        environment.extend(redis_url.map(|url| ("KAIPAN_REDIS_URLS", url)));
        let (buyers_port, staff_port) = (free_port(), free_port());
        let mut gateway = Gateway { postgres, redis, buyers_port, staff_port, environment, server: None };
        gateway.serve_by(&self.home, command).await;
        self.gateways.push(gateway);
        self.gateways.len() - 1
    }

    /// After a kill or a drain: on its own ports.
    pub async fn restart(&mut self, gateway: usize) {
        let command = self.serve();
        self.gateways[gateway].serve_by(&self.home, command).await;
    }

    /// Postgres is elsewhere from now on: every gateway's address leads there.
    pub fn move_to(&mut self, cluster: &Cluster) {
        self.home.move_to(cluster);
        for gateway in &self.gateways {
            gateway.postgres.lead_to(cluster.port);
        }
    }

    /// A server that ends when this process does, however that ends.
    fn serve(&self) -> Command {
        let mut command = self.home.command();
        command.args(["serve", "--lifeline"]).stdin(Stdio::piped());
        command
    }

    /// The buyers' doors of those that are alive.
    pub fn doors(&self) -> Vec<u16> {
        let alive = self.gateways.iter().filter(|gateway| gateway.is_alive());
        alive.map(|gateway| gateway.buyers_port).collect()
    }
}

impl Gateway {
    async fn serve_by(&mut self, home: &Home, mut command: Command) {
        assert!(self.server.is_none(), "it serves already");
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        let server = home.serve_by(command, self.buyers_port, self.staff_port).await;
        self.server = Some(server.unwrap_or_else(|said| panic!("a gateway did not start: {said}")));
    }

    pub fn is_alive(&self) -> bool {
        self.server.is_some()
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("a gateway that is alive")
    }

    pub fn server_mut(&mut self) -> &mut Server {
        self.server.as_mut().expect("a gateway that is alive")
    }

    /// The buyers' door, without a session.
    pub fn buyers(&self) -> Api {
        self.server().buyers()
    }

    /// The wire to Redis.
    pub fn redis(&self) -> &Proxy {
        self.redis.as_ref().expect("a wire to Redis")
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        self.server.take().expect("a gateway that is alive").kill().await;
    }

    /// SIGTERM, and the drain to its end.
    pub async fn drain(&mut self) {
        let ended = self.server.take().expect("a gateway that is alive").stop().await;
        assert!(ended.success(), "{ended}");
    }
}
