//! SQLite has one writer. This queue says who is next: commits of picks first, then short staff transactions, then
//! chunks of imports. First come, first served within a priority.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// Who may wait behind whom for SQLite's one writer; Postgres ignores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A group of picks and what belongs to a running opening.
    Commit = 0,
    /// A short transaction of a person.
    Staff = 1,
    /// A chunk of an import.
    Bulk = 2,
}

#[derive(Clone, Default)]
pub(super) struct WriterQueue(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    busy: bool,
    waiting: [VecDeque<oneshot::Sender<Turn>>; 3],
}

/// The writer is yours until this is dropped.
#[must_use]
pub struct Turn(WriterQueue);

impl WriterQueue {
    pub(super) async fn turn(&self, priority: Priority) -> Turn {
        let called = {
            // A std Mutex: held for a few instructions, never over an await.
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !state.busy {
                state.busy = true;
                None
            } else {
                let (call, called) = oneshot::channel();
                if let Some(line) = state.waiting.get_mut(priority as usize) {
                    line.push_back(call);
                }
                Some(called)
            }
        };
        match called {
            None => Turn(self.clone()),
            // The sender leaves the line only by handing over the turn, so an error can't happen; waiting again is
            // the safe reading of it.
            Some(called) => match called.await {
                Ok(turn) => turn,
                Err(_) => Box::pin(self.turn(priority)).await,
            },
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let queue = self.0.clone();
        let mut state = queue.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = state.waiting.iter_mut().find_map(VecDeque::pop_front);
        state.busy = next.is_some();
        drop(state);
        if let Some(call) = next {
            // A waiter that gave up returns the turn unsent; dropping it calls the next one.
            drop(call.send(Turn(queue)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn picks_overtake_imports_and_a_waiter_that_gave_up_blocks_nobody() {
        let queue = WriterQueue::default();
        let first = queue.turn(Priority::Bulk).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (name, priority) in
            [("import", Priority::Bulk), ("staff", Priority::Staff), ("pick", Priority::Commit)]
        {
            let (queue, order) = (queue.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _turn = queue.turn(priority).await;
                order.lock().unwrap().push(name);
            }));
            tokio::task::yield_now().await;
        }
        let gave_up = {
            let queue = queue.clone();
            tokio::spawn(async move { queue.turn(Priority::Commit).await })
        };
        tokio::task::yield_now().await;
        gave_up.abort();
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["pick", "staff", "import"]);
    }
}
