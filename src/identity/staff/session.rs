//! Sessions. A token is random and stored only as a keyed hash. Each request asks the database, so that a session that was
//! ended, by whoever and at whichever gateway, is ended at all of them at once.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use zeroize::Zeroizing;

use crate::domain::ids::{OrgId, SessionId, StaffId};
use crate::domain::time::Micros;
use crate::limits::{
    BROWSER_CHARS_MAX, PURGE_ROWS, SESSIONS_PER_STAFF_MAX, STAFF_IDLE_S, STAFF_SEEN_EVERY_S, STAFF_SESSION_S,
};
use crate::store::{Priority, Tx, execute, fetch_all, fetch_optional};
use crate::vault::{Field, Secret, Vault};

use super::account::StaffRow;
use super::second_factor::Passed;
use super::{Actor, Role, Staff, StaffError, StaffMember};

/// Longer than any token we make; a longer text is not looked at.
const TOKEN_BYTES_MAX: usize = 128;

/// From where somebody signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub address: IpAddr,
    /// What it says of itself.
    pub browser: String,
}

/// A started session.
pub struct LoggedIn {
    pub token: Zeroizing<String>,
    pub member: StaffMember,
    pub expires_at: Micros,
    /// As [`SignedIn::must_enrol`].
    pub must_enrol: bool,
}

/// Which session: the hash of its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKey(Vec<u8>);

/// Who asks, and by which session.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub member: StaffMember,
    pub session: SessionKey,
    /// The organisation wants a second factor and this account has none: it may do nothing but set one up.
    pub must_enrol: bool,
}

/// A session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffSession {
    /// Sessions that an older program began have none, and end with the others or by themselves.
    pub id: Option<SessionId>,
    pub created_at: Micros,
    pub seen_at: Micros,
    pub expires_at: Micros,
    pub origin: Option<Origin>,
    pub is_this: bool,
}

#[derive(sqlx::FromRow)]
struct LookedUp {
    #[sqlx(flatten)]
    staff: StaffRow,
    required: bool,
    seen_at: Micros,
    expires_at: Micros,
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: Option<SessionId>,
    token_hash: Vec<u8>,
    created_at: Micros,
    seen_at: Micros,
    expires_at: Micros,
    origin_sealed: Option<Vec<u8>>,
}

impl Origin {
    fn seal(&self, vault: &Vault, session: &SessionId) -> Result<Vec<u8>, StaffError> {
        let browser: String = self.browser.chars().take(BROWSER_CHARS_MAX).collect();
        let text = json!({ "address": self.address, "browser": browser }).to_string();
        Ok(vault.seal(Field::StaffSessionOrigin, session.as_str(), &text)?)
    }

    fn open(vault: &Vault, session: &SessionId, sealed: &[u8]) -> Result<Self, StaffError> {
        #[derive(serde::Deserialize)]
        struct Text {
            address: IpAddr,
            browser: String,
        }
        let text = vault.open_text(Field::StaffSessionOrigin, session.as_str(), sealed)?;
        let Text { address, browser } = serde_json::from_str(&text).map_err(|_| StaffError::Corrupt)?;
        Ok(Self { address, browser })
    }
}

impl Staff {
    pub(super) async fn start_session(
        &self,
        member: StaffMember,
        password_hash: &str,
        code: Option<&str>,
        origin: &Origin,
        now: Micros,
    ) -> Result<LoggedIn, StaffError> {
        let mut random = Zeroizing::new([0_u8; 32]);
        rand::fill(random.as_mut_slice());
        let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()));
        let expires_at = now.plus(Micros::from_secs(STAFF_SESSION_S));
        let id = SessionId::generate();
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        // Taken only if the account is still what was verified: it may have been disabled, or have got another
        // password, while this one was hashed.
        let still = execute!(
            tx,
            "UPDATE staff SET changed_at = changed_at WHERE id = $1 AND password_hash = $2 AND NOT disabled",
            &member.id,
            password_hash
        )?;
        if still == 0 {
            return Err(StaffError::LoginFailed);
        }
        let passed = self.pass(&mut tx, &member, code, now).await?;
        execute!(
            tx,
            "INSERT INTO staff_session (token_hash, org_id, staff_id, id, origin_sealed, created_at, seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
            self.key(&token).0,
            OrgId::default_org(),
            &member.id,
            &id,
            origin.seal(&self.inner.vault, &id)?,
            now,
            expires_at
        )?;
        execute!(
            tx,
            "DELETE FROM staff_session WHERE staff_id = $1 AND token_hash NOT IN
                 (SELECT token_hash FROM staff_session WHERE staff_id = $1 ORDER BY created_at DESC LIMIT $2)",
            &member.id,
            SESSIONS_PER_STAFF_MAX
        )?;
        let params = match passed {
            Passed::NotAsked => json!({}),
            Passed::ByApp => json!({ "second_factor": "app" }),
            Passed::ByRecoveryCode { left } => {
                json!({ "second_factor": "recovery_code", "recovery_codes_left": left })
            }
        };
        self.log_account(&mut tx, &member.actor(), "LOGGED_IN", &member.login, params, now).await?;
        tx.commit().await?;
        if !matches!(passed, Passed::NotAsked) {
            self.forgive_code(&member.login).await;
        }
        let must_enrol = self.second_factor_required().await? && member.must_enrol();
        Ok(LoggedIn { token, member, expires_at, must_enrol })
    }

    /// Whose token this is, while the session lives.
    pub async fn authenticate(&self, token: &str, now: Micros) -> Result<SignedIn, StaffError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(StaffError::SessionEnded);
        }
        let session = self.key(token);
        let found = self.look_up(&session, now).await?.ok_or(StaffError::SessionEnded)?;
        if now.since(found.seen_at) >= Micros::from_secs(STAFF_SEEN_EVERY_S) {
            let mut tx = self.inner.db.begin(Priority::Staff).await?;
            execute!(tx, "UPDATE staff_session SET seen_at = $2 WHERE token_hash = $1", &session.0, now)?;
            tx.commit().await?;
        }
        let member = found.staff.member(&self.inner.vault)?;
        Ok(SignedIn { must_enrol: found.required && member.must_enrol(), member, session })
    }

    /// Whether a session still lives; asking does not count as its use.
    pub async fn is_live(&self, session: &SessionKey, now: Micros) -> Result<bool, StaffError> {
        Ok(self.look_up(session, now).await?.is_some())
    }

    async fn look_up(&self, session: &SessionKey, now: Micros) -> Result<Option<LookedUp>, StaffError> {
        let mut read = self.inner.db.read().await?;
        let row = fetch_optional!(
            read,
            LookedUp,
            "SELECT m.id, m.login, m.name_sealed, m.role, m.disabled, s.seen_at, s.expires_at,
                 o.second_factor_required AS required,
                 EXISTS (SELECT 1 FROM staff_second_factor f WHERE f.staff_id = m.id AND f.confirmed_at IS NOT NULL)
                     AS second_factor
             FROM staff_session s JOIN staff m ON m.id = s.staff_id JOIN org o ON o.id = m.org_id
             WHERE s.token_hash = $1",
            &session.0
        )?;
        Ok(row.filter(|row| {
            let idle = now.since(row.seen_at) >= Micros::from_secs(STAFF_IDLE_S);
            !idle && now < row.expires_at && !row.staff.disabled
        }))
    }

    /// Signs out. A token that opens nothing is signed out already.
    pub async fn log_out(&self, token: &str, now: Micros) -> Result<(), StaffError> {
        let who = match self.authenticate(token, now).await {
            Ok(who) => who,
            Err(StaffError::SessionEnded) => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        execute!(tx, "DELETE FROM staff_session WHERE token_hash = $1", &who.session.0)?;
        let (by, login) = (who.member.actor(), &who.member.login);
        self.log_account(&mut tx, &by, "LOGGED_OUT", login, json!({}), now).await?;
        Ok(tx.commit().await?)
    }

    /// The sessions of an account that live, the newest first; `this` is marked.
    pub async fn sessions(
        &self,
        id: &StaffId,
        this: &SessionKey,
        now: Micros,
    ) -> Result<Vec<StaffSession>, StaffError> {
        let mut read = self.inner.db.read().await?;
        let rows = fetch_all!(
            read,
            SessionRow,
            "SELECT id, token_hash, created_at, seen_at, expires_at, origin_sealed FROM staff_session
             WHERE staff_id = $1 AND org_id = $2 AND expires_at > $3 AND seen_at > $4
             ORDER BY created_at DESC LIMIT $5",
            id,
            OrgId::default_org(),
            now,
            now.since(Micros::from_secs(STAFF_IDLE_S)),
            SESSIONS_PER_STAFF_MAX
        )?;
        let shown = rows.into_iter().map(|row| {
            let sealed = row.id.as_ref().zip(row.origin_sealed.as_ref());
            let origin = sealed.map(|(id, sealed)| Origin::open(&self.inner.vault, id, sealed));
            Ok(StaffSession {
                origin: origin.transpose()?,
                is_this: row.token_hash == this.0,
                id: row.id,
                created_at: row.created_at,
                seen_at: row.seen_at,
                expires_at: row.expires_at,
            })
        });
        shown.collect()
    }

    /// Ends one of somebody's own sessions.
    pub async fn end_session(&self, who: &SignedIn, id: &SessionId, now: Micros) -> Result<(), StaffError> {
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let ended =
            execute!(tx, "DELETE FROM staff_session WHERE staff_id = $1 AND id = $2", &who.member.id, id)?;
        if ended == 0 {
            return Err(StaffError::SessionUnknown);
        }
        self.log_ended(&mut tx, &who.member.actor(), &who.member.login, ended, now).await?;
        Ok(tx.commit().await?)
    }

    /// Ends all of somebody's own sessions but the one that asks. How many there were.
    pub async fn end_other_sessions(&self, who: &SignedIn, now: Micros) -> Result<u64, StaffError> {
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let ended = delete_other_sessions(&mut tx, &who.member.id, &who.session).await?;
        self.log_ended(&mut tx, &who.member.actor(), &who.member.login, ended, now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Ends every session of an account. How many there were.
    pub async fn end_sessions_of(&self, by: &Actor, id: &StaffId, now: Micros) -> Result<u64, StaffError> {
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        let member = self.member(&mut tx, id).await?;
        let ended = delete_sessions(&mut tx, id).await?;
        self.log_ended(&mut tx, by, &member.login, ended, now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    async fn log_ended(
        &self,
        tx: &mut Tx,
        by: &Actor,
        login: &str,
        ended: u64,
        now: Micros,
    ) -> Result<(), StaffError> {
        self.log_account(tx, by, "SESSIONS_ENDED", login, json!({ "sessions": ended }), now).await
    }

    /// Removes sessions that ended, and forgets what limits no longer need.
    pub(crate) async fn sweep(&self, now: Micros) -> Result<(), StaffError> {
        let inner = &self.inner;
        inner.tries.sweep(now);
        inner.address_tries.sweep(now);
        inner.account_tries.sweep(now);
        inner.code_tries.sweep(now);
        inner.reads.sweep(now);
        let mut tx = inner.db.begin(Priority::Bulk).await?;
        execute!(
            tx,
            "DELETE FROM staff_session WHERE token_hash IN
                 (SELECT token_hash FROM staff_session WHERE expires_at <= $1 OR seen_at <= $2 LIMIT $3)",
            now,
            now.since(Micros::from_secs(STAFF_IDLE_S)),
            PURGE_ROWS
        )?;
        tx.commit().await?;
        Ok(())
    }

    fn key(&self, token: &str) -> SessionKey {
        SessionKey(self.inner.vault.hash_secret(Secret::StaffSession, "", token.as_bytes()))
    }
}

pub(super) async fn delete_sessions(tx: &mut Tx, id: &StaffId) -> Result<u64, StaffError> {
    Ok(execute!(tx, "DELETE FROM staff_session WHERE staff_id = $1", id)?)
}

pub(super) async fn delete_other_sessions(
    tx: &mut Tx,
    id: &StaffId,
    this: &SessionKey,
) -> Result<u64, StaffError> {
    Ok(execute!(tx, "DELETE FROM staff_session WHERE staff_id = $1 AND token_hash <> $2", id, &this.0)?)
}

impl StaffMember {
    /// Whether a rule that everybody has a second factor is broken here. The demo's crowd is a program and has no phone.
    fn must_enrol(&self) -> bool {
        !self.second_factor && self.role != Role::Crowd
    }

    /// The member's rights by name, as the console shows them.
    pub fn right_names(&self) -> impl Iterator<Item = &'static str> {
        self.role.rights().iter().map(|right| right.as_str())
    }
}
