//! Log-in: the password is compared, and who tries too often is slowed.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::domain::ids::OrgId;
use crate::domain::time::Micros;
use crate::identity::network;
use crate::limits::{PASSWORD_BYTES_MAX, STAFF_FAMILIAR_S, THROTTLE_KEYS_MAX};
use crate::store::fetch_optional;

use super::account::{StaffRow, login};
use super::session::{LoggedIn, Origin, SignedIn};
use super::{Staff, StaffError, StaffMember, password};

/// Under which name gateways tell each other from where an account has logged in.
const FAMILIAR: &str = "log-in familiar";

#[derive(sqlx::FromRow)]
struct Account {
    #[sqlx(flatten)]
    staff: StaffRow,
    password_hash: String,
}

impl Staff {
    pub async fn log_in(
        &self,
        written_login: &str,
        password: Zeroizing<String>,
        code: Option<&str>,
        origin: &Origin,
        now: Micros,
    ) -> Result<LoggedIn, StaffError> {
        // A text that can't be a login is an unknown login: it costs and answers the same.
        let login = login(written_login).unwrap_or_default();
        let address = network(origin.address);
        let familiar = self.count_try(&login, address, now).await?;
        let started = match self.verify(&login, password).await {
            Ok((member, hash)) => self.start_session(member, &hash, code, origin, now).await,
            Err(error) => Err(error),
        };
        if !matches!(started, Err(StaffError::LoginFailed | StaffError::SecondFactorWrong)) {
            self.forgive_try(&login, address, familiar).await;
        }
        if started.is_ok() {
            self.make_familiar(login, address).await;
        }
        started
    }

    /// Asks somebody who is signed in for their password once more, and slows who guesses it at an open desk.
    pub(super) async fn verify_again(
        &self,
        who: &StaffMember,
        password: Zeroizing<String>,
        address: IpAddr,
        now: Micros,
    ) -> Result<(StaffMember, String), StaffError> {
        let address = network(address);
        let familiar = self.count_try(&who.login, address, now).await?;
        let verified = self.verify(&who.login, password).await;
        if !matches!(verified, Err(StaffError::LoginFailed)) {
            self.forgive_try(&who.login, address, familiar).await;
        }
        verified.map_err(|error| match error {
            StaffError::LoginFailed => StaffError::PasswordWrong,
            other => other,
        })
    }

    /// Gives somebody who is signed in another password, if they know the one they have. Their other sessions end.
    pub async fn change_password(
        &self,
        who: &SignedIn,
        current: Zeroizing<String>,
        new: Zeroizing<String>,
        address: IpAddr,
        now: Micros,
    ) -> Result<(), StaffError> {
        password::check(&new)?;
        let (member, before) = self.verify_again(&who.member, current, address, now).await?;
        let hash = self.inner.passwords.hash(new).await?;
        self.store_password(&member, &before, &hash, &who.session, now).await
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
            Account,
            "SELECT id, login, name_sealed, role, disabled, password_hash,
                 EXISTS (SELECT 1 FROM staff_second_factor f WHERE f.staff_id = staff.id AND f.confirmed_at IS NOT NULL)
                     AS second_factor
             FROM staff WHERE org_id = $1 AND login = $2",
            OrgId::default_org(),
            login
        )?;
        drop(read);
        let hash = found.as_ref().map(|account| account.password_hash.clone());
        let right = self.inner.passwords.verify(password, hash).await?;
        match found {
            Some(account) if right && !account.staff.disabled => {
                Ok((account.staff.member(&self.inner.vault)?, account.password_hash))
            }
            _ => Err(StaffError::LoginFailed),
        }
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
