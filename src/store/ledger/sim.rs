//! The simulator's twin of the ledger: the same operations over tables in memory, with the database's two guarantees
//! (a transaction is all or nothing; the head row queues writers) and its ways to fail, driven by a seed.
//!
//! Every operation takes some virtual time, so that tasks interleave; any may fail before it did anything; a commit
//! may lose its answer after it was applied, before, or while it is still on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::OwnedMutexGuard;

use super::rows::{ClaimRow, Entry, Head, Keyed, NewClaim, NewPlace, PaymentRow, SettledPayment};
use crate::domain::ids::{ClaimId, PaymentId, PropertyId, RegOrd, UnitOrd};
use crate::domain::money::Fen;
use crate::domain::time::{Clock, Micros};
use crate::store::StoreError;

/// How often things go wrong, in thousandths, and which guard is taken out on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub fail: u32,
    pub lose_answer: u32,
    /// The gateway falls asleep between its last statement and its COMMIT.
    pub sleep: u32,
    pub mutation: Mutation,
}

/// A guard taken out, to prove that the audit notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mutation {
    #[default]
    None,
    /// `claim_one_per_unit` is gone.
    NoUnitIndex,
    /// Transactions don't queue behind the head row.
    NoHeadRow,
    /// `quota_place_once` is gone.
    NoQuotaIndex,
    /// A group that was decided under an old epoch is committed.
    NoEpochCheck,
    /// Tombstones are not seen.
    NoTombstones,
    /// A commit answers before it is applied, and may then be lost.
    AnswerBeforeCommit,
    /// Deadlines are set and judged by a gateway's wall clock instead of the database's.
    GatewayClock,
}

#[derive(Debug, Clone, Default)]
pub struct Tables {
    pub head: Option<Head>,
    pub claims: BTreeMap<ClaimId, ClaimRow>,
    pub properties: BTreeMap<ClaimId, PropertyId>,
    /// (holder kind, holder, class, place) by claim.
    pub places: BTreeSet<(ClaimId, &'static str, String, &'static str, i64)>,
    pub tombstones: BTreeSet<(u32, String)>,
    pub journal: Vec<Entry>,
    /// When the database applied each entry, by its own clock: what the audit measures deadlines with.
    pub applied_at: Vec<Micros>,
    pub payments: BTreeMap<PaymentId, PaymentRow>,
    /// Name → holder and end.
    leases: BTreeMap<String, (String, Micros)>,
    /// The epoch that each group was decided under, and the head's when it was applied.
    pub epochs: Vec<(i64, i64)>,
}

/// `idle_in_transaction_session_timeout` of every session of ours.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct SimDb(Arc<Inner>);

struct Inner {
    tables: Mutex<Tables>,
    /// The head row's lock.
    head_row: Arc<tokio::sync::Mutex<()>>,
    clock: Clock,
    /// Some gateway's; read only by a mutation.
    gateway_clock: Clock,
    rng: Mutex<SmallRng>,
    faults: Mutex<Faults>,
}

pub struct SimTx {
    db: SimDb,
    tables: Tables,
    row: Option<OwnedMutexGuard<()>>,
    /// The epoch that whoever took the head named.
    decided: i64,
}

impl SimDb {
    pub fn new(seed: u64, clock: Clock, gateway_clock: Clock, head: Head) -> Self {
        Self(Arc::new(Inner {
            tables: Mutex::new(Tables { head: Some(head), ..Tables::default() }),
            head_row: Arc::default(),
            clock,
            gateway_clock,
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
            faults: Mutex::default(),
        }))
    }

    pub fn set_faults(&self, faults: Faults) {
        *self.0.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// The tables as committed.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Micros {
        self.0.clock.wall()
    }

    pub(super) async fn begin(&self) -> Result<SimTx, StoreError> {
        self.step().await?;
        Ok(SimTx { db: self.clone(), tables: Tables::default(), row: None, decided: 0 })
    }

    pub(super) async fn journal_after(&self, after: i64, limit: i64) -> Result<Vec<Entry>, StoreError> {
        self.step().await?;
        let tables = self.tables();
        let entries = tables.journal.iter().filter(|entry| entry.seq > after);
        Ok(entries.take(usize::try_from(limit).unwrap_or(0)).cloned().collect())
    }

    pub(super) async fn ended_claims(&self, after: &str, limit: i64) -> Result<Vec<ClaimRow>, StoreError> {
        self.step().await?;
        let tables = self.tables();
        let ended = tables.claims.values().filter(|row| !row.occupying && row.id.as_str() > after);
        Ok(ended.take(usize::try_from(limit).unwrap_or(0)).cloned().collect())
    }

    pub(super) async fn read_claim(&self, claim: &ClaimId) -> Result<Option<ClaimRow>, StoreError> {
        self.step().await?;
        Ok(self.tables().claims.get(claim).cloned())
    }

    pub(super) async fn read_head(&self) -> Result<Option<Head>, StoreError> {
        self.step().await?;
        Ok(self.tables().head.clone())
    }

    pub(super) async fn take_lease(&self, name: &str, holder: &str, ttl: Micros) -> Result<bool, StoreError> {
        self.step().await?;
        let now = self.now();
        let mut tables = self.tables();
        let free = tables.leases.get(name).is_none_or(|(held_by, until)| held_by == holder || *until <= now);
        if free {
            tables.leases.insert(name.to_owned(), (holder.to_owned(), now.plus(ttl)));
        }
        Ok(free)
    }

    fn faults(&self) -> Faults {
        *self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn roll(&self, thousandths: u32) -> bool {
        let mut rng = self.0.rng.lock().unwrap_or_else(PoisonError::into_inner);
        rng.random_range(0..1000) < thousandths
    }

    fn delay(&self, most_ms: u64) -> Duration {
        let mut rng = self.0.rng.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_millis(rng.random_range(0..=most_ms))
    }

    /// One round trip, which may fail before it did anything.
    async fn step(&self) -> Result<(), StoreError> {
        tokio::time::sleep(self.delay(3)).await;
        if self.roll(self.faults().fail) { Err(StoreError::Sql(cut())) } else { Ok(()) }
    }
}

fn cut() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::other("simulated: the connection was cut"))
}

impl SimTx {
    pub(super) async fn take_head(&mut self, epoch: i64) -> Result<Option<Head>, StoreError> {
        self.db.step().await?;
        if self.db.faults().mutation != Mutation::NoHeadRow {
            self.row = Some(self.db.0.head_row.clone().lock_owned().await);
        }
        self.tables = self.db.tables().clone();
        self.decided = epoch;
        let fenced = self.db.faults().mutation != Mutation::NoEpochCheck;
        Ok(self.tables.head.clone().filter(|head| head.epoch == epoch || !fenced))
    }

    pub(super) async fn raise_epoch(&mut self) -> Result<Head, StoreError> {
        self.db.step().await?;
        let head = self.tables.head.as_mut().ok_or_else(|| StoreError::Corrupt("no head".to_owned()))?;
        head.epoch += 1;
        Ok(head.clone())
    }

    pub(super) async fn save_head(&mut self, head: &Head) -> Result<(), StoreError> {
        self.db.step().await?;
        // As the statement: it does not name the epoch.
        let epoch = self.tables.head.as_ref().map_or(head.epoch, |before| before.epoch);
        self.tables.head = Some(Head { epoch, ..head.clone() });
        Ok(())
    }

    pub(super) async fn now(&mut self) -> Result<Micros, StoreError> {
        self.db.step().await?;
        match self.db.faults().mutation {
            Mutation::GatewayClock => Ok(self.db.0.gateway_clock.wall()),
            _ => Ok(self.db.now()),
        }
    }

    pub(super) async fn keyed(&mut self, keys: &[(RegOrd, &str)]) -> Result<Vec<Keyed>, StoreError> {
        self.db.step().await?;
        let mut found = Vec::new();
        for (who, key) in keys {
            let claim = self
                .tables
                .claims
                .values()
                .find(|row| row.registration() == Some(*who) && row.request_key.as_deref() == Some(*key));
            if let Some(row) = claim {
                found.push(Keyed::Claim(row.clone()));
            } else if self.tables.tombstones.contains(&(who.0, (*key).to_owned()))
                && self.db.faults().mutation != Mutation::NoTombstones
            {
                found.push(Keyed::Tombstone { registration: *who, key: (*key).to_owned() });
            }
        }
        Ok(found)
    }

    pub(super) async fn insert_claims(&mut self, claims: &[&NewClaim]) -> Result<Vec<ClaimId>, StoreError> {
        self.db.step().await?;
        let mut refused = Vec::new();
        let unit_index = self.db.faults().mutation != Mutation::NoUnitIndex;
        for claim in claims {
            let taken = unit_index
                && self.tables.claims.values().any(|row| row.occupying && row.unit_ord == claim.row.unit_ord);
            let keyed = self.tables.claims.values().any(|row| {
                row.registration_ord.is_some()
                    && row.registration_ord == claim.row.registration_ord
                    && row.request_key == claim.row.request_key
            });
            if taken || keyed {
                refused.push(claim.row.id.clone());
            } else {
                self.tables.claims.insert(claim.row.id.clone(), claim.row.clone());
                self.tables.properties.insert(claim.row.id.clone(), claim.property_id.clone());
            }
        }
        Ok(refused)
    }

    pub(super) async fn insert_places(&mut self, places: &[NewPlace]) -> Result<Vec<ClaimId>, StoreError> {
        self.db.step().await?;
        let index = self.db.faults().mutation != Mutation::NoQuotaIndex;
        let mut refused = Vec::new();
        for new in places {
            let taken = index
                && self.tables.places.iter().any(|(_, kind, holder, class, place)| {
                    (*kind, holder.as_str(), *class, *place)
                        == (new.holder_kind, new.holder.as_str(), new.class, new.place)
                });
            if taken {
                refused.push(new.claim.clone());
            } else {
                self.tables.places.insert((
                    new.claim.clone(),
                    new.holder_kind,
                    new.holder.clone(),
                    new.class,
                    new.place,
                ));
            }
        }
        Ok(refused)
    }

    pub(super) async fn number_claims(&mut self, claims: &[(&ClaimId, i64)]) -> Result<(), StoreError> {
        self.db.step().await?;
        for (claim, seq) in claims {
            if let Some(row) = self.tables.claims.get_mut(*claim) {
                row.seq = *seq;
                row.changed_seq = *seq;
            }
        }
        Ok(())
    }

    pub(super) async fn delete_claims(&mut self, claims: &[&ClaimId]) -> Result<(), StoreError> {
        self.db.step().await?;
        for claim in claims {
            self.tables.places.retain(|place| place.0 != **claim);
            self.tables.claims.remove(*claim);
        }
        Ok(())
    }

    pub(super) async fn occupants(&mut self, units: &[UnitOrd]) -> Result<Vec<ClaimRow>, StoreError> {
        self.db.step().await?;
        let claims = self.tables.claims.values();
        Ok(claims.filter(|row| row.occupying && units.contains(&row.unit())).cloned().collect())
    }

    pub(super) async fn claim(&mut self, claim: &ClaimId) -> Result<Option<ClaimRow>, StoreError> {
        self.db.step().await?;
        Ok(self.tables.claims.get(claim).cloned())
    }

    pub(super) async fn occupying_claims(&mut self) -> Result<Vec<ClaimRow>, StoreError> {
        self.db.step().await?;
        let mut claims: Vec<ClaimRow> =
            self.tables.claims.values().filter(|row| row.occupying).cloned().collect();
        claims.sort_by_key(|row| row.seq);
        Ok(claims)
    }

    pub(super) async fn unsettled_payments(&mut self) -> Result<Vec<PaymentId>, StoreError> {
        self.db.step().await?;
        let recorded = self.tables.payments.values().filter(|payment| payment.state == "recorded");
        Ok(recorded.map(|payment| payment.id.clone()).collect())
    }

    pub(super) async fn update_claim(&mut self, claim: &ClaimRow) -> Result<bool, StoreError> {
        self.db.step().await?;
        let was_occupying = self.tables.claims.get(&claim.id).is_some_and(|row| row.occupying);
        let taken = claim.occupying
            && !was_occupying
            && self
                .tables
                .claims
                .values()
                .any(|row| row.occupying && row.unit_ord == claim.unit_ord && row.id != claim.id);
        if !taken {
            self.tables.claims.insert(claim.id.clone(), claim.clone());
        }
        Ok(!taken)
    }

    pub(super) async fn claims(&mut self, claims: &[&ClaimId]) -> Result<Vec<ClaimRow>, StoreError> {
        self.db.step().await?;
        let wanted: BTreeSet<&ClaimId> = claims.iter().copied().collect();
        Ok(wanted.into_iter().filter_map(|claim| self.tables.claims.get(claim).cloned()).collect())
    }

    pub(super) async fn end_claims(&mut self, claims: &[&ClaimRow]) -> Result<(), StoreError> {
        self.db.step().await?;
        for claim in claims {
            let ended =
                ClaimRow { occupying: false, paid_fen: Fen::ZERO, deadline_at: None, ..(*claim).clone() };
            self.tables.claims.insert(claim.id.clone(), ended);
        }
        Ok(())
    }

    pub(super) async fn free_places(&mut self, claims: &[&ClaimId]) -> Result<(), StoreError> {
        self.db.step().await?;
        self.tables.places.retain(|place| !claims.contains(&&place.0));
        Ok(())
    }

    pub(super) async fn insert_tombstone(&mut self, who: RegOrd, key: &str) -> Result<(), StoreError> {
        self.db.step().await?;
        self.tables.tombstones.insert((who.0, key.to_owned()));
        Ok(())
    }

    pub(super) async fn append_journal(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        self.db.step().await?;
        self.tables.journal.extend_from_slice(entries);
        Ok(())
    }

    pub(super) async fn payment(&mut self, payment: &PaymentId) -> Result<Option<PaymentRow>, StoreError> {
        self.db.step().await?;
        Ok(self.tables.payments.get(payment).cloned())
    }

    pub(super) async fn settle_payment(&mut self, settled: &SettledPayment) -> Result<(), StoreError> {
        self.db.step().await?;
        if let Some(row) = self.tables.payments.get_mut(&settled.id) {
            row.state = "settled".to_owned();
            row.applied_fen = settled.applied;
            row.refund_fen = settled.refund;
            row.refund_reason = settled.refund_reason.map(str::to_owned);
        }
        Ok(())
    }

    pub(super) async fn refund_applied(
        &mut self,
        claims: &[&ClaimId],
        reason: &'static str,
    ) -> Result<(), StoreError> {
        self.db.step().await?;
        for row in self.tables.payments.values_mut() {
            if claims.contains(&&row.claim_id) && row.applied_fen > Fen::ZERO {
                row.applied_fen = Fen::ZERO;
                row.refund_fen = row.amount_fen;
                row.refund_reason = Some(reason.to_owned());
            }
        }
        Ok(())
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.db.step().await?;
        let faults = self.db.faults();
        let Self { db, tables, row, decided } = self;
        if db.roll(faults.sleep) {
            let asleep = db.delay(4_000);
            if asleep >= IDLE_IN_TRANSACTION {
                // The database has ended the session, and with it the hold on the head row.
                tokio::time::sleep(IDLE_IN_TRANSACTION).await;
                drop(row);
                tokio::time::sleep(asleep - IDLE_IN_TRANSACTION).await;
                return Err(StoreError::CommitUnknown(cut()));
            }
            tokio::time::sleep(asleep).await;
        }
        let write = move |db: &SimDb, tables: Tables| {
            let leases = db.tables().leases.clone();
            // Payments are recorded by other transactions, outside the head row: keep those that came meanwhile.
            let mut merged = tables;
            for (id, payment) in db.tables().payments.clone() {
                merged.payments.entry(id).or_insert(payment);
            }
            merged.applied_at.resize(merged.journal.len(), db.now());
            let head = db.tables().head.as_ref().map_or(0, |head| head.epoch);
            merged.epochs = db.tables().epochs.clone();
            merged.epochs.push((decided, head));
            *db.tables() = Tables { leases, ..merged };
        };
        if faults.mutation == Mutation::AnswerBeforeCommit {
            tokio::spawn(async move {
                tokio::time::sleep(db.delay(20)).await;
                if !db.roll(100) {
                    write(&db, tables);
                }
                drop(row);
            });
            return Ok(());
        }
        if !db.roll(faults.lose_answer) {
            write(&db, tables);
            drop(row);
            return Ok(());
        }
        match db.delay(2).as_millis() {
            0 => write(&db, tables),
            1 => {}
            _ => {
                // Still on its way: the head row stays taken until the server has it.
                tokio::spawn(async move {
                    tokio::time::sleep(db.delay(400)).await;
                    write(&db, tables);
                    drop(row);
                });
            }
        }
        Err(StoreError::CommitUnknown(cut()))
    }
}
