//! A data folder as large as a start is promised for, made in seconds: for `examples/fill.rs` and the benches that
//! measure recovery. No command leads here.
//!
//! Every home was held, lapsed and held again in turn, so that the history holds as many ended claims as it can.

use super::data::{OpenData, OpenError};
use crate::config::Data;
use crate::domain::ids::{ClaimId, OpeningId, OrgId, PropertyId, RegOrd, RowId, UnitOrd};
use crate::domain::kind::PerKind;
use crate::domain::money::Fen;
use crate::domain::time::{Clock, Micros};
use crate::opening::drafts::{self, DraftError, Intent, Settings};
use crate::opening::event::{Event, Recorded};
use crate::store::{Db, Entry, Priority, StoreError, Tx, execute, execute_rows};
use crate::vault::{Field, Purpose, Vault, VaultError};

/// Rows of one transaction.
const PART: usize = 20_000;
const HOLD: Micros = Micros::from_secs(900);

#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub units: u32,
    pub registrations: u32,
    /// Entries of the journal, about.
    pub journal: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum FillError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Adds a live opening of this size, half an hour old.
pub async fn fill(data: &Data, size: Size) -> Result<OpeningId, FillError> {
    let clock = Clock::system();
    let now = clock.wall();
    let open = OpenData::open(data, clock, "kaipan fill").await?;
    let start_at = Micros(now.0 - Micros::from_secs(1_800).0);
    let settings = Settings {
        name: "filled".to_owned(),
        start_at,
        end_at: now.plus(Micros::from_secs(3 * 3_600)),
        hold: HOLD,
        favourites_max: Settings::FAVOURITES_USUAL,
        deposit: PerKind { home: Fen(5_000_000), parking: Fen(0), shop: Fen(0), storage: Fen(0) },
        quota: Settings::QUOTA_USUAL,
        household_quota: PerKind { home: None, parking: None, shop: None, storage: None },
    };
    let mut tx = open.db.begin(Priority::Bulk).await?;
    let project = drafts::create_project(&mut tx, RowId::generate().to_string().as_str(), now).await?;
    let opening = drafts::create_opening(&mut tx, &project.id, &settings, Intent::Demo, now).await?;
    tx.commit().await?;
    let filling = Filling { db: &open.db, opening: &opening, start_at, now };
    let properties: Vec<PropertyId> = (0..size.units).map(|_| PropertyId::generate()).collect();
    filling.units(project.id.as_str(), &properties).await?;
    filling.roster(&open.vault, size.registrations).await?;
    let next_seq = filling.history(&properties, size).await?;
    let mut tx = open.db.begin(Priority::Bulk).await?;
    execute!(
        tx,
        "UPDATE opening SET units_hash = '', roster_hash = '', published_at = $2 WHERE id = $1",
        &opening,
        now
    )?;
    execute!(
        tx,
        "UPDATE opening_head SET phase = 'live', next_seq = $2, control_version = 4 WHERE opening_id = $1",
        &opening,
        next_seq
    )?;
    tx.commit().await?;
    open.db.close().await;
    Ok(opening)
}

struct Filling<'f> {
    db: &'f Db,
    opening: &'f OpeningId,
    start_at: Micros,
    now: Micros,
}

/// A claim as it ended, or as it stands.
struct Row {
    id: ClaimId,
    unit: u32,
    property: PropertyId,
    who: u32,
    key: String,
    held: bool,
    at: Micros,
    seq: i64,
    changed_seq: i64,
}

impl Filling<'_> {
    async fn units(&self, project: &str, properties: &[PropertyId]) -> Result<(), StoreError> {
        let org = OrgId::default_org();
        let numbered: Vec<(i64, &PropertyId)> = (0..).zip(properties).collect();
        let mut tx = self.db.begin(Priority::Bulk).await?;
        execute_rows!(
            tx,
            &numbered,
            "INSERT INTO property (id, org_id, project_id, kind, building, section, floor, room) VALUES ",
            "(#, #, #, 'home', 'A', '', '1', #)",
            "",
            [],
            |(ord, id)| [*id, &org, project, ord.to_string()]
        );
        execute_rows!(
            tx,
            &numbered,
            "INSERT INTO unit (opening_id, ord, org_id, property_id, kind, building, section, floor, room, layout, facing,
                gross_area_centi, inner_area_centi, unit_price_fen, total_fen, remarks) VALUES ",
            "(#, #, #, #, 'home', 'A', '', '1', #, 'A', '', 9000, 7500, 1000000, 90000000, '')",
            "",
            [],
            |(ord, id)| [self.opening, *ord, &org, *id, ord.to_string()]
        );
        tx.commit().await
    }

    async fn roster(&self, vault: &Vault, registrations: u32) -> Result<(), FillError> {
        let org = OrgId::default_org();
        let all: Vec<u32> = (0..registrations).collect();
        for part in all.chunks(PART) {
            let mut rows = Vec::with_capacity(part.len());
            for ord in part {
                let id = RowId::generate().to_string();
                let (document, phone) = (format!("E{ord:08}"), format!("138{ord:08}"));
                let name = vault.seal(Field::RegistrationName, &id, &format!("模拟买家{ord:05}"))?;
                let sealed_document = vault.seal(Field::RegistrationDocument, &id, &document)?;
                let sealed_phone = vault.seal(Field::RegistrationPhone, &id, &phone)?;
                let indexes = (
                    vault.index(Purpose::Document, &format!("passport:{document}")),
                    vault.index(Purpose::Phone, &phone),
                );
                rows.push((i64::from(*ord), id, name, sealed_document, sealed_phone, indexes));
            }
            let mut tx = self.db.begin(Priority::Bulk).await?;
            execute_rows!(
                tx,
                &rows,
                "INSERT INTO registration (opening_id, ord, org_id, id, code, name_sealed, document_kind,
                    document_sealed, document_bidx, phone_sealed, phone_bidx, eligibility, consultant, group_name,
                    quota_home, earnest_fen) VALUES ",
                "(#, #, #, #, #, #, 'passport', #, #, #, #, 'passed', '', '', 1, 5000000)",
                "",
                [],
                |(ord, id, name, document, phone, (document_bidx, phone_bidx))| [
                    self.opening,
                    *ord,
                    &org,
                    id,
                    format!("S{ord:06}"),
                    name,
                    document,
                    document_bidx,
                    phone,
                    phone_bidx
                ]
            );
            tx.commit().await?;
        }
        Ok(())
    }

    /// Returns the next sequence.
    async fn history(&self, properties: &[PropertyId], size: Size) -> Result<i64, StoreError> {
        let rounds = size.journal.saturating_sub(3 + size.units) / 2;
        let mut seq = 0;
        let mut entries = Vec::new();
        let mut rows = Vec::new();
        let mut record = |entries: &mut Vec<Entry>, at, event| -> Result<i64, StoreError> {
            seq += 1;
            entries.push(Recorded { seq, at, event }.to_entry()?);
            Ok(seq)
        };
        let published = Event::Published {
            units_hash: String::new(),
            roster_hash: String::new(),
            start_at: self.start_at,
            end_at: self.now,
        };
        for event in [published, Event::Armed, Event::Opened] {
            record(&mut entries, self.start_at, event)?;
        }
        let mut last = 3;
        for (n, property) in (0..rounds + size.units).zip(properties.iter().cycle()) {
            let (unit, who) = (n % size.units, n % size.registrations.max(1));
            let held = n >= rounds;
            let at = if held { self.now } else { self.start_at };
            let (id, key) = (ClaimId::generate(), format!("fill-{n:010}"));
            let code: String = id.as_str().chars().skip(20).collect();
            let granted = Event::Held {
                claim: id.clone(),
                unit: UnitOrd(unit),
                registration: RegOrd(who),
                key: key.clone(),
                code,
                deposit_fen: Fen(5_000_000),
                deadline_at: at.plus(HOLD),
            };
            let seq = record(&mut entries, at, granted)?;
            last = seq;
            if !held {
                let lapsed = Event::Lapsed { claim: id.clone(), generation: 2 };
                last = record(&mut entries, at.plus(HOLD), lapsed)?;
            }
            let property = property.clone();
            rows.push(Row { id, unit, property, who, key, held, at, seq, changed_seq: last });
            if rows.len() == PART {
                self.store(&mut entries, &mut rows).await?;
            }
        }
        self.store(&mut entries, &mut rows).await?;
        Ok(last + 1)
    }

    async fn store(&self, entries: &mut Vec<Entry>, rows: &mut Vec<Row>) -> Result<(), StoreError> {
        let org = OrgId::default_org();
        let mut tx = self.db.begin(Priority::Bulk).await?;
        execute_rows!(
            tx,
            entries.as_slice(),
            "INSERT INTO journal (opening_id, seq, org_id, kind, version, at, body) VALUES ",
            "(#, #, #, #, #, #, #)",
            "",
            [],
            |entry| [self.opening, entry.seq, &org, &entry.kind, entry.version, entry.at, &entry.body]
        );
        self.claims(&mut tx, rows).await?;
        tx.commit().await?;
        entries.clear();
        rows.clear();
        Ok(())
    }

    async fn claims(&self, tx: &mut Tx, rows: &[Row]) -> Result<(), StoreError> {
        let org = OrgId::default_org();
        execute_rows!(
            tx,
            rows,
            "INSERT INTO claim (id, org_id, opening_id, unit_ord, property_id, rehearsal, registration_ord, request_key,
                state, occupying, generation, code, deposit_fen, paid_fen, deadline_at, extended, created_at, changed_at,
                seq, changed_seq) VALUES ",
            "(#, #, #, #, #, false, #, #, #, #, #, #, 5000000, 0, #, false, #, #, #, #)",
            "",
            [],
            |row| [
                &row.id,
                &org,
                self.opening,
                i64::from(row.unit),
                &row.property,
                i64::from(row.who),
                &row.key,
                if row.held { "held" } else { "lapsed" },
                row.held,
                if row.held { 1_i64 } else { 2 },
                row.id.as_str().get(20..).unwrap_or_default(),
                row.held.then(|| row.at.plus(HOLD)),
                row.at,
                row.at,
                row.seq,
                row.changed_seq
            ]
        );
        let held: Vec<&Row> = rows.iter().filter(|row| row.held).collect();
        execute_rows!(
            tx,
            &held,
            "INSERT INTO quota_place (claim_id, org_id, opening_id, holder_kind, holder, class, place) VALUES ",
            "(#, #, #, 'registration', #, 'home', 0)",
            "",
            [],
            |row| [&row.id, &org, self.opening, row.who.to_string()]
        );
        Ok(())
    }
}
