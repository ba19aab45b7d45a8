//! One writer per opening and process: groups what waits, commits, and only then answers.
//!
//! A group that failed is tried again as it is. That is safe whatever became of it: picks are recognised by their
//! keys, commands by the generation they name, so a commit whose answer was lost is found, not repeated.

mod figures;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{MutexGuard, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use figures::Figures;

use super::answer::{Answer, Refusal};
use super::job::{Command, CommandRefusal, Done, Pick};
use super::live::{Job, Live};
use super::script::{self, Group, control_of};
use crate::limits::{COMMIT_GROUP, COMMIT_TIMEOUT};
use crate::store::{Priority, StoreError};

/// After this many failures in a row that are not the connection's, jobs are tried one by one, to find the one that
/// spoils the group.
const TRIES: u32 = 3;

const BACKOFF_MS: u64 = 20;
const BACKOFF_MS_MAX: u64 = 1_000;

type Reply = oneshot::Sender<Result<Done, CommandRefusal>>;

/// What a group did, with the order lock; `None`: fenced.
type Attempt<'l> = Result<Option<(Group, MutexGuard<'l, ()>)>, StoreError>;

/// Jobs that are committed together.
#[derive(Default)]
struct Batch {
    picks: Vec<Pick>,
    commands: Vec<Command>,
    replies: Vec<Reply>,
}

impl Batch {
    fn jobs(&self) -> usize {
        self.picks.len() + self.commands.len()
    }
}

/// Runs until every handle to the opening is gone.
pub(super) async fn run(live: Arc<Live>, mut jobs: mpsc::Receiver<Job>) {
    let figures = Figures::of(&live.facts.id);
    let mut waiting = Vec::new();
    loop {
        // Drain all: while one group commits, the next gathers by itself.
        if jobs.recv_many(&mut waiting, COMMIT_GROUP).await == 0 {
            return;
        }
        figures.waiting(waiting.len() + jobs.len());
        let mut batch = Batch::default();
        for job in waiting.drain(..) {
            match job {
                Job::Pick(pick) => batch.picks.push(pick),
                Job::Command(command, reply) => {
                    batch.commands.push(command);
                    batch.replies.push(reply);
                }
            }
        }
        live.commit(batch, &figures).await;
        figures.waiting(jobs.len());
    }
}

impl Live {
    async fn commit(&self, batch: Batch, figures: &Figures) {
        let mut tries = 0_u32;
        let mut failures = 0;
        loop {
            if self.is_set_back() {
                return self.let_go(&batch);
            }
            let begun = Instant::now();
            let error = match self.attempt(&batch).await {
                Ok(Some((group, order))) => {
                    figures.committed(batch.jobs(), begun.elapsed());
                    self.troubled.store(false, Ordering::Relaxed);
                    self.deliver(batch, group).await;
                    drop(order);
                    return;
                }
                Ok(None) if self.is_set_back() => continue,
                // Fenced: a newer epoch runs this opening. Read it, and ask the database again.
                Ok(None) => {
                    tracing::info!(opening = %self.facts.id, "this epoch is over; deciding again under the next");
                    match self.refresh_control().await {
                        Ok(()) => continue,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if self.ledger.is_embedded() && matches!(error, StoreError::CommitUnknown(_)) {
                // SQLite could not say whether its own commit is on disk: whatever this process believed next could
                // be wrong. The next start reads the truth from the file.
                tracing::error!(%error, "SQLite failed inside COMMIT: stopping");
                std::process::abort();
            }
            tracing::warn!(opening = %self.facts.id, %error, "a group of jobs was not committed; trying again");
            figures.failed();
            self.troubled.store(true, Ordering::Relaxed);
            if !is_connection(&error) {
                failures += 1;
            }
            if failures >= TRIES {
                return self.commit_one_by_one(batch).await;
            }
            let backoff = (BACKOFF_MS << tries.min(6)).min(BACKOFF_MS_MAX);
            tries += 1;
            tokio::time::sleep(Duration::from_millis(backoff)).await;
        }
    }

    /// One transaction. On success the order lock is handed on, to be held until every answer has left.
    async fn attempt(&self, batch: &Batch) -> Attempt<'_> {
        if self.ledger.is_embedded() {
            return self.transact(batch).await;
        }
        // A machine that is gone says nothing, and TCP waits for it for a quarter of an hour.
        timeout(COMMIT_TIMEOUT, self.transact(batch)).await.unwrap_or_else(|_| {
            let silent = std::io::Error::from(std::io::ErrorKind::TimedOut);
            Err(StoreError::CommitUnknown(sqlx::Error::Io(silent)))
        })
    }

    async fn transact(&self, batch: &Batch) -> Attempt<'_> {
        let (epoch, known) = (self.control.load().epoch, self.known());
        let mut tx = self.ledger.begin(&self.facts.id, Priority::Commit).await?;
        let Batch { commands, picks, .. } = batch;
        let group = script::run(&mut tx, &self.facts, &self.inventory, epoch, commands, picks).await?;
        let Some(group) = group else { return Ok(None) };
        if self.is_ahead_of(&group, known) {
            return Ok(None);
        }
        let order = self.order.lock().await;
        tx.commit().await?;
        Ok(Some((group, order)))
    }

    /// The opening starts again from the database: whoever waits asks there. Commands' callers hear it by the dropped reply.
    fn let_go(&self, batch: &Batch) {
        for pick in &batch.picks {
            self.keys.forget(pick.who, &pick.key, &Answer::Unknown);
        }
    }

    /// After the commit: memory, then the answers, then the board.
    async fn deliver(&self, batch: Batch, group: Group) {
        let Group { head, picks: answers, commands: ended, recorded } = group;
        self.head.fetch_max(head.next_seq - 1, Ordering::Relaxed);
        match control_of(&head) {
            Ok(control) => self.control.store(Arc::new(control)),
            Err(error) => tracing::error!(%error, "the head row does not read"),
        }
        let mut applied = Vec::new();
        // Another gateway's entries come first in the journal's order.
        if recorded.first().is_some_and(|first| first.seq > self.memory.applied() + 1) {
            self.read_on(&mut applied).await;
        }
        let own = self.memory.apply(&self.facts, &self.inventory, &recorded);
        self.tell(&recorded, &own);
        applied.extend(own);
        if self.memory.applied() + 1 < head.next_seq {
            self.read_on(&mut applied).await;
        }
        for (pick, answer) in batch.picks.iter().zip(&answers) {
            // Its own entry in the journal settled a granted pick's ticket. What is left is a refusal's, or belongs to a
            // key that was granted long ago: such a pick may hold words of a claim that has ended since.
            self.memory.undo_ticket(pick.who, &pick.key, &self.inventory);
            match answer {
                Answer::No(refusal) => {
                    self.stats.refused(*refusal);
                    if let Some(together) = &self.together {
                        together.refused(pick);
                    }
                }
                Answer::Yes(claim) if claim.unit != pick.unit => {
                    if let Some(together) = &self.together {
                        together.refused(pick);
                    }
                }
                Answer::Yes(_) => self.stats.granted(),
                Answer::InProgress | Answer::Unknown => {}
            }
            self.keys.settle(pick.who, &pick.key, answer);
            self.ring(pick.unit);
        }
        for ((command, reply), done) in batch.commands.iter().zip(batch.replies).zip(ended) {
            // A tombstone settles a pick that was given up without an answer.
            if let (Command::Ask { who, key }, Ok(Done::Answer(Answer::No(Refusal::NotRecorded)))) =
                (command, &done)
            {
                self.memory.undo_ticket(*who, key, &self.inventory);
            }
            // Who no longer listens looks at the opening again.
            let _ = reply.send(done);
        }
        self.show(applied);
    }

    /// Once more if the epoch was raised meanwhile.
    async fn attempt_alone(&self, alone: &Batch) -> Option<(Group, MutexGuard<'_, ()>)> {
        for _ in 0..TRIES {
            match self.attempt(alone).await {
                Ok(Some(done)) => return Some(done),
                Ok(None) => drop(self.refresh_control().await),
                Err(_) => return None,
            }
        }
        None
    }

    /// The group does not go through as a whole: each job alone, and the one that fails alone is left open. Its
    /// caller hears "unknown", its words stay pending, and an ask settles it.
    async fn commit_one_by_one(&self, batch: Batch) {
        for pick in batch.picks {
            let alone = Batch { picks: vec![pick], ..Batch::default() };
            match self.attempt_alone(&alone).await {
                Some((group, _order)) => self.deliver(alone, group).await,
                None => {
                    for pick in &alone.picks {
                        tracing::error!(unit = pick.unit.0, "a pick could not be committed; it stays open");
                        self.keys.forget(pick.who, &pick.key, &Answer::Unknown);
                    }
                }
            }
        }
        for (command, reply) in batch.commands.into_iter().zip(batch.replies) {
            let alone = Batch { commands: vec![command], replies: vec![reply], ..Batch::default() };
            match self.attempt_alone(&alone).await {
                Some((group, _order)) => self.deliver(alone, group).await,
                // The reply is dropped: its caller hears "unknown".
                None => tracing::error!("a command could not be committed"),
            }
        }
    }
}

/// The database is away or busy, as opposed to a statement that it will never take.
fn is_connection(error: &StoreError) -> bool {
    match error {
        StoreError::CommitUnknown(_) => true,
        StoreError::Sql(sqlx::Error::Database(error)) => error.code().is_some_and(|code| passes(&code)),
        StoreError::Sql(error) => !matches!(
            error,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_)
        ),
        _ => false,
    }
}

/// Postgres' codes of what passes by itself: connection exceptions, a server that only reads (yet), conflicts, too little of
/// something, locks not to be had, sessions ended by an operator or a limit.
fn passes(code: &str) -> bool {
    ["08", "25006", "40", "53", "55P03", "57"].iter().any(|class| code.starts_with(class))
}
