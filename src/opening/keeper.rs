//! What time does to an opening: it is armed, opened and closed, holds lapse, and boards tick.
//!
//! Nobody's `now()` decides: the script compares stored times with the database's. The keeper only sees to it that
//! somebody asks, and on Postgres one gateway at a time does (a lease by the database's time).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;

use super::clock::boot_id;
use super::job::{Change, Command, CommandError, CommandRefusal};
use super::lifecycle::Phase;
use super::live::Live;
use crate::domain::ids::PropertyId;
use crate::domain::time::Micros;
use crate::limits::{ARM_BEFORE_S, CLOCK_OFF_US_MAX, COMMIT_GROUP, HEARTBEAT_MS, LEASE_MS, TICK_MS};
use crate::store::StoreError;

/// A clock report older than this says nothing about now.
const REPORT_FRESH: Micros = Micros::from_secs(5);

/// Runs while the opening is in this process.
pub(super) async fn run(live: Arc<Live>, gateway: String) {
    loop {
        tokio::time::sleep(Duration::from_millis(HEARTBEAT_MS)).await;
        if let Err(error) = live.heartbeat(&gateway).await {
            tracing::warn!(opening = %live.facts.id, %error, "a heartbeat failed; the next one tries again");
        }
    }
}

/// Publishes what changed on the board, at most once a tick.
pub(super) async fn tick(live: Arc<Live>) {
    loop {
        live.board.changed().await;
        live.board.publish();
        tokio::time::sleep(Duration::from_millis(TICK_MS)).await;
    }
}

impl Live {
    /// One look at journal, clock, phase and deadlines.
    pub(super) async fn heartbeat(&self, gateway: &str) -> Result<(), CommandError> {
        self.follow().await?;
        let phase = self.control.load().phase;
        if phase.is_running() {
            self.arm().await?;
        }
        if self.clock.anchor().is_some() {
            self.compare_clocks(gateway).await?;
        }
        let now = self.ledger_now().await?;
        let control = self.control();
        let to_open = matches!(phase, Phase::Published | Phase::Armed) && now >= control.start_at;
        let to_close = phase.is_running() && now >= control.end_at;
        let due = self.memory.due(now, COMMIT_GROUP);
        if !to_open && !to_close && due.is_empty() {
            return Ok(());
        }
        let lease = format!("opening/{}", self.facts.id);
        // An embedded database has one process (the folder's lock), so there the lock is the lease.
        if !self.ledger.is_embedded()
            && !self.ledger.take_lease(&lease, gateway, Micros::from_ms(LEASE_MS)).await?
        {
            return Ok(());
        }
        if to_open {
            self.clockwork(Command::Control(Change::Open)).await?;
        }
        if to_close {
            self.clockwork(Command::Control(Change::Close { by: None })).await?;
        }
        let lapses =
            due.into_iter().map(|(claim, generation)| self.clockwork(Command::Lapse { claim, generation }));
        join_all(lapses).await.into_iter().collect()
    }

    /// A command that time asks for. "Not yet" and "changed meanwhile" are no failures.
    async fn clockwork(&self, command: Command) -> Result<(), CommandError> {
        match self.command(command).await {
            Ok(_)
            | Err(CommandError::Refused(
                CommandRefusal::NotDueYet | CommandRefusal::ClaimChanged | CommandRefusal::TransitionRefused,
            )) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The time by which deadlines are judged.
    async fn ledger_now(&self) -> Result<Micros, StoreError> {
        if self.ledger.is_embedded() {
            return Ok(self.now());
        }
        let said = self.ledger.now().await?;
        self.clock.hear(said);
        Ok(said)
    }

    /// Ten minutes before the start (or at once, if that is past) the opening's clock is frozen.
    async fn arm(&self) -> Result<(), CommandError> {
        let control = self.control();
        let due = self.now() >= Micros(control.start_at.0 - Micros::from_secs(ARM_BEFORE_S).0);
        if !due || self.clock.anchor().is_some() {
            return Ok(());
        }
        // Until then the clock follows what the database says; the next heartbeat tries again.
        let Some(database_now) = self.database_time().await? else { return Ok(()) };
        let pair = self.clock.pair_with(database_now);
        let anchor = self.ledger.is_embedded().then(|| (pair.wall, pair.mono, boot_id()));
        if anchor.is_some() || control.phase == Phase::Published {
            self.clockwork(Command::Control(Change::Arm { anchor })).await?;
        }
        self.clock.freeze(pair);
        if let Some(unit) = self.facts.units.first() {
            self.warm(unit.property.clone());
        }
        Ok(())
    }

    /// Beside the heartbeats, which must not wait for it: they open the gate.
    fn warm(&self, property: PropertyId) {
        let (ledger, opening) = (self.ledger.clone(), self.facts.id.clone());
        tokio::spawn(async move {
            if let Err(error) = ledger.warm(&opening, &property).await {
                // The first groups read their statements themselves.
                tracing::warn!(%opening, %error, "the statements of picks could not be prepared");
            }
        });
    }

    /// The database's time now, if it can be told.
    async fn database_time(&self) -> Result<Option<Micros>, StoreError> {
        let asked = self.clock.mono();
        let said = self.ledger.now().await?;
        Ok(reading(said, self.clock.mono().since(asked)))
    }

    /// A gateway whose clock alone is off stops serving picks. If every gateway sees the same, the database's clock
    /// stepped: an alarm, and on we go.
    async fn compare_clocks(&self, gateway: &str) -> Result<(), StoreError> {
        let Some(database_now) = self.database_time().await? else { return Ok(()) };
        let offset = Micros(database_now.0 - self.now().0);
        self.clock_offset.store(offset.0, Ordering::Relaxed);
        if self.ledger.is_embedded() {
            // There the database's time is this machine's wall: told, so that a step of it is seen, and no judge.
            return Ok(());
        }
        let others = self.ledger.report_clock(gateway, offset, REPORT_FRESH).await?;
        let is_off = |offset: Micros| offset.0.abs() > CLOCK_OFF_US_MAX;
        let alone = is_off(offset) && others.iter().any(|other| !is_off(*other));
        if is_off(offset) {
            tracing::warn!(offset_us = offset.0, alone, "this gateway's clock and the database's differ");
        }
        self.clock_off.store(alone, Ordering::Relaxed);
        Ok(())
    }
}

/// What the database `said`, as of now: half a round trip later. `None` when the trip was too long to tell. Waiting for
/// a connection lies on the way there alone, so after a slow one half of it is wrong by as much, and a clock frozen to
/// that would open the gate early and count as off for the rest of the sale.
fn reading(said: Micros, trip: Micros) -> Option<Micros> {
    (trip.0 <= CLOCK_OFF_US_MAX).then(|| said.plus(Micros(trip.0 / 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by the rounds of kills on a busy machine: a gateway that waited 2.8 s for a connection while it armed was
    /// 0.7 s ahead and refused every pick.
    #[test]
    fn a_slow_answer_says_nothing_of_the_databases_clock() {
        let said = Micros::from_secs(1_000);
        assert_eq!(reading(said, Micros(4_000)), Some(Micros(said.0 + 2_000)));
        assert_eq!(reading(said, Micros(CLOCK_OFF_US_MAX)), Some(Micros(said.0 + CLOCK_OFF_US_MAX / 2)));
        assert_eq!(reading(said, Micros(CLOCK_OFF_US_MAX + 1)), None);
        assert_eq!(reading(said, Micros(2_800_000)), None);
    }
}
