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

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use figures::Figures;

use super::answer::{Answer, Claim, ClaimState, Refusal};
use super::event::Recorded;
use super::job::{Command, CommandRefusal, Done, Pick};
use super::live::{Job, Live};
use super::memory::Applied;
use super::script::{self, Group, claim_of, control_of};
use crate::domain::ids::ClaimId;
use crate::limits::{COMMIT_GROUP, JOURNAL_PAGE};
use crate::store::{Priority, StoreError};

/// After this many failures in a row that are not the connection's, jobs are tried one by one, to find the one that
/// spoils the group.
const TRIES: u32 = 3;

const BACKOFF_MS: u64 = 20;
const BACKOFF_MS_MAX: u64 = 1_000;

type Reply = oneshot::Sender<Result<Done, CommandRefusal>>;

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
            let begun = Instant::now();
            let error = match self.attempt(&batch).await {
                Ok(Some((group, order))) => {
                    figures.committed(batch.jobs(), begun.elapsed());
                    self.troubled.store(false, Ordering::Relaxed);
                    self.deliver(batch, group).await;
                    drop(order);
                    return;
                }
                // Fenced: a newer epoch runs this opening. Read it, and ask the database again.
                Ok(None) => match self.refresh_control().await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
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
    async fn attempt(
        &self,
        batch: &Batch,
    ) -> Result<Option<(Group, tokio::sync::MutexGuard<'_, ()>)>, StoreError> {
        let epoch = self.control.load().epoch;
        let mut tx = self.ledger.begin(&self.facts.id, Priority::Commit).await?;
        let Batch { commands, picks, .. } = batch;
        let group = script::run(&mut tx, &self.facts, &self.inventory, epoch, commands, picks).await?;
        let Some(group) = group else { return Ok(None) };
        let order = self.order.lock().await;
        tx.commit().await?;
        Ok(Some((group, order)))
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
        applied.extend(self.memory.apply(&self.facts, &self.inventory, &recorded));
        if self.memory.applied() + 1 < head.next_seq {
            self.read_on(&mut applied).await;
        }
        for (pick, answer) in batch.picks.iter().zip(&answers) {
            // Its own entry in the journal settled a granted pick's ticket. What is left is a refusal's, or belongs to a
            // key that was granted long ago: such a pick may hold words of a claim that has ended since.
            self.memory.undo_ticket(pick.who, &pick.key, &self.inventory);
            match answer {
                Answer::No(refusal) => self.stats.refused(*refusal),
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

    /// To the board and to all who listen.
    fn show(&self, applied: Vec<Applied>) {
        let Some(last) = applied.last() else { return };
        let units = applied.iter().filter_map(|entry| entry.unit);
        for (unit, _) in units.clone() {
            self.ring(unit);
        }
        let (seq, changes): (i64, Vec<_>) = (last.seq, units.collect());
        for entry in applied {
            if let Some(claim) = &entry.claim {
                self.remember(claim);
            }
            // Nobody listening is no failure.
            let _ = self.events.send(Arc::new(entry));
        }
        // Last: what concerns one buyer is told before the board shows it to all.
        self.board.note(seq, changes);
    }

    /// Follows the journal to its end: what other gateways wrote.
    pub(super) async fn follow(&self) -> Result<(), StoreError> {
        let Some(head) = self.ledger.read_head(&self.facts.id).await? else { return Ok(()) };
        self.head.fetch_max(head.next_seq - 1, Ordering::Relaxed);
        if self.memory.applied() + 1 >= head.next_seq && control_of(&head)? == **self.control.load() {
            return Ok(());
        }
        let _order = self.order.lock().await;
        let mut applied = Vec::new();
        self.read_on(&mut applied).await;
        self.show(applied);
        self.refresh_control().await
    }

    /// Applies what the journal has beyond memory. The caller holds the order lock.
    async fn read_on(&self, applied: &mut Vec<Applied>) {
        loop {
            let after = self.memory.applied();
            let entries = match self.ledger.journal_after(&self.facts.id, after, JOURNAL_PAGE).await {
                Ok(entries) => entries,
                Err(error) => {
                    // The heartbeat tries again; until then memory is behind, which only costs gate 3 some refusals.
                    tracing::warn!(opening = %self.facts.id, %error, "could not read the journal");
                    return;
                }
            };
            let page: Result<Vec<Recorded>, StoreError> = entries.iter().map(Recorded::from_entry).collect();
            let page = match page {
                Ok(page) if page.is_empty() => return,
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(opening = %self.facts.id, %error, "the journal does not read");
                    return;
                }
            };
            let part = self.memory.apply(&self.facts, &self.inventory, &page);
            let stuck = part.is_empty();
            applied.extend(part);
            match self.memory.missing() {
                Some(claim) => {
                    if let Err(error) = self.read_ended(&claim).await {
                        tracing::warn!(opening = %self.facts.id, %error, "could not read a revived claim");
                        return;
                    }
                }
                None if stuck => return,
                None => {}
            }
        }
    }

    /// A claim that ended before the start and lives again: as it was, so that its entry changes it like any other.
    async fn read_ended(&self, claim: &ClaimId) -> Result<(), StoreError> {
        let row = self.ledger.read_claim(&self.facts.id, claim).await?;
        let read = row.as_ref().map(claim_of).transpose()?.flatten();
        let claim = read.ok_or_else(|| StoreError::Corrupt(format!("claim {claim} has gone")))?;
        let ended = Claim { state: ClaimState::Lapsed, deadline_at: None, ..claim };
        self.memory.remember_ended(vec![Arc::new(ended)]);
        Ok(())
    }

    pub(super) async fn refresh_control(&self) -> Result<(), StoreError> {
        if let Some(head) = self.ledger.read_head(&self.facts.id).await? {
            let read = control_of(&head)?;
            // A commit of this process may have stored a newer one meanwhile.
            self.control.rcu(|held| {
                if held.version > read.version && held.epoch == read.epoch {
                    held.clone()
                } else {
                    Arc::new(read.clone())
                }
            });
        }
        Ok(())
    }

    /// The group does not go through as a whole: each job alone, and the one that fails alone is left open. Its
    /// caller hears "unknown", its words stay pending, and an ask settles it.
    async fn commit_one_by_one(&self, batch: Batch) {
        for pick in batch.picks {
            let alone = Batch { picks: vec![pick], ..Batch::default() };
            match self.attempt(&alone).await {
                Ok(Some((group, _order))) => self.deliver(alone, group).await,
                Ok(None) | Err(_) => {
                    for pick in &alone.picks {
                        tracing::error!(unit = pick.unit.0, "a pick could not be committed; it stays open");
                        self.keys.forget(pick.who, &pick.key, &Answer::Unknown);
                    }
                }
            }
        }
        for (command, reply) in batch.commands.into_iter().zip(batch.replies) {
            let alone = Batch { commands: vec![command], replies: vec![reply], ..Batch::default() };
            match self.attempt(&alone).await {
                Ok(Some((group, _order))) => self.deliver(alone, group).await,
                // The reply is dropped: its caller hears "unknown".
                Ok(None) | Err(_) => tracing::error!("a command could not be committed"),
            }
        }
    }
}

/// The database is away, as opposed to a statement that it will never take.
fn is_connection(error: &StoreError) -> bool {
    match error {
        StoreError::CommitUnknown(_) => true,
        StoreError::Sql(error) => !matches!(
            error,
            sqlx::Error::Database(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::Encode(_)
        ),
        _ => false,
    }
}
