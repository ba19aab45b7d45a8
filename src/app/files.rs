//! Each socket is a file descriptor, and many systems give a process 1,024 unless it asks for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for ten thousand buyers, each with a WebSocket and a request, and the databases.
const WANTED: u64 = 24_000;

/// Raises the limit as far as the system lets us, and says so if that is not far.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let (Some(soft), hard) = (current, maximum.unwrap_or(u64::MAX)) else { return };
    let raised = soft.max(WANTED.min(hard));
    if raised > soft
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum })
    {
        tracing::warn!(%error, soft, "the limit of open files can not be raised");
    }
    let got = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if got < WANTED {
        tracing::warn!(
            got,
            wanted = WANTED,
            "few open files are allowed: so many sockets fit, see LimitNOFILE or ulimit -n"
        );
    }
}
