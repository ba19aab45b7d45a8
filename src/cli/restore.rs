//! `kaipan restore`: makes a database of a backup, on a machine that has none, and says what it made.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::desk::{Failure, run as run_to_end, say};
use crate::limits::BACKUP_EPOCHS;
use crate::store::{OpeningFound, Restored, lay_out_postgres, restore};

#[derive(Args)]
pub struct Arguments {
    /// The backup's folder
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,

    /// Where SQLite's database is made; a folder without one, or none
    #[arg(long, value_name = "FOLDER", required_unless_present = "postgres_data")]
    data_dir: Option<PathBuf>,

    /// For a backup of Postgres instead: the data folder of a new cluster, which must not be there yet
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["data_dir", "accept_loss"])]
    postgres_data: Option<PathBuf>,

    /// Restore up to where the backup is whole, although more was written after it
    #[arg(long)]
    accept_loss: bool,
}

pub fn run(arguments: Arguments) -> ExitCode {
    run_to_end(async {
        match (arguments.postgres_data, arguments.data_dir) {
            (Some(cluster), _) => postgres(&arguments.from, &cluster),
            (None, Some(data_dir)) => sqlite(&arguments.from, &data_dir, arguments.accept_loss).await,
            (None, None) => Err(Failure::Flag("--data-dir", "is missing".to_owned())),
        }
    })
}

async fn sqlite(from: &Path, data_dir: &Path, accept_loss: bool) -> Result<(), Failure> {
    let restored = restore(from, data_dir, accept_loss, BACKUP_EPOCHS).await?;
    report(&restored)?;
    say(&format!("every opening's epoch was raised by {BACKUP_EPOCHS}"))?;
    Ok(say(&format!(
        "{} is ready. The keys are not in it: bring the keyring, then start `kaipan serve`",
        data_dir.display()
    ))?)
}

/// What was restored, a line each.
pub fn report(restored: &Restored) -> io::Result<()> {
    let Restored { base, base_by, segments, last_segment, .. } = restored;
    say(&format!(
        "base {base}, made {} by Kaipan {base_by}; {segments} segments of the log after it{}",
        moment(restored.base_made_at_ms),
        last_segment.map_or(String::new(), |last| format!(", up to {last}")),
    ))?;
    if let Some(written) = restored.last_written_ms {
        say(&format!("last written to {} (the file's own time, which a copy changes)", moment(written)))?;
    }
    if let Some(why) = &restored.lost {
        say(&format!("WHAT CAME LATER IS LOST: {why}"))?;
    }
    if let Some(unread) = &restored.unread {
        say(&format!(
            "LEFT OUT: {unread}: a commit that was in flight when the machine died, of which nobody was told; or, if the \
             backup's own disk may be damaged, sales. Compare the last entries below with what people saw"
        ))?;
    }
    openings(&restored.openings)?;
    let mib = restored.bytes as f64 / f64::from(1 << 20);
    say(&format!("{mib:.1} MiB in {:.1} s; integrity and foreign keys checked", restored.took.as_secs_f64()))
}

/// The openings of a restored database, a line each.
pub fn openings(found: &[OpeningFound]) -> io::Result<()> {
    for OpeningFound { id, phase, first_seq, last_seq, last_at, .. } in found {
        let history = match last_seq {
            0 => "no journal yet".to_owned(),
            _ => format!("journal {first_seq} to {last_seq} without a gap, last {}", moment(last_at / 1_000)),
        };
        say(&format!("opening {id}: {phase}, {history}"))?;
    }
    Ok(())
}

fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

fn postgres(from: &Path, cluster: &Path) -> Result<(), Failure> {
    let base = lay_out_postgres(from, cluster)?;
    say(&format!("{} is base {base} and will read the log in {}", cluster.display(), from.display()))?;
    say("start it, and it brings itself to the last commit that the backup has:")?;
    say(&format!("    pg_ctl -D {} -w -t 3600 start", cluster.display()))?;
    say("then, before any server of Kaipan:")?;
    Ok(say("    kaipan backup raise-epochs --database-url URL")?)
}
