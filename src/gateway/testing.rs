//! A gateway without a door, for the tests of this layer.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::core::{Gateway, Parts};
use crate::domain::time::Clock;
use crate::http::health::Readiness;
use crate::http::token::TokenKey;
use crate::http::{Backend, Drain};
use crate::identity::buyers::{BuyerRates, Buyers};
use crate::messaging::{Outbox, Sender};
use crate::opening::Openings;
use crate::store::Db;
use crate::vault::{Keyring, Vault};

/// Ready, on this runtime, and with no opening yet.
pub(super) async fn gateway(db: &Db) -> Arc<Gateway> {
    let vault = Arc::new(Vault::from_keyring(&Keyring::generate().unwrap()).unwrap());
    let outbox = Outbox::new(db.clone(), vault.clone(), Sender::Outbox);
    let clock = Clock::system();
    let readiness = Readiness::default();
    readiness.ready();
    Gateway::new(Parts {
        openings: Openings::new(db.clone(), vault.clone(), clock.clone()),
        db: db.clone(),
        buyers: Buyers::open(db.clone(), vault, outbox, BuyerRates::default()).await.unwrap(),
        wechat: None,
        public_origins: Vec::new(),
        backend: Backend::new(Handle::current()),
        clock,
        token_key: TokenKey::new([7; 32]),
        secure_cookies: false,
        drain: Drain::default(),
        readiness,
    })
}
