//! The hubs of one core: started when the first socket of an opening comes to it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::hub::Hub;
use super::place::ToLoop;
use crate::domain::ids::OpeningId;
use crate::gateway::core::Gateway;
use crate::gateway::open::Open;
use crate::opening::Live;

#[derive(Default)]
pub struct Hubs {
    /// A lock of one core's tasks, held for a few instructions and never over an await.
    running: Mutex<HashMap<OpeningId, Running>>,
}

struct Running {
    live: Arc<Live>,
    door: UnboundedSender<ToLoop>,
}

impl Hubs {
    /// The way to the hub of this opening on this core; starts it on the first call.
    pub fn of(
        self: &Arc<Self>,
        open: &Arc<Open>,
        gateway: &Arc<Gateway>,
    ) -> io::Result<UnboundedSender<ToLoop>> {
        let live = &open.live;
        let mut running = self.lock();
        // An opening that was withdrawn and published again is another one.
        if let Some(hub) = running.get(&live.facts.id).filter(|hub| Arc::ptr_eq(&hub.live, live)) {
            return Ok(hub.door.clone());
        }
        let (door, mut inbox) = unbounded_channel();
        let (hub, io, sources) = Hub::new(Arc::clone(gateway), Arc::clone(open))?;
        running.insert(live.facts.id.clone(), Running { live: Arc::clone(live), door: door.clone() });
        let (hubs, live) = (Arc::clone(self), Arc::clone(live));
        tokio::spawn(async move {
            hub.run(io, sources, &mut inbox).await;
            // Whoever knocks from now on is turned away at the door; these were let in while the hub ended.
            inbox.close();
            while let Some(told) = inbox.recv().await {
                told.turn_away();
            }
            let mut running = hubs.lock();
            if running.get(&live.facts.id).is_some_and(|hub| Arc::ptr_eq(&hub.live, &live)) {
                running.remove(&live.facts.id);
            }
        });
        Ok(door)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OpeningId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
