//! What the loops share: the units, the changes that nobody has been told of yet, the sequence.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use mio::Waker;

use super::websocket::{TEXT, frame};
use crate::clock::pause;

/// As Kaipan gathers them.
const TICK: Duration = Duration::from_millis(50);

/// The changes up to `to`, as they go to every socket.
pub struct Frame {
    pub to: u64,
    pub bytes: Vec<u8>,
}

/// How a loop hears of frames: the frame itself, and what wakes it.
type Listener = (mpsc::Sender<Arc<Frame>>, Arc<Waker>);

pub struct Room {
    units: Vec<AtomicU8>,
    gathered: Mutex<Gathered>,
    changed: Condvar,
    loops: Mutex<Vec<Listener>>,
}

#[derive(Default)]
struct Gathered {
    published: u64,
    seq: u64,
    changes: Vec<u32>,
    /// Each unit's status as last published.
    status: Vec<u8>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Room {
    pub fn new(units: u32) -> Self {
        let gathered = Gathered { status: vec![b'0'; units as usize], ..Gathered::default() };
        Self {
            units: (0..units).map(|_| AtomicU8::new(0)).collect(),
            gathered: Mutex::new(gathered),
            changed: Condvar::new(),
            loops: Mutex::default(),
        }
    }

    pub fn join(&self, frames: mpsc::Sender<Arc<Frame>>, waker: Arc<Waker>) {
        lock(&self.loops).push((frames, waker));
    }

    /// True for the first who asks.
    pub fn take(&self, unit: u32) -> bool {
        let Some(word) = self.units.get(unit as usize) else { return false };
        // Looked at first: nine in ten find it taken, and a swap would take the cache line from everybody.
        if word.load(Ordering::Relaxed) != 0 || word.swap(1, Ordering::Relaxed) != 0 {
            return false;
        }
        let mut gathered = lock(&self.gathered);
        gathered.seq += 1;
        gathered.changes.push(unit);
        drop(gathered);
        self.changed.notify_one();
        true
    }

    /// The first three frames of a socket, and the sequence that they show.
    pub fn greeting(&self) -> (u64, Vec<u8>) {
        let gathered = lock(&self.gathered);
        let seq = gathered.published;
        let status = String::from_utf8_lossy(&gathered.status).into_owned();
        drop(gathered);
        let hello = format!(
            "{{\"t\":\"hello\",\"protocol\":1,\"opening\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"now_ms\":1763784000000,\
             \"phase\":\"live\",\"paused\":false,\"start_ms\":1763783990000,\"end_ms\":1763787600000,\
             \"device\":\"picks\",\"seq\":{seq}}}"
        );
        let snapshot = format!("{{\"t\":\"snapshot\",\"seq\":{seq},\"status\":\"{status}\"}}");
        let mut bytes = Vec::new();
        for text in [&hello, &snapshot, r#"{"t":"mine","claims":[]}"#] {
            frame(&mut bytes, TEXT, text.as_bytes());
        }
        (seq, bytes)
    }

    /// Tells the loops what changed: the first change at once, the next after a tick.
    pub fn publish_for_ever(&self) -> ! {
        loop {
            let mut gathered = lock(&self.gathered);
            while gathered.changes.is_empty() {
                gathered = self.changed.wait(gathered).unwrap_or_else(PoisonError::into_inner);
            }
            let changes = std::mem::take(&mut gathered.changes);
            let (from, to) = (gathered.published, gathered.seq);
            gathered.published = to;
            for unit in &changes {
                gathered.status[*unit as usize] = b'1';
            }
            drop(gathered);
            let listed: Vec<String> = changes.iter().map(|unit| format!("{unit},1")).collect();
            let text =
                format!("{{\"t\":\"board\",\"from\":{from},\"to\":{to},\"u\":[{}]}}", listed.join(","));
            let mut bytes = Vec::with_capacity(text.len() + 10);
            frame(&mut bytes, TEXT, text.as_bytes());
            let told = Arc::new(Frame { to, bytes });
            for (frames, waker) in &*lock(&self.loops) {
                // A loop that has ended takes the process's figures with it; there is nobody to tell here.
                let _ = frames.send(Arc::clone(&told));
                let _ = waker.wake();
            }
            pause(TICK);
        }
    }
}
