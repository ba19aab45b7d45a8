//! `kaipan project`: the developments being sold (项目).

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::desk::{Desk, Failure, print_json, run as run_to_end, say};
use crate::app::data::open_to_read;
use crate::config::DataSettings;
use crate::console::wire;
use crate::identity::staff::LogEntry;
use crate::limits::NAME_CHARS_MAX;
use crate::opening::drafts::{self, DraftError};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Add a project
    Add {
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// List the projects
    List {
        #[command(flatten)]
        form: Form,
    },
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
            What::Add { name, form } => add(&name, form).await,
            What::List { form } => list(form).await,
        }
    })
}

async fn add(name: &str, form: Form) -> Result<(), Failure> {
    let desk = Desk::open(form.data, "kaipan project").await?;
    let mut tx = desk.begin().await?;
    let project = drafts::create_project(&mut tx, name, desk.now).await.map_err(|error| match error {
        DraftError::Field(_) => Failure::Flag("NAME", format!("must have 1 to {NAME_CHARS_MAX} characters")),
        DraftError::NameTaken => Failure::Flag("NAME", "is another project's already".to_owned()),
        other => Failure::Draft(other),
    })?;
    let entry =
        LogEntry { opening: None, action: "PROJECT_CREATED", object: project.id.as_str(), params: json!({}) };
    desk.log(&mut tx, &entry).await?;
    tx.commit().await?;
    if form.json {
        return Ok(print_json(&wire::project(project))?);
    }
    Ok(say(&format!("added {}\t{}", project.id, project.name))?)
}

async fn list(form: Form) -> Result<(), Failure> {
    let db = open_to_read(&form.data.resolve()).await?;
    let projects = drafts::projects(&mut db.read().await?).await?;
    if form.json {
        let projects = projects.into_iter().map(wire::project).collect();
        return Ok(print_json(&wire::Projects { projects })?);
    }
    for project in projects {
        say(&format!("{}\t{}\t{}", project.id, project.name, project.time_zone))?;
    }
    Ok(())
}
