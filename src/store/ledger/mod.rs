//! The opening's tables inside a transaction, one small operation a method. What they mean together is the script's
//! business (`opening::script`); here is only what the database does, and the guards it holds:
//!
//! - [`LedgerTx::take_head`] first: it queues all who change an opening, fences an old epoch, and makes commit order
//!   the order of the sequence;
//! - [`LedgerTx::insert_claims`] and [`LedgerTx::insert_places`] return what the unique indexes refused.
//!
//! [`Ledger::Sim`] is the simulator's twin: same operations, tables in memory, faults on purpose. It exists in tests.

mod groups;
mod rows;
#[cfg(test)]
pub mod sim;
mod sql;
mod warm;

pub use rows::{ClaimRow, Entry, Head, Keyed, NewClaim, NewPlace, PaymentRow, SettledPayment};

use tokio::time::timeout;

use super::{Db, Priority, StoreError, Tx};
use crate::domain::ids::{ClaimId, OpeningId, PaymentId, PropertyId, RegOrd, UnitOrd};
use crate::domain::time::Micros;
use crate::limits::LOOK_TIMEOUT;

/// Where an opening's truth is kept.
#[derive(Clone)]
pub enum Ledger {
    Db(Db),
    #[cfg(test)]
    Sim(sim::SimDb),
}

/// A transaction on one opening.
#[must_use]
pub struct LedgerTx {
    on: On,
    opening: OpeningId,
}

enum On {
    Db(Tx),
    #[cfg(test)]
    Sim(Box<sim::SimTx>),
}

impl From<Db> for Ledger {
    fn from(db: Db) -> Self {
        Self::Db(db)
    }
}

macro_rules! on {
    ($self:ident, $tx:ident, $db:expr, $sim:ident ( $($arg:expr),* )) => {
        match &mut $self.on {
            On::Db($tx) => $db.await,
            #[cfg(test)]
            On::Sim(tx) => tx.$sim($($arg),*).await,
        }
    };
}

impl Ledger {
    pub async fn begin(&self, opening: &OpeningId, priority: Priority) -> Result<LedgerTx, StoreError> {
        let on = match self {
            Self::Db(db) => On::Db(db.begin(priority).await?),
            #[cfg(test)]
            Self::Sim(db) => On::Sim(Box::new(db.begin().await?)),
        };
        Ok(LedgerTx { on, opening: opening.clone() })
    }

    /// Committed journal entries after `after`, in order, at most `limit`.
    pub async fn journal_after(
        &self,
        opening: &OpeningId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        match self {
            Self::Db(db) => {
                in_time(async {
                    sql::journal_after(&mut db.read().await?.exec(), opening, after, limit).await
                })
                .await
            }
            #[cfg(test)]
            Self::Sim(db) => db.journal_after(after, limit).await,
        }
    }

    /// Claims that occupy nothing any more, by id, after `after` (all ids come after an empty text), at most `limit`.
    pub async fn ended_claims(
        &self,
        opening: &OpeningId,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ClaimRow>, StoreError> {
        match self {
            Self::Db(db) => {
                in_time(async {
                    sql::ended_claims(&mut db.read().await?.exec(), opening, after, limit).await
                })
                .await
            }
            #[cfg(test)]
            Self::Sim(db) => db.ended_claims(after, limit).await,
        }
    }

    /// A claim as committed.
    pub async fn read_claim(
        &self,
        opening: &OpeningId,
        claim: &ClaimId,
    ) -> Result<Option<ClaimRow>, StoreError> {
        match self {
            Self::Db(db) => {
                in_time(async { sql::claim(&mut db.read().await?.exec(), opening, claim).await }).await
            }
            #[cfg(test)]
            Self::Sim(db) => db.read_claim(claim).await,
        }
    }

    /// The head as committed, without taking it.
    pub async fn read_head(&self, opening: &OpeningId) -> Result<Option<Head>, StoreError> {
        match self {
            Self::Db(db) => {
                in_time(async { sql::read_head(&mut db.read().await?.exec(), opening).await }).await
            }
            #[cfg(test)]
            Self::Sim(db) => db.read_head().await,
        }
    }

    /// The database's time.
    pub async fn now(&self) -> Result<Micros, StoreError> {
        match self {
            Self::Db(db) => in_time(db.now()).await,
            #[cfg(test)]
            Self::Sim(db) => Ok(db.now()),
        }
    }

    /// Lets each connection that will commit this opening's picks see the statements beforehand; nothing stays of it.
    /// SQLite's one connection needs none of this.
    pub async fn warm(&self, opening: &OpeningId, property: &PropertyId) -> Result<(), StoreError> {
        match self {
            Self::Db(Db::Postgres(db)) => warm::warm(db, opening, property).await,
            Self::Db(Db::Sqlite(_)) => Ok(()),
            #[cfg(test)]
            Self::Sim(_) => Ok(()),
        }
    }

    /// True where the database's time is this process's own clock.
    pub fn is_embedded(&self) -> bool {
        match self {
            Self::Db(db) => db.is_sqlite(),
            #[cfg(test)]
            Self::Sim(_) => false,
        }
    }

    /// Takes or renews `name` for `holder` until `ttl` from now, by the database's time; false while another's lease
    /// runs.
    pub async fn take_lease(&self, name: &str, holder: &str, ttl: Micros) -> Result<bool, StoreError> {
        match self {
            Self::Db(db) => in_time(sql::take_lease(db, name, holder, ttl)).await,
            #[cfg(test)]
            Self::Sim(db) => db.take_lease(name, holder, ttl).await,
        }
    }

    /// Reports how far this gateway's clock is from the database's; answers how far the other gateways' are, as far
    /// as they reported within `fresh`.
    pub async fn report_clock(
        &self,
        gateway: &str,
        offset: Micros,
        fresh: Micros,
    ) -> Result<Vec<Micros>, StoreError> {
        match self {
            Self::Db(db) => in_time(sql::report_clock(db, gateway, offset, fresh)).await,
            #[cfg(test)]
            Self::Sim(_) => Ok(Vec::new()),
        }
    }
}

/// A machine that is gone says nothing, and TCP waits for it for a quarter of an hour; whoever looks may hold what others
/// wait for.
async fn in_time<T>(look: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(LOOK_TIMEOUT, look).await.unwrap_or_else(|_| {
        Err(StoreError::Sql(sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut))))
    })
}

impl LedgerTx {
    /// Takes the opening's head row. `None` means fenced: the epoch is no longer `epoch` (or there is no opening).
    pub async fn take_head(&mut self, epoch: i64) -> Result<Option<Head>, StoreError> {
        on!(self, tx, sql::take_head(tx, &self.opening, epoch), take_head(epoch))
    }

    /// Raises the epoch of the head that this transaction has taken: whoever decided under the old one decides again.
    pub async fn raise_epoch(&mut self) -> Result<Head, StoreError> {
        on!(self, tx, sql::raise_epoch(tx, &self.opening), raise_epoch())
    }

    pub async fn save_head(&mut self, head: &Head) -> Result<(), StoreError> {
        on!(self, tx, sql::save_head(tx, &self.opening, head), save_head(head))
    }

    /// The database's time, by which deadlines are set and judged. An armed opening on SQLite has its own frozen
    /// pair, so that a step of the wall moves no deadline.
    pub async fn now(&mut self, head: &Head) -> Result<Micros, StoreError> {
        match &mut self.on {
            On::Db(tx) => match (tx.sqlite_clock(), head.anchor_now()) {
                (Some(clock), Some(now)) => Ok(now(clock.mono())),
                _ => tx.now().await,
            },
            #[cfg(test)]
            On::Sim(tx) => tx.now().await,
        }
    }

    /// What is recorded under these keys: a claim or a tombstone.
    pub async fn keyed(&mut self, keys: &[(RegOrd, &str)]) -> Result<Vec<Keyed>, StoreError> {
        on!(self, tx, groups::keyed(tx, &self.opening, keys), keyed(keys))
    }

    /// Inserts claims and returns the ids that a unique index refused: usually none.
    pub async fn insert_claims(&mut self, claims: &[&NewClaim]) -> Result<Vec<ClaimId>, StoreError> {
        on!(self, tx, groups::insert_claims(tx, &self.opening, claims), insert_claims(claims))
    }

    /// Takes numbered places, of one kind of holder, and returns the claims whose place was not free.
    pub async fn insert_places(&mut self, places: &[NewPlace]) -> Result<Vec<ClaimId>, StoreError> {
        on!(self, tx, groups::insert_places(tx, &self.opening, places), insert_places(places))
    }

    /// Takes back claims of this same transaction, whose quota turned out to be used.
    pub async fn delete_claims(&mut self, claims: &[&ClaimId]) -> Result<(), StoreError> {
        on!(self, tx, groups::delete_claims(tx, claims), delete_claims(claims))
    }

    /// Corrects the sequence of claims of this same transaction, after others before them were refused.
    pub async fn number_claims(&mut self, claims: &[(&ClaimId, i64)]) -> Result<(), StoreError> {
        on!(self, tx, groups::number_claims(tx, claims), number_claims(claims))
    }

    /// The claims of this opening that occupy these units, in any order.
    pub async fn occupants(&mut self, units: &[UnitOrd]) -> Result<Vec<ClaimRow>, StoreError> {
        on!(self, tx, groups::occupants(tx, &self.opening, units), occupants(units))
    }

    pub async fn claim(&mut self, claim: &ClaimId) -> Result<Option<ClaimRow>, StoreError> {
        on!(self, tx, sql::claim(&mut tx.exec(), &self.opening, claim), claim(claim))
    }

    /// These claims, in any order.
    pub async fn claims(&mut self, claims: &[&ClaimId]) -> Result<Vec<ClaimRow>, StoreError> {
        on!(self, tx, groups::claims(tx, &self.opening, claims), claims(claims))
    }

    /// The claims that occupy their units, in the order they were granted: what recovery needs to decide picks.
    pub async fn occupying_claims(&mut self) -> Result<Vec<ClaimRow>, StoreError> {
        on!(self, tx, sql::occupying_claims(tx, &self.opening), occupying_claims())
    }

    /// Payments that were recorded and not settled before a crash.
    pub async fn unsettled_payments(&mut self) -> Result<Vec<PaymentId>, StoreError> {
        match &mut self.on {
            On::Db(tx) => {
                let rows = sql::unsettled_payments(tx, &self.opening).await?;
                Ok(rows.into_iter().map(|(id,)| id).collect())
            }
            #[cfg(test)]
            On::Sim(tx) => tx.unsettled_payments().await,
        }
    }

    /// Writes a claim's changeable columns. False when a unique index refuses, which only reviving can meet.
    pub async fn update_claim(&mut self, claim: &ClaimRow) -> Result<bool, StoreError> {
        on!(self, tx, sql::update_claim(tx, claim), update_claim(claim))
    }

    /// Writes what ends a claim: it occupies nothing from now on.
    pub async fn end_claims(&mut self, claims: &[&ClaimRow]) -> Result<(), StoreError> {
        on!(self, tx, groups::end_claims(tx, claims), end_claims(claims))
    }

    pub async fn free_places(&mut self, claims: &[&ClaimId]) -> Result<(), StoreError> {
        on!(self, tx, groups::free_places(tx, claims), free_places(claims))
    }

    pub async fn insert_tombstone(
        &mut self,
        registration: RegOrd,
        key: &str,
        at: Micros,
    ) -> Result<(), StoreError> {
        on!(
            self,
            tx,
            sql::insert_tombstone(tx, &self.opening, registration, key, at),
            insert_tombstone(registration, key)
        )
    }

    pub async fn append_journal(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        on!(self, tx, groups::append_journal(tx, &self.opening, entries), append_journal(entries))
    }

    pub async fn payment(&mut self, payment: &PaymentId) -> Result<Option<PaymentRow>, StoreError> {
        on!(self, tx, sql::payment(tx, &self.opening, payment), payment(payment))
    }

    pub async fn settle_payment(&mut self, settled: &SettledPayment) -> Result<(), StoreError> {
        on!(self, tx, sql::settle_payment(tx, settled), settle_payment(settled))
    }

    /// What was applied to claims that ended is owed back.
    pub async fn refund_applied(
        &mut self,
        claims: &[&ClaimId],
        reason: &'static str,
    ) -> Result<(), StoreError> {
        on!(self, tx, groups::refund_applied(tx, claims, reason), refund_applied(claims, reason))
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        match self.on {
            On::Db(tx) => tx.commit().await,
            #[cfg(test)]
            On::Sim(tx) => tx.commit().await,
        }
    }

    /// For what else belongs into the same transaction (publication, staff log); never the simulator's.
    pub fn db(&mut self) -> Option<&mut Tx> {
        match &mut self.on {
            On::Db(tx) => Some(tx),
            #[cfg(test)]
            On::Sim(_) => None,
        }
    }
}
