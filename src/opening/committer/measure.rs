//! How long a group of picks takes, from the transaction's begin to the last answer. Not a test: run it by hand.
//!
//!     cargo test --release --lib measure_commit -- --ignored --nocapture
//!
//! `KAIPAN_MEASURE_POSTGRES=postgres://…` measures on that (empty) database instead of SQLite in a temporary folder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Batch, Live};
use crate::domain::ids::{OpeningId, OrgId, ProjectId, PropertyId, RegOrd, UnitOrd};
use crate::domain::kind::{Eligibility, PerKind, UnitKind};
use crate::domain::money::Fen;
use crate::domain::time::{Clock, Micros};
use crate::opening::answer::{Answer, Key};
use crate::opening::facts::{Facts, Registration, Unit};
use crate::opening::job::Pick;
use crate::opening::keys::Known;
use crate::opening::recover::{self, Running};
use crate::store::{Db, Priority, insert_rows, testing};

const UNITS: u32 = 12_000;

fn facts(id: OpeningId) -> Facts {
    let unit = |ord: u32| Unit {
        property: PropertyId::generate(),
        kind: UnitKind::Home,
        building: "1#".to_owned(),
        section: String::new(),
        floor: "1".to_owned(),
        room: ord.to_string(),
        layout: String::new(),
        facing: String::new(),
        gross_area_centi: None,
        inner_area_centi: None,
        unit_price: None,
        total: Fen(100_000_000),
        remarks: String::new(),
    };
    let registration = |ord: u32| Registration {
        code: format!("RC{ord:05}"),
        name_masked: "张*".to_owned(),
        group: String::new(),
        lot_number: None,
        eligibility: Eligibility::Passed,
        household: None,
        quota_home: 1,
        earnest: Fen::ZERO,
    };
    let registrations: Vec<Registration> = (0..UNITS).map(registration).collect();
    Facts {
        id,
        project_id: ProjectId::generate(),
        project_name: String::new(),
        name: String::new(),
        rehearsal: false,
        simulated: true,
        hold: Micros::from_secs(900),
        favourites_max: 10,
        deposit: PerKind { home: Fen(5_000_000), parking: Fen(0), shop: Fen(0), storage: Fen(0) },
        quota: PerKind { home: 1, parking: 1, shop: 1, storage: 1 },
        household_quota: PerKind { home: None, parking: None, shop: None, storage: None },
        units_hash: String::new(),
        roster_hash: String::new(),
        published_at: Micros(0),
        units: (0..UNITS).map(unit).collect(),
        by_code: registrations.iter().zip(0..).map(|(r, ord)| (r.code.clone(), RegOrd(ord))).collect(),
        registrations,
    }
}

async fn opened(db: &Db) -> Running {
    let start = Micros(Clock::system().wall().0 - Micros::from_secs(60).0);
    let opening = testing::opening(db, start).await;
    let facts = facts(opening);
    let org = OrgId::default_org();
    let mut tx = db.begin(Priority::Bulk).await.unwrap();
    let (project,) =
        crate::store::fetch_one!(tx, (String,), "SELECT project_id FROM opening WHERE id = $1", &facts.id)
            .unwrap();
    for chunk in facts.units.chunks(500) {
        insert_rows!(
            tx,
            "INSERT INTO property (id, org_id, project_id, kind, building, section, floor, room) ",
            chunk,
            |row, unit| {
                row.push_bind(&unit.property).push_bind(&org).push_bind(&project);
                row.push_bind(unit.kind.as_str()).push_bind(&unit.building).push_bind(&unit.section);
                row.push_bind(&unit.floor).push_bind(&unit.room);
            },
            " RETURNING id" => String
        )
        .unwrap();
    }
    tx.commit().await.unwrap();
    recover::start(db.clone().into(), facts, Clock::system(), "measure".to_owned()).await.unwrap()
}

/// Picks that won gate 1, as the committer finds them in its queue, and who waits for their answers.
fn won(live: &Live, from: u32, size: u32) -> (Batch, Vec<tokio::sync::oneshot::Receiver<Answer>>) {
    let mut batch = Batch::default();
    let mut waiting = Vec::new();
    for ord in from..from + size {
        let (who, unit) = (RegOrd(ord), UnitOrd(ord));
        let key = Key::parse(&format!("tap-{ord:08}-01ARZ3NDEKTSV4RRFFQ")).unwrap();
        let Known::Fresh(receiver) = live.keys.begin(who, &key, unit) else { panic!("fresh") };
        waiting.push(receiver);
        let holders = live.facts.holder_indexes(who, UnitKind::Home);
        match live.inventory.pick(unit.0, who.0, UnitKind::Home.class(), holders.as_slice()) {
            inventory::Pick::Won(ticket) => live.memory.keep_ticket(who, key.clone(), ticket),
            _ => panic!("won"),
        }
        batch.picks.push(Pick { who, unit, key, arrived: live.now() });
    }
    (batch, waiting)
}

/// What this process has used of the cores: a busy machine stretches every other clock.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a measurement, run by hand"]
async fn measure_commit() {
    for (size, rounds) in [(1, 200), (10, 100), (100, 50), (1_000, 10), (2_000, 5)] {
        let (_folder, db) = match std::env::var("KAIPAN_MEASURE_POSTGRES") {
            Ok(url) => (None, Db::connect_postgres(&url).await.unwrap()),
            Err(_) => {
                let (folder, db) = testing::sqlite().await;
                (Some(folder), db)
            }
        };
        let running = opened(&db).await;
        let live: &Arc<Live> = &running.live;
        let hubs: Vec<_> = (0..3).map(|_| live.events()).collect();
        let mut told = Vec::new();
        for mut hub in hubs {
            told.push(tokio::spawn(async move {
                let mut lost = 0;
                loop {
                    match hub.recv().await {
                        Ok(_) => {}
                        Err(tokio::sync::broadcast::error::RecvError::Lagged(n)) => lost += n,
                        Err(_) => return lost,
                    }
                }
            }));
        }
        let mut times: Vec<(Duration, Duration, Duration)> = Vec::new();
        for round in 0..rounds {
            let (batch, waiting) = won(live, round * size, size);
            let (begun, used) = (Instant::now(), cpu());
            let (group, order) = live.attempt(&batch).await.unwrap().unwrap();
            let (committed, cpu_committed) = (begun.elapsed(), cpu() - used);
            let begun = Instant::now();
            live.deliver(batch, group).await;
            drop(order);
            times.push((committed, begun.elapsed(), cpu_committed));
            for mut answer in waiting {
                assert!(matches!(answer.try_recv(), Ok(Answer::Yes(_))));
            }
        }
        let first = times[0];
        times.sort();
        let (commit, deliver, _) = times[times.len() / 2];
        let mut cpus: Vec<Duration> = times.iter().map(|(_, _, cpu)| *cpu).collect();
        cpus.sort();
        let (least, used) = (times[0].0, cpus[cpus.len() / 2]);
        let per = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(size);
        println!(
            "group of {size:>5}: commit, µs a pick: first {:>8.2}, median {:>8.2}, least {:>8.2}, of the cores {:>8.2}; \
             deliver {:>6.2}",
            per(first.0),
            per(commit),
            per(least),
            per(used),
            per(deliver),
        );
        drop(running);
        db.close().await;
    }
}
