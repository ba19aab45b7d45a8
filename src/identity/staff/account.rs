//! Accounts: added, changed, disabled, given a new password. Each of these is logged in its own transaction, and each
//! that takes something away ends the account's sessions.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::domain::ids::{OrgId, StaffId};
use crate::domain::time::Micros;
use crate::limits::{LOGIN_CHARS_MAX, STAFF_LISTED_MAX, STAFF_NAME_CHARS_MAX};
use crate::store::{Priority, Tx, execute, fetch_all, fetch_one, fetch_optional};
use crate::vault::{Field, Vault};

use super::session::{SessionKey, delete_other_sessions, delete_sessions};
use super::{Actor, LogEntry, Role, Staff, StaffError, StaffMember, log_staff_action, password};

pub struct NewStaff {
    pub login: String,
    pub name: String,
    pub role: Role,
    pub password: Zeroizing<String>,
}

/// What to change; `None` leaves it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StaffChange {
    pub role: Option<Role>,
    pub disabled: Option<bool>,
}

#[derive(sqlx::FromRow)]
pub(super) struct StaffRow {
    pub id: StaffId,
    pub login: String,
    pub name_sealed: Vec<u8>,
    pub role: String,
    pub disabled: bool,
    pub second_factor: bool,
}

impl StaffRow {
    pub(super) fn member(self, vault: &Vault) -> Result<StaffMember, StaffError> {
        Ok(StaffMember {
            name: vault.open_text(Field::StaffName, self.id.as_str(), &self.name_sealed)?,
            role: Role::from_name(&self.role).ok_or(StaffError::Corrupt)?,
            id: self.id,
            login: self.login,
            disabled: self.disabled,
            second_factor: self.second_factor,
        })
    }
}

impl Staff {
    pub async fn add(&self, by: &Actor, new: NewStaff, now: Micros) -> Result<StaffMember, StaffError> {
        let login = login(&new.login).ok_or(StaffError::LoginInvalid { max: LOGIN_CHARS_MAX })?;
        let name = new.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > STAFF_NAME_CHARS_MAX {
            return Err(StaffError::NameInvalid { max: STAFF_NAME_CHARS_MAX });
        }
        check_role(by, new.role)?;
        password::check(&new.password)?;
        let hash = self.inner.passwords.hash(new.password).await?;

        let (id, role) = (StaffId::generate(), new.role);
        let member = StaffMember { id, login, name, role, disabled: false, second_factor: false };
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let added = execute!(
            tx,
            "INSERT INTO staff (id, org_id, login, name_sealed, role, password_hash, disabled, created_at, changed_at)
             VALUES ($1, $2, $3, $4, $5, $6, false, $7, $7) ON CONFLICT (org_id, login) DO NOTHING",
            &member.id,
            OrgId::default_org(),
            &member.login,
            self.inner.vault.seal(Field::StaffName, member.id.as_str(), &member.name)?,
            member.role.as_str(),
            hash,
            now
        )?;
        if added == 0 {
            return Err(StaffError::LoginTaken);
        }
        let params = json!({ "role": member.role.as_str() });
        self.log_account(&mut tx, by, "STAFF_ADDED", &member.login, params, now).await?;
        tx.commit().await?;
        Ok(member)
    }

    pub async fn list(&self) -> Result<Vec<StaffMember>, StaffError> {
        let mut read = self.inner.db.read().await?;
        let rows = fetch_all!(
            read,
            StaffRow,
            "SELECT id, login, name_sealed, role, disabled,
                 EXISTS (SELECT 1 FROM staff_second_factor f WHERE f.staff_id = staff.id AND f.confirmed_at IS NOT NULL)
                     AS second_factor
             FROM staff WHERE org_id = $1 ORDER BY login LIMIT $2",
            OrgId::default_org(),
            STAFF_LISTED_MAX
        )?;
        rows.into_iter().map(|row| row.member(&self.inner.vault)).collect()
    }

    pub async fn find(&self, login: &str) -> Result<StaffMember, StaffError> {
        let login = self::login(login).ok_or(StaffError::StaffUnknown)?;
        let mut read = self.inner.db.read().await?;
        let row = fetch_optional!(
            read,
            StaffRow,
            "SELECT id, login, name_sealed, role, disabled,
                 EXISTS (SELECT 1 FROM staff_second_factor f WHERE f.staff_id = staff.id AND f.confirmed_at IS NOT NULL)
                     AS second_factor
             FROM staff WHERE org_id = $1 AND login = $2",
            OrgId::default_org(),
            login
        )?;
        row.ok_or(StaffError::StaffUnknown)?.member(&self.inner.vault)
    }

    /// Changes role or disables; either ends the account's sessions, so that no page keeps rights it lost.
    pub async fn change(
        &self,
        by: &Actor,
        id: &StaffId,
        change: StaffChange,
        now: Micros,
    ) -> Result<StaffMember, StaffError> {
        if let Some(role) = change.role {
            check_role(by, role)?;
        }
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        lock_accounts(&mut tx).await?;
        let before = self.member(&mut tx, id).await?;
        let after = StaffMember {
            role: change.role.unwrap_or(before.role),
            disabled: change.disabled.unwrap_or(before.disabled),
            ..before.clone()
        };
        if after == before {
            return Ok(after);
        }
        let is_admin = |member: &StaffMember| member.role == Role::Admin && !member.disabled;
        if is_admin(&before) && !is_admin(&after) && other_admins(&mut tx, id).await? == 0 {
            return Err(StaffError::LastAdmin);
        }
        execute!(
            tx,
            "UPDATE staff SET role = $2, disabled = $3, changed_at = $4 WHERE id = $1",
            id,
            after.role.as_str(),
            after.disabled,
            now
        )?;
        delete_sessions(&mut tx, id).await?;
        let params = json!({
            "role": after.role.as_str(), "role_before": before.role.as_str(),
            "disabled": after.disabled, "disabled_before": before.disabled,
        });
        self.log_account(&mut tx, by, "STAFF_CHANGED", &after.login, params, now).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Gives the account a new password and ends its sessions.
    pub async fn set_password(
        &self,
        by: &Actor,
        id: &StaffId,
        password: Zeroizing<String>,
        now: Micros,
    ) -> Result<(), StaffError> {
        password::check(&password)?;
        let hash = self.inner.passwords.hash(password).await?;
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let member = self.member(&mut tx, id).await?;
        execute!(tx, "UPDATE staff SET password_hash = $2, changed_at = $3 WHERE id = $1", id, hash, now)?;
        delete_sessions(&mut tx, id).await?;
        self.log_account(&mut tx, by, "STAFF_PASSWORD_RESET", &member.login, json!({}), now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whether there is such an account: another organisation's is as unknown as none.
    pub async fn known(&self, id: &StaffId) -> Result<(), StaffError> {
        let mut read = self.inner.db.read().await?;
        let org = OrgId::default_org();
        let found =
            fetch_optional!(read, (StaffId,), "SELECT id FROM staff WHERE org_id = $1 AND id = $2", org, id)?;
        found.map(|_| ()).ok_or(StaffError::StaffUnknown)
    }

    /// Puts another password in the place of one that was verified, if it is still that; ends the other sessions.
    pub(super) async fn store_password(
        &self,
        member: &StaffMember,
        before: &str,
        hash: &str,
        this: &SessionKey,
        now: Micros,
    ) -> Result<(), StaffError> {
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let changed = execute!(
            tx,
            "UPDATE staff SET password_hash = $2, changed_at = $3 WHERE id = $1 AND password_hash = $4 AND NOT disabled",
            &member.id,
            hash,
            now,
            before
        )?;
        if changed == 0 {
            return Err(StaffError::PasswordWrong);
        }
        let ended = delete_other_sessions(&mut tx, &member.id, this).await?;
        let params = json!({ "sessions": ended });
        self.log_account(&mut tx, &member.actor(), "STAFF_PASSWORD_CHANGED", &member.login, params, now)
            .await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn member(&self, tx: &mut Tx, id: &StaffId) -> Result<StaffMember, StaffError> {
        let row = fetch_optional!(
            tx,
            StaffRow,
            "SELECT id, login, name_sealed, role, disabled,
                 EXISTS (SELECT 1 FROM staff_second_factor f WHERE f.staff_id = staff.id AND f.confirmed_at IS NOT NULL)
                     AS second_factor
             FROM staff WHERE org_id = $1 AND id = $2",
            OrgId::default_org(),
            id
        )?;
        row.ok_or(StaffError::StaffUnknown)?.member(&self.inner.vault)
    }

    pub(super) async fn log_account(
        &self,
        tx: &mut Tx,
        by: &Actor,
        action: &'static str,
        login: &str,
        params: Value,
        now: Micros,
    ) -> Result<(), StaffError> {
        let entry = LogEntry { opening: None, action, object: login, params };
        log_staff_action(tx, &self.inner.vault, by, &entry, now).await
    }
}

/// A login as it is stored and compared: lower case, of characters that look like no others.
pub(super) fn login(written: &str) -> Option<String> {
    let login = written.trim().to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let fits = !login.is_empty() && login.len() <= LOGIN_CHARS_MAX && login.chars().all(allowed);
    fits.then_some(login)
}

fn check_role(by: &Actor, role: Role) -> Result<(), StaffError> {
    if role == Role::Crowd && *by != Actor::Demo { Err(StaffError::RoleDemoOnly) } else { Ok(()) }
}

/// One change of accounts at a time: two admins who disable each other at once must not leave the office without one.
async fn lock_accounts(tx: &mut Tx) -> Result<(), StaffError> {
    execute!(tx, "UPDATE org SET name = name WHERE id = $1", OrgId::default_org())?;
    Ok(())
}

async fn other_admins(tx: &mut Tx, id: &StaffId) -> Result<i64, StaffError> {
    let (count,) = fetch_one!(
        tx,
        (i64,),
        "SELECT COUNT(*) FROM staff WHERE org_id = $1 AND role = 'admin' AND NOT disabled AND id <> $2",
        OrgId::default_org(),
        id
    )?;
    Ok(count)
}
