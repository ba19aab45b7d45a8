//! The composition root: builds everything once, hands each part what it needs, mounts the doors, and takes it all down
//! in order. The only place that knows every layer.

pub mod data;
mod doors;
mod figures;
mod files;
#[doc(hidden)]
pub mod fill;
mod sms;
mod speaker;
mod surroundings;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::cluster::Link;
use crate::config::{Config, WechatAt};
use crate::console::{self, Console, LoadDoors, LoadRuns};
use crate::domain::time::{Clock, Micros};
use crate::gateway::Gateway;
use crate::http::drain::Drain;
use crate::http::health::Readiness;
use crate::http::token::TokenKey;
use crate::identity::buyers::WechatSignIn;
use crate::identity::sealed::{KeyKeeper, keep_keys};
use crate::identity::{BuyerError, BuyerRates, Buyers, Rate, Staff, StaffError, keep_up};
use crate::limits;
use crate::messaging::{Outbox, Sender};
use crate::opening::{Openings, RecoverError, prepare};
use crate::status;
use crate::store::Db;
use crate::telemetry::{self, Metrics, stage};
use crate::wechat::{Account, Secret, Urls, WeChat, WechatError};

use data::{OpenData, OpenError};
use doors::{Doors, origins};
use figures::Figures;
use speaker::Speaker;

/// How soon a gateway hears of an opening that another one published. Buyers wait minutes for the start, not this.
const FOLLOW_PUBLICATIONS_PERIOD: Duration = Duration::from_millis(500);
const FORGET_PERIOD: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Data(#[from] OpenError),
    #[error("{0}")]
    Log(#[from] telemetry::BadFilter),
    #[error("metrics can not be recorded: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("the {door} door can not listen on {address}: {source}")]
    Listen { door: &'static str, address: SocketAddr, source: io::Error },
    #[error("threads or signals are not available: {0}")]
    System(#[from] io::Error),
    #[error("who is signed in can not be read: {0}")]
    Buyers(#[from] BuyerError),
    #[error("staff can not be read: {0}")]
    Staff(#[from] StaffError),
    #[error("sign-in by WeChat can not be set up: {0}")]
    Wechat(#[from] WechatError),
    #[error("TLS to the provider of SMS can not be set up: {0}")]
    Sms(#[from] rustls::Error),
    #[error("an opening can not be recovered: {0}")]
    Recover(#[from] RecoverError),
}

/// Serves until SIGTERM or SIGINT, then drains. Everything that can be refused is refused before a door opens.
pub fn serve(config: &Config) -> Result<(), ServeError> {
    serve_by(config, Clock::system())
}

/// The same by a clock that somebody else holds too: a test steps its wall as a time service would. No command and no
/// setting leads here.
pub fn serve_by(config: &Config, clock: Clock) -> Result<(), ServeError> {
    telemetry::init_logs(config.log_format, &config.log)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    files::raise_limit();
    let metrics = Metrics::install(clock.wall().0 as f64 / 1e6)?;
    let backend = Builder::new_multi_thread().enable_all().thread_name("backend").build()?;
    let served = backend.block_on(run(config, clock, metrics));
    // Whatever still runs after the drain had its time; it must not keep the process.
    backend.shutdown_timeout(limits::DRAIN_TIMEOUT);
    served
}

async fn run(config: &Config, clock: Clock, metrics: Metrics) -> Result<(), ServeError> {
    let services = Services::build(config, clock).await?;
    surroundings::look(&services.data.db, &services.clock, !config.redis.is_empty()).await;
    let drain = Drain::default();
    let sending = services.start_upkeep(&metrics, &drain);

    let doors = Doors { drain, readiness: Readiness::default(), metrics };
    let gateway = doors.gateway(config, &services);
    let figures = services.figures(config, &gateway, &doors);
    doors.metrics.collect_with(move |page| figures.write(page));
    let load = LoadRuns::new(config.loadtest.clone(), config.data.dir.join("reports"));
    let console = services.console(config, &gateway, &doors, &load);
    console.put_away_leftovers().await;
    let staff = doors.open_staff(config, &services.data.db, console)?;
    let buyers = doors.open_buyers(config, &services.data.db, &gateway)?;
    load.reach(LoadDoors { buyers: buyers.address, staff });
    tokio::spawn(forget_the_past(Arc::clone(&gateway), services.data.db.clone()));
    tracing::info!(buyers = %buyers.address, %staff, "doors are open");
    let speaker = Speaker::start(speaker::Parts {
        db: services.data.db.clone(),
        clock: services.clock.clone(),
        openings: services.openings.clone(),
        gateway: Arc::clone(&gateway),
        readiness: doors.readiness.clone(),
        drain: doors.drain.clone(),
        links: services.links.clone(),
        redis_lost: config.redis_lost,
        name: config.gateway_name.clone(),
        buyers_door: buyers.address.to_string(),
        staff_door: staff.to_string(),
    });

    // Until here a request for an opening hears NOT_READY: a pick must not be answered from an empty memory.
    services.openings.reconcile().await?;
    tokio::spawn(follow_publications(services.openings.clone(), services.data.db.is_sqlite()));
    doors.readiness.ready();
    speaker.nudge();
    tracing::info!(openings = services.openings.list().len(), "ready");

    stop_signal().await?;
    tracing::info!("draining");
    doors.drain.begin();
    load.shut_down().await;
    if !doors.drain.finished(limits::DRAIN_TIMEOUT).await {
        tracing::warn!("some clients did not leave in time");
    }
    buyers.ended().await;
    if tokio::time::timeout(limits::DRAIN_TIMEOUT, sending).await.is_err() {
        tracing::warn!("a message was still on its way; it is not sent again");
    }
    speaker.gone().await;
    services.data.db.close().await;
    Ok(())
}

/// The layers below the doors.
struct Services {
    data: OpenData,
    clock: Clock,
    started_at: Micros,
    outbox: Outbox,
    buyers: Buyers,
    /// None: it is not set.
    wechat: Option<WechatSignIn>,
    staff: Staff,
    openings: Openings,
    /// One for each Redis that is set.
    links: Vec<Link>,
}

impl Services {
    async fn build(config: &Config, clock: Clock) -> Result<Self, ServeError> {
        let data = OpenData::open(&config.data, clock.clone(), "kaipan serve").await?;
        let (db, vault) = (&data.db, &data.vault);
        let outbox = Outbox::new(db.clone(), Arc::clone(vault), Sender::new(&config.sms)?);
        let links: Vec<Link> = config.redis.iter().map(Link::start).collect();
        // Any one will do, so long as it is the same at every gateway.
        let link = || links.first().cloned();
        let rates = if config.crowd { crowd_rates() } else { BuyerRates::default() };
        let buyers = Buyers::between(db.clone(), Arc::clone(vault), outbox.clone(), rates, link());
        let buyers = stage("reading who is signed in", buyers).await?;
        let wechat = match &config.wechat {
            Some(at) => Some(wechat_sign_in(at, &data, buyers.clone())?),
            None => None,
        };
        let staff = stage("reading the staff", Staff::between(db.clone(), Arc::clone(vault), link())).await?;
        let openings =
            Openings::between(db.clone(), Arc::clone(vault), clock.clone(), links.clone(), config.redis_lost);
        let started_at = clock.wall();
        Ok(Self { data, clock, started_at, outbox, buyers, wechat, staff, openings, links })
    }

    fn console(&self, config: &Config, gateway: &Arc<Gateway>, doors: &Doors, load: &LoadRuns) -> Console {
        let presence = Arc::clone(&gateway.presence);
        Console::new(console::Parts {
            db: self.data.db.clone(),
            vault: Arc::clone(&self.data.vault),
            openings: self.openings.clone(),
            staff: self.staff.clone(),
            buyers: self.buyers.clone(),
            outbox: self.outbox.clone(),
            clock: self.clock.clone(),
            readiness: doors.readiness.clone(),
            load: load.clone(),
            metrics: doors.metrics.clone(),
            started_at: self.started_at,
            token_key: TokenKey::new(*self.data.vault.session_token_key()),
            connected: Arc::new(move |opening| presence.connected(opening)),
            buyers_url: config.public_origins.first().cloned().unwrap_or_default(),
            secure_cookies: origins(&config.staff_origins).all_secure(),
        })
    }

    fn figures(&self, config: &Config, gateway: &Arc<Gateway>, doors: &Doors) -> Figures {
        Figures {
            openings: self.openings.clone(),
            db: self.data.db.clone(),
            buyers: self.buyers.clone(),
            gateway: Arc::clone(gateway),
            clock: self.clock.clone(),
            welcome: doors.welcome(&self.data.db),
            data: self.data.db.is_sqlite().then(|| config.data.dir.clone()),
        }
    }

    /// What it answers ends when no message is on its way any more.
    fn start_upkeep(&self, metrics: &Metrics, drain: &Drain) -> JoinHandle<()> {
        tokio::spawn(metrics.clone().upkeep());
        let (buyers, staff, outbox) = (self.buyers.clone(), self.staff.clone(), self.outbox.clone());
        tokio::spawn(keep_up(buyers, staff, outbox, self.clock.clone(), drain.token()));
        let keeper = KeyKeeper {
            db: self.data.db.clone(),
            vault: Arc::clone(&self.data.vault),
            clock: self.clock.clone(),
            gateway: self.openings.gateway().to_owned(),
        };
        tokio::spawn(keep_keys(keeper, drain.token()));
        let (buyers, stop) = (self.buyers.clone(), drain.token());
        tokio::spawn(async move { buyers.follow(stop).await });
        let (outbox, db, vault) = (self.outbox.clone(), self.data.db.clone(), Arc::clone(&self.data.vault));
        sms::start(outbox, db, vault, self.clock.clone(), drain.token())
    }
}

fn wechat_sign_in(at: &WechatAt, data: &OpenData, buyers: Buyers) -> Result<WechatSignIn, WechatError> {
    let usual = Urls::default();
    let urls = Urls {
        api: at.api_url.clone().unwrap_or(usual.api),
        open: at.open_url.clone().unwrap_or(usual.open),
        mp: usual.mp,
    };
    let secret = Secret::new(at.secret.as_str().to_owned());
    let account = Account { app_id: at.app_id.clone(), secret, urls };
    tracing::info!(app_id = %account.app_id, api = %account.urls.api, "buyers may sign in by WeChat");
    let wechat = WeChat::new(account, data.db.clone(), Arc::clone(&data.vault))?;
    Ok(WechatSignIn::new(buyers, wechat))
}

/// One address may send a whole crowd: the demo's, or a load test's.
fn crowd_rates() -> BuyerRates {
    let free = Rate { burst: 1_000_000, every_ms: 1 };
    BuyerRates { code_requests: free, address_tries: free, ..BuyerRates::default() }
}

/// Another gateway may publish or withdraw an opening; the embedded database has no other gateway.
async fn follow_publications(openings: Openings, embedded: bool) {
    if embedded {
        return;
    }
    let mut ticks = tokio::time::interval(FOLLOW_PUBLICATIONS_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = openings.reconcile().await {
            tracing::warn!(%error, "the published openings could not be read; trying again");
        }
    }
}

/// What the gateway keeps of those who went, what imports that were cut off left in the database, and gateways of
/// yesterday.
async fn forget_the_past(gateway: Arc<Gateway>, db: Db) {
    let mut ticks = tokio::time::interval(FORGET_PERIOD);
    loop {
        ticks.tick().await;
        gateway.addresses.forget_idle();
        gateway.forget_stopped();
        if let Err(error) = prepare::sweep(&db).await {
            tracing::warn!(%error, "what imports left could not be removed; it is tried again");
        }
        if let Err(error) = status::forget_old(&db).await {
            tracing::warn!(%error, "rows of gateways that are gone could not be removed; it is tried again");
        }
    }
}

async fn stop_signal() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
