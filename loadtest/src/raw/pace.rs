//! Many connections that send by a given pace, over several threads: what a comparison of servers needs.
//!
//! ```no_run
//! # use kaipan_loadtest::raw::{pace::{Pace, Session, Shape}, picks::{Door, Picks}};
//! # use std::time::Duration;
//! # fn main() -> Result<(), kaipan_loadtest::raw::pace::PaceError> {
//! let shape = Shape { address: ([127, 0, 0, 1], 8080).into(), connections: 512, threads: 2,
//!                     connect_within: Duration::from_millis(500) };
//! let mut session = Session::open(&shape, |thread| Picks::new("01J…", Door::Ws, thread, vec![], 1_000))?;
//! let figures = session.run(&Pace::Closed { warm_up: Duration::from_secs(2), run_for: Duration::from_secs(10) })?;
//! println!("{} a second, p99 {} µs", figures.per_second(), figures.latency_us.value_at_quantile(0.99));
//! # Ok(()) }
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::net::{Event, Net, Opens, drive};

mod lane;
use lane::Lane;

#[cfg(test)]
mod tests;

/// Kinds of answers that are counted apart.
pub const CLASSES: usize = 4;
/// From a command to its beginning: every thread has seen it by then.
const LEAD: Duration = Duration::from_millis(60);
/// A thread that says nothing for so long beyond what was asked for has failed.
const GRACE: Duration = Duration::from_secs(30);

/// What a message means to the pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The answer to this connection's request, of a class below [`CLASSES`].
    Answer(usize),
    /// Not an answer: the same request is sent again.
    NotYet,
    /// Refused for now: the next request follows after this time.
    Refused(Duration),
    /// A change that goes to everybody.
    Board,
    Other,
}

/// What to send and what it means; one for each thread.
pub trait Client: Send + 'static {
    /// `conn` counts over all threads, from 0.
    fn opens(&mut self, conn: usize) -> Opens;
    /// Appends the `nth` request of a connection; the same bytes for the same `nth`.
    fn request(&mut self, conn: usize, nth: u64, out: &mut Vec<u8>);
    fn judge(&mut self, conn: usize, event: &Event<'_>) -> Heard;
}

#[derive(Debug, Clone)]
pub struct Shape {
    pub address: SocketAddr,
    pub connections: usize,
    pub threads: usize,
    /// Connections are made evenly over this time.
    pub connect_within: Duration,
}

#[derive(Debug, Clone)]
pub enum Pace {
    /// Closed loop: a connection sends its next request when the last one is answered. Answers of the warm-up are not
    /// in the figures.
    Closed { warm_up: Duration, run_for: Duration },
    /// Open loop: each connection sends once, evenly over `within` from one moment; latency counts from the moment a
    /// request was due, whenever it left. Zero: all at one instant.
    Once { within: Duration, patience: Duration },
    /// The first connection sends every so often, and it is measured when each connection hears a [`Heard::Board`].
    Shout { times: u32, every: Duration },
    /// Nothing is sent.
    Hold { hold_for: Duration },
}

impl Pace {
    /// The longest it takes.
    fn at_most(&self) -> Duration {
        match self {
            Self::Closed { warm_up, run_for } => *warm_up + *run_for,
            Self::Once { within, patience } => *within + *patience,
            Self::Shout { times, every } => *every * (*times + 1),
            Self::Hold { hold_for } => *hold_for,
        }
    }
}

/// One shout and who heard it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shout {
    pub heard: u64,
    pub first_us: u64,
    pub last_us: u64,
}

#[derive(Debug, Clone)]
pub struct Figures {
    pub answers: [u64; CLASSES],
    pub refused: u64,
    pub not_yet: u64,
    pub boards: u64,
    /// Connections that ended.
    pub closed: u64,
    pub unanswered: u64,
    /// The time the answers were counted in.
    pub counted_for: Duration,
    pub latency_us: Histogram<u64>,
    /// How late requests left, against the moment they were due. Only of [`Pace::Once`] and [`Pace::Shout`].
    pub lag_us: Histogram<u64>,
    /// From the first due moment to the last answer.
    pub last_answer: Duration,
    pub board_us: Histogram<u64>,
    pub shouts: Vec<Shout>,
    /// The busiest second of the busiest thread, 0 to 1; 0 for a run of less than a second.
    pub cpu_max_share: f64,
}

impl Figures {
    pub fn answered(&self) -> u64 {
        self.answers.iter().sum()
    }

    pub fn per_second(&self) -> f64 {
        self.answered() as f64 / self.counted_for.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn new() -> Self {
        Self {
            answers: [0; CLASSES],
            refused: 0,
            not_yet: 0,
            boards: 0,
            closed: 0,
            unanswered: 0,
            counted_for: Duration::ZERO,
            latency_us: micros(),
            lag_us: micros(),
            last_answer: Duration::ZERO,
            board_us: micros(),
            shouts: Vec::new(),
            cpu_max_share: 0.0,
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, more) in self.answers.iter_mut().zip(other.answers) {
            *sum += more;
        }
        self.refused += other.refused;
        self.not_yet += other.not_yet;
        self.boards += other.boards;
        self.closed += other.closed;
        self.unanswered += other.unanswered;
        self.counted_for = self.counted_for.max(other.counted_for);
        self.last_answer = self.last_answer.max(other.last_answer);
        self.cpu_max_share = self.cpu_max_share.max(other.cpu_max_share);
        for (sum, more) in [
            (&mut self.latency_us, &other.latency_us),
            (&mut self.lag_us, &other.lag_us),
            (&mut self.board_us, &other.board_us),
        ] {
            // Same bounds on both sides, so nothing can be out of range.
            let _ = sum.add(more);
        }
        self.shouts.resize(self.shouts.len().max(other.shouts.len()), Shout::default());
        for (sum, more) in self.shouts.iter_mut().zip(&other.shouts).filter(|(_, more)| more.heard > 0) {
            sum.first_us = if sum.heard == 0 { more.first_us } else { sum.first_us.min(more.first_us) };
            sum.heard += more.heard;
            sum.last_us = sum.last_us.max(more.last_us);
        }
    }
}

/// Microseconds up to ten minutes, three digits; longer waits are counted as ten minutes.
pub fn micros() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_max(600_000_000, 3).unwrap_or_else(|_| {
        // The bounds above are within what the crate takes; automatic ones serve as well.
        Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are a valid precision"))
    });
    histogram.auto(true);
    histogram
}

pub(crate) fn record(histogram: &mut Histogram<u64>, wait: Duration) {
    histogram.saturating_record(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
}

#[derive(Debug, thiserror::Error)]
pub enum PaceError {
    #[error("a thread of the generator: {0}")]
    Io(#[from] std::io::Error),
    #[error("{open} of {wanted} connections were made in time")]
    NotConnected { open: usize, wanted: usize },
    #[error("a thread of the generator ended early")]
    Lost,
}

/// What the threads share with whoever commands them. Relaxed where a number is only looked at, release and acquire
/// where another value follows from it.
#[derive(Debug, Default)]
struct Shared {
    open: AtomicU64,
    stop: AtomicBool,
    /// When each shout left, in nanoseconds after the pace's start plus one; 0: not yet.
    shouted_ns: Vec<AtomicU64>,
}

#[derive(Debug, Clone)]
struct Order {
    pace: Pace,
    start: Instant,
    shared: Arc<Shared>,
}

/// Open connections on their threads; dropping it closes them.
pub struct Session {
    shape: Shape,
    shared: Arc<Shared>,
    lanes: Vec<(Sender<Order>, JoinHandle<std::io::Result<()>>)>,
    results: Receiver<Figures>,
    /// From the moment a connection was due to its handshake.
    pub connect_us: Histogram<u64>,
}

impl Session {
    /// Opens all connections, or fails after `connect_within` and a grace.
    pub fn open<C: Client>(shape: &Shape, make: impl Fn(usize) -> C) -> Result<Self, PaceError> {
        let threads = shape.threads.clamp(1, shape.connections.max(1));
        let shared = Arc::new(Shared::default());
        let (tell, results) = channel();
        let start = Instant::now() + LEAD;
        let mut lanes = Vec::with_capacity(threads);
        for thread in 0..threads {
            let (order, orders) = channel();
            let mut lane =
                Lane::new(shape.clone(), (thread, threads), start, make(thread), orders, tell.clone());
            lane.shared(Arc::clone(&shared));
            let work = move || {
                let mut net = Net::new()?;
                drive(&mut net, &mut lane).map(|_| ())
            };
            lanes.push((order, std::thread::Builder::new().name(format!("lane-{thread}")).spawn(work)?));
        }
        let mut session = Self { shape: shape.clone(), shared, lanes, results, connect_us: micros() };
        let until = start + shape.connect_within + GRACE;
        for _ in 0..threads {
            // Each lane reports once when its connections are open.
            let figures = session.next(until)?;
            let _ = session.connect_us.add(&figures.latency_us);
        }
        let open = session.open_now();
        if open < shape.connections {
            return Err(PaceError::NotConnected { open, wanted: shape.connections });
        }
        Ok(session)
    }

    pub fn open_now(&self) -> usize {
        usize::try_from(self.shared.open.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Runs one pace over the open connections and waits for its end.
    pub fn run(&mut self, pace: &Pace) -> Result<Figures, PaceError> {
        let shouts = if let Pace::Shout { times, .. } = pace { *times as usize } else { 0 };
        let shared = Arc::new(Shared {
            shouted_ns: (0..shouts).map(|_| AtomicU64::new(0)).collect(),
            ..Shared::default()
        });
        let start = Instant::now() + LEAD;
        for (order, _) in &self.lanes {
            let order_now = Order { pace: pace.clone(), start, shared: Arc::clone(&shared) };
            order.send(order_now).map_err(|_| PaceError::Lost)?;
        }
        let until = start + pace.at_most() + GRACE;
        let mut sum = Figures::new();
        for _ in 0..self.lanes.len() {
            sum.add(&self.next(until)?);
        }
        Ok(sum)
    }

    pub fn connections(&self) -> usize {
        self.shape.connections
    }

    fn next(&self, until: Instant) -> Result<Figures, PaceError> {
        match self.results.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(figures) => Ok(figures),
            Err(RecvTimeoutError::Timeout) => {
                Err(PaceError::NotConnected { open: self.open_now(), wanted: self.shape.connections })
            }
            Err(RecvTimeoutError::Disconnected) => Err(PaceError::Lost),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for (_, lane) in self.lanes.drain(..) {
            let _ = lane.join();
        }
    }
}
