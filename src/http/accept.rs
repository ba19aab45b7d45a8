//! The accept loop: our own, because `axum::serve` listens with a backlog of 128 and sets no time-out for heads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::{Counter, Gauge};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::drain::Drain;
use super::guard_io::GuardIo;
use super::shell::Service;
use super::shortcut::Shortcut;
use crate::limits::{
    ACCEPTS_A_TURN, HEADER_READ_TIMEOUT, LISTEN_BACKLOG, REQUEST_HEAD_BYTES_MAX, REQUEST_HEADERS_MAX,
    TCP_USER_TIMEOUT, WRITE_STALL_TIMEOUT,
};
use crate::telemetry::names;

/// After a failed accept (no file descriptor left) the loop waits, or it would spin while nothing can change.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Time-outs of one door's sockets; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct SocketTimeouts {
    pub header_read: Duration,
    pub write_stall: Duration,
}

impl Default for SocketTimeouts {
    fn default() -> Self {
        Self { header_read: HEADER_READ_TIMEOUT, write_stall: WRITE_STALL_TIMEOUT }
    }
}

/// A door as its accept loops share it: one cap, whichever loop the kernel picks.
#[derive(Clone)]
pub struct Door(Arc<DoorInside>);

struct DoorInside {
    name: &'static str,
    connections_max: usize,
    timeouts: SocketTimeouts,
    open: AtomicUsize,
    connections: Gauge,
    refused: Counter,
    accept_errors: Counter,
}

/// One open connection; gives its place back when dropped.
struct Connection(Door);

impl Drop for Connection {
    fn drop(&mut self) {
        let door = &self.0.0;
        door.open.fetch_sub(1, Ordering::Relaxed);
        door.connections.decrement(1);
    }
}

impl Door {
    pub fn new(name: &'static str, connections_max: usize, timeouts: SocketTimeouts) -> Self {
        Self(Arc::new(DoorInside {
            name,
            connections_max,
            timeouts,
            open: AtomicUsize::new(0),
            connections: metrics::gauge!(names::CONNECTIONS, "door" => name),
            refused: metrics::counter!(names::CONNECTIONS_REFUSED, "door" => name),
            accept_errors: metrics::counter!(names::ACCEPT_ERRORS, "door" => name),
        }))
    }

    fn admit(&self) -> Option<Connection> {
        let before = self.0.open.fetch_add(1, Ordering::Relaxed);
        self.0.connections.increment(1);
        let connection = Connection(self.clone());
        (before < self.0.connections_max).then_some(connection)
    }
}

/// Who asks: the other end of the connection that a request came over.
pub struct Client {
    pub peer: SocketAddr,
    /// `None` in tests that have no connection.
    pub held: Option<Held>,
}

/// Binds and listens. With `share` several sockets of this process may hold the port and the kernel spreads
/// connections over them; the lock on the data folder is what keeps a second server away.
pub fn listen(address: SocketAddr, share: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    // Linux hands these on to each connection: three system calls a door instead of three a buyer.
    tune(&SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// What to tell the operator about a kernel that shortens the queue of new connections; `None` if it does not.
/// `somaxconn` is the text of its setting.
pub fn short_backlog(somaxconn: &str) -> Option<String> {
    let most: i32 = somaxconn.trim().parse().ok()?;
    (most < LISTEN_BACKLOG).then(|| {
        format!(
            "the kernel queues at most {most} new connections for a door, {LISTEN_BACKLOG} were asked for: when \
             everybody connects within a second, some will wait for a second try; raise it with \
             `sysctl -w net.core.somaxconn={LISTEN_BACKLOG}`"
        )
    })
}

/// Accepts until the drain begins, then stops listening. Connections finish under the drain's guards.
pub async fn serve<S: Shortcut>(
    listener: std::net::TcpListener,
    service: Service<S>,
    door: Door,
    drain: Drain,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut begun = std::pin::pin!(drain.begun());
    let mut taken = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut begun => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match door.admit() {
                Some(connection) => {
                    tokio::spawn(converse(stream, peer, service.clone(), connection, drain.clone()));
                }
                // Closed at once: a client that is told to come back is better off than one left in the backlog.
                None => door.0.refused.increment(1),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(door = door.0.name, %error, "accept failed");
                door.0.accept_errors.increment(1);
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
        // All that wait are taken in one go, or the backlog would overflow; but not before those who are in are heard.
        taken += 1;
        if taken % ACCEPTS_A_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// The client left before we took it; the listener is well.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn converse<S: Shortcut>(
    stream: TcpStream,
    peer: SocketAddr,
    service: Service<S>,
    connection: Connection,
    drain: Drain,
) {
    let _guard = drain.guard();
    let timeouts = connection.0.0.timeouts;
    if !cfg!(target_os = "linux")
        && let Err(error) = tune(&SockRef::from(&stream))
    {
        tracing::debug!(%error, "socket options refused");
        return;
    }
    let io = TokioIo::new(GuardIo::new(stream, timeouts.write_stall));
    // This task ends when a WebSocket takes the socket over; whoever serves that one keeps `Held`.
    let client = Arc::new(Client { peer, held: Some(Held(Arc::new(connection))) });
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        service.clone().answer(request, Arc::clone(&client))
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.header_read)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .max_headers(REQUEST_HEADERS_MAX)
        .half_close(false);
    let mut conversation = std::pin::pin!(builder.serve_connection(io, service).with_upgrades());
    let ended = tokio::select! {
        biased;
        ended = &mut conversation => ended,
        () = drain.begun() => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "connection ended");
    }
}

/// The connection's place under its door's cap, in each request's extensions. A task that takes the socket over (a
/// WebSocket) keeps it for as long as it lives.
#[derive(Clone)]
pub struct Held(#[allow(dead_code, reason = "held for its Drop")] Arc<Connection>);

fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation that turned it red: the options set on the listening socket left out.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_accepted_connection_has_its_options_from_the_listening_socket() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
        let address = listener.local_addr().unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        // The handshake on loopback is over when `connect` returns.
        let (stream, _peer) = listener.accept().unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(TCP_USER_TIMEOUT));
    }

    #[test]
    fn an_operator_hears_of_a_kernel_that_shortens_the_backlog() {
        assert_eq!(short_backlog("4096\n"), None);
        assert_eq!(short_backlog("no number"), None);
        let warning = short_backlog("128\n").unwrap();
        assert!(warning.contains("at most 128") && warning.contains("somaxconn=4096"), "{warning}");
    }
}
