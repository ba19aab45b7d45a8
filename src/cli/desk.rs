//! Where the commands that prepare an opening work. What they do stands in the staff log, written in the transaction
//! that did it, as done at the command line.

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;

use super::refuse;
use crate::app::data::{OpenData, OpenError, ReadError};
use crate::config::DataSettings;
use crate::domain::ids::OpeningId;
use crate::domain::time::{Clock, Micros};
use crate::identity::sealed::StillNeeded;
use crate::identity::staff::{LogEntry, log_staff_action};
use crate::identity::{Actor, StaffError};
use crate::opening::drafts::DraftError;
use crate::opening::publish::PublishError;
use crate::opening::rehearse::RehearseError;
use crate::store::{Ledger, LedgerTx, Priority, Reader, RestoreError, StoreError, Tx};
use crate::vault::VaultError;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A flag or an argument, and what it must be.
    #[error("{0} {1}")]
    Flag(&'static str, String),
    #[error("there is no opening {0}")]
    OpeningUnknown(OpeningId),
    #[error("{0}")]
    Draft(DraftError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Rehearse(#[from] RehearseError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Staff(#[from] StaffError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    StillNeeded(#[from] StillNeeded),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The data, open for writing: on SQLite no server runs beside it.
pub struct Desk {
    pub data: OpenData,
    pub now: Micros,
}

impl Desk {
    pub async fn open(data: DataSettings, command: &str) -> Result<Self, Failure> {
        let clock = Clock::system();
        let data = OpenData::open(&data.resolve(), clock.clone(), command).await?;
        Ok(Self { data, now: clock.wall() })
    }

    pub async fn read(&self) -> Result<Reader, StoreError> {
        self.data.db.read().await
    }

    pub async fn begin(&self) -> Result<Tx, StoreError> {
        self.data.db.begin(Priority::Staff).await
    }

    /// A transaction on one opening.
    pub async fn begin_on(&self, opening: &OpeningId) -> Result<LedgerTx, StoreError> {
        Ledger::from(self.data.db.clone()).begin(opening, Priority::Staff).await
    }

    pub async fn log(&self, tx: &mut Tx, entry: &LogEntry<'_>) -> Result<(), StaffError> {
        log_staff_action(tx, &self.data.vault, &Actor::CommandLine, entry, self.now).await
    }

    /// Logs what the transaction did to its opening, and commits.
    pub async fn finish(
        &self,
        mut tx: LedgerTx,
        opening: &OpeningId,
        action: &'static str,
        params: Value,
    ) -> Result<(), Failure> {
        let db = tx.db().ok_or_else(|| StoreError::Corrupt("no database".to_owned()))?;
        self.log(db, &LogEntry { opening: Some(opening), action, object: opening.as_str(), params }).await?;
        Ok(tx.commit().await?)
    }
}

/// Runs a command to its end on this thread.
pub fn run(command: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(error),
    };
    runtime.block_on(command).map_or_else(refuse, |()| ExitCode::SUCCESS)
}

/// It could not look.
const BLIND: u8 = 2;

/// A look for a monitor: 0 when all is as it should be, 1 when it is not, 2 when it could not look. The sentence is the
/// same as any command's; the status is not, or a monitor could not tell the two apart.
pub fn run_look(look: impl Future<Output = Result<bool, Failure>>) -> ExitCode {
    let blind = |why: &dyn std::fmt::Display| {
        let _one_line_on_standard_error = refuse(why);
        ExitCode::from(BLIND)
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => match runtime.block_on(look) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(failure) => blind(&failure),
        },
        Err(error) => blind(&error),
    }
}

pub fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

pub fn print_json(value: &impl serde::Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}
