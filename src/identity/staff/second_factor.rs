//! The second factor: set up by whoever is signed in, asked for after the password, taken away by an admin.
//!
//! A code is used up in the transaction that lets somebody in, so it is good once, at one gateway. Tries count for an account,
//! wherever they come from: only somebody who knows its password gets as far as a code.

use std::net::IpAddr;

use serde_json::json;
use zeroize::Zeroizing;

use crate::domain::ids::{OrgId, StaffId};
use crate::domain::time::Micros;
use crate::limits::{REASON_CHARS_MAX, RECOVERY_CODES};
use crate::store::{Priority, Reader, Tx, execute, fetch_one, fetch_optional};
use crate::vault::{Field, Secret};

use super::session::{SignedIn, delete_other_sessions, delete_sessions};
use super::totp::{Authenticator, SECRET_BYTES};
use super::{Actor, Staff, StaffError, StaffMember, password};

/// What an app is told; shown once.
pub struct Enrolment {
    pub key: Zeroizing<String>,
    pub uri: Zeroizing<String>,
}

/// How it stands with somebody's second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondFactor {
    pub on: bool,
    pub recovery_codes_left: i64,
    /// The organisation wants everybody to have one.
    pub required: bool,
}

/// How somebody passed.
pub(super) enum Passed {
    NotAsked,
    ByApp,
    ByRecoveryCode { left: i64 },
}

#[derive(sqlx::FromRow)]
struct FactorRow {
    secret_sealed: Vec<u8>,
    confirmed_at: Option<Micros>,
}

impl Staff {
    pub async fn second_factor(&self, id: &StaffId) -> Result<SecondFactor, StaffError> {
        let mut read = self.inner.db.read().await?;
        let on = fetch_optional!(
            read,
            (StaffId,),
            "SELECT staff_id FROM staff_second_factor WHERE staff_id = $1 AND confirmed_at IS NOT NULL",
            id
        )?;
        let (left,) =
            fetch_one!(read, (i64,), "SELECT COUNT(*) FROM staff_recovery_code WHERE staff_id = $1", id)?;
        Ok(SecondFactor { on: on.is_some(), recovery_codes_left: left, required: required(&mut read).await? })
    }

    /// Whether the organisation wants everybody to have one.
    pub async fn second_factor_required(&self) -> Result<bool, StaffError> {
        required(&mut self.inner.db.read().await?).await
    }

    /// Makes a secret for an app. Until it is confirmed nothing asks for it, and beginning again replaces it.
    pub async fn begin_second_factor(
        &self,
        who: &SignedIn,
        password: Zeroizing<String>,
        address: IpAddr,
        now: Micros,
    ) -> Result<Enrolment, StaffError> {
        let (member, _) = self.verify_again(&who.member, password, address, now).await?;
        let mut secret = Zeroizing::new([0_u8; SECRET_BYTES]);
        rand::fill(secret.as_mut_slice());
        let app = Authenticator::new(secret.as_slice(), &member.login)?;
        let text = Zeroizing::new(hex::encode(secret.as_slice()));
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let begun = execute!(
            tx,
            "INSERT INTO staff_second_factor (staff_id, org_id, secret_sealed, created_at, last_step)
             VALUES ($1, $2, $3, $4, 0)
             ON CONFLICT (staff_id) DO UPDATE SET secret_sealed = excluded.secret_sealed, created_at = excluded.created_at
             WHERE staff_second_factor.confirmed_at IS NULL",
            &member.id,
            OrgId::default_org(),
            self.inner.vault.seal(Field::StaffSecondFactor, member.id.as_str(), &text)?,
            now
        )?;
        if begun == 0 {
            return Err(StaffError::SecondFactorOn);
        }
        tx.commit().await?;
        Ok(Enrolment { key: app.key(), uri: app.uri()? })
    }

    /// Turns it on with a first code. Gives the recovery codes, which are stored as hashes alone; sessions that began without a
    /// second factor end.
    pub async fn confirm_second_factor(
        &self,
        who: &SignedIn,
        code: &str,
        now: Micros,
    ) -> Result<Vec<Zeroizing<String>>, StaffError> {
        let member = &who.member;
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let row = self.factor(&mut tx, &member.id).await?.ok_or(StaffError::SecondFactorOff)?;
        if row.confirmed_at.is_some() {
            return Err(StaffError::SecondFactorOn);
        }
        self.count_code(&member.login, now).await?;
        let step = self.step(member, &row, code, now)?.ok_or(StaffError::CodeWrong)?;
        execute!(
            tx,
            "UPDATE staff_second_factor SET confirmed_at = $2, last_step = $3 WHERE staff_id = $1",
            &member.id,
            now,
            step
        )?;
        let codes: Vec<_> = (0..RECOVERY_CODES).map(|_| password::recovery_code()).collect();
        for code in &codes {
            execute!(
                tx,
                "INSERT INTO staff_recovery_code (code_hash, org_id, staff_id) VALUES ($1, $2, $3)",
                self.recovery_hash(&member.id, code),
                OrgId::default_org(),
                &member.id
            )?;
        }
        let ended = delete_other_sessions(&mut tx, &member.id, &who.session).await?;
        let params = json!({ "sessions": ended });
        self.log_account(&mut tx, &member.actor(), "SECOND_FACTOR_ADDED", &member.login, params, now).await?;
        tx.commit().await?;
        self.forgive_code(&member.login).await;
        Ok(codes)
    }

    /// Turns one's own off, with the password and a code.
    pub async fn remove_second_factor(
        &self,
        who: &SignedIn,
        password: Zeroizing<String>,
        code: &str,
        address: IpAddr,
        now: Micros,
    ) -> Result<(), StaffError> {
        let (member, _) = self.verify_again(&who.member, password, address, now).await?;
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        match self.pass(&mut tx, &member, Some(code), now).await {
            Ok(Passed::NotAsked) => return Err(StaffError::SecondFactorOff),
            Err(StaffError::SecondFactorWrong) => return Err(StaffError::CodeWrong),
            passed => passed?,
        };
        delete_factor(&mut tx, &member.id).await?;
        let by = member.actor();
        self.log_account(&mut tx, &by, "SECOND_FACTOR_REMOVED", &member.login, json!({}), now).await?;
        tx.commit().await?;
        self.forgive_code(&member.login).await;
        Ok(())
    }

    /// Takes somebody's away, for a phone that is lost with its recovery codes. The account's sessions end.
    pub async fn reset_second_factor(
        &self,
        by: &Actor,
        id: &StaffId,
        reason: &str,
        now: Micros,
    ) -> Result<(), StaffError> {
        let reason = checked(reason)?;
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let member = self.member(&mut tx, id).await?;
        if delete_factor(&mut tx, id).await? == 0 {
            return Err(StaffError::SecondFactorOff);
        }
        let ended = delete_sessions(&mut tx, id).await?;
        let params = json!({ "reason": reason, "sessions": ended });
        self.log_account(&mut tx, by, "SECOND_FACTOR_RESET", &member.login, params, now).await?;
        Ok(tx.commit().await?)
    }

    /// Whether everybody of the organisation must have one.
    pub async fn require_second_factor(
        &self,
        by: &Actor,
        required: bool,
        reason: &str,
        now: Micros,
    ) -> Result<(), StaffError> {
        let reason = checked(reason)?;
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let org = OrgId::default_org();
        let changed = execute!(
            tx,
            "UPDATE org SET second_factor_required = $2 WHERE id = $1 AND second_factor_required <> $2",
            org,
            required
        )?;
        if changed == 0 {
            return Ok(());
        }
        let params = json!({ "required": required, "reason": reason });
        self.log_account(&mut tx, by, "SECOND_FACTOR_RULE_CHANGED", "", params, now).await?;
        Ok(tx.commit().await?)
    }

    /// Asks for the second factor in the transaction that lets somebody in, and uses the code up. Whoever succeeds forgives the
    /// try once that is committed.
    pub(super) async fn pass(
        &self,
        tx: &mut Tx,
        member: &StaffMember,
        code: Option<&str>,
        now: Micros,
    ) -> Result<Passed, StaffError> {
        let row = self.factor(tx, &member.id).await?.filter(|row| row.confirmed_at.is_some());
        let Some(row) = row else { return Ok(Passed::NotAsked) };
        let code =
            code.map(str::trim).filter(|code| !code.is_empty()).ok_or(StaffError::SecondFactorNeeded)?;
        self.count_code(&member.login, now).await?;
        if let Some(step) = self.step(member, &row, code, now)? {
            // Asked where it is written: another gateway may have taken it since the row was read.
            let taken = execute!(
                tx,
                "UPDATE staff_second_factor SET last_step = $2 WHERE staff_id = $1 AND last_step < $2",
                &member.id,
                step
            )?;
            return if taken == 1 { Ok(Passed::ByApp) } else { Err(StaffError::SecondFactorWrong) };
        }
        let used = execute!(
            tx,
            "DELETE FROM staff_recovery_code WHERE staff_id = $1 AND code_hash = $2",
            &member.id,
            self.recovery_hash(&member.id, code)
        )?;
        if used == 0 {
            return Err(StaffError::SecondFactorWrong);
        }
        let (left,) = fetch_one!(
            tx,
            (i64,),
            "SELECT COUNT(*) FROM staff_recovery_code WHERE staff_id = $1",
            &member.id
        )?;
        Ok(Passed::ByRecoveryCode { left })
    }

    async fn factor(&self, tx: &mut Tx, id: &StaffId) -> Result<Option<FactorRow>, StaffError> {
        Ok(fetch_optional!(
            tx,
            FactorRow,
            "SELECT secret_sealed, confirmed_at FROM staff_second_factor WHERE staff_id = $1",
            id
        )?)
    }

    /// The step whose code this is. Whether it was used already is for whoever uses it to ask.
    fn step(
        &self,
        member: &StaffMember,
        row: &FactorRow,
        code: &str,
        now: Micros,
    ) -> Result<Option<i64>, StaffError> {
        let text =
            self.inner.vault.open_text(Field::StaffSecondFactor, member.id.as_str(), &row.secret_sealed)?;
        let text = Zeroizing::new(text);
        let secret = Zeroizing::new(hex::decode(text.as_bytes()).map_err(|_| StaffError::Corrupt)?);
        // People type the code as the app shows it, in two groups.
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        Ok(Authenticator::new(&secret, &member.login)?.step_of(&code, now))
    }

    fn recovery_hash(&self, id: &StaffId, code: &str) -> Vec<u8> {
        let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
        let code = Zeroizing::new(code.to_ascii_lowercase());
        self.inner.vault.hash_secret(Secret::RecoveryCode, id.as_str(), code.as_bytes())
    }

    /// Counts a try of a code of this account.
    async fn count_code(&self, login: &str, now: Micros) -> Result<(), StaffError> {
        let wait = self.inner.code_tries.attempt(&[login.as_bytes()], now).await;
        wait.map_err(|wait| StaffError::SlowDown { retry_after_ms: wait.plus(Micros(999)).ms().max(1) })
    }

    /// It was right.
    pub(super) async fn forgive_code(&self, login: &str) {
        self.inner.code_tries.forgive(&[login.as_bytes()]).await;
    }
}

async fn required(read: &mut Reader) -> Result<bool, StaffError> {
    let org = OrgId::default_org();
    let (required,) = fetch_one!(read, (bool,), "SELECT second_factor_required FROM org WHERE id = $1", org)?;
    Ok(required)
}

/// How many there were: one that is begun counts as well.
async fn delete_factor(tx: &mut Tx, id: &StaffId) -> Result<u64, StaffError> {
    execute!(tx, "DELETE FROM staff_recovery_code WHERE staff_id = $1", id)?;
    Ok(execute!(tx, "DELETE FROM staff_second_factor WHERE staff_id = $1", id)?)
}

fn checked(reason: &str) -> Result<&str, StaffError> {
    let reason = reason.trim();
    let fits = !reason.is_empty() && reason.chars().count() <= REASON_CHARS_MAX;
    if fits { Ok(reason) } else { Err(StaffError::ReasonInvalid { max: REASON_CHARS_MAX }) }
}
