//! A roster into the registrations of a draft. What names a person is sealed on the way in and opened here to compare;
//! a document that another registration has already is refused, also if that one came with an earlier file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::problem::{Reason, RowProblem};
use super::super::report::{Effect, ImportReport};
use super::super::{Reading, RosterRow};
use super::record::{Record, Sealed, Stored};
use super::stage::{List, Stage};
use super::{Draft, ImportError, ImportOptions, Importer, Plan, Row, all_written, aside, draft};
use crate::domain::ids::{OpeningId, OrgId, RowId};
use crate::limits;
use crate::store::{Reader, StoreError, Tx, execute_rows, fetch_all};
use crate::vault::{Vault, VaultError};

impl Importer<'_> {
    /// Stores a roster in a draft, or says what it would change.
    pub async fn roster(
        &self,
        opening: &OpeningId,
        reading: Reading<RosterRow>,
        options: ImportOptions,
    ) -> Result<ImportReport, ImportError> {
        let reading = Arc::new(reading);
        for _ in 0..limits::IMPORT_ATTEMPTS {
            let (draft, stored) = {
                let mut on = self.db.read().await?;
                (draft(&mut on, opening).await?, stored(&mut on, opening).await?)
            };
            // Ten thousand rows of six values to seal are not for the threads that answer people.
            let (vault, reading, quota) = (self.vault.clone(), reading.clone(), draft.quota_home);
            let plan = tokio::task::spawn_blocking(move || plan(&vault, &stored, &reading, quota)).await??;
            if let Some(report) = self.store(opening, &draft, options, plan).await? {
                return Ok(report);
            }
        }
        Err(ImportError::Busy)
    }
}

async fn stored(on: &mut Reader, opening: &OpeningId) -> Result<Vec<Stored>, StoreError> {
    fetch_all!(
        on,
        Stored,
        "SELECT id, ord, code, name_sealed, document_kind, document_sealed, phone_sealed, co_buyers_sealed, household,
             eligibility, proxy_sealed, consultant, group_name, lot_number, quota_home, earnest_fen, remarks_sealed
         FROM registration_shown WHERE opening_id = $1 ORDER BY ord",
        opening
    )
}

/// A row before it is sealed.
struct Open {
    ord: i64,
    id: String,
    record: Record,
}

/// Sealed, with its place.
pub struct Registration {
    ord: i64,
    id: String,
    record: Record,
    sealed: Sealed,
}

fn plan(
    vault: &Vault,
    stored: &[Stored],
    reading: &Reading<RosterRow>,
    quota_home: i64,
) -> Result<Plan<Registration>, ImportError> {
    let opened: Vec<Record> = stored.iter().map(|row| Record::open(row, vault)).collect::<Result<_, _>>()?;
    let by_code: HashMap<String, usize> =
        opened.iter().enumerate().map(|(at, record)| (key(&record.code), at)).collect();
    let reading = without_taken_documents(reading, &opened, &by_code);

    let mut effect = Effect::default();
    let (mut rows, mut changed) = (Vec::new(), Vec::new());
    let first_added = stored.last().map_or(0, |row| row.ord + 1);
    let mut next_ord = first_added;
    let mut named: HashSet<String> = reading.refused_keys.clone();
    for row in &reading.rows {
        let record = Record::of_row(&row.value, quota_home);
        let known = by_code.get(&key(&record.code)).and_then(|at| Some((stored.get(*at)?, opened.get(*at)?)));
        named.insert(key(&record.code));
        let (ord, id) = match known {
            None => {
                next_ord += 1;
                effect.added += 1;
                (next_ord - 1, RowId::generate().to_string())
            }
            Some((stored, before)) => {
                let changes = before.changes(&record);
                if changes.is_empty() {
                    effect.unchanged += 1;
                    continue;
                }
                effect.changed.extend(changes);
                changed.push(stored.ord);
                (stored.ord, stored.id.clone())
            }
        };
        rows.push(Open { ord, id, record });
    }
    effect.missing = opened
        .iter()
        .filter(|record| !named.contains(&key(&record.code)))
        .map(|record| record.code.clone())
        .collect();
    let report = ImportReport { effect: Some(effect), ..ImportReport::of_registrations(&reading) };
    Ok(Plan { report, first_added, changed, rows: seal(vault, rows)? })
}

/// Codes are compared without regard to case.
fn key(code: &str) -> String {
    code.to_uppercase()
}

/// Refuses the rows whose document stays with a registration that the file does not change. Refusing one keeps what is
/// stored under its code, and with it that one's documents; so it is asked again until nothing more is refused.
fn without_taken_documents(
    reading: &Reading<RosterRow>,
    opened: &[Record],
    by_code: &HashMap<String, usize>,
) -> Reading<RosterRow> {
    let mut reading = reading.clone();
    loop {
        let replaced: HashSet<usize> =
            reading.rows.iter().filter_map(|row| by_code.get(&key(&row.value.code)).copied()).collect();
        let taken: HashMap<String, &str> = opened
            .iter()
            .enumerate()
            .filter(|(at, _)| !replaced.contains(at))
            .flat_map(|(_, record)| record.documents().map(|document| (document, record.code.as_str())))
            .collect();
        let conflict = |row: &RosterRow| {
            row.documents().find_map(|document| {
                taken.get(&document.identity()).map(|code| (document.number().to_owned(), (*code).to_owned()))
            })
        };
        let mut refused = Vec::new();
        reading.rows.retain(|row| match conflict(&row.value) {
            None => true,
            Some((number, code)) => {
                refused.push((
                    key(&row.value.code),
                    RowProblem {
                        sheet: row.sheet.to_string(),
                        row: row.row,
                        column: row.value.document_column.to_string(),
                        reason: Reason::DocumentDuplicate,
                        value: number,
                        first: None,
                        registration: Some(code),
                    },
                ));
                false
            }
        });
        if refused.is_empty() {
            return reading;
        }
        for (key, problem) in refused {
            reading.warnings.retain(|warning| (warning.row, &warning.sheet) != (problem.row, &problem.sheet));
            reading.refused_keys.insert(key);
            reading.refused.push(problem);
        }
    }
}

impl Row for Registration {
    const ACTION: &'static str = "ROSTER_IMPORTED";
    const LIST: List = List::Registrations;

    async fn set_aside(tx: &mut Tx, stage: &Stage<'_>, ords: &[i64]) -> Result<(), StoreError> {
        aside::registrations(tx, stage, ords).await
    }

    async fn write(tx: &mut Tx, opening: &OpeningId, draft: &Draft, rows: &[Self]) -> Result<(), StoreError> {
        write(tx, opening, &draft.org_id, rows).await
    }
}

/// Adds registrations, or overwrites those that have their ordinals.
pub async fn write(
    tx: &mut Tx,
    opening: &OpeningId,
    org: &OrgId,
    rows: &[Registration],
) -> Result<(), StoreError> {
    let written = execute_rows!(
        tx,
        rows,
        "INSERT INTO registration (opening_id, ord, org_id, id, code, name_sealed, document_kind,
             document_sealed, document_bidx, phone_sealed, phone_bidx, co_buyers_sealed, household, eligibility,
             proxy_sealed, consultant, group_name, lot_number, quota_home, earnest_fen, remarks_sealed) VALUES ",
        "(#, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #, #)",
        " ON CONFLICT (opening_id, ord) DO UPDATE SET name_sealed = excluded.name_sealed,
             document_kind = excluded.document_kind, document_sealed = excluded.document_sealed,
             document_bidx = excluded.document_bidx, phone_sealed = excluded.phone_sealed,
             phone_bidx = excluded.phone_bidx, co_buyers_sealed = excluded.co_buyers_sealed,
             household = excluded.household, eligibility = excluded.eligibility,
             proxy_sealed = excluded.proxy_sealed, consultant = excluded.consultant,
             group_name = excluded.group_name, lot_number = excluded.lot_number,
             quota_home = excluded.quota_home, earnest_fen = excluded.earnest_fen,
             remarks_sealed = excluded.remarks_sealed
         WHERE registration.id = excluded.id",
        [],
        |Registration { ord, id, record, sealed }| [
            opening,
            *ord,
            org,
            id,
            &record.code,
            &sealed.name,
            &record.document_kind,
            &sealed.document,
            &sealed.document_bidx,
            &sealed.phone,
            &sealed.phone_bidx,
            &sealed.co_buyers,
            &record.household,
            &record.eligibility,
            &sealed.proxy,
            &record.consultant,
            &record.group,
            record.lot_number,
            record.quota_home,
            record.earnest_fen,
            &sealed.remarks
        ]
    );
    all_written(written, rows)
}

/// A roster that no file brought, as it is written into an empty opening.
pub fn seal_roster(
    vault: &Vault,
    roster: &[RosterRow],
    quota_home: i64,
) -> Result<Vec<Registration>, VaultError> {
    let open =
        |(ord, row)| Open { ord, id: RowId::generate().to_string(), record: Record::of_row(row, quota_home) };
    seal(vault, (0..).zip(roster).map(open).collect())
}

/// Seals on every core: of 100,000 rows this is most of the work.
fn seal(vault: &Vault, rows: Vec<Open>) -> Result<Vec<Registration>, VaultError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let size = rows.len().div_ceil(cores).max(1);
    let mut rows = rows.into_iter();
    let parts: Vec<Vec<Open>> = std::iter::from_fn(|| {
        Some(rows.by_ref().take(size).collect()).filter(|part: &Vec<Open>| !part.is_empty())
    })
    .collect();
    std::thread::scope(|scope| {
        let sealing: Vec<_> = parts
            .into_iter()
            .map(|part| {
                scope.spawn(move || {
                    let seal = |Open { ord, id, record }| {
                        let sealed = Record::seal(&record, &id, vault)?;
                        Ok(Registration { ord, id, record, sealed })
                    };
                    part.into_iter().map(seal).collect::<Result<Vec<Registration>, VaultError>>()
                })
            })
            .collect();
        let mut sealed = Vec::new();
        for part in sealing {
            // A thread that panicked goes on panicking here, and ends the import alone.
            sealed.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(sealed)
    })
}
