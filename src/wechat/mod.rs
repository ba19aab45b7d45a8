//! WeChat as its documents say it is: OAuth, the account's tokens, the JS-SDK, scene codes, messages, the Mini Program.
//!
//! ```text
//!   oauth ──────────────────► wire ──► api.weixin.qq.com          (appid and secret)
//!   scenes, messages, mini ─► wire                                (access token)
//!            ▲                                 ┌── row in the database, sealed; one lease, so that
//!            └──────────── tokens ◄────────────┘   one gateway at a time fetches a new one
//!   jssdk ◄── tokens (ticket)        envelope: what WeChat itself sends, checked and opened
//! ```
//!
//! The secret, the tokens and the codes stand in no error, no log line and no `Debug`: an error here is made of closed
//! words and numbers, never of a URL or of text that came from outside.
//!
//! What this module must not know: openings, buyers, what a message is about.

mod account;
mod envelope;
mod error;
mod jssdk;
mod messages;
mod mini;
mod oauth;
mod scenes;
#[cfg(test)]
mod tests;
mod tokens;
mod wire;

pub use account::{Account, Secret, Urls};
pub use envelope::{Envelope, EnvelopeError, Sealed};
pub use error::{Api, Errcode, WechatError};
pub use jssdk::{Share, signature};
pub use messages::{Subscription, Template, Word};
pub use mini::{MiniSession, PhoneNumber};
pub use oauth::{Scope, User};
pub use scenes::{Scene, SceneCode};

use std::sync::Arc;

use crate::store::Db;
use crate::vault::Vault;

use tokens::Tokens;
use wire::Wire;

/// One account of WeChat's. Cheap to clone. Its methods wait for the network and the database: call them on the background
/// runtime, never on a loop that serves sockets.
#[derive(Clone)]
pub struct WeChat {
    account: Arc<Account>,
    wire: Wire,
    tokens: Tokens,
}

impl WeChat {
    pub fn new(account: Account, db: Db, vault: Arc<Vault>) -> Result<Self, WechatError> {
        let account = Arc::new(account);
        let wire = Wire::new(&account)?;
        let tokens = Tokens::new(Arc::clone(&account), wire.clone(), db, vault);
        Ok(Self { account, wire, tokens })
    }

    pub fn app_id(&self) -> &str {
        &self.account.app_id
    }
}

impl std::fmt::Debug for WeChat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeChat").field("app_id", &self.account.app_id).finish_non_exhaustive()
    }
}
