//! Reads of what is personal stand in the log as well (CO-6), and the whole log is checked here for the door.

use std::hash::{BuildHasher, RandomState};

use dashmap::DashMap;

use crate::domain::time::Micros;
use crate::limits::{READS_REMEMBERED, READS_TOGETHER_S, STAFF_LOG_CHECK_KEPT_S};
use crate::store::Priority;

use super::chain::{Checked, check_chain};
use super::{Actor, LogEntry, Staff, StaffError, log_staff_action};

/// Who read what when. A page that asks again every few seconds is one person who looks at one thing: one entry says it.
#[derive(Default)]
pub(super) struct Reads {
    hasher: RandomState,
    logged_at: DashMap<u64, Micros>,
}

impl Reads {
    /// Whether this is another read than those that are logged.
    fn is_new(&self, key: u64, now: Micros) -> bool {
        self.logged_at.get(&key).is_none_or(|at| !together(*at, now))
    }

    fn logged(&self, key: u64, now: Micros) {
        if self.logged_at.len() >= READS_REMEMBERED {
            self.sweep(now);
        }
        // Without room it is logged again the next time, which is only more than was asked for.
        if self.logged_at.len() < READS_REMEMBERED {
            self.logged_at.insert(key, now);
        }
    }

    pub(super) fn sweep(&self, now: Micros) {
        self.logged_at.retain(|_, at| together(*at, now));
    }
}

/// A clock that was stepped back makes it another read.
fn together(before: Micros, now: Micros) -> bool {
    before <= now && now.since(before) < Micros::from_secs(READS_TOGETHER_S)
}

impl Staff {
    /// Logs that `by` is about to be shown something. The same `looked_for` in the same place within
    /// [`READS_TOGETHER_S`] is the same read. Call it before the answer leaves: what can't be logged is not shown.
    pub async fn log_read(
        &self,
        by: &Actor,
        entry: &LogEntry<'_>,
        looked_for: &str,
        now: Micros,
    ) -> Result<(), StaffError> {
        let inner = &self.inner;
        let opening = entry.opening.map(|opening| opening.as_str());
        let key = inner.reads.hasher.hash_one((by.label(), entry.action, opening, entry.object, looked_for));
        if !inner.reads.is_new(key, now) {
            return Ok(());
        }
        let mut tx = inner.db.begin(Priority::Staff).await?;
        log_staff_action(&mut tx, &inner.vault, by, entry, now).await?;
        tx.commit().await?;
        inner.reads.logged(key, now);
        Ok(())
    }

    /// Checks the log's chain, one check at a time; who asks soon after another gets the same answer.
    pub async fn check_log(&self, now: Micros) -> Result<Checked, StaffError> {
        let mut last = self.inner.checked.lock().await;
        if let Some((at, checked)) = &*last
            && *at <= now
            && now.since(*at) < Micros::from_secs(STAFF_LOG_CHECK_KEPT_S)
        {
            return Ok(checked.clone());
        }
        let checked = check_chain(&self.inner.db, &self.inner.vault, None).await?;
        *last = Some((now, checked.clone()));
        Ok(checked)
    }
}
