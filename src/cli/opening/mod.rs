//! `kaipan opening`: an opening prepared, published and read without a console.

mod dump;
mod lists;
mod rehearse;
mod settings;
mod show;
mod units;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::desk::{Desk, Failure, run as run_to_end};
use crate::config::DataSettings;
use crate::domain::ids::OpeningId;
use crate::opening::drafts::{self, DraftError, Overview, Project};
use crate::opening::publish::PublishError;
use crate::store::{Reader, StoreError};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Create an opening: a draft without units and buyers
    Create(settings::Create),
    /// List the openings, newest first
    List(show::List),
    /// Show an opening as it is
    Show(show::Show),
    /// Change settings of an opening that is not published; a checked one has to be checked again
    Set(settings::Set),
    /// Take units off the offer, before publication
    Withhold(units::Withhold),
    /// Put withheld units back on offer, before publication
    Unwithhold(units::Unwithhold),
    /// See what must be mended; when nothing must, the draft is checked and may be published
    Check(OnOpening),
    /// Publish a checked opening: units and roster are frozen and hashed, buyers see it
    Publish(OnOpening),
    /// Take a published opening back, before its start
    Unpublish(OnOpening),
    /// Copy an opening's homes, simulate its buyers, and publish the copy to start soon
    Rehearse(rehearse::Arguments),
    /// End rehearsals that are over, or a certain one, and take them out of every list; their journals stay
    ClearRehearsals(rehearse::Clear),
    /// Print every claim and every journal entry of an opening; it may be running
    Dump(dump::Arguments),
}

/// Which opening, where it is, and in what form to answer.
#[derive(Args)]
struct OnOpening {
    #[arg(long, value_name = "ID")]
    opening: OpeningId,
    #[command(flatten)]
    form: Form,
}

#[derive(Args)]
struct Form {
    /// Print JSON, as the console's API has it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataSettings,
}

pub fn run(arguments: Arguments) -> ExitCode {
    run_to_end(async {
        match arguments.what {
            What::Create(create) => settings::create(create).await,
            What::List(list) => show::list(list).await,
            What::Show(show) => show::show(show).await,
            What::Set(set) => settings::set(set).await,
            What::Withhold(withhold) => units::withhold(withhold).await,
            What::Unwithhold(unwithhold) => units::unwithhold(unwithhold).await,
            What::Check(on) => lists::check(on).await,
            What::Publish(on) => lists::publish(on).await,
            What::Unpublish(on) => lists::unpublish(on).await,
            What::Rehearse(arguments) => rehearse::run(arguments).await,
            What::ClearRehearsals(clear) => rehearse::clear(clear).await,
            What::Dump(arguments) => dump::run(arguments).await,
        }
    })
}

async fn open(data: DataSettings) -> Result<Desk, Failure> {
    Desk::open(data, "kaipan opening").await
}

async fn overview(read: &mut Reader, opening: &OpeningId) -> Result<Overview, Failure> {
    drafts::overview(read, opening).await?.ok_or_else(|| Failure::OpeningUnknown(opening.clone()))
}

/// The project of an opening, for the time zone in which its moments are meant.
async fn project_of(read: &mut Reader, overview: &Overview) -> Result<Project, Failure> {
    let all = drafts::projects(read).await?;
    let lost = || StoreError::Corrupt(format!("opening {} has no project", overview.id));
    Ok(all.into_iter().find(|project| project.id == overview.project).ok_or_else(lost)?)
}

/// An edit that was refused, in the words of this command line.
fn refused(error: DraftError) -> Failure {
    match error {
        DraftError::Field(field) => {
            let (flag, must) = settings::flag_of(field);
            Failure::Flag(flag, must)
        }
        DraftError::Publish(PublishError::Transition { from, .. }) => Failure::Flag(
            "--opening",
            format!("is {}; what was published is frozen until it is unpublished", from.as_str()),
        ),
        other => Failure::Draft(other),
    }
}
