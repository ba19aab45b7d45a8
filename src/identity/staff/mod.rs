//! Staff: accounts, log-in, sessions, rights, and the log of what they did.
//!
//! A door authenticates a token, asks [`StaffMember::require`] for the right of its route, and passes the member's
//! [`Actor`] down to whatever it calls. Rights follow from roles by one table ([`Role::rights`]).
//!
//! What this module must not know: openings, buyers, HTTP.

mod account;
mod chain;
mod log;
mod log_in;
mod password;
mod reads;
mod role;
mod second_factor;
mod session;
#[cfg(test)]
mod tests;
mod totp;

use std::net::IpAddr;
use std::sync::Arc;

use dashmap::DashSet;

use crate::cluster::Link;
use crate::domain::ids::StaffId;
use crate::domain::time::Micros;
use crate::limits;
use crate::store::{Db, StoreError};
use crate::vault::{Vault, VaultError};

use super::throttle::{Rate, Shared, Throttle};
use password::Passwords;

pub use account::{NewStaff, StaffChange};
pub use chain::{Checked, Fault, Known, Wrong, begin_chain, check_chain, row_of};
pub use log::{Actor, LogEntry, LoggedAction, log_staff_action};
pub use password::generate as generate_password;
pub use role::{Right, Role};
pub use second_factor::{Enrolment, SecondFactor};
pub use session::{LoggedIn, Origin, SessionKey, SignedIn, StaffSession};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffMember {
    pub id: StaffId,
    pub login: String,
    pub name: String,
    pub role: Role,
    pub disabled: bool,
    /// Whether a code is asked for after the password.
    pub second_factor: bool,
}

impl StaffMember {
    pub fn require(&self, right: Right) -> Result<(), StaffError> {
        if self.role.may(right) { Ok(()) } else { Err(StaffError::Forbidden { right }) }
    }

    pub fn actor(&self) -> Actor {
        Actor::Person { id: self.id.clone(), login: self.login.clone() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StaffError {
    /// Unknown login, wrong password, disabled account: one answer for all, after the same work.
    #[error("login or password is wrong")]
    LoginFailed,
    #[error("too many tries; the next in {retry_after_ms} ms")]
    SlowDown { retry_after_ms: i64 },
    #[error("the session has ended")]
    SessionEnded,
    #[error("there is no such session")]
    SessionUnknown,
    #[error("this is not the password of the account")]
    PasswordWrong,
    /// At the door, after the right password.
    #[error("a code of the second factor is needed")]
    SecondFactorNeeded,
    #[error("the code of the second factor is wrong, or was used")]
    SecondFactorWrong,
    /// Of somebody who is signed in.
    #[error("the code is wrong, or was used")]
    CodeWrong,
    #[error("the second factor is on already")]
    SecondFactorOn,
    #[error("there is no second factor")]
    SecondFactorOff,
    #[error("a reason has 1 to {max} characters")]
    ReasonInvalid { max: usize },
    #[error("the right `{}` is missing", right.as_str())]
    Forbidden { right: Right },
    #[error("the login is in use")]
    LoginTaken,
    #[error("a login has 1 to {max} characters of a–z, 0–9, `.`, `-`, `_`")]
    LoginInvalid { max: usize },
    #[error("a name has 1 to {max} characters")]
    NameInvalid { max: usize },
    #[error("a password has at least {min} characters")]
    PasswordTooShort { min: usize },
    #[error("a password has at most {max} bytes")]
    PasswordTooLong { max: usize },
    #[error("there is no such account")]
    StaffUnknown,
    #[error("this is the last admin who is not disabled")]
    LastAdmin,
    #[error("this role exists only in the demo")]
    RoleDemoOnly,
    #[error("passwords can't be hashed now")]
    Hashing,
    #[error("a stored row does not read back")]
    Corrupt,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl StaffError {
    pub const fn code(&self) -> &'static str {
        match self {
            StaffError::LoginFailed => "LOGIN_FAILED",
            StaffError::SlowDown { .. } => "SLOW_DOWN",
            StaffError::SessionEnded => "SESSION_ENDED",
            StaffError::SessionUnknown => "SESSION_UNKNOWN",
            StaffError::PasswordWrong => "PASSWORD_WRONG",
            StaffError::SecondFactorNeeded => "SECOND_FACTOR_NEEDED",
            StaffError::SecondFactorWrong => "SECOND_FACTOR_WRONG",
            StaffError::CodeWrong => "CODE_WRONG",
            StaffError::SecondFactorOn => "SECOND_FACTOR_ON",
            StaffError::SecondFactorOff => "SECOND_FACTOR_OFF",
            StaffError::ReasonInvalid { .. } => "REASON_INVALID",
            StaffError::Forbidden { .. } => "FORBIDDEN",
            StaffError::LoginTaken => "LOGIN_TAKEN",
            StaffError::LoginInvalid { .. } => "LOGIN_INVALID",
            StaffError::NameInvalid { .. } => "NAME_INVALID",
            StaffError::PasswordTooShort { .. } => "PASSWORD_TOO_SHORT",
            StaffError::PasswordTooLong { .. } => "PASSWORD_TOO_LONG",
            StaffError::StaffUnknown => "STAFF_UNKNOWN",
            StaffError::LastAdmin => "LAST_ADMIN",
            StaffError::RoleDemoOnly => "ROLE_DEMO_ONLY",
            StaffError::Hashing | StaffError::Corrupt | StaffError::Store(_) | StaffError::Vault(_) => {
                "INTERNAL"
            }
        }
    }

    /// The field of a request that has to change.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            StaffError::LoginTaken | StaffError::LoginInvalid { .. } => Some("login"),
            StaffError::NameInvalid { .. } => Some("name"),
            StaffError::PasswordTooShort { .. } | StaffError::PasswordTooLong { .. } => Some("password"),
            StaffError::RoleDemoOnly => Some("role"),
            StaffError::PasswordWrong => Some("current"),
            StaffError::CodeWrong => Some("code"),
            StaffError::ReasonInvalid { .. } => Some("reason"),
            _ => None,
        }
    }
}

/// Accounts and sessions of staff. Cheap to clone; its methods wait for the database.
#[derive(Clone)]
pub struct Staff {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    vault: Arc<Vault>,
    passwords: Passwords,
    tries: Throttle,
    address_tries: Throttle,
    account_tries: Throttle,
    code_tries: Throttle,
    /// Where an account has logged in before. From there it is not slowed by what strangers do to it elsewhere, so
    /// nobody can keep its owner out.
    familiar: DashSet<(String, IpAddr)>,
    reads: reads::Reads,
    /// The last check of the log's chain; held while one runs, so that there is one at a time.
    checked: tokio::sync::Mutex<Option<(Micros, Checked)>>,
    /// What the gateways know together.
    shared: Option<Shared>,
}

impl Staff {
    pub async fn open(db: Db, vault: Arc<Vault>) -> Result<Self, StaffError> {
        Self::between(db, vault, None).await
    }

    /// One of several gateways: tries are counted in this Redis as well.
    pub async fn between(db: Db, vault: Arc<Vault>, link: Option<Link>) -> Result<Self, StaffError> {
        let shared = link.map(|link| Shared::new(link, &vault));
        let throttle = |what, burst, every_ms| Throttle::new(what, Rate { burst, every_ms }, shared.clone());
        let inner = Inner {
            db,
            vault,
            passwords: Passwords::new().await?,
            tries: throttle("log-in", limits::LOGIN_TRIES_BURST, limits::LOGIN_TRY_EVERY_MS),
            address_tries: throttle(
                "log-in address",
                limits::LOGIN_ADDRESS_TRIES_BURST,
                limits::LOGIN_ADDRESS_TRY_EVERY_MS,
            ),
            account_tries: throttle(
                "log-in account",
                limits::LOGIN_ACCOUNT_TRIES_BURST,
                limits::LOGIN_ACCOUNT_TRY_EVERY_MS,
            ),
            code_tries: throttle(
                "second factor",
                limits::SECOND_FACTOR_TRIES_BURST,
                limits::SECOND_FACTOR_TRY_EVERY_MS,
            ),
            familiar: DashSet::new(),
            reads: reads::Reads::default(),
            checked: tokio::sync::Mutex::default(),
            shared,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}
