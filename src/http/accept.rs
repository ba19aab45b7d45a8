//! The accept loop: our own, because `axum::serve` listens with a backlog of 128 and sets no time-out for heads.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::address::Peer;
use super::drain::Drain;
use super::guard_io::GuardIo;
use crate::limits::{
    HEADER_READ_TIMEOUT, LISTEN_BACKLOG, REQUEST_HEAD_BYTES_MAX, REQUEST_HEADERS_MAX, TCP_USER_TIMEOUT,
    WRITE_STALL_TIMEOUT,
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
pub struct Door {
    name: &'static str,
    connections_max: usize,
    timeouts: SocketTimeouts,
    open: Arc<AtomicUsize>,
}

/// One open connection; gives its place back when dropped.
struct Connection(Door);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!(names::CONNECTIONS, "door" => self.0.name).decrement(1);
    }
}

impl Door {
    pub fn new(name: &'static str, connections_max: usize, timeouts: SocketTimeouts) -> Self {
        Self { name, connections_max, timeouts, open: Arc::default() }
    }

    fn admit(&self) -> Option<Connection> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!(names::CONNECTIONS, "door" => self.name).increment(1);
        let connection = Connection(self.clone());
        (before < self.connections_max).then_some(connection)
    }
}

/// Binds and listens. With `share` several sockets of this process may hold the port and the kernel spreads
/// connections over them; the lock on the data folder is what keeps a second server away.
pub fn listen(address: SocketAddr, share: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until the drain begins, then stops listening. Connections finish under the drain's guards.
pub async fn serve(
    listener: std::net::TcpListener,
    router: Router,
    door: Door,
    drain: Drain,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.begun() => return Ok(()),
        };
        match accepted {
            Ok((stream, peer)) => match door.admit() {
                Some(connection) => {
                    tokio::spawn(converse(stream, peer, router.clone(), connection, drain.clone()));
                }
                // Closed at once: a client that is told to come back is better off than one left in the backlog.
                None => metrics::counter!(names::CONNECTIONS_REFUSED, "door" => door.name).increment(1),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(door = door.name, %error, "accept failed");
                metrics::counter!(names::ACCEPT_ERRORS, "door" => door.name).increment(1);
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

/// The client left before we took it; the listener is well.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn converse(stream: TcpStream, peer: SocketAddr, router: Router, connection: Connection, drain: Drain) {
    let _guard = drain.guard();
    let timeouts = connection.0.timeouts;
    if let Err(error) = tune(&stream) {
        tracing::debug!(%error, "socket options refused");
        return;
    }
    let io = TokioIo::new(GuardIo::new(stream, timeouts.write_stall));
    // This task ends when a WebSocket takes the socket over; whoever serves that one keeps `Held`.
    let connection = Arc::new(connection);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(Held(Arc::clone(&connection)));
        let answer = router.clone().oneshot(request.map(Body::new) as Request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
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

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_keepalive(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))?;
    Ok(())
}
