//! Who sends: one closed enum, and one call that is answered, refused, or never heard of again.
//!
//! ```text
//!   aliyun ─────── acs3 ─┐
//!   tencent_cloud ─ tc3 ─┼─► wire ──► the provider
//!   http_gateway ────────┘
//! ```
//!
//! No error here holds a URL, a text of the provider's own or anything else that could name a phone, a code or a secret:
//! a [`Reason`], and the provider's code where it has the form of one.

mod acs3;
mod aliyun;
mod hash;
mod http_gateway;
mod tc3;
mod tencent_cloud;
#[cfg(test)]
mod tests;
mod wire;

use crate::config::{SmsAt, SmsWord};
use crate::domain::phone::Phone;
use crate::domain::time::Micros;
use crate::limits::SMS_DETAIL_CHARS_MAX;

use super::message::Message;
use super::state::Reason;
use aliyun::Aliyun;
use http_gateway::HttpGateway;
use tencent_cloud::TencentCloud;
use wire::{Address, Wire};

/// How messages leave. A closed enum: another provider becomes another value here, not a trait.
#[derive(Default)]
pub enum Sender {
    /// They don't leave; staff with the right `outbox` read them in the console.
    #[default]
    Outbox,
    Aliyun(Aliyun),
    TencentCloud(TencentCloud),
    HttpGateway(HttpGateway),
}

/// One message, as a provider is told it.
pub(super) struct Sms<'a> {
    pub phone: &'a Phone,
    pub message: &'a Message,
    pub minutes: String,
    /// By this machine's clock, which signatures go by.
    pub now: Micros,
}

impl Sms<'_> {
    fn word(&self, word: SmsWord) -> &str {
        match word {
            SmsWord::Code => self.message.code().unwrap_or_default(),
            SmsWord::Minutes => &self.minutes,
        }
    }
}

/// Why it was not taken, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub reason: Reason,
    /// The provider's own code, or the HTTP status.
    pub detail: Option<String>,
    /// Certainly not sent, and likely to be taken later.
    pub again: bool,
}

impl Failure {
    fn of(reason: Reason, detail: &str) -> Self {
        // A code has this form; what has another is somebody's text.
        let is_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ');
        let fits = !detail.is_empty() && detail.len() <= SMS_DETAIL_CHARS_MAX && detail.chars().all(is_code);
        Self { reason, detail: fits.then(|| detail.to_owned()), again: false }
    }

    fn safe(self) -> Self {
        Self { again: true, ..self }
    }

    /// The settings were checked, so this is a mistake of ours.
    fn unsendable() -> Self {
        Self::of(Reason::Refused, "NOT_SENDABLE")
    }
}

impl Sender {
    pub fn new(at: &SmsAt) -> Result<Self, rustls::Error> {
        Ok(match at {
            SmsAt::Outbox => Self::Outbox,
            SmsAt::Aliyun(cloud) => Self::Aliyun(Aliyun {
                wire: Wire::new()?,
                cloud: cloud.clone(),
                address: Address::new(&cloud.base_url),
            }),
            SmsAt::TencentCloud { cloud, app_id, region } => Self::TencentCloud(TencentCloud {
                wire: Wire::new()?,
                cloud: cloud.clone(),
                app_id: app_id.clone(),
                region: region.clone(),
                address: Address::new(&cloud.base_url),
            }),
            SmsAt::HttpGateway(gateway) => {
                Self::HttpGateway(HttpGateway { wire: Wire::new()?, gateway: gateway.as_ref().clone() })
            }
        })
    }

    /// Whether messages leave at all.
    pub(super) fn sends(&self) -> bool {
        !matches!(self, Self::Outbox)
    }

    pub(super) async fn send(&self, sms: &Sms<'_>) -> Result<(), Failure> {
        match self {
            Self::Outbox => Err(Failure::unsendable()),
            Self::Aliyun(aliyun) => aliyun.send(sms).await,
            Self::TencentCloud(tencent_cloud) => tencent_cloud.send(sms).await,
            Self::HttpGateway(gateway) => gateway.send(sms).await,
        }
    }
}
