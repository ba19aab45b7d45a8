//! Buyers' sign-in, sessions and devices.
//!
//! ```text
//!   phone ──► code (sealed message)      code ──► session ──► picks, or views
//!                                                    │
//!   database: sign_in_code, buyer_session, picking_device      memory: Devices, read by every pick
//! ```
//!
//! From outside nobody learns which phones are on the roster: an unknown phone costs the same rows and gets the same
//! answers, only its code is told to nobody. Wrong codes slow the device and address that tried them; the phone's owner
//! can always ask for another.
//!
//! What this module must not know: openings' rules, picks, HTTP, the format of tokens.

mod code;
mod device;
mod devices;
mod follow;
mod sign_in;
mod simulated;
mod state;
#[cfg(test)]
mod tests;
mod wechat;

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::cluster::Link;
use crate::domain::ids::{OpeningId, RegOrd, SessionId};
use crate::domain::time::Micros;
use crate::limits;
use crate::messaging::{MessagingError, Outbox};
use crate::store::{Db, StoreError};
use crate::vault::{Vault, VaultError};

use super::staff::StaffError;
use super::throttle::{Rate, Shared, Throttle};

pub use code::CodeRequested;
pub use devices::{DeviceEvent, DeviceRequest, DeviceRole, DeviceView, Devices};
pub use sign_in::{Choice, SignInAttempt, SignedIn};
pub use simulated::SimulatedSession;
pub use wechat::{Finish, Returned, Started, WechatEnd, WechatFault, WechatSignIn};

/// Who a verified token speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BuyerSession {
    pub opening: OpeningId,
    pub registration: RegOrd,
    pub session: SessionId,
    pub generation: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum BuyerError {
    #[error("not a mainland mobile number")]
    PhoneInvalid,
    #[error("too many tries; the next in {retry_after_ms} ms")]
    SlowDown { retry_after_ms: i64 },
    #[error("the code is wrong")]
    CodeWrong { attempts_left: i64 },
    #[error("there is no code that could be right: ask for one")]
    CodeVoid,
    #[error("several registrations have this phone")]
    ChooseRegistration { choices: Vec<Choice> },
    #[error("the session has ended")]
    SessionEnded,
    #[error("another device picks")]
    ViewerDevice,
    #[error("that device does not ask to pick, or no longer")]
    RequestGone,
    #[error("no published opening has this id")]
    OpeningUnknown,
    #[error("no registration has this code")]
    RegistrationUnknown,
    #[error("the opening is not a rehearsal with simulated buyers")]
    NotARehearsal,
    #[error("a reason is required, of at most {max} characters")]
    ReasonInvalid { max: usize },
    #[error("a stored row does not read back")]
    Corrupt,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    #[error(transparent)]
    Staff(#[from] StaffError),
}

impl BuyerError {
    pub const fn code(&self) -> &'static str {
        match self {
            BuyerError::PhoneInvalid => "PHONE_INVALID",
            BuyerError::SlowDown { .. } => "SLOW_DOWN",
            BuyerError::CodeWrong { .. } => "CODE_WRONG",
            BuyerError::CodeVoid => "CODE_VOID",
            BuyerError::ChooseRegistration { .. } => "CHOOSE_REGISTRATION",
            BuyerError::SessionEnded => "SESSION_ENDED",
            BuyerError::ViewerDevice => "VIEWER_DEVICE",
            BuyerError::RequestGone => "DEVICE_REQUEST_GONE",
            BuyerError::OpeningUnknown => "OPENING_UNKNOWN",
            BuyerError::RegistrationUnknown => "REGISTRATION_UNKNOWN",
            BuyerError::NotARehearsal => "NOT_A_REHEARSAL",
            BuyerError::ReasonInvalid { .. } => "REASON_INVALID",
            BuyerError::Corrupt | BuyerError::Store(_) | BuyerError::Vault(_) | BuyerError::Messaging(_) => {
                "INTERNAL"
            }
            BuyerError::Staff(error) => error.code(),
        }
    }

    fn slow_down(wait: Micros) -> Self {
        // Rounded up: whoever comes back after exactly this long must not be early.
        Self::SlowDown { retry_after_ms: wait.plus(Micros(999)).ms().max(1) }
    }
}

/// How often buyers may try. The defaults fit real openings; a crowd that comes from one machine (the demo, a load
/// test) asks for more codes than one address should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuyerRates {
    /// Requests for codes from one address.
    pub code_requests: Rate,
    /// Wrong codes for one phone from one device and address.
    pub code_tries: Rate,
    /// Wrong codes from one address.
    pub address_tries: Rate,
}

impl Default for BuyerRates {
    fn default() -> Self {
        Self {
            code_requests: Rate {
                burst: limits::CODE_REQUESTS_BURST,
                every_ms: limits::CODE_REQUEST_EVERY_MS,
            },
            code_tries: Rate { burst: limits::CODE_TRIES_BURST, every_ms: limits::CODE_TRY_EVERY_MS },
            address_tries: Rate {
                burst: limits::ADDRESS_TRIES_BURST,
                every_ms: limits::ADDRESS_TRY_EVERY_MS,
            },
        }
    }
}

/// Sign-in, sessions and devices of buyers. Cheap to clone. Its methods wait for the database: call them on the
/// background runtime, never on a loop that serves sockets; [`Buyers::devices`] is what those loops read.
#[derive(Clone)]
pub struct Buyers {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    vault: Arc<Vault>,
    outbox: Outbox,
    devices: Devices,
    code_requests: Throttle,
    code_tries: Throttle,
    address_tries: Throttle,
    /// Bounds what waits for the database on behalf of people nobody knows yet.
    in_flight: Semaphore,
    /// Sessions used since "last seen" was last written.
    seen: DashMap<SessionId, Micros>,
}

impl Buyers {
    /// Loads who is signed in, so that a restart neither signs anybody out nor changes who picks.
    pub async fn open(
        db: Db,
        vault: Arc<Vault>,
        outbox: Outbox,
        rates: BuyerRates,
    ) -> Result<Self, BuyerError> {
        Self::between(db, vault, outbox, rates, None).await
    }

    /// One of several gateways: tries are counted in this Redis as well.
    pub async fn between(
        db: Db,
        vault: Arc<Vault>,
        outbox: Outbox,
        rates: BuyerRates,
        link: Option<Link>,
    ) -> Result<Self, BuyerError> {
        let shared = link.map(|link| Shared::new(link, &vault));
        let throttle = |what, rate| Throttle::new(what, rate, shared.clone());
        let inner = Inner {
            db,
            outbox,
            devices: Devices::new(),
            code_requests: throttle("codes address", rates.code_requests),
            code_tries: throttle("code", rates.code_tries),
            address_tries: throttle("code address", rates.address_tries),
            vault,
            in_flight: Semaphore::new(limits::SIGN_IN_IN_FLIGHT),
            seen: DashMap::new(),
        };
        let buyers = Self { inner: Arc::new(inner) };
        buyers.catch_up().await?;
        Ok(buyers)
    }

    pub fn devices(&self) -> &Devices {
        &self.inner.devices
    }

    fn admit(&self) -> Result<SemaphorePermit<'_>, BuyerError> {
        self.inner
            .in_flight
            .try_acquire()
            .map_err(|_| BuyerError::SlowDown { retry_after_ms: limits::BUSY_RETRY_MS })
    }
}
