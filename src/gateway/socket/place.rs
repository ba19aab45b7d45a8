//! A socket as the other threads know it: which loop has it, and whether it was told to go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::mpsc::error::SendError;

use super::member::Joining;
use crate::domain::ids::RegOrd;

/// What other tasks and threads tell a loop. At most two for each connection, and those are capped.
pub enum ToLoop {
    Join(Box<Joining>),
    /// A newer socket of the same registration took its place.
    Replaced(Arc<Place>),
}

impl ToLoop {
    /// Nobody is there to be told any more.
    pub fn turn_away(self) {
        if let Self::Join(joining) = self {
            joining.turn_away();
        }
    }
}

pub struct Place {
    pub who: Option<RegOrd>,
    door: UnboundedSender<ToLoop>,
    /// Its handshake may not be over yet: then nobody is there to be told, and it looks here when it joins.
    replaced: AtomicBool,
}

impl Place {
    pub fn new(who: Option<RegOrd>, door: UnboundedSender<ToLoop>) -> Arc<Self> {
        Arc::new(Self { who, door, replaced: AtomicBool::new(false) })
    }

    pub fn replace(self: Arc<Self>) {
        // Before the message is sent: a join that is not behind it in the queue sees the flag.
        self.replaced.store(true, Ordering::Release);
        let door = self.door.clone();
        // A loop that has ended has no sockets.
        let _ = door.send(ToLoop::Replaced(self));
    }

    pub fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }

    /// Hands the socket to its loop.
    pub fn join(&self, joining: Box<Joining>) {
        if let Err(SendError(told)) = self.door.send(ToLoop::Join(joining)) {
            told.turn_away();
        }
    }
}
