//! Where one installation of Kaipan lives: its data folder or Postgres database, its keyring, its ports.
//! It outlives the server processes that run on it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::ports::free_port;
use super::postgres::{self, Cluster};
use super::sale;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

pub struct Home {
    folder: TempDir,
    data_dir: PathBuf,
    /// None: SQLite in the data folder.
    database_url: Option<String>,
    /// The load tool that servers here may start; where none is named, there is none.
    pub loadtest: PathBuf,
    /// Settings of the servers here beyond the usual ones, as environment variables.
    pub settings: Vec<(&'static str, &'static str)>,
    /// The first server's ports, the same after each restart, as a buyer's page expects.
    pub buyers_port: u16,
    pub staff_port: u16,
}

impl Home {
    /// An installation with its first admin.
    pub async fn new(database: Database) -> Self {
        let home = Self::empty(database).await;
        sale::add_admin(&home).await;
        home
    }

    /// An installation that no command has touched yet.
    pub async fn empty(database: Database) -> Self {
        let database_url = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(postgres::new_database().await),
        };
        Self::empty_at(database_url)
    }

    /// An installation with its first admin on a database of this cluster.
    pub async fn on(cluster: &Cluster) -> Self {
        let home = Self::empty_at(Some(cluster.new_database().await));
        sale::add_admin(&home).await;
        home
    }

    fn empty_at(database_url: Option<String>) -> Self {
        let folder = tempfile::Builder::new().prefix("kaipan-it-").tempdir().unwrap();
        let loadtest = folder.path().join("no-load-tool");
        let settings = Vec::new();
        let data_dir = folder.path().join("data");
        Self {
            folder,
            data_dir,
            database_url,
            loadtest,
            settings,
            buyers_port: free_port(),
            staff_port: free_port(),
        }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone()
    }

    /// From now on the data is there, as on another machine behind the same address.
    pub fn move_data(&mut self, data_dir: PathBuf) {
        self.data_dir = data_dir;
    }

    /// The same for a database of Postgres.
    pub fn move_database(&mut self, database_url: String) {
        self.database_url = Some(database_url);
    }

    /// Outside the data folder, as the vault demands.
    pub fn keyring(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn database_url(&self) -> Option<&str> {
        self.database_url.as_deref()
    }

    /// The database has moved to another server on this machine.
    pub fn move_to(&mut self, cluster: &Cluster) {
        let url = self.database_url.as_ref().expect("a database on a server");
        let (_server, database) = url.rsplit_once('/').unwrap();
        self.database_url = Some(format!("postgres://kaipan@127.0.0.1:{}/{database}", cluster.port));
    }

    /// The binary with this installation's settings; the caller adds the subcommand.
    pub fn command(&self) -> Command {
        self.command_of(binary())
    }

    /// Another program with this installation's settings.
    pub fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            // Nothing of the developer's own configuration may reach a test.
            .env("HOME", self.folder.path())
            .env("KAIPAN_KEYRING", self.keyring())
            .env("KAIPAN_DATA_DIR", self.data_dir())
            .env("KAIPAN_LOADTEST", &self.loadtest)
            .env("NO_COLOR", "1")
            .kill_on_drop(true);
        if let Some(url) = &self.database_url {
            command.env("KAIPAN_DATABASE_URL", url);
        }
        command.envs(self.settings.iter().copied());
        command
    }

    /// Runs a subcommand to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.run_fed(arguments, "").await
    }

    /// Runs a subcommand to its end, with `input` on its standard input.
    pub async fn run_fed(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may have closed its end already.
        stdin.write_all(input.as_bytes()).await.ok();
        drop(stdin);
        timeout(Duration::from_secs(60), child.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("{arguments:?} hangs"))
            .unwrap()
    }
}

pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kaipan"))
}
