//! A wire that a test holds in its hands: a small TCP proxy between one gateway and one of its servers. It passes on,
//! delays, holds everything back, cuts, leads elsewhere; and on the way to Postgres it knows a COMMIT of picks when one
//! passes.

mod postgres;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use self::postgres::{Part, Spoken};

/// A commit that a test waits for comes within this, or the test has failed.
const COMMIT_WITHIN: Duration = Duration::from_secs(20);
/// Pieces of one direction that are under way at once.
const UNDER_WAY: usize = 1_024;

pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    wire: watch::Sender<Wire>,
    traps: Mutex<VecDeque<Trap>>,
}

/// How the wire is now.
#[derive(Debug, Clone)]
struct Wire {
    target: SocketAddr,
    /// Each way.
    delay: Duration,
    /// Takes new connections; otherwise they are closed at once, like those of a port where nobody listens.
    open: bool,
    /// Nothing passes, either way; what was sent meanwhile passes afterwards.
    held: bool,
    /// Connections that were opened before this many cuts are gone.
    cuts: u64,
    /// Those that were opened before this many losses are still there, and carry nothing any more, not even their end.
    losses: u64,
}

/// What becomes of the next COMMIT of picks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The connection ends before the server hears it: not applied.
    Unheard,
    /// The server hears it and answers; the answer is dropped with the connection: applied.
    Unanswered,
    /// It waits in the wire until it is let go.
    Held,
}

struct Trap {
    fate: Fate,
    sprung: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

/// A COMMIT that was, or will be, caught.
pub struct Caught {
    sprung: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

impl Caught {
    /// Waits until it has met its fate, which for a held one is that it waits now.
    pub async fn sprung(&mut self) {
        timeout(COMMIT_WITHIN, &mut self.sprung).await.expect("a commit of picks").expect("the trap stands");
    }

    /// Lets a held one go.
    pub fn release(self) {
        // Its connection may have ended meanwhile.
        let _ = self.release.send(());
    }
}

impl Proxy {
    /// To a server on this machine.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let wire =
            Wire { target: local(port), delay: Duration::ZERO, open: true, held: false, cuts: 0, losses: 0 };
        let shared = Arc::new(Shared { wire: watch::Sender::new(wire), traps: Mutex::default() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port: own, shared, accepting }
    }

    /// Each piece takes so much longer, each way.
    pub fn delay(&self, delay: Duration) {
        self.shared.wire.send_modify(|wire| wire.delay = delay);
    }

    /// Ends every connection now, and takes none.
    pub fn close(&self) {
        self.shared.wire.send_modify(|wire| {
            wire.open = false;
            wire.cuts += 1;
        });
    }

    /// A black hole: connections stand, nothing passes.
    pub fn hold(&self) {
        self.shared.wire.send_modify(|wire| wire.held = true);
    }

    /// The machine behind it is gone without a word: nothing passes on any connection of now, nobody hears that it has
    /// ended. New ones find another machine in its place.
    pub fn lose(&self) {
        self.shared.wire.send_modify(|wire| wire.losses += 1);
    }

    /// As it was in the beginning; what was held back passes now.
    pub fn open(&self) {
        self.shared.wire.send_modify(|wire| {
            wire.open = true;
            wire.held = false;
        });
    }

    /// Leads to another server on this machine from now on; those connected now are cut off.
    pub fn lead_to(&self, port: u16) {
        self.shared.wire.send_modify(|wire| {
            wire.target = local(port);
            wire.cuts += 1;
        });
    }

    /// The next COMMIT of picks that passes, on whichever connection.
    pub fn catch(&self, fate: Fate) -> Caught {
        let (sprung, seen) = oneshot::channel();
        let (release, released) = oneshot::channel();
        self.shared.traps.lock().unwrap().push_back(Trap { fate, sprung, released });
        Caught { sprung: seen, release }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.close();
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        if shared.wire.borrow().open {
            tokio::spawn(carry(client, Arc::clone(&shared)));
        }
    }
}

/// One connection, both ways, until either side ends it or the test does.
async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let mut wire = shared.wire.subscribe();
    let Wire { target, cuts, losses, .. } = wire.borrow().clone();
    let Ok(server) = TcpStream::connect(target).await else { return };
    for end in [&client, &server] {
        end.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Set once a COMMIT has gone whose answer nobody shall hear.
    let deaf = Arc::new(AtomicBool::new(false));
    let (end, mut ended) = mpsc::channel::<()>(1);
    let up = Up { shared: Arc::clone(&shared), losses, deaf: Arc::clone(&deaf), end: end.clone() };
    tokio::select! {
        () = up.run(from_client, to_server) => {}
        () = down(from_server, to_client, &shared, losses, &deaf, &end) => {}
        _ = wire.wait_for(|wire| wire.cuts > cuts) => {}
        _ = ended.recv() => {}
    }
}

/// From the gateway to its server.
struct Up {
    shared: Arc<Shared>,
    /// Before the connection was opened.
    losses: u64,
    deaf: Arc<AtomicBool>,
    end: mpsc::Sender<()>,
}

impl Up {
    async fn run(self, mut from: OwnedReadHalf, to: OwnedWriteHalf) {
        let mut spoken = Spoken::default();
        let (pieces, queue) = mpsc::channel(UNDER_WAY);
        let sending = send(queue, to, self.shared.wire.subscribe(), self.losses);
        let reading = async {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = from.read(&mut buffer).await.unwrap_or(0);
                if read == 0 {
                    return;
                }
                for part in spoken.hear(&buffer[..read]) {
                    let bytes = match part {
                        Part::Other(bytes) => bytes,
                        Part::CommitOfPicks(bytes) => match self.meet(bytes).await {
                            Some(bytes) => bytes,
                            None => return,
                        },
                    };
                    let due = Instant::now() + self.shared.wire.borrow().delay;
                    if pieces.send((due, bytes)).await.is_err() {
                        return;
                    }
                }
            }
        };
        tokio::select! { () = sending => {}, () = reading => {} }
    }

    /// What is passed on of a COMMIT, after what a trap does to it. `None`: the connection ends.
    async fn meet(&self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let Some(trap) = self.shared.traps.lock().unwrap().pop_front() else { return Some(bytes) };
        match trap.fate {
            Fate::Unheard => {
                let _ = self.end.try_send(());
                let _ = trap.sprung.send(());
                None
            }
            Fate::Unanswered => {
                self.deaf.store(true, Ordering::SeqCst);
                let end = self.end.clone();
                // The answer's arrival ends the connection (`down`); that is when it is known to be applied.
                tokio::spawn(async move {
                    end.closed().await;
                    let _ = trap.sprung.send(());
                });
                Some(bytes)
            }
            Fate::Held => {
                let _ = trap.sprung.send(());
                let _ = trap.released.await;
                Some(bytes)
            }
        }
    }
}

/// From the server to the gateway.
async fn down(
    mut from: OwnedReadHalf,
    to: OwnedWriteHalf,
    shared: &Shared,
    losses: u64,
    deaf: &AtomicBool,
    end: &mpsc::Sender<()>,
) {
    let (pieces, queue) = mpsc::channel(UNDER_WAY);
    let sending = send(queue, to, shared.wire.subscribe(), losses);
    let reading = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut buffer).await.unwrap_or(0);
            if read > 0 && deaf.load(Ordering::SeqCst) {
                let _ = end.try_send(());
            }
            if shared.wire.borrow().losses > losses {
                // Its end is not heard of either.
                std::future::pending::<()>().await;
            }
            if read == 0 || deaf.load(Ordering::SeqCst) {
                return;
            }
            let due = Instant::now() + shared.wire.borrow().delay;
            if pieces.send((due, buffer[..read].to_vec())).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = sending => {}, () = reading => {} }
}

/// Writes each piece when it is due and the wire is not held, nor lost.
async fn send(
    mut queue: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: OwnedWriteHalf,
    mut wire: watch::Receiver<Wire>,
    losses: u64,
) {
    while let Some((due, bytes)) = queue.recv().await {
        sleep_until(due).await;
        if wire.wait_for(|wire| !wire.held && wire.losses == losses).await.is_err()
            || to.write_all(&bytes).await.is_err()
        {
            return;
        }
    }
}
