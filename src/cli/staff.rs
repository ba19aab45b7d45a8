//! `kaipan staff`: accounts without a console. The way in for the first admin, and back in when a password is lost.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use super::refuse;
use crate::app::data::{OpenData, OpenError};
use crate::config::DataSettings;
use crate::domain::time::{Clock, Micros};
use crate::identity::staff::{NewStaff, StaffChange, generate_password};
use crate::identity::{Actor, Role, Staff, StaffError};
use crate::limits::PASSWORD_BYTES_MAX;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Add an account; prints a generated password once unless one is given
    Add(OnData<Add>),
    /// List the accounts
    List(OnData<List>),
    /// Give an account a new password and end its sessions
    Reset(OnData<Reset>),
    /// Take an account's second factor away, for a lost phone, and end its sessions
    ResetSecondFactor(OnData<ResetSecondFactor>),
    /// Disable an account and end its sessions
    Disable(OnData<Account>),
    /// Enable a disabled account
    Enable(OnData<Account>),
}

/// Every one of them says where the data is, after its own words.
#[derive(Args)]
struct OnData<T: Args> {
    #[command(flatten)]
    what: T,
    #[command(flatten)]
    data: DataSettings,
}

#[derive(Args)]
struct Add {
    login: String,
    #[arg(long, value_enum)]
    role: RoleName,
    /// The person's name [default: the login]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    password: PasswordArguments,
}

#[derive(Args)]
struct List {}

#[derive(Args)]
struct Reset {
    login: String,
    #[command(flatten)]
    password: PasswordArguments,
}

#[derive(Args)]
struct ResetSecondFactor {
    login: String,
    /// Why; it stands in the staff log
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
struct Account {
    login: String,
}

#[derive(Args)]
struct PasswordArguments {
    /// Read the password from standard input, one line
    #[arg(long)]
    password_stdin: bool,
}

/// The roles of an office; the demo's crowd is not one.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    Admin,
    Manager,
    Cashier,
    Auditor,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Role::Admin,
            RoleName::Manager => Role::Manager,
            RoleName::Cashier => Role::Cashier,
            RoleName::Auditor => Role::Auditor,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Staff(#[from] StaffError),
    #[error("the password can not be read: {0}")]
    Input(io::Error),
    #[error("{0}")]
    Output(io::Error),
}

pub fn run(arguments: Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(error),
    };
    match runtime.block_on(run_async(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(error),
    }
}

async fn run_async(arguments: Arguments) -> Result<(), Failure> {
    match arguments.what {
        What::Add(OnData { what, data }) => add(what, &Office::open(data).await?).await,
        What::List(OnData { what: List {}, data }) => list(&Office::open(data).await?).await,
        What::Reset(OnData { what, data }) => reset(what, &Office::open(data).await?).await,
        What::ResetSecondFactor(OnData { what, data }) => {
            reset_second_factor(what, &Office::open(data).await?).await
        }
        What::Disable(OnData { what, data }) => set_disabled(&what, true, &Office::open(data).await?).await,
        What::Enable(OnData { what, data }) => set_disabled(&what, false, &Office::open(data).await?).await,
    }
}

/// The accounts of one installation, and the time it is.
struct Office {
    staff: Staff,
    now: Micros,
    /// Keeps the data folder locked while we write.
    _data: OpenData,
}

impl Office {
    async fn open(data: DataSettings) -> Result<Self, Failure> {
        let clock = Clock::system();
        let data = OpenData::open(&data.resolve(), clock.clone(), "kaipan staff").await?;
        let staff = Staff::open(data.db.clone(), data.vault.clone()).await?;
        Ok(Self { staff, now: clock.wall(), _data: data })
    }
}

async fn add(add: Add, office: &Office) -> Result<(), Failure> {
    let (password, generated) = add.password.get()?;
    let told = generated.then(|| password.clone());
    let name = add.name.unwrap_or_else(|| add.login.clone());
    let new = NewStaff { login: add.login, name, role: add.role.into(), password };
    let member = office.staff.add(&Actor::CommandLine, new, office.now).await?;
    say(&format!("added {} ({})", member.login, member.role.as_str()))?;
    tell_password(told)
}

async fn list(office: &Office) -> Result<(), Failure> {
    for member in office.staff.list().await? {
        let state = if member.disabled { "disabled" } else { "enabled" };
        say(&format!("{}\t{}\t{}\t{}", member.login, member.role.as_str(), state, member.name))?;
    }
    Ok(())
}

async fn reset(reset: Reset, office: &Office) -> Result<(), Failure> {
    let member = office.staff.find(&reset.login).await?;
    let (password, generated) = reset.password.get()?;
    let told = generated.then(|| password.clone());
    office.staff.set_password(&Actor::CommandLine, &member.id, password, office.now).await?;
    say(&format!("{} has a new password and is signed out everywhere", member.login))?;
    tell_password(told)
}

async fn reset_second_factor(reset: ResetSecondFactor, office: &Office) -> Result<(), Failure> {
    let member = office.staff.find(&reset.login).await?;
    office.staff.reset_second_factor(&Actor::CommandLine, &member.id, &reset.reason, office.now).await?;
    say(&format!("{} has no second factor any more and is signed out everywhere", member.login))
}

async fn set_disabled(account: &Account, disabled: bool, office: &Office) -> Result<(), Failure> {
    let member = office.staff.find(&account.login).await?;
    let change = StaffChange { disabled: Some(disabled), ..StaffChange::default() };
    office.staff.change(&Actor::CommandLine, &member.id, change, office.now).await?;
    say(&format!("{} is {}", member.login, if disabled { "disabled" } else { "enabled" }))
}

impl PasswordArguments {
    /// The password, and whether it was made up here and has to be told.
    fn get(&self) -> Result<(Zeroizing<String>, bool), Failure> {
        if !self.password_stdin {
            return Ok((generate_password(), true));
        }
        if io::stdin().is_terminal() {
            say("password (it is shown as you type):")?;
        }
        let mut line = Zeroizing::new(String::new());
        let bound = PASSWORD_BYTES_MAX as u64 + 2;
        BufReader::new(io::stdin().lock().take(bound)).read_line(&mut line).map_err(Failure::Input)?;
        let password = Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned());
        Ok((password, false))
    }
}

fn tell_password(password: Option<Zeroizing<String>>) -> Result<(), Failure> {
    match password {
        Some(password) => say(&format!("password (shown this once): {}", *password)),
        None => Ok(()),
    }
}

fn say(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").map_err(Failure::Output)
}
