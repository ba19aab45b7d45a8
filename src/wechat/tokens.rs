//! The account's access token and its jsapi ticket: one row each for all gateways.
//!
//! A gateway that needs one reads the row. When little of it is left, the one gateway that gets the lease fetches another;
//! the others go on with the old one while it lasts, and wait for the row to change when it does not. So WeChat is asked
//! once, however many gateways there are: each new token ends the one before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::WeChat;
use super::account::{Account, Secret};
use super::error::{Api, Errcode, WechatError};
use super::wire::Wire;
use crate::domain::ids::{OrgId, RowId};
use crate::domain::time::Micros;
use crate::limits::{
    WECHAT_FORCE_APART_S, WECHAT_LEASE_S, WECHAT_LOOK_PERIOD, WECHAT_RENEW_BEFORE_S, WECHAT_RETRY_AFTER_S,
    WECHAT_TOKEN_BYTES_MAX, WECHAT_TOKEN_S_MAX,
};
use crate::store::{Db, Ledger, Priority, execute, fetch_optional};
use crate::vault::{Field, Vault};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Access,
    Jsapi,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Kind::Access => "access",
            Kind::Jsapi => "jsapi",
        }
    }
}

#[derive(Clone)]
pub(super) struct Tokens(Arc<Inside>);

struct Inside {
    account: Arc<Account>,
    wire: Wire,
    db: Db,
    vault: Arc<Vault>,
    /// This process, in leases.
    holder: String,
    access: OneAtATime,
    jsapi: OneAtATime,
}

/// Callers of this process meet here; only one of them goes for the lease.
#[derive(Default)]
struct OneAtATime {
    turn: tokio::sync::Mutex<()>,
    /// Whoever queued behind a fetch that failed is not to wait for the same again. Held for one look.
    failed_at: Mutex<Option<(Instant, Errcode)>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    value_sealed: Vec<u8>,
    expires_at: Micros,
    forced_at: Option<Micros>,
}

#[derive(Clone)]
struct Stored {
    value: Secret,
    expires_at: Micros,
    forced_at: Option<Micros>,
}

/// What was fetched, for so many seconds.
struct Fetched {
    value: Secret,
    expires_in_s: i64,
    forced: bool,
}

#[derive(Serialize)]
struct Wanted<'a> {
    grant_type: &'static str,
    appid: &'a str,
    secret: &'a str,
    force_refresh: bool,
}

#[derive(Deserialize)]
struct AccessAnswer {
    access_token: String,
    expires_in: i64,
}

#[derive(Deserialize)]
struct TicketAnswer {
    ticket: String,
    expires_in: i64,
}

impl Tokens {
    pub fn new(account: Arc<Account>, wire: Wire, db: Db, vault: Arc<Vault>) -> Self {
        let holder = RowId::generate().to_string();
        let (access, jsapi) = (OneAtATime::default(), OneAtATime::default());
        Self(Arc::new(Inside { account, wire, db, vault, holder, access, jsapi }))
    }

    async fn get(&self, kind: Kind) -> Result<Secret, WechatError> {
        self.unlike(kind, None).await
    }

    /// A token that is not `bad`, which WeChat has just refused.
    async fn unlike(&self, kind: Kind, bad: Option<&Secret>) -> Result<Secret, WechatError> {
        let stored = self.stored(kind).await?;
        let now = self.0.db.now().await?;
        if let Some(stored) = stored.filter(|stored| lasts(stored, bad, now, WECHAT_RENEW_BEFORE_S)) {
            return Ok(stored.value);
        }
        let one = match kind {
            Kind::Access => &self.0.access,
            Kind::Jsapi => &self.0.jsapi,
        };
        let _turn = one.turn.lock().await;
        self.fetch_or_wait(kind, bad, one).await
    }

    async fn fetch_or_wait(
        &self,
        kind: Kind,
        bad: Option<&Secret>,
        one: &OneAtATime,
    ) -> Result<Secret, WechatError> {
        let lease = Micros::from_secs(WECHAT_LEASE_S);
        let name = self.lease(kind);
        let patience = Instant::now() + Duration::from_secs(WECHAT_LEASE_S.unsigned_abs());
        loop {
            let (stored, now) = (self.stored(kind).await?, self.0.db.now().await?);
            if let Some(stored) =
                stored.as_ref().filter(|stored| lasts(stored, bad, now, WECHAT_RENEW_BEFORE_S))
            {
                return Ok(stored.value.clone());
            }
            // Good for this call at least.
            let spare = stored.filter(|stored| lasts(stored, bad, now, WECHAT_RETRY_AFTER_S));
            if let Some(errcode) = one.failed_lately() {
                return spare.map(|stored| stored.value).ok_or(Self::failed(kind, errcode));
            }
            if Ledger::Db(self.0.db.clone()).take_lease(&name, &self.0.holder, lease).await? {
                let fetched = self.renew(kind, bad).await;
                if let Err(error) = &fetched {
                    one.note_failure(error);
                    self.hold_off(&name).await?;
                    tracing::warn!(%error, kind = kind.as_str(), "WeChat gave no token");
                    if let Some(spare) = spare {
                        return Ok(spare.value);
                    }
                }
                return fetched;
            }
            if let Some(spare) = spare {
                return Ok(spare.value);
            }
            if Instant::now() >= patience {
                return Err(WechatError::Waited);
            }
            sleep(WECHAT_LOOK_PERIOD).await;
        }
    }

    fn failed(kind: Kind, errcode: Errcode) -> WechatError {
        let api = match kind {
            Kind::Access => Api::StableToken,
            Kind::Jsapi => Api::Ticket,
        };
        WechatError::Refused { api, errcode }
    }

    /// Holding the lease: whoever held it before may have done it already.
    async fn renew(&self, kind: Kind, bad: Option<&Secret>) -> Result<Secret, WechatError> {
        let (stored, now) = (self.stored(kind).await?, self.0.db.now().await?);
        if let Some(stored) = stored.as_ref().filter(|stored| lasts(stored, bad, now, WECHAT_RENEW_BEFORE_S))
        {
            self.release(kind).await?;
            return Ok(stored.value.clone());
        }
        let forced_at = stored.and_then(|stored| stored.forced_at);
        let fetched = match kind {
            Kind::Access => self.fetch_access(bad, forced_at, now).await?,
            Kind::Jsapi => self.fetch_ticket().await?,
        };
        let value = fetched.value.clone();
        self.store(kind, fetched, forced_at, now).await?;
        Ok(value)
    }

    async fn fetch_access(
        &self,
        bad: Option<&Secret>,
        forced_at: Option<Micros>,
        now: Micros,
    ) -> Result<Fetched, WechatError> {
        let fetched = self.ask_for_access(false).await?;
        if Some(&fetched.value) != bad {
            return Ok(fetched);
        }
        // WeChat names the token that it refuses: only force helps, and that is rationed.
        let apart = Micros::from_secs(WECHAT_FORCE_APART_S);
        if forced_at.is_some_and(|at| at.plus(apart) > now) {
            return Err(Self::failed(Kind::Access, Errcode::TooOften));
        }
        self.ask_for_access(true).await
    }

    async fn ask_for_access(&self, force_refresh: bool) -> Result<Fetched, WechatError> {
        let wanted = Wanted {
            grant_type: "client_credential",
            appid: &self.0.account.app_id,
            secret: self.0.account.secret.expose(),
            force_refresh,
        };
        let answer: AccessAnswer = self.0.wire.post(Api::StableToken, &[], &wanted).await?;
        fetched(Api::StableToken, answer.access_token, answer.expires_in, force_refresh)
    }

    async fn fetch_ticket(&self) -> Result<Fetched, WechatError> {
        let answer: TicketAnswer = self.call(Api::Ticket, &[("type", "jsapi")], None).await?;
        fetched(Api::Ticket, answer.ticket, answer.expires_in, false)
    }

    /// Makes a call with the access token, a POST if there is a body; once more with another token, if WeChat refused this
    /// one.
    async fn call<T: DeserializeOwned>(
        &self,
        api: Api,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, WechatError> {
        // Boxed: a ticket's fetch asks for an access token.
        let token = Box::pin(self.get(Kind::Access)).await?;
        match self.call_with(&token, api, query, body).await {
            Err(WechatError::Refused { errcode, .. }) if errcode.is_about_token() => {
                let other = Box::pin(self.unlike(Kind::Access, Some(&token))).await?;
                self.call_with(&other, api, query, body).await
            }
            answered => answered,
        }
    }

    async fn call_with<T: DeserializeOwned>(
        &self,
        token: &Secret,
        api: Api,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, WechatError> {
        let mut query = query.to_vec();
        query.push(("access_token", token.expose()));
        match body {
            Some(body) => self.0.wire.post(api, &query, body).await,
            None => self.0.wire.get(api, &query).await,
        }
    }

    async fn stored(&self, kind: Kind) -> Result<Option<Stored>, WechatError> {
        let mut read = self.0.db.read().await?;
        let row = fetch_optional!(
            read,
            Row,
            "SELECT value_sealed, expires_at, forced_at FROM wechat_token WHERE app_id = $1 AND kind = $2",
            &self.0.account.app_id,
            kind.as_str()
        )?;
        let Some(Row { value_sealed, expires_at, forced_at }) = row else { return Ok(None) };
        let value = self.0.vault.open_text(Field::WechatToken, &self.row_id(kind), &value_sealed)?;
        Ok(Some(Stored { value: Secret::new(value), expires_at, forced_at }))
    }

    /// In one transaction with the end of the lease: whoever takes it next sees the token.
    async fn store(
        &self,
        kind: Kind,
        fetched: Fetched,
        forced_at: Option<Micros>,
        now: Micros,
    ) -> Result<(), WechatError> {
        let sealed = self.0.vault.seal(Field::WechatToken, &self.row_id(kind), fetched.value.expose())?;
        let forced_at = if fetched.forced { Some(now) } else { forced_at };
        let mut tx = self.0.db.begin(Priority::Staff).await?;
        execute!(
            tx,
            "INSERT INTO wechat_token (app_id, kind, org_id, value_sealed, fetched_at, expires_at, forced_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (app_id, kind) DO UPDATE SET value_sealed = excluded.value_sealed,
                 fetched_at = excluded.fetched_at, expires_at = excluded.expires_at, forced_at = excluded.forced_at",
            &self.0.account.app_id,
            kind.as_str(),
            OrgId::default_org(),
            sealed,
            now,
            now.plus(Micros::from_secs(fetched.expires_in_s)),
            forced_at
        )?;
        execute!(tx, "DELETE FROM lease WHERE name = $1 AND holder = $2", self.lease(kind), &self.0.holder)?;
        Ok(tx.commit().await?)
    }

    async fn release(&self, kind: Kind) -> Result<(), WechatError> {
        let mut tx = self.0.db.begin(Priority::Staff).await?;
        execute!(tx, "DELETE FROM lease WHERE name = $1 AND holder = $2", self.lease(kind), &self.0.holder)?;
        Ok(tx.commit().await?)
    }

    /// After a failure nobody tries again for a moment, here or elsewhere.
    async fn hold_off(&self, name: &str) -> Result<(), WechatError> {
        let mut tx = self.0.db.begin(Priority::Staff).await?;
        let until = tx.now().await?.plus(Micros::from_secs(WECHAT_RETRY_AFTER_S));
        execute!(
            tx,
            "UPDATE lease SET expires_at = $3 WHERE name = $1 AND holder = $2",
            name,
            &self.0.holder,
            until
        )?;
        Ok(tx.commit().await?)
    }

    fn lease(&self, kind: Kind) -> String {
        format!("wechat/{}", self.row_id(kind))
    }

    fn row_id(&self, kind: Kind) -> String {
        format!("{}/{}", self.0.account.app_id, kind.as_str())
    }
}

impl OneAtATime {
    fn failed_lately(&self) -> Option<Errcode> {
        let failed = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = Duration::from_secs(WECHAT_RETRY_AFTER_S.unsigned_abs());
        failed.filter(|(at, _)| at.elapsed() < lately).map(|(_, errcode)| errcode)
    }

    fn note_failure(&self, error: &WechatError) {
        let failed = (Instant::now(), error.errcode().unwrap_or(Errcode::Busy));
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
    }
}

/// Whether it can be used, and will be for so many seconds.
fn lasts(stored: &Stored, bad: Option<&Secret>, now: Micros, seconds: i64) -> bool {
    Some(&stored.value) != bad && stored.expires_at > now.plus(Micros::from_secs(seconds))
}

fn fetched(api: Api, value: String, expires_in_s: i64, forced: bool) -> Result<Fetched, WechatError> {
    if value.is_empty() || value.len() > WECHAT_TOKEN_BYTES_MAX {
        return Err(WechatError::Malformed { api, what: "the token is empty or too long" });
    }
    // A token said to last for years would never be fetched again.
    let expires_in_s = expires_in_s.clamp(0, WECHAT_TOKEN_S_MAX);
    Ok(Fetched { value: Secret::new(value), expires_in_s, forced })
}

impl WeChat {
    #[cfg(test)]
    pub(super) async fn access_token(&self) -> Result<Secret, WechatError> {
        self.tokens.get(Kind::Access).await
    }

    pub(super) async fn jsapi_ticket(&self) -> Result<Secret, WechatError> {
        self.tokens.get(Kind::Jsapi).await
    }

    /// A POST with the access token.
    pub(super) async fn post<T: DeserializeOwned>(&self, api: Api, body: &Value) -> Result<T, WechatError> {
        self.tokens.call(api, &[], Some(body)).await
    }
}
