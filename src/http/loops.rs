//! Per-core loops: each thread runs one current_thread runtime, its own listening socket and its own copy of the
//! service.
//!
//! A buyer's connection is accepted, served and written to on one core; no lock is shared with another loop but the ones
//! in the state the router was given.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::accept::{Door, listen, serve, short_backlog};
use super::drain::Drain;
use super::lateness::{self, Lateness};
use super::shell::Service;
use super::shortcut::Shortcut;
use crate::limits::DRAIN_TIMEOUT;

/// The buyers' loops while they run.
pub struct Loops {
    pub address: SocketAddr,
    ended: Vec<oneshot::Receiver<()>>,
}

/// Starts `count` loops on `address`. `service_of` is called once on each loop's own thread, inside its runtime, so that
/// it may spawn tasks there; it is given the loop's lateness.
pub fn start<F, S>(
    address: SocketAddr,
    count: usize,
    door: &Door,
    drain: &Drain,
    service_of: F,
) -> io::Result<Loops>
where
    F: Fn(usize, Arc<Lateness>) -> Service<S> + Send + Sync + 'static,
    S: Shortcut,
{
    if let Ok(somaxconn) = std::fs::read_to_string("/proc/sys/net/core/somaxconn")
        && let Some(warning) = short_backlog(&somaxconn)
    {
        tracing::warn!("{warning}");
    }
    let service_of = Arc::new(service_of);
    // Sharing a port is for our own loops: with another server on it, this plain socket is refused.
    drop(listen(address, false)?);
    // Port 0 asks the kernel for a free port; the other sockets share the one it chose.
    let first = listen(address, true)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(listen(address, true)?);
    }
    let mut ended = Vec::with_capacity(count);
    for (core, socket) in sockets.into_iter().enumerate() {
        let (end, wait) = oneshot::channel();
        let (service_of, door, drain) = (Arc::clone(&service_of), door.clone(), drain.child());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name(format!("buyers-{core}")).spawn(move || {
            let served = runtime.block_on(async {
                let lateness = Arc::new(Lateness::new(Instant::now()));
                tokio::spawn(lateness::watch(Arc::clone(&lateness), drain.clone()));
                let served = serve(socket, service_of(core, lateness), door, drain.clone()).await;
                // The runtime lives on until its connections have ended, here and on the other loops.
                drain.finished(DRAIN_TIMEOUT).await;
                served
            });
            if let Err(error) = served {
                tracing::error!(core, %error, "a loop could not listen");
            }
            drop(end);
        })?;
        ended.push(wait);
    }
    Ok(Loops { address, ended })
}

impl Loops {
    /// Resolves when every loop has ended.
    pub async fn ended(self) {
        for wait in self.ended {
            // The sender is only ever dropped: an error is the news we wait for.
            drop(wait.await);
        }
    }
}
