//! `kaipan backup`: whether a backup can be restored, and what a restored Postgres still needs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::desk::{Failure, run as run_to_end, say};
use super::restore::{openings, report};
use crate::limits::BACKUP_EPOCHS;
use crate::store::{Db, Priority, RestoreError, openings_found, raise_epochs, restore};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Restore SQLite's backup into a temporary folder, look at everything, and remove it; beside a running server or not
    Check {
        #[arg(long, env = "KAIPAN_BACKUP_DIR", value_name = "FOLDER")]
        backup_dir: PathBuf,

        /// Where there is room for a whole database [default: the system's temporary folder]
        #[arg(long, value_name = "FOLDER")]
        scratch: Option<PathBuf>,
    },
    /// After a restore of Postgres: check every opening's journal, and raise the epochs, so that nothing that Redis or a
    /// sleeping gateway still holds of the lost timeline is ever met again
    RaiseEpochs {
        #[arg(long, env = "KAIPAN_DATABASE_URL", value_name = "URL", hide_env_values = true)]
        database_url: String,
    },
}

pub fn run(arguments: Arguments) -> ExitCode {
    run_to_end(async {
        match arguments.what {
            What::Check { backup_dir, scratch } => check(backup_dir, scratch).await,
            What::RaiseEpochs { database_url } => raise(&database_url).await,
        }
    })
}

async fn check(backup_dir: PathBuf, scratch: Option<PathBuf>) -> Result<(), Failure> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("kaipan-check-");
    // For its owner only, as tempfile makes them: what is in it is a whole database.
    let folder = scratch.map_or_else(|| folder.tempdir(), |scratch| folder.tempdir_in(scratch))?;
    let restored = restore(&backup_dir, folder.path(), false, 0).await?;
    folder.close()?;
    report(&restored)?;
    Ok(say("the backup can be restored")?)
}

async fn raise(database_url: &str) -> Result<(), Failure> {
    let db = Db::connect_postgres(database_url).await?;
    let mut tx = db.begin(Priority::Staff).await?;
    let found = openings_found(&mut tx.exec()).await?;
    if let Some(fault) = found.iter().find_map(|opening| opening.fault()) {
        return Err(RestoreError::Unsound(fault).into());
    }
    let raised = raise_epochs(&mut tx.exec(), BACKUP_EPOCHS).await?;
    tx.commit().await?;
    db.close().await;
    openings(&found)?;
    Ok(say(&format!("the epochs of {raised} openings were raised by {BACKUP_EPOCHS}"))?)
}
