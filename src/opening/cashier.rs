//! The cashier's desk: money is recorded first, in its own transaction, and then applied by the opening's committer.
//! Also who is behind a hold, for the people who must know.

use std::collections::HashMap;

use sqlx::FromRow;

use super::job::{Command, CommandError};
use super::live::Live;
use crate::domain::ids::{ClaimId, OpeningId, OrgId, PaymentId, RegOrd, StaffId};
use crate::domain::kind::names;
use crate::domain::money::Fen;
use crate::domain::time::Micros;
use crate::limits::{PAYMENT_FEN_MAX, REFERENCE_CHARS_MAX};
use crate::store::{
    Db, PaymentRow, Priority, Reader, StoreError, execute, fetch_all, fetch_one, fetch_optional,
};
use crate::vault::{Field, Vault, VaultError};

names!(
    /// How money was handed over.
    Method { Cash = "cash", Pos = "pos", Transfer = "transfer" }
);

/// Money a cashier took for a hold.
#[derive(Debug, Clone)]
pub struct Payment {
    pub claim: ClaimId,
    /// Of the hold the buyer showed: money for a hold that ended meanwhile is owed back.
    pub generation: i64,
    pub method: Method,
    /// The receipt's own number, unique in the project for its method.
    pub reference: String,
    pub amount: Fen,
    pub by: StaffId,
}

#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    #[error("{0} is not possible")]
    Field(&'static str),
    #[error("there is no such hold")]
    ClaimUnknown,
    /// The same method and reference were recorded with another amount or for another hold.
    #[error("the reference is in use")]
    ReferenceUsed,
    /// Recorded, and not yet applied: the opening applies it as soon as it can.
    #[error("recorded, and not applied yet")]
    NotAppliedYet,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Records a payment and has it applied. The same payment again answers the same.
pub async fn pay(db: &Db, live: &Live, payment: Payment, now: Micros) -> Result<PaymentRow, PaymentError> {
    let reference = payment.reference.trim();
    if reference.is_empty() || reference.chars().count() > REFERENCE_CHARS_MAX {
        return Err(PaymentError::Field("reference"));
    }
    if payment.amount <= Fen::ZERO || payment.amount > PAYMENT_FEN_MAX {
        return Err(PaymentError::Field("amount_fen"));
    }
    if live.find_claim(&payment.claim).await?.is_none() {
        return Err(PaymentError::ClaimUnknown);
    }
    let id = record(db, live, &payment, reference, now).await?;
    let settled = live.command(Command::Settle { payment: id.clone() }).await;
    let row = read(&mut db.read().await?, &live.facts.id, &id).await?;
    match settled {
        Ok(_) => Ok(row),
        // It is recorded in any case; a restart or the next try applies it.
        Err(CommandError::Unknown | CommandError::Busy | CommandError::Stopped)
        | Err(CommandError::Refused(_)) => {
            if row.state == "settled" {
                Ok(row)
            } else {
                Err(PaymentError::NotAppliedYet)
            }
        }
        Err(CommandError::Store(error)) => Err(error.into()),
    }
}

async fn record(
    db: &Db,
    live: &Live,
    payment: &Payment,
    reference: &str,
    now: Micros,
) -> Result<PaymentId, PaymentError> {
    let id = PaymentId::generate();
    let rehearsed = live.facts.rehearsal.then(|| format!("{}{reference}", apart(&live.facts.id)));
    let reference = rehearsed.as_deref().unwrap_or(reference);
    let mut tx = db.begin(Priority::Staff).await?;
    let recorded = execute!(
        tx,
        "INSERT INTO payment (id, org_id, project_id, opening_id, claim_id, generation, method, reference,
            amount_fen, state, applied_fen, refund_fen, recorded_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'recorded', 0, 0, $10, $11)
         ON CONFLICT DO NOTHING",
        &id,
        OrgId::default_org(),
        &live.facts.project_id,
        &live.facts.id,
        &payment.claim,
        payment.generation,
        payment.method.as_str(),
        reference,
        payment.amount,
        &payment.by,
        now
    )?;
    if recorded == 1 {
        tx.commit().await?;
        return Ok(id);
    }
    let (id, claim, generation, amount) = fetch_one!(
        tx,
        (PaymentId, ClaimId, i64, Fen),
        "SELECT id, claim_id, generation, amount_fen FROM payment
         WHERE project_id = $1 AND method = $2 AND reference = $3",
        &live.facts.project_id,
        payment.method.as_str(),
        reference
    )?;
    let same = (claim, generation, amount) == (payment.claim.clone(), payment.generation, payment.amount);
    if same { Ok(id) } else { Err(PaymentError::ReferenceUsed) }
}

/// What stands before a rehearsal's references in the database, where a reference is unique in its project: receipts that
/// are tried out on the evening before must not be in use in the sale. A reference proper is trimmed and never begins so.
fn apart(opening: &OpeningId) -> String {
    format!(" {opening} ")
}

/// As the cashier typed it.
fn as_typed(row: PaymentRow, opening: &OpeningId) -> PaymentRow {
    match row.reference.strip_prefix(&apart(opening)) {
        Some(reference) => PaymentRow { reference: reference.to_owned(), ..row },
        None => row,
    }
}

async fn read(read: &mut Reader, opening: &OpeningId, id: &PaymentId) -> Result<PaymentRow, StoreError> {
    let row = fetch_one!(
        read,
        PaymentRow,
        "SELECT id, claim_id, generation, method, reference, amount_fen, state, applied_fen, refund_fen,
                refund_reason, recorded_by, created_at
         FROM payment WHERE opening_id = $1 AND id = $2",
        opening,
        id
    )?;
    Ok(as_typed(row, opening))
}

/// Payments with something to pay back, oldest first.
pub async fn refunds(read: &mut Reader, opening: &OpeningId) -> Result<Vec<PaymentRow>, StoreError> {
    let rows = fetch_all!(
        read,
        PaymentRow,
        "SELECT id, claim_id, generation, method, reference, amount_fen, state, applied_fen, refund_fen,
                refund_reason, recorded_by, created_at
         FROM payment WHERE opening_id = $1 AND refund_fen > 0 ORDER BY created_at, id",
        opening
    )?;
    Ok(rows.into_iter().map(|row| as_typed(row, opening)).collect())
}

/// Who is behind a registration: for staff with the right to know.
#[derive(Debug, Clone)]
pub struct Person {
    pub code: String,
    pub name: String,
    /// Full, for search and the tail on the page; absent if the roster had none.
    pub phone: Option<String>,
    pub document_kind: String,
    pub document: String,
    pub earnest: Fen,
    pub consultant: String,
    pub group: String,
    /// `passed`, `pending` or `failed`.
    pub eligibility: String,
    pub lot_number: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a personal field does not decrypt: {0}")]
    Vault(#[from] VaultError),
}

#[derive(FromRow)]
struct PersonRow {
    ord: i64,
    id: String,
    code: String,
    name_sealed: Vec<u8>,
    phone_sealed: Option<Vec<u8>>,
    document_kind: String,
    document_sealed: Vec<u8>,
    earnest_fen: Fen,
    consultant: String,
    group_name: String,
    eligibility: String,
    lot_number: Option<i64>,
}

impl PersonRow {
    fn person(self, vault: &Vault) -> Result<(RegOrd, Person), VaultError> {
        let open = |field, sealed: &[u8]| vault.open_text(field, &self.id, sealed);
        let person = Person {
            name: open(Field::RegistrationName, &self.name_sealed)?,
            phone: match &self.phone_sealed {
                Some(sealed) => Some(open(Field::RegistrationPhone, sealed)?),
                None => None,
            },
            document: open(Field::RegistrationDocument, &self.document_sealed)?,
            code: self.code,
            document_kind: self.document_kind,
            earnest: self.earnest_fen,
            consultant: self.consultant,
            group: self.group_name,
            eligibility: self.eligibility,
            lot_number: self.lot_number,
        };
        Ok((RegOrd(u32::try_from(self.ord).unwrap_or(u32::MAX)), person))
    }
}

/// The people behind an opening's claims, ended ones too.
pub async fn people_with_claims(
    read: &mut Reader,
    vault: &Vault,
    opening: &OpeningId,
) -> Result<HashMap<RegOrd, Person>, PersonError> {
    let rows = fetch_all!(
        read,
        PersonRow,
        "SELECT ord, id, code, name_sealed, phone_sealed, document_kind, document_sealed, earnest_fen, consultant,
                group_name, eligibility, lot_number
         FROM registration
         WHERE opening_id = $1
           AND ord IN (SELECT registration_ord FROM claim WHERE opening_id = $1 AND registration_ord IS NOT NULL)",
        opening
    )?;
    rows.into_iter().map(|row| row.person(vault).map_err(PersonError::from)).collect()
}

/// One person, by the number on the roster.
pub async fn person(
    read: &mut Reader,
    vault: &Vault,
    opening: &OpeningId,
    code: &str,
) -> Result<Option<(RegOrd, Person)>, PersonError> {
    let row = fetch_optional!(
        read,
        PersonRow,
        "SELECT ord, id, code, name_sealed, phone_sealed, document_kind, document_sealed, earnest_fen, consultant,
                group_name, eligibility, lot_number
         FROM registration_shown WHERE opening_id = $1 AND code = $2",
        opening,
        code
    )?;
    Ok(row.map(|row| row.person(vault)).transpose()?)
}

/// Everybody on the roster, in its order.
pub async fn roster(
    read: &mut Reader,
    vault: &Vault,
    opening: &OpeningId,
) -> Result<Vec<(RegOrd, Person)>, PersonError> {
    let rows = fetch_all!(
        read,
        PersonRow,
        "SELECT ord, id, code, name_sealed, phone_sealed, document_kind, document_sealed, earnest_fen, consultant,
                group_name, eligibility, lot_number
         FROM registration_shown WHERE opening_id = $1 ORDER BY ord",
        opening
    )?;
    rows.into_iter().map(|row| row.person(vault).map_err(PersonError::from)).collect()
}
