//! Free ports for servers that are about to start, and room for sockets to them.
//!
//! Ports below the range from which the kernel serves outgoing connections: otherwise one of the suite's own clients
//! could take the port in the moment between looking and binding.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const FIRST: u16 = 21_000;
const LAST: u16 = 32_000;

/// A port on which nobody listens, and which this process has not handed out before.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two runs at once, in two worktrees say, start at different places.
    let offset = u16::try_from(std::process::id() % 500).unwrap() * 20;
    for _ in FIRST..LAST {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (offset + step) % (LAST - FIRST);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {LAST}");
}

/// Lets this process hold so many sockets, and what else it needs; a server sees to its own.
pub fn allow_sockets(count: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(count).unwrap() + 2_000;
    if current.is_some_and(|soft| soft < wanted) {
        let most = maximum.unwrap_or(u64::MAX);
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted.min(most)), maximum }).unwrap();
        assert!(most >= wanted, "{wanted} open files are needed, {most} allowed: ulimit -Hn");
    }
}
