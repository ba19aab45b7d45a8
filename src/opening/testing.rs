//! An opening without a spreadsheet or a door, for the tests of this layer and for the simulator: its facts, and one that
//! runs on a real database.

use super::facts::{Facts, Registration, Unit};
use super::recover;
pub(crate) use super::recover::Running;
use crate::domain::ids::{OpeningId, OrgId, ProjectId, PropertyId, RegOrd};
use crate::domain::kind::{Eligibility, PerKind, UnitKind};
use crate::domain::money::Fen;
use crate::domain::time::{Clock, Micros};
use crate::store::{Db, Priority, StoreError, Tx, execute_rows, fetch_one, testing};

/// A home for a million.
pub(super) fn unit(ord: u32) -> Unit {
    Unit {
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
    }
}

/// Somebody who lives alone and may pick one home.
pub(super) fn registration(ord: u32) -> Registration {
    Registration {
        code: format!("RC{ord:05}"),
        name_masked: "张*".to_owned(),
        group: String::new(),
        lot_number: None,
        eligibility: Eligibility::Passed,
        household: None,
        quota_home: 1,
        earnest: Fen::ZERO,
    }
}

pub(super) fn facts(id: OpeningId, units: Vec<Unit>, registrations: Vec<Registration>) -> Facts {
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
        units,
        by_code: registrations.iter().zip(0..).map(|(r, ord)| (r.code.clone(), RegOrd(ord))).collect(),
        registrations,
    }
}

/// An opening of as many homes as buyers, one each, that started a minute ago; running.
pub(crate) async fn running(db: &Db, size: u32) -> Running {
    let start = Micros(Clock::system().wall().0 - Micros::from_secs(60).0);
    let opening = testing::opening(db, start).await;
    let facts = facts(opening, (0..size).map(unit).collect(), (0..size).map(registration).collect());
    let mut tx = db.begin(Priority::Bulk).await.unwrap();
    let (project,) =
        fetch_one!(tx, (String,), "SELECT project_id FROM opening WHERE id = $1", &facts.id).unwrap();
    insert_properties(&mut tx, &facts, &project).await.unwrap();
    tx.commit().await.unwrap();
    restarted(db, facts).await
}

/// The opening as another process would find it.
pub(super) async fn restarted(db: &Db, facts: Facts) -> Running {
    recover::start(db.clone().into(), facts, Clock::system(), "test".to_owned(), None).await.unwrap()
}

async fn insert_properties(tx: &mut Tx, facts: &Facts, project: &str) -> Result<(), StoreError> {
    let org = OrgId::default_org();
    execute_rows!(
        tx,
        &facts.units,
        "INSERT INTO property (id, org_id, project_id, kind, building, section, floor, room) VALUES ",
        "(#, #, #, #, #, #, #, #)",
        "",
        [],
        |unit| [
            &unit.property,
            &org,
            project,
            unit.kind.as_str(),
            &unit.building,
            &unit.section,
            &unit.floor,
            &unit.room
        ]
    );
    Ok(())
}
