//! Log-in, and the session it starts. The token is random and stored only as a keyed hash; what a request needs is
//! answered from memory for a few seconds at a time, so that a revocation on another server is seen soon.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use zeroize::Zeroizing;

use crate::domain::ids::{OrgId, StaffId};
use crate::domain::time::Micros;
use crate::identity::network;
use crate::limits::{
    PASSWORD_BYTES_MAX, PURGE_ROWS, SESSIONS_PER_STAFF_MAX, STAFF_CACHE_S, STAFF_FAMILIAR_S, STAFF_IDLE_S,
    STAFF_SEEN_EVERY_S, STAFF_SESSION_S, THROTTLE_KEYS_MAX,
};
use crate::store::{Priority, execute, fetch_optional};
use crate::vault::Secret;

use super::account::{StaffRow, login};
use super::{LogEntry, Staff, StaffError, StaffMember, log_staff_action};

/// Longer than any token we make; a longer text is not looked at.
const TOKEN_BYTES_MAX: usize = 128;

/// Under which name gateways tell each other from where an account has logged in.
const FAMILIAR: &str = "log-in familiar";

/// A started session.
pub struct LoggedIn {
    pub token: Zeroizing<String>,
    pub member: StaffMember,
    pub expires_at: Micros,
}

pub(super) struct Cached {
    member: StaffMember,
    expires_at: Micros,
    /// The last use that is written in the database.
    seen_at: Micros,
    checked_at: Micros,
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    #[sqlx(flatten)]
    staff: StaffRow,
    seen_at: Micros,
    expires_at: Micros,
}

impl Staff {
    pub async fn log_in(
        &self,
        written_login: &str,
        password: Zeroizing<String>,
        address: IpAddr,
        now: Micros,
    ) -> Result<LoggedIn, StaffError> {
        // A text that can't be a login is an unknown login: it costs and answers the same.
        let login = login(written_login).unwrap_or_default();
        let address = network(address);
        let familiar = self.count_try(&login, address, now).await?;
        let verified = self.verify(&login, password).await;
        if !matches!(verified, Err(StaffError::LoginFailed)) {
            self.forgive_try(&login, address, familiar).await;
        }
        let (member, password_hash) = verified?;
        self.make_familiar(login, address).await;
        self.start_session(member, &password_hash, now).await
    }

    /// The account, and the hash that its password was compared with.
    async fn verify(
        &self,
        login: &str,
        password: Zeroizing<String>,
    ) -> Result<(StaffMember, String), StaffError> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(StaffError::LoginFailed);
        }
        let mut read = self.inner.db.read().await?;
        let found = fetch_optional!(
            read,
            (StaffId, Vec<u8>, String, bool, String),
            "SELECT id, name_sealed, role, disabled, password_hash FROM staff WHERE org_id = $1 AND login = $2",
            OrgId::default_org(),
            login
        )?;
        drop(read);
        let hash = found.as_ref().map(|(.., hash)| hash.clone());
        let right = self.inner.passwords.verify(password, hash).await?;
        match found {
            Some((id, name_sealed, role, disabled, hash)) if right && !disabled => {
                let account = StaffRow { id, login: login.to_owned(), name_sealed, role, disabled };
                Ok((account.member(&self.inner.vault)?, hash))
            }
            _ => Err(StaffError::LoginFailed),
        }
    }

    async fn start_session(
        &self,
        member: StaffMember,
        password_hash: &str,
        now: Micros,
    ) -> Result<LoggedIn, StaffError> {
        let mut random = Zeroizing::new([0_u8; 32]);
        rand::fill(random.as_mut_slice());
        let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()));
        let expires_at = now.plus(Micros::from_secs(STAFF_SESSION_S));
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
        execute!(
            tx,
            "INSERT INTO staff_session (token_hash, org_id, staff_id, created_at, seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $4, $5)",
            self.token_hash(&token),
            OrgId::default_org(),
            &member.id,
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
        let entry = LogEntry { opening: None, action: "LOGGED_IN", object: &member.login, params: json!({}) };
        log_staff_action(&mut tx, &self.inner.vault, &member.actor(), &entry, now).await?;
        tx.commit().await?;
        Ok(LoggedIn { token, member, expires_at })
    }

    /// Whose token this is, while the session lives.
    pub async fn authenticate(&self, token: &str, now: Micros) -> Result<StaffMember, StaffError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(StaffError::SessionEnded);
        }
        let hash = self.token_hash(token);
        if let Some(cached) = self.inner.cache.get(&hash)
            && now.since(cached.checked_at) < Micros::from_secs(STAFF_CACHE_S)
            && now.since(cached.seen_at) < Micros::from_secs(STAFF_SEEN_EVERY_S)
            && now < cached.expires_at
        {
            return Ok(cached.member.clone());
        }
        self.look_up(hash, now).await
    }

    async fn look_up(&self, hash: Vec<u8>, now: Micros) -> Result<StaffMember, StaffError> {
        let revocations = self.inner.revocations.load(Ordering::SeqCst);
        let mut read = self.inner.db.read().await?;
        let row = fetch_optional!(
            read,
            SessionRow,
            "SELECT m.id, m.login, m.name_sealed, m.role, m.disabled, s.seen_at, s.expires_at
             FROM staff_session s JOIN staff m ON m.id = s.staff_id WHERE s.token_hash = $1",
            &hash
        )?;
        drop(read);
        let live = row.filter(|row| {
            let idle = now.since(row.seen_at) >= Micros::from_secs(STAFF_IDLE_S);
            !idle && now < row.expires_at && !row.staff.disabled
        });
        let Some(SessionRow { staff, mut seen_at, expires_at }) = live else {
            self.inner.cache.remove(&hash);
            return Err(StaffError::SessionEnded);
        };
        if now.since(seen_at) >= Micros::from_secs(STAFF_SEEN_EVERY_S) {
            let mut tx = self.inner.db.begin(Priority::Staff).await?;
            execute!(tx, "UPDATE staff_session SET seen_at = $2 WHERE token_hash = $1", &hash, now)?;
            tx.commit().await?;
            seen_at = now;
        }
        let member = staff.member(&self.inner.vault)?;
        let cached = Cached { member: member.clone(), expires_at, seen_at, checked_at: now };
        self.inner.cache.insert(hash.clone(), cached);
        // A revocation between the read and the insert has not seen this entry, so it is taken back here. One after
        // the insert does see it.
        if self.inner.revocations.load(Ordering::SeqCst) != revocations {
            self.inner.cache.remove(&hash);
        }
        Ok(member)
    }

    pub async fn log_out(&self, token: &str) -> Result<(), StaffError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Ok(());
        }
        let hash = self.token_hash(token);
        let mut tx = self.inner.db.begin(Priority::Staff).await?;
        execute!(tx, "DELETE FROM staff_session WHERE token_hash = $1", &hash)?;
        tx.commit().await?;
        self.inner.revocations.fetch_add(1, Ordering::SeqCst);
        self.inner.cache.remove(&hash);
        Ok(())
    }

    /// Takes an account's sessions out of memory, after the database has lost them.
    pub(super) fn forget_sessions(&self, id: &StaffId) {
        self.inner.revocations.fetch_add(1, Ordering::SeqCst);
        self.inner.cache.retain(|_, cached| cached.member.id != *id);
    }

    /// Removes sessions that ended, from memory and from the database.
    pub(crate) async fn sweep(&self, now: Micros) -> Result<(), StaffError> {
        let inner = &self.inner;
        inner.tries.sweep(now);
        inner.address_tries.sweep(now);
        inner.account_tries.sweep(now);
        inner.reads.sweep(now);
        let fresh = |cached: &Cached| now.since(cached.checked_at) < Micros::from_secs(STAFF_CACHE_S);
        inner.cache.retain(|_, cached| fresh(cached));
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

    fn token_hash(&self, token: &str) -> Vec<u8> {
        self.inner.vault.hash_secret(Secret::StaffSession, "", token.as_bytes())
    }

    /// Counts a try, and says whether the account is familiar there: then strangers' tries are no concern of it.
    async fn count_try(&self, login: &str, address: IpAddr, now: Micros) -> Result<bool, StaffError> {
        let inner = &self.inner;
        let slow_down =
            |wait: Micros| StaffError::SlowDown { retry_after_ms: wait.plus(Micros(999)).ms().max(1) };
        let text = address.to_string();
        let Tried { both, address: from, account } = &Tried::new(login, &text);
        inner.tries.attempt(both, now).await.map_err(slow_down)?;
        if let Err(wait) = inner.address_tries.attempt(from, now).await {
            inner.tries.forgive(both).await;
            return Err(slow_down(wait));
        }
        if self.is_familiar(login, address).await {
            return Ok(true);
        }
        if let Err(wait) = inner.account_tries.attempt(account, now).await {
            inner.tries.forgive(both).await;
            inner.address_tries.forgive(from).await;
            return Err(slow_down(wait));
        }
        Ok(false)
    }

    async fn forgive_try(&self, login: &str, address: IpAddr, familiar: bool) {
        let text = address.to_string();
        let Tried { both, address: from, account } = &Tried::new(login, &text);
        self.inner.tries.forgive(both).await;
        self.inner.address_tries.forgive(from).await;
        if !familiar {
            self.inner.account_tries.forgive(account).await;
        }
    }

    async fn is_familiar(&self, login: &str, address: IpAddr) -> bool {
        if self.inner.familiar.contains(&(login.to_owned(), address)) {
            return true;
        }
        let Some(shared) = &self.inner.shared else { return false };
        shared.knows(FAMILIAR, &Tried::new(login, &address.to_string()).both).await
    }

    async fn make_familiar(&self, login: String, address: IpAddr) {
        if let Some(shared) = &self.inner.shared {
            shared.note(FAMILIAR, &Tried::new(&login, &address.to_string()).both, STAFF_FAMILIAR_S).await;
        }
        if self.inner.familiar.len() < THROTTLE_KEYS_MAX {
            self.inner.familiar.insert((login, address));
        }
    }
}

/// The keys under which a try counts.
struct Tried<'a> {
    both: [&'a [u8]; 2],
    address: [&'a [u8]; 1],
    account: [&'a [u8]; 1],
}

impl<'a> Tried<'a> {
    fn new(login: &'a str, address: &'a str) -> Self {
        let (login, address) = (login.as_bytes(), address.as_bytes());
        Self { both: [login, address], address: [address], account: [login] }
    }
}

impl StaffMember {
    /// The member's rights by name, as the console shows them.
    pub fn right_names(&self) -> impl Iterator<Item = &'static str> {
        self.role.rights().iter().map(|right| right.as_str())
    }
}
