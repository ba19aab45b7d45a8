//! One anonymous connection that reads the board for the whole crowd. A thousand copies of the same frames would be
//! parsed to the same end, and the machine is also the server's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::crowd::link::{Socket, backoff, connect};
use crate::wire::Frame;

const SILENCE_MAX: Duration = Duration::from_secs(45);

/// What the crowd believes of each unit: a status digit of the protocol. It may be a moment old, as on any phone.
#[derive(Clone)]
pub struct Eyes {
    /// Relaxed everywhere: a stale digit costs a tap that loses, which is what buyers do.
    status: Arc<[AtomicU8]>,
}

impl Eyes {
    pub fn new(units: usize) -> Self {
        Self { status: (0..units).map(|_| AtomicU8::new(b'0')).collect() }
    }

    pub fn is_free(&self, unit: u32) -> bool {
        self.status.get(unit as usize).is_some_and(|digit| digit.load(Ordering::Relaxed) == b'0')
    }

    /// Units in each state: free, held, sold, withheld.
    pub fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for digit in self.status.iter() {
            let at = usize::from(digit.load(Ordering::Relaxed).wrapping_sub(b'0'));
            if let Some(count) = counts.get_mut(at) {
                *count += 1;
            }
        }
        counts
    }

    fn set(&self, unit: usize, digit: u8) {
        if let Some(status) = self.status.get(unit) {
            status.store(digit, Ordering::Relaxed);
        }
    }

    /// Watches until the run ends, through every restart of the server.
    pub async fn watch(self, url: String) {
        let mut attempt = 0;
        loop {
            match connect(&url, None).await {
                Ok(socket) => {
                    attempt = 0;
                    self.follow(socket).await;
                }
                Err(_) => attempt += 1,
            }
            tokio::time::sleep(backoff(attempt)).await;
        }
    }

    async fn follow(&self, mut socket: Socket) {
        let mut seq = None;
        while let Ok(Some(Ok(message))) = tokio::time::timeout(SILENCE_MAX, socket.next()).await {
            let Message::Text(text) = message else { continue };
            let Ok(frame) = serde_json::from_str::<Frame>(&text) else { continue };
            if self.apply(&mut seq, frame) == Gap::Yes
                && socket.send(Message::text(r#"{"t":"snapshot"}"#)).await.is_err()
            {
                return;
            }
        }
    }

    fn apply(&self, seq: &mut Option<i64>, frame: Frame) -> Gap {
        match frame {
            Frame::Snapshot { seq: at, status } => {
                status.bytes().enumerate().for_each(|(unit, digit)| self.set(unit, digit));
                *seq = Some(at);
            }
            Frame::Board { from, to, u } => {
                if *seq != Some(from) {
                    return Gap::Yes;
                }
                for pair in u.chunks_exact(2) {
                    if let (Ok(unit), Ok(digit)) = (usize::try_from(pair[0]), u8::try_from(pair[1])) {
                        self.set(unit, b'0'.wrapping_add(digit));
                    }
                }
                *seq = Some(to);
            }
            _ => {}
        }
        Gap::No
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Gap {
    No,
    Yes,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(json: &str) -> Frame {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn changes_follow_a_snapshot_and_a_gap_asks_for_another() {
        let (eyes, mut seq) = (Eyes::new(4), None);
        assert_eq!(eyes.apply(&mut seq, frame(r#"{"t":"board","from":1,"to":2,"u":[0,1]}"#)), Gap::Yes);
        assert!(eyes.is_free(0), "nothing is applied before a snapshot");
        eyes.apply(&mut seq, frame(r#"{"t":"snapshot","seq":12,"status":"0120"}"#));
        assert_eq!(eyes.counts(), [2, 1, 1, 0]);
        assert_eq!(eyes.apply(&mut seq, frame(r#"{"t":"board","from":12,"to":15,"u":[0,1,3,3]}"#)), Gap::No);
        assert_eq!(eyes.counts(), [0, 2, 1, 1]);
        assert_eq!(eyes.apply(&mut seq, frame(r#"{"t":"board","from":16,"to":17,"u":[1,0]}"#)), Gap::Yes);
        assert!(!eyes.is_free(1));
    }
}
