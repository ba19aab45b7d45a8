//! A private Redis: started from the installed binary on a free port, in a folder of its own, gone when the test ends.
//!
//! Nothing runs at the end of a test process that one could rely on: a time limit kills. So a shell stands guard: it
//! starts the server, waits for the end of its standard input, which comes whichever way this process dies, then kills
//! the server and removes its folder.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use redis::aio::MultiplexedConnection;
use rustix::process::{Pid, Signal, kill_process};

use super::until;
use crate::cluster::link::Link;
use crate::config::RedisAt;

/// `$1` is the port, what follows goes to the server. Its log comes out here; it ends when the server does.
const GUARD: &str = r#"
trap '' TERM INT HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/kaipan-unit-redis.XXXXXX") || exit 1
port=$1
shift
redis-server --port "$port" --bind 127.0.0.1 --dir "$dir" --save '' --appendonly no "$@" 2>&1 &
exec >/dev/null
read -r _
kill -9 $!
wait
rm -rf "$dir"
"#;

/// Below the range from which the kernel serves outgoing connections, and apart from the black-box suite's.
const FIRST: u16 = 12_000;
const LAST: u16 = 20_000;

pub(super) struct Redis {
    pub port: u16,
    guard: Child,
    /// Kept, so that the server can go on writing its log.
    log: BufReader<ChildStdout>,
}

impl Redis {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more settings, as its command line takes them.
    pub fn start_with(more: &[&str]) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let offset = u16::try_from(std::process::id() % 800).unwrap() * 10;
        // A port that somebody else has is found by Redis itself, and the next one is taken.
        for _ in 0..100 {
            let port = FIRST + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % (LAST - FIRST);
            if let Ok(redis) = Self::at(port, more) {
                return redis;
            }
        }
        panic!("no Redis: {}", Self::at(FIRST, more).err().unwrap());
    }

    /// At this port, or what its log said instead.
    pub fn at(port: u16, more: &[&str]) -> Result<Self, String> {
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "sh", &port.to_string()])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(guard.stdout.take().unwrap());
        let mut redis = Self { port, guard, log };
        let mut said = String::new();
        while redis.log.read_line(&mut said).unwrap() > 0 {
            if said.contains("Ready to accept connections") {
                return Ok(redis);
            }
        }
        Err(said)
    }

    /// Kills it, and says where it was.
    pub fn kill(self) -> u16 {
        self.port
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(("127.0.0.1", self.port)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub async fn command(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let () = command.query_async(&mut self.connection().await).await.unwrap();
    }

    /// What INFO says under a name.
    pub async fn info(&self, name: &str) -> String {
        let info: String = redis::cmd("INFO").query_async(&mut self.connection().await).await.unwrap();
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap().trim().to_owned()
    }

    pub fn address(&self) -> RedisAt {
        format!("redis://127.0.0.1:{}", self.port).parse().unwrap()
    }

    /// A link that has found it.
    pub async fn link(&self) -> Link {
        let link = Link::start(&self.address());
        until("Redis is found", || link.server().is_ok()).await;
        link
    }

    /// Stops it where it stands: its connections stay open, and nothing answers.
    pub async fn freeze(&self) -> Frozen {
        let pid: i32 = self.info("process_id").await.parse().unwrap();
        let pid = Pid::from_raw(pid).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Frozen(pid)
    }
}

pub(super) struct Frozen(Pid);

impl Frozen {
    pub fn thaw(self) {
        kill_process(self.0, Signal::CONT).unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().unwrap();
    }
}
