//! Gate 3: what a group of jobs does to an opening, inside one transaction, behind its head row.
//!
//! ```text
//! take head row ─► keys already recorded? ─► window ─► claims (unique index) ─► places (unique index) ─► journal ─► commit
//!    fenced? stop        same answer again      no            TAKEN                 QUOTA_USED                      then answer
//! ```
//!
//! The script decides nothing from memory that the head row or an index can refuse. It runs alike on SQLite, on
//! Postgres and on the simulator's twin.

mod claims;
mod control;
mod picks;

use inventory::Inventory;

use claims::Ending;

use super::answer::{Answer, Claim, ClaimState, Key};
use super::event::{Event, Recorded};
use super::facts::Facts;
use super::job::{Command, CommandRefusal, Done, Pick};
use super::lifecycle::{Control, Phase};
use crate::domain::time::Micros;
use crate::store::{ClaimRow, Entry, Head, LedgerTx, StoreError};

/// What a group did: each job's outcome in order, and what was recorded.
pub struct Group {
    pub head: Head,
    pub picks: Vec<Answer>,
    pub commands: Vec<Result<Done, CommandRefusal>>,
    pub recorded: Vec<Recorded>,
}

/// The open transaction and what it has recorded so far.
struct Script<'a> {
    facts: &'a Facts,
    /// Where to begin looking for a free place; it decides nothing.
    inventory: &'a Inventory,
    tx: &'a mut LedgerTx,
    head: Head,
    now: Micros,
    recorded: Vec<Recorded>,
}

/// Runs a group of jobs up to, and without, the commit. `None`: this epoch is fenced, nothing was done.
pub async fn run(
    tx: &mut LedgerTx,
    facts: &Facts,
    inventory: &Inventory,
    epoch: i64,
    commands: &[Command],
    picks: &[Pick],
) -> Result<Option<Group>, StoreError> {
    let Some(head) = tx.take_head(epoch).await? else { return Ok(None) };
    let now = tx.now(&head).await?;
    let mut script = Script { facts, inventory, tx, head, now, recorded: Vec::new() };
    let before = script.head.clone();
    // Commands first: what they free, a pick of the same group may take.
    let mut ended = Vec::with_capacity(commands.len());
    let mut left = commands;
    while let Some(command) = left.first() {
        let endings: Vec<Ending<'_>> = left.iter().map_while(Ending::of).collect();
        if endings.is_empty() {
            ended.push(script.command(command).await?);
        } else {
            ended.extend(script.end_all(&endings).await?);
        }
        left = left.get(endings.len().max(1)..).unwrap_or_default();
    }
    let picks = script.picks(picks).await?;
    let Script { tx, head, recorded, .. } = script;
    let entries: Vec<Entry> = recorded.iter().map(Recorded::to_entry).collect::<Result<_, _>>()?;
    tx.append_journal(&entries).await?;
    if head != before {
        tx.save_head(&head).await?;
    }
    Ok(Some(Group { head, picks, commands: ended, recorded }))
}

impl Script<'_> {
    /// Numbers an event with the next place in the opening's order.
    fn record(&mut self, event: Event) -> i64 {
        let seq = self.head.next_seq;
        self.head.next_seq += 1;
        self.recorded.push(Recorded { seq, at: self.now, event });
        seq
    }

    async fn command(&mut self, command: &Command) -> Result<Result<Done, CommandRefusal>, StoreError> {
        match command {
            Command::Ask { who, key } => self.ask(*who, key).await.map(|answer| Ok(Done::Answer(answer))),
            Command::Extend { claim, generation, reason, by } => {
                self.extend(claim, *generation, reason, by).await
            }
            Command::Revive { claim, generation, reason, by } => {
                self.revive(claim, *generation, reason, by).await
            }
            Command::Settle { payment } => self.settle(payment).await,
            Command::Control(change) => self.control(change),
            Command::GiveUp { .. } | Command::Lapse { .. } | Command::Release { .. } => {
                let endings: Vec<Ending<'_>> = Ending::of(command).into_iter().collect();
                let mut outcomes = self.end_all(&endings).await?;
                Ok(outcomes.pop().unwrap_or(Err(CommandRefusal::ClaimUnknown)))
            }
        }
    }
}

/// The control part of a head row.
pub fn control_of(head: &Head) -> Result<Control, StoreError> {
    let phase = Phase::from_name(&head.phase)
        .ok_or_else(|| StoreError::Corrupt(format!("opening_head.phase {}", head.phase)))?;
    Ok(Control {
        phase,
        paused: head.paused,
        start_at: head.start_at,
        end_at: head.end_at,
        version: head.control_version,
        epoch: head.epoch,
    })
}

/// A buyer's claim, read from its row; a withheld unit is none.
pub fn claim_of(row: &ClaimRow) -> Result<Option<Claim>, StoreError> {
    let state = ClaimState::from_name(&row.state)
        .ok_or_else(|| StoreError::Corrupt(format!("claim.state {}", row.state)))?;
    let (Some(registration), Some(key)) = (row.registration(), &row.request_key) else { return Ok(None) };
    let key = Key::parse(key).ok_or_else(|| StoreError::Corrupt("claim.request_key".to_owned()))?;
    Ok(Some(Claim {
        id: row.id.clone(),
        unit: row.unit(),
        registration,
        key,
        state,
        generation: row.generation,
        code: row.code.clone(),
        deposit: row.deposit_fen,
        paid: row.paid_fen,
        deadline_at: row.deadline_at,
        extended: row.extended,
        created_at: row.created_at,
        seq: row.seq,
    }))
}
