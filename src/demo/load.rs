//! Before the server runs: the demo project from its spreadsheets, the opening, and the log-ins of this run. The same
//! functions as the console's imports and publication; a demo that is already here is only given new passwords.

use std::collections::HashMap;

use super::folder::{Folder, Marker};
use super::state::{Newcomer, StaffLogin};
use super::{DemoError, Options};
use crate::app::data::OpenData;
use crate::config::Data;
use crate::domain::ids::{OpeningId, UnitOrd};
use crate::domain::kind::{Eligibility, PerKind, UnitKind};
use crate::domain::money::Fen;
use crate::domain::time::{Clock, Micros};
use crate::identity::staff::{NewStaff, generate_password};
use crate::identity::{Actor, Role, Staff, StaffError};
use crate::opening::drafts::{self, Intent, Settings, UnitLine};
use crate::opening::prepare::{
    ImportOptions, Importer, Located, Reading, RosterRow, read_price_list, read_roster,
};
use crate::opening::publish;
use crate::store::{Db, Ledger, Priority};

const PRICE_LIST: &[u8] = include_bytes!("../../demo/price-list.xlsx");
const ROSTER: &[u8] = include_bytes!("../../demo/roster.xlsx");

const PROJECT: &str = "云栖里花园";
const OPENING: &str = "首次开盘";
const WITHHELD_BECAUSE: &str = "公司保留";
const ADMIN: &str = "admin";
const CROWD: &str = "crowd";
const NEWCOMERS: usize = 3;
/// Long enough to pay for in peace, short enough that a lapse is seen within the demo.
const HOLD: Micros = Micros::from_secs(180);
const LASTS: Micros = Micros::from_secs(30 * 60);
const FAVOURITES_MAX: i64 = 10;
const DEPOSIT: PerKind<Fen> =
    PerKind { home: Fen(5_000_000), parking: Fen(1_000_000), shop: Fen(10_000_000), storage: Fen(500_000) };

/// Who and what a run of the demo is about.
pub(super) struct Cast {
    pub marker: Marker,
    /// Whom the crowd may play.
    pub people: Vec<Person>,
    pub newcomers: Vec<Newcomer>,
    pub admin: StaffLogin,
    /// A member of staff with the role `crowd`, which only a demo has.
    pub crowd: StaffLogin,
}

/// A row of the demo's roster that may pick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub registration: String,
    pub phone: String,
}

/// Loads the demo, or finds it loaded. The data folder is open only in here: afterwards it is the server's.
pub(super) async fn prepare(folder: &Folder, options: &Options, clock: &Clock) -> Result<Cast, DemoError> {
    let now_ms = clock.wall().ms();
    // One that is over, or whose start went by before anybody played, has nothing to show: load anew.
    let is_stale =
        |marker: &Marker| now_ms >= marker.end_ms || (now_ms >= marker.start_ms && !folder.record().exists());
    let loaded = folder.marker()?.filter(|marker| !is_stale(marker));
    if loaded.is_none() {
        // Whatever is left of an earlier demo, or of a loading that did not end.
        folder.clear()?;
        folder.claim()?;
    }
    let data = Data { dir: folder.path().to_owned(), database_url: None, keyring: None, backup: None };
    let open = OpenData::open(&data, clock.clone(), "kaipan demo").await.map_err(say)?;
    let prepared = prepare_in(&open, folder, loaded, options, clock).await;
    open.db.close().await;
    prepared
}

async fn prepare_in(
    open: &OpenData,
    folder: &Folder,
    loaded: Option<Marker>,
    options: &Options,
    clock: &Clock,
) -> Result<Cast, DemoError> {
    let roster = tokio::task::spawn_blocking(|| read_roster(ROSTER, "roster.xlsx"))
        .await
        .map_err(say)?
        .map_err(|problem| DemoError(format!("demo/roster.xlsx: {}", problem.code())))?;
    let (newcomers, people) = cast(&roster.rows);
    let marker = match loaded {
        Some(marker) => marker,
        None => {
            let marker = load(open, roster, &newcomers, options, clock).await?;
            folder.keep(&marker)?;
            marker
        }
    };
    let staff = Staff::open(open.db.clone(), open.vault.clone()).await.map_err(say)?;
    let admin = log_in_as(&staff, ADMIN, "演示管理员", Role::Admin, clock.wall()).await?;
    let crowd = log_in_as(&staff, CROWD, "模拟买家", Role::Crowd, clock.wall()).await?;
    Ok(Cast { marker, people, newcomers, admin, crowd })
}

async fn load(
    open: &OpenData,
    roster: Reading<RosterRow>,
    newcomers: &[Newcomer],
    options: &Options,
    clock: &Clock,
) -> Result<Marker, DemoError> {
    let prices = tokio::task::spawn_blocking(|| read_price_list(PRICE_LIST, "price-list.xlsx"))
        .await
        .map_err(say)?
        .map_err(|problem| DemoError(format!("demo/price-list.xlsx: {}", problem.code())))?;
    let (units, registrations) = (prices.rows.len(), roster.rows.len());
    let opening = draft(&open.db, clock).await?;
    let all = ImportOptions { all_or_nothing: true, dry_run: false };
    let importer = Importer { db: &open.db, vault: &open.vault, by: &Actor::Demo, now: clock.wall() };
    importer.price_list(&opening, &prices, all).await.map_err(say)?;
    importer.roster(&opening, roster, all).await.map_err(say)?;
    let start_at = publish(&open.db, &opening, options, clock).await?;
    Ok(Marker {
        version: Marker::VERSION,
        opening: opening.to_string(),
        name: OPENING.to_owned(),
        project_name: PROJECT.to_owned(),
        start_ms: start_at.ms(),
        end_ms: start_at.plus(LASTS).ms(),
        units,
        registrations,
        newcomers: newcomers.iter().map(|newcomer| newcomer.registration.clone()).collect(),
        seed: rand::random(),
    })
}

/// The project and an opening in it. Its window is set again at publication, when the loading is over.
async fn draft(db: &Db, clock: &Clock) -> Result<OpeningId, DemoError> {
    let now = clock.wall();
    let mut tx = db.begin(Priority::Staff).await.map_err(say)?;
    let project = drafts::create_project(&mut tx, PROJECT, now).await.map_err(say)?;
    let opening =
        drafts::create_opening(&mut tx, &project.id, &settings(now), Intent::Demo, now).await.map_err(say)?;
    tx.commit().await.map_err(say)?;
    Ok(opening)
}

fn settings(start_at: Micros) -> Settings {
    Settings {
        name: OPENING.to_owned(),
        start_at,
        end_at: start_at.plus(LASTS),
        hold: HOLD,
        favourites_max: FAVOURITES_MAX,
        deposit: DEPOSIT,
        quota: PerKind { home: 1, parking: 1, shop: 1, storage: 1 },
        household_quota: PerKind::default(),
    }
}

/// Withholds a few units, sets the window and publishes, in one transaction.
async fn publish(
    db: &Db,
    opening: &OpeningId,
    options: &Options,
    clock: &Clock,
) -> Result<Micros, DemoError> {
    let units = withheld(&drafts::units(&mut db.read().await.map_err(say)?, opening).await.map_err(say)?);
    let ledger = Ledger::from(db.clone());
    let mut tx = ledger.begin(opening, Priority::Staff).await.map_err(say)?;
    drafts::withhold(&mut tx, opening, &units, Some(WITHHELD_BECAUSE)).await.map_err(say)?;
    let start_in_ms = i64::try_from(options.start_in.as_millis()).unwrap_or(i64::MAX);
    let start_at = clock.wall().plus(Micros::from_ms(start_in_ms));
    drafts::change_opening(&mut tx, opening, &settings(start_at)).await.map_err(say)?;
    publish::check(&mut tx, opening).await.map_err(say)?;
    publish::publish(&mut tx, opening).await.map_err(say)?;
    tx.commit().await.map_err(say)?;
    Ok(start_at)
}

/// The first floor's homes of the first building, and the last two shops: what an office keeps back.
fn withheld(units: &[UnitLine]) -> Vec<UnitOrd> {
    let of = |kind: UnitKind| units.iter().filter(move |unit| unit.kind == kind.as_str());
    let homes = of(UnitKind::Home).take(4);
    let shops = of(UnitKind::Shop).rev().take(2);
    homes.chain(shops).filter_map(|unit| u32::try_from(unit.ord).ok().map(UnitOrd)).collect()
}

/// The newcomers, whom the crowd leaves alone, and the crowd: everybody who may pick and has a phone. Newcomers have
/// a phone of their own, so that signing in asks them nothing more.
fn cast(rows: &[Located<RosterRow>]) -> (Vec<Newcomer>, Vec<Person>) {
    let mut of_phone: HashMap<&str, u32> = HashMap::new();
    for phone in rows.iter().filter_map(|row| row.value.phone.as_ref()) {
        *of_phone.entry(phone.as_str()).or_default() += 1;
    }
    let mut newcomers = Vec::new();
    let mut people = Vec::new();
    for row in rows {
        let Some(phone) = &row.value.phone else { continue };
        if row.value.eligibility != Eligibility::Passed {
            continue;
        }
        let (registration, phone) = (row.value.code.clone(), phone.as_str().to_owned());
        if newcomers.len() < NEWCOMERS && of_phone.get(phone.as_str()) == Some(&1) {
            newcomers.push(Newcomer { registration, phone, code: None, code_sent_ms: None });
        } else {
            people.push(Person { registration, phone });
        }
    }
    (newcomers, people)
}

/// The account with a password for this run; the one from an earlier run is signed out everywhere.
async fn log_in_as(
    staff: &Staff,
    login: &str,
    name: &str,
    role: Role,
    now: Micros,
) -> Result<StaffLogin, DemoError> {
    let password = generate_password();
    let told = StaffLogin { login: login.to_owned(), password: password.to_string() };
    match staff.find(login).await {
        Ok(member) => staff.set_password(&Actor::Demo, &member.id, password, now).await.map_err(say)?,
        Err(StaffError::StaffUnknown) => {
            let new = NewStaff { login: login.to_owned(), name: name.to_owned(), role, password };
            staff.add(&Actor::Demo, new, now).await.map_err(say)?;
        }
        Err(error) => return Err(say(error)),
    }
    Ok(told)
}

fn say(error: impl std::fmt::Display) -> DemoError {
    DemoError(format!("the demo could not be loaded: {error}"))
}
