//! `kaipan keys`: the keys that seal personal data (CO-4). It changes the keyring's file, which running servers notice; the
//! database it only reads, beside them. It never prints a key.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::desk::{Failure, print_json, run as run_to_end, say};
use crate::app::data::{ReadError, change_keyring, open_to_audit};
use crate::config::{Data, DataSettings};
use crate::domain::time::{Clock, Micros};
use crate::identity::sealed::{ByKey, bound_name, bound_since, check_unneeded, count_by_key, sealing_keys};
use crate::vault::{Vault, VaultError};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the keys: which one seals, since when each is known, and how many values each has sealed
    List(List),
    /// Add a key and seal with it from now on; running servers seal everything again under it
    Rotate(OnData),
    /// Add a key that only opens: the first half of a rotation where every gateway has a copy of the keyring of its own
    Add(OnData),
    /// Seal with this key from now on: the second half, when every copy has it
    Use(OnKey),
    /// Remove a key for good; refused while anything needs it
    Retire(OnKey),
}

#[derive(Args)]
struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataSettings,
}

#[derive(Args)]
struct OnData {
    #[command(flatten)]
    data: DataSettings,
}

#[derive(Args)]
struct OnKey {
    /// The key's number
    id: u32,
    #[command(flatten)]
    data: DataSettings,
}

pub fn run(arguments: Arguments) -> ExitCode {
    run_to_end(async {
        match arguments.what {
            What::List(List { json, data }) => list(json, &data.resolve()).await,
            What::Rotate(OnData { data }) => rotate(&data.resolve()).await,
            What::Add(OnData { data }) => add(&data.resolve()).await,
            What::Use(OnKey { id, data }) => activate(id, &data.resolve()).await,
            What::Retire(OnKey { id, data }) => retire(id, &data.resolve()).await,
        }
    })
}

/// Refuses a keyring that is not this database's. A keyring may be made ready before there is a database.
async fn check(data: &Data) -> Result<(), Failure> {
    match open_to_audit(data).await {
        Ok((db, _)) => db.close().await,
        Err(ReadError::NoDatabase(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

async fn rotate(data: &Data) -> Result<(), Failure> {
    check(data).await?;
    let id = change_keyring(data, |ring| ring.rotate())?;
    say(&format!(
        "key {id} seals from now on: running servers notice it within seconds and seal everything again"
    ))?;
    keep_it()?;
    Ok(say(
        "`kaipan keys list` shows how far they are, `kaipan keys retire ID` removes a key that nothing needs",
    )?)
}

async fn add(data: &Data) -> Result<(), Failure> {
    check(data).await?;
    let id = change_keyring(data, |ring| ring.add())?;
    say(&format!("key {id} opens, and seals nothing yet"))?;
    keep_it()?;
    Ok(say(&format!(
        "give the keyring to every gateway, then `kaipan keys use {id}`, then give it to them again"
    ))?)
}

async fn activate(id: u32, data: &Data) -> Result<(), Failure> {
    check(data).await?;
    change_keyring(data, |ring| ring.activate(id))?;
    Ok(say(&format!("key {id} seals from now on"))?)
}

fn keep_it() -> Result<(), Failure> {
    Ok(say("back the keyring up now: without this key the data can't be read")?)
}

async fn retire(id: u32, data: &Data) -> Result<(), Failure> {
    let (db, vault) = open_to_audit(data).await?;
    // The ring's own words are the plainer ones.
    if !vault.key_ids().contains(&id) {
        return Err(VaultError::NoSuchKey(id).into());
    }
    if vault.sealing_key() == id {
        return Err(VaultError::KeyActive(id).into());
    }
    let unneeded = check_unneeded(&db, &vault, id).await;
    db.close().await;
    unneeded?;
    change_keyring(data, |ring| ring.retire(id))?;
    say(&format!("key {id} is removed"))?;
    Ok(say(
        "backups of the database from before still need it: keep the keyring of that time as long as them",
    )?)
}

async fn list(as_json: bool, data: &Data) -> Result<(), Failure> {
    let (db, vault) = open_to_audit(data).await?;
    let (by_key, since, gateways) =
        (count_by_key(&db).await?, bound_since(&db).await?, sealing_keys(&db).await?);
    db.close().await;
    let keys = rows(&vault, &by_key, &since);
    if as_json {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| json!({"id": key.id, "state": key.state, "since_us": key.since.map(|at| at.0), "values": key.values}))
            .collect();
        let gateways: Vec<_> =
            gateways.iter().map(|(name, key)| json!({"name": name, "seals_with": key})).collect();
        return Ok(print_json(&json!({"keys": keys, "gateways": gateways}))?);
    }
    let now = Clock::system().wall();
    say("key\tstate\tknown since\tage\tvalues sealed by it")?;
    for key in keys {
        let id = key.id.map_or_else(|| "?".to_owned(), |id| id.to_string());
        let at = |at: Micros| {
            jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
        };
        let age = |at: Micros| format!("{} days", now.since(at).0 / 86_400_000_000);
        let (since, age) = (key.since.map_or("-".to_owned(), at), key.since.map_or("-".to_owned(), age));
        say(&format!("{id}\t{}\t{since}\t{age}\t{}", key.state, key.values))?;
    }
    for (name, key) in gateways {
        let key = key.map_or_else(
            || "has not said which key it seals with".to_owned(),
            |key| format!("seals with key {key}"),
        );
        say(&format!("gateway {name} {key}"))?;
    }
    Ok(())
}

struct Row {
    id: Option<u32>,
    state: &'static str,
    since: Option<Micros>,
    values: i64,
}

/// The ring's keys, and those that something is sealed by and the ring does not have.
fn rows(vault: &Vault, by_key: &ByKey, since: &BTreeMap<String, Micros>) -> Vec<Row> {
    let (ids, sealing) = (vault.key_ids(), vault.sealing_key());
    let strange = by_key.keys().filter(|id| id.is_none_or(|id| !ids.contains(&id)));
    ids.iter()
        .map(|id| Some(*id))
        .chain(strange.copied())
        .map(|id| Row {
            id,
            state: match id {
                Some(id) if id == sealing => "seals",
                Some(id) if ids.contains(&id) => "opens only",
                _ => "MISSING",
            },
            since: id.and_then(|id| since.get(&bound_name(id)).copied()),
            values: by_key.get(&id).copied().unwrap_or(0),
        })
        .collect()
}
