//! What a server is started on: a folder with its keyring and log, and the database in it or the Postgres that it shares with
//! others. Commands of the command line run on the same.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::process::beside;
use crate::failure::{Failure, Outcome, While};

pub const PASSWORD: &str = "correct-horse-battery-staple";
/// What is repeated of a failed command's words.
const WORDS_MAX: usize = 400;
/// Homes that one simulated buyer may take, so that the same buyers can win again in the next run.
const QUOTA: u32 = 1_000;

#[derive(Debug, Clone)]
pub struct Home {
    pub folder: PathBuf,
    /// Postgres; where there is none, SQLite in the folder.
    pub database_url: Option<String>,
}

impl Home {
    pub fn sqlite(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), database_url: None }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The binary on this home, with nothing of the machine's own configuration.
    pub fn on(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .env("KAIPAN_DATA_DIR", self.file("data"))
            .env("KAIPAN_KEYRING", self.file("keys.json"))
            .env("KAIPAN_LOG", "warn")
            .env("NO_COLOR", "1");
        if let Some(url) = &self.database_url {
            command.env("KAIPAN_DATABASE_URL", url);
        }
        command
    }

    /// Runs one command of the command line to its end; what it printed.
    pub fn run(&self, arguments: &[&str], input: &str) -> Outcome<String> {
        let doing = format!("kaipan {}", arguments.iter().take(2).copied().collect::<Vec<_>>().join(" "));
        let mut command = self.on(Command::new(beside("kaipan")?));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().during(&doing)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads nothing may have closed its end already.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().during(&doing)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        // An import tells on standard output what it did not take.
        let said = [&output.stderr[..], &output.stdout[..]].concat();
        let said: String = String::from_utf8_lossy(&said).trim().chars().take(WORDS_MAX).collect();
        Err(Failure(format!("{doing}: {said}")))
    }

    /// An empty draft, made by the command line alone; its id.
    pub fn draft(&self) -> Outcome<String> {
        fs::create_dir_all(&self.folder).during("making a folder")?;
        let add = ["staff", "add", "admin", "--role", "admin", "--password-stdin"];
        self.run(&add, PASSWORD)?;
        self.run(&["project", "add", "Bench"], "")?;
        let quota = format!("home={QUOTA}");
        let window = ["--start", "2099-01-01T10:00:00+08:00", "--end", "2099-01-01T18:00:00+08:00"];
        let mut create = vec!["opening", "create", "--project", "Bench", "--name", "Bench", "--json"];
        create.extend(window);
        create.extend(["--quota", &quota]);
        let created: Value = serde_json::from_str(&self.run(&create, "")?).during("reading the opening")?;
        Ok(created["id"].as_str().during("the opening's id")?.to_owned())
    }

    /// Imports a `price-list` or a `roster` whole.
    pub fn import(&self, which: &str, file: &Path, opening: &str) -> Outcome<()> {
        let file = file.to_string_lossy().into_owned();
        self.run(&["import", which, &file, "--opening", opening, "--all-or-nothing"], "").map(drop)
    }

    /// The board as the database has it: every live claim of the dump. Read beside the running server.
    pub fn board(&self, opening: &str, units: usize) -> Outcome<String> {
        let dump = self.run(&["opening", "dump", "--opening", opening, "--json"], "")?;
        let dump: Value = serde_json::from_str(&dump).during("reading the dump")?;
        let mut status = vec![b'0'; units];
        for claim in dump["claims"].as_array().into_iter().flatten() {
            let digit = match claim["state"].as_str() {
                Some("held" | "lapsing" | "offered") => b'1',
                Some("sold") => b'2',
                Some("withheld") => b'3',
                _ => continue,
            };
            let unit = claim["unit"].as_u64().and_then(|unit| usize::try_from(unit).ok());
            if let Some(slot) = unit.and_then(|unit| status.get_mut(unit)) {
                *slot = digit;
            }
        }
        String::from_utf8(status).during("the board of the database")
    }
}
