//! Several gateways at one opening, as `docs/decisions/0010` has them: one Postgres decides, one Redis carries the news, both
//! with the settings of `deploy/`.
//!
//! ```text
//!   load, half of its connections each ──► gateway 0 ──┐
//!                                     └──► gateway 1 ──┴── Redis, Postgres
//! ```

use std::time::Duration;

use super::bench::Bench;
use super::figures::Figures;
use super::home::Home;
use super::kaipan::{Freed, Kaipan, Size, Template};
use super::stores::{Postgres, Redis};
use crate::clock::wait_for;
use crate::failure::{Failure, Outcome};
use crate::load::Place;

const POSTGRES_SETTINGS: &str = include_str!("../../../deploy/postgres/postgresql.conf");
const REDIS_SETTINGS: &str = include_str!("../../../deploy/redis/redis.conf");
/// A database that is never served, only copied, and its copy.
const PREPARED: &str = "prepared";
const RUN: &str = "run";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// What the gateways share. Both run on the server's cores.
pub struct Stores {
    pub redis: Redis,
    pub postgres: Postgres,
}

impl Stores {
    pub fn start(bench: &Bench) -> Outcome<Self> {
        let (work, cores) = (bench.work(), &bench.cores.server);
        let postgres = Postgres::start(work, cores, POSTGRES_SETTINGS)?;
        Ok(Self { redis: Redis::start(work, cores, REDIS_SETTINGS)?, postgres })
    }

    /// What a gateway is told beyond what every server is.
    pub fn flags(&self, number: usize) -> Vec<String> {
        let flags = ["--redis-url", &self.redis.url(), "--gateway-name", &format!("gateway-{number}")];
        flags.map(str::to_owned).to_vec()
    }
}

/// An opening on them, with all units free and everybody signed in.
pub struct Ground {
    pub stores: Stores,
    template: Template,
}

impl Ground {
    pub fn prepare(bench: &Bench, size: Size) -> Outcome<Self> {
        let stores = Stores::start(bench)?;
        stores.postgres.create(PREPARED, None)?;
        let folder = bench.folder(&format!("ground-{}-{}", size.units, size.buyers));
        let home = Home { folder, database_url: Some(stores.postgres.url(PREPARED)) };
        let template = Template::prepare(&home, size, &bench.cores.server)?;
        Ok(Self { stores, template })
    }

    /// The opening and its sessions, with the address of nobody.
    pub fn place(&self) -> Place {
        self.template.place()
    }

    /// A gateway on each of these sets of cores, on a copy of the database.
    pub fn gateways(&self, bench: &Bench, cores: &[Vec<usize>]) -> Outcome<Cluster> {
        self.stores.redis.flush()?;
        self.stores.postgres.create(RUN, Some(PREPARED))?;
        let serve = |(number, cores): (usize, &Vec<usize>)| {
            self.template.serve_on(&self.home(bench, number), cores, Freed::Kept, &self.stores.flags(number))
        };
        let gateways: Vec<Kaipan> = cores.iter().enumerate().map(serve).collect::<Outcome<_>>()?;
        let cluster = Cluster { gateways };
        cluster.is_together()?;
        Ok(cluster)
    }

    /// One server on a copy of the database, without Redis: the installation that has nobody to share with.
    pub fn alone(&self, bench: &Bench) -> Outcome<Cluster> {
        self.stores.postgres.create(RUN, Some(PREPARED))?;
        let home = self.home(bench, 0);
        Ok(Cluster { gateways: vec![self.template.serve_on(&home, &bench.cores.server, Freed::Kept, &[])?] })
    }

    fn home(&self, bench: &Bench, number: usize) -> Home {
        let folder = bench.folder(&format!("gateway-{number}"));
        Home { folder, database_url: Some(self.stores.postgres.url(RUN)) }
    }
}

/// The servers of one opening. One alone is a cluster too, so that all are measured by the same code.
pub struct Cluster {
    pub gateways: Vec<Kaipan>,
}

impl Cluster {
    /// Where the load goes: its connections take the gateways in turn.
    pub fn place(&self) -> Outcome<Place> {
        let places: Vec<Place> = self.gateways.iter().map(Kaipan::place).collect();
        let first = places.first().cloned().ok_or_else(|| Failure::new("a cluster of nobody"))?;
        let addresses = places.into_iter().flat_map(|place| place.addresses).collect();
        Ok(Place { addresses, ..first })
    }

    pub fn opening(&self) -> &str {
        self.gateways.first().map_or("", |gateway| &gateway.opening)
    }

    /// What all of them say of themselves, added up.
    pub fn figures(&self) -> Outcome<Figures> {
        let pages = self.gateways.iter().map(Kaipan::figures);
        pages
            .reduce(|all, page| Ok(all?.and(page?)))
            .unwrap_or_else(|| Err(Failure::new("a cluster of nobody")))
    }

    /// The processor time of all of them so far, in nanoseconds.
    pub fn cpu_ns(&self) -> Outcome<u64> {
        self.gateways.iter().map(|gateway| super::machine::cpu_ns(gateway.process_id())).sum()
    }

    /// Waits until gate 2 is ready at each of them, and fails if it does not get so.
    pub fn is_together(&self) -> Outcome<()> {
        let together = wait_for(READY_WITHIN, || self.ready_gateways().is_ok_and(|all| all).then_some(()));
        together.ok_or_else(|| Failure::new("gate 2 does not get ready"))
    }

    /// Whether gate 2 is ready at each of them now.
    pub fn ready_gateways(&self) -> Outcome<bool> {
        let labels = [("opening", self.opening()), ("state", "ready")];
        let ready = self.figures()?.sum("kaipan_gate2_state", &labels);
        Ok(ready >= self.gateways.len() as f64)
    }

    /// Lets them finish, so that the next ones find neither a lease nor a session of theirs.
    pub fn stop(self) -> Outcome<()> {
        self.gateways.into_iter().try_for_each(Kaipan::stop)
    }
}
