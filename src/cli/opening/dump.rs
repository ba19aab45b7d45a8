//! `kaipan opening dump`: every claim and every journal entry, for audits and notaries. The opening may be running.

use std::io::{self, Write};

use clap::Args;

use crate::app::data::open_to_read;
use crate::cli::desk::Failure;
use crate::config::DataSettings;
use crate::domain::ids::OpeningId;
use crate::opening::dump::Dump;

#[derive(Args)]
pub struct Arguments {
    #[arg(long, value_name = "ID")]
    opening: OpeningId,
    /// As JSON, which is the only form there is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataSettings,
}

pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { opening, json: _, data } = arguments;
    let db = open_to_read(&data.resolve()).await?;
    let mut dump = Dump::new(db.clone(), opening);
    let mut out = io::BufWriter::new(io::stdout());
    while let Some(piece) = dump.next().await? {
        out.write_all(&piece)?;
    }
    writeln!(out)?;
    out.flush()?;
    db.close().await;
    Ok(())
}
