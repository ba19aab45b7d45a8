//! Sign-in codes: six digits, for five minutes and five tries, one at a time for a phone.

use std::net::IpAddr;

use crate::domain::ids::{OpeningId, OrgId, RowId};
use crate::domain::phone::Phone;
use crate::domain::time::Micros;
use crate::limits::{
    CODE_ATTEMPTS, CODE_ISSUED_LONGER, CODE_ISSUED_LONGEST, CODE_RESEND_LONGER_S, CODE_RESEND_LONGEST_S,
    CODE_RESEND_S, CODE_VALID_S,
};
use crate::messaging::Message;
use crate::store::{Priority, Tx, execute, fetch_optional};
use crate::telemetry::names;
use crate::vault::{Purpose, Secret};

use super::{BuyerError, Buyers};
use crate::identity::network;

/// A code is on its way, if the phone is on the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRequested {
    pub resend_after_ms: i64,
}

impl Buyers {
    /// Sends a code to a phone of the roster. For any other phone it does and answers the same, and sends nothing.
    pub async fn request_code(
        &self,
        opening: &OpeningId,
        phone: &str,
        address: IpAddr,
        now: Micros,
    ) -> Result<CodeRequested, BuyerError> {
        let phone = Phone::parse(phone).map_err(|_| BuyerError::PhoneInvalid)?;
        let address = network(address).to_string();
        self.inner.code_requests.attempt(&[address.as_bytes()], now).await.map_err(BuyerError::slow_down)?;
        let _permit = self.admit()?;
        let vault = &self.inner.vault;
        let phone_bidx = vault.index(Purpose::Phone, phone.as_str());
        let code = format!("{:06}", rand::random_range(0..1_000_000_u32));

        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        start_of(&mut tx, opening).await?;
        let resend_at = self.store_code(&mut tx, opening, &phone_bidx, &code, now).await?;
        let on_roster = fetch_optional!(
            tx,
            (i64,),
            "SELECT ord FROM registration WHERE opening_id = $1 AND phone_bidx = $2 ORDER BY ord LIMIT 1",
            opening,
            &phone_bidx
        )?;
        if on_roster.is_some() {
            let message = Message::SignInCode { code, valid_minutes: CODE_VALID_S / 60 };
            self.inner.outbox.send(&mut tx, Some(opening), &phone, &message, now).await?;
        }
        tx.commit().await?;
        if on_roster.is_some() {
            metrics::counter!(names::CODES_SENT).increment(1);
        }
        Ok(CodeRequested { resend_after_ms: resend_at.since(now).ms() })
    }

    /// Replaces the phone's code unless it asked too short a time ago. A void code is replaced at once, so that nobody's
    /// wrong tries keep the owner waiting; but only the first few in a row, because each new code is five more guesses.
    /// Returns when it may ask again.
    async fn store_code(
        &self,
        tx: &mut Tx,
        opening: &OpeningId,
        phone_bidx: &[u8],
        code: &str,
        now: Micros,
    ) -> Result<Micros, BuyerError> {
        let id = RowId::generate();
        let in_s = |seconds| now.plus(Micros::from_secs(seconds));
        let stored = fetch_optional!(
            tx,
            (Micros,),
            "INSERT INTO sign_in_code (opening_id, phone_bidx, org_id, id, code_hash, attempts_left, issued, created_at,
                                       expires_at, resend_at)
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9)
             ON CONFLICT (opening_id, phone_bidx) DO UPDATE SET
                 id = excluded.id, code_hash = excluded.code_hash, attempts_left = excluded.attempts_left,
                 issued = sign_in_code.issued + 1, created_at = excluded.created_at, expires_at = excluded.expires_at,
                 resend_at = CASE
                     WHEN sign_in_code.issued + 1 > $13 THEN $11
                     WHEN sign_in_code.issued + 1 > $12 THEN $10
                     ELSE excluded.resend_at END
             WHERE sign_in_code.resend_at <= $7
                OR (sign_in_code.attempts_left <= 0 AND sign_in_code.issued < $12)
             RETURNING resend_at",
            opening,
            phone_bidx,
            OrgId::default_org(),
            &id,
            self.inner.vault.hash_secret(Secret::SignInCode, id.as_str(), code.as_bytes()),
            CODE_ATTEMPTS,
            now,
            in_s(CODE_VALID_S),
            in_s(CODE_RESEND_S),
            in_s(CODE_RESEND_LONGER_S),
            in_s(CODE_RESEND_LONGEST_S),
            CODE_ISSUED_LONGER,
            CODE_ISSUED_LONGEST
        )?;
        if let Some((resend_at,)) = stored {
            return Ok(resend_at);
        }
        let early = fetch_optional!(
            tx,
            (Micros,),
            "SELECT resend_at FROM sign_in_code WHERE opening_id = $1 AND phone_bidx = $2",
            opening,
            phone_bidx
        )?;
        Err(BuyerError::slow_down(early.map_or(Micros(0), |(resend_at,)| resend_at.since(now))))
    }

    /// Forgets codes that nobody can use any more, a bounded number at a time. Returns how many went.
    pub(crate) async fn purge_codes(&self, now: Micros) -> Result<u64, BuyerError> {
        let mut tx = self.inner.db.begin(Priority::Bulk).await?;
        let gone = execute!(
            tx,
            "DELETE FROM sign_in_code WHERE id IN
                 (SELECT id FROM sign_in_code WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
            now.since(Micros::from_secs(crate::limits::CODE_FORGET_S)),
            crate::limits::PURGE_ROWS
        )?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// The start of an opening that takes sign-ins: one that is published and not yet put away.
pub(super) async fn start_of(tx: &mut Tx, opening: &OpeningId) -> Result<Micros, BuyerError> {
    let head = fetch_optional!(
        tx,
        (Micros,),
        "SELECT start_at FROM opening_head
         WHERE opening_id = $1 AND phase IN ('published', 'armed', 'live', 'closed')",
        opening
    )?;
    head.map(|(start_at,)| start_at).ok_or(BuyerError::OpeningUnknown)
}
