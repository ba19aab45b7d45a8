//! Signing in by WeChat (OP-2).
//!
//! ```text
//!   page asks ──► a row with two secrets: one the browser keeps, one WeChat carries (`state`)
//!   WeChat leads back ──► both fit, once ──► code ──► openid, kept in the row
//!   page finishes ──► the openid's phone is proven? ──► session, as a code would start it
//!                                      └─ not yet ──► a code by SMS proves it, and binds it on the way
//! ```
//!
//! WeChat proves a WeChat user and no phone; a registration is found by its phone. So the phone is proven once by a code.
//! A snapshot page's user is nobody's and is told so (OP-90). While WeChat is down codes sign in as ever, and whoever is
//! signed in notices nothing.

use crate::domain::ids::{OpeningId, OrgId, RowId};
use crate::domain::time::Micros;
use crate::http::outgoing::random_text;
use crate::identity::network;
use crate::limits::{PURGE_ROWS, WECHAT_BIND_S, WECHAT_PROVEN_S, WECHAT_SIGN_IN_S};
use crate::store::{Priority, Tx, execute, fetch_optional};
use crate::telemetry::names;
use crate::vault::{Field, Purpose, Secret};
use crate::wechat::{Errcode, Scope, User, WeChat, WechatError};

use super::code::start_of;
use super::sign_in::candidates;
use super::state::{self, Change};
use super::{BuyerError, Buyers, SignedIn};

use std::net::IpAddr;

/// The way in by one Official Account. Cheap to clone.
#[derive(Clone)]
pub struct WechatSignIn {
    buyers: Buyers,
    wechat: WeChat,
}

/// A sign-in has begun: what the browser keeps, and where it goes.
pub struct Started {
    pub browser: String,
    pub authorize_url: String,
}

/// What WeChat's redirect carries.
#[derive(Debug, Clone, Copy)]
pub struct Returned<'a> {
    pub browser: &'a str,
    pub state: &'a str,
    /// None: the user refused.
    pub code: Option<&'a str>,
}

/// How it came back. The page has the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WechatEnd {
    /// WeChat has said who it is; the page finishes.
    Known,
    Refused,
    /// The code was used, or too late.
    CodeUsed,
    /// WeChat did not answer, or not as it should.
    Down,
    /// Not begun by this browser, or used, or too late.
    StateUnknown,
    /// OP-90: the user sees a snapshot of the page.
    Snapshot,
}

impl WechatEnd {
    pub const fn as_str(self) -> &'static str {
        match self {
            WechatEnd::Known => "WECHAT_KNOWN",
            WechatEnd::Refused => "WECHAT_REFUSED",
            WechatEnd::CodeUsed => "WECHAT_CODE_USED",
            WechatEnd::Down => "WECHAT_DOWN",
            WechatEnd::StateUnknown => "WECHAT_STATE_UNKNOWN",
            WechatEnd::Snapshot => "WECHAT_SNAPSHOT",
        }
    }
}

/// What the page sends once WeChat has led back.
#[derive(Debug, Clone, Copy)]
pub struct Finish<'a> {
    pub opening: &'a OpeningId,
    pub browser: &'a str,
    /// The registration's code, when the phone has several.
    pub registration: Option<&'a str>,
    pub device: &'a str,
}

#[derive(Debug, thiserror::Error)]
pub enum WechatFault {
    #[error("no phone is proven for this WeChat user, or none of this roster")]
    Unbound,
    #[error("this browser has no sign-in by WeChat to finish")]
    Again,
    #[error(transparent)]
    Buyer(#[from] BuyerError),
}

impl WechatFault {
    pub const fn code(&self) -> &'static str {
        match self {
            WechatFault::Unbound => "WECHAT_UNBOUND",
            WechatFault::Again => "WECHAT_AGAIN",
            WechatFault::Buyer(error) => error.code(),
        }
    }
}

/// A sign-in that WeChat has led back from.
#[derive(sqlx::FromRow)]
struct Known {
    id: RowId,
    app_id: String,
    openid_bidx: Vec<u8>,
    openid_sealed: Vec<u8>,
}

impl WechatSignIn {
    pub fn new(buyers: Buyers, wechat: WeChat) -> Self {
        Self { buyers, wechat }
    }

    /// `callback` is where WeChat leads back to.
    pub async fn start(
        &self,
        opening: &OpeningId,
        callback: &str,
        address: IpAddr,
        now: Micros,
    ) -> Result<Started, BuyerError> {
        let inner = &self.buyers.inner;
        let address = network(address).to_string();
        inner.code_requests.attempt(&[address.as_bytes()], now).await.map_err(BuyerError::slow_down)?;
        let _permit = self.buyers.admit()?;
        let (browser, state) = (random_text(), random_text());
        let mut tx = inner.db.begin(Priority::Staff).await?;
        start_of(&mut tx, opening).await?;
        execute!(
            tx,
            "INSERT INTO wechat_sign_in (id, org_id, opening_id, app_id, browser_hash, state_hash, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            RowId::generate(),
            OrgId::default_org(),
            opening,
            self.wechat.app_id(),
            self.buyers.hash(BROWSER, &browser),
            self.buyers.hash(STATE, &state),
            now,
            now.plus(Micros::from_secs(WECHAT_SIGN_IN_S))
        )?;
        tx.commit().await?;
        // Silent: the openid is all that is needed, so nobody is asked for name and picture.
        let authorize_url = self.wechat.authorize_url(callback, Scope::Base, &state);
        Ok(Started { browser, authorize_url })
    }

    pub async fn returned(&self, returned: Returned<'_>, now: Micros) -> Result<WechatEnd, BuyerError> {
        let end = self.end_of(returned, now).await?;
        if end != WechatEnd::Known {
            metrics::counter!(names::SIGN_INS, "outcome" => end.as_str()).increment(1);
        }
        Ok(end)
    }

    async fn end_of(&self, returned: Returned<'_>, now: Micros) -> Result<WechatEnd, BuyerError> {
        let Some(id) = self.use_state(&returned, now).await? else { return Ok(WechatEnd::StateUnknown) };
        let Some(code) = returned.code else { return Ok(WechatEnd::Refused) };
        // No transaction is open meanwhile: WeChat may be slow.
        let user = match self.wechat.user_of_code(code).await {
            Ok(user) => user,
            Err(WechatError::Refused { errcode: Errcode::CodeInvalid, .. } | WechatError::Invalid(_)) => {
                return Ok(WechatEnd::CodeUsed);
            }
            Err(error) => {
                tracing::warn!(%error, "a sign-in by WeChat failed");
                return Ok(WechatEnd::Down);
            }
        };
        if user.is_snapshot {
            return Ok(WechatEnd::Snapshot);
        }
        self.keep_user(&id, &user, now).await?;
        Ok(WechatEnd::Known)
    }

    /// The row of a redirect that this browser asked for, once.
    async fn use_state(&self, returned: &Returned<'_>, now: Micros) -> Result<Option<RowId>, BuyerError> {
        let _permit = self.buyers.admit()?;
        let mut tx = self.buyers.inner.db.begin(Priority::Staff).await?;
        let used = fetch_optional!(
            tx,
            (RowId,),
            "UPDATE wechat_sign_in SET state_hash = NULL
             WHERE browser_hash = $1 AND state_hash = $2 AND expires_at > $3 RETURNING id",
            self.buyers.hash(BROWSER, returned.browser),
            self.buyers.hash(STATE, returned.state),
            now
        )?;
        tx.commit().await?;
        Ok(used.map(|(id,)| id))
    }

    async fn keep_user(&self, id: &RowId, user: &User, now: Micros) -> Result<(), BuyerError> {
        let _permit = self.buyers.admit()?;
        let vault = &self.buyers.inner.vault;
        let bidx = vault.index(Purpose::Openid, &format!("{} {}", self.wechat.app_id(), user.openid));
        let mut tx = self.buyers.inner.db.begin(Priority::Staff).await?;
        execute!(
            tx,
            "UPDATE wechat_sign_in SET openid_bidx = $2, openid_sealed = $3, expires_at = $4 WHERE id = $1",
            id,
            bidx,
            vault.seal(Field::WechatSignInOpenid, id.as_str(), &user.openid)?,
            now.plus(Micros::from_secs(WECHAT_BIND_S))
        )?;
        Ok(tx.commit().await?)
    }

    /// Signs in whoever WeChat has named, if their phone is proven and on the roster.
    pub async fn finish(&self, finish: Finish<'_>, now: Micros) -> Result<SignedIn, WechatFault> {
        let signed_in = self.try_finish(finish, now).await;
        let outcome = signed_in.as_ref().map_or_else(WechatFault::code, |_| "ok");
        metrics::counter!(names::SIGN_INS, "outcome" => outcome).increment(1);
        signed_in
    }

    async fn try_finish(&self, finish: Finish<'_>, now: Micros) -> Result<SignedIn, WechatFault> {
        let buyers = &self.buyers;
        let _permit = buyers.admit()?;
        let opening = finish.opening;
        let mut tx = buyers.inner.db.begin(Priority::Staff).await.map_err(BuyerError::from)?;
        let start_at = start_of(&mut tx, opening).await?;
        let known =
            buyers.take_known(&mut tx, opening, finish.browser, now).await?.ok_or(WechatFault::Again)?;
        let proven = fetch_optional!(
            tx,
            (Vec<u8>,),
            "SELECT phone_bidx FROM wechat_account WHERE app_id = $1 AND openid_bidx = $2 AND proven_at > $3",
            &known.app_id,
            &known.openid_bidx,
            now.since(Micros::from_secs(WECHAT_PROVEN_S))
        )
        .map_err(BuyerError::from)?;
        let (phone_bidx,) = proven.ok_or(WechatFault::Unbound)?;
        let candidates = candidates(&mut tx, opening, &phone_bidx).await?;
        if candidates.is_empty() {
            return Err(WechatFault::Unbound);
        }
        // Dropping the transaction leaves the sign-in to be finished with the choice.
        let registration = buyers.choose(&candidates, finish.registration)?;
        let change = Change::begin(tx, &buyers.inner.vault, opening, registration).await?;
        let device = state::label(finish.device);
        Ok(buyers.start_session(change, opening, registration, &device, start_at, now).await?)
    }
}

/// What a hash is of: the two secrets of a sign-in are not each other.
const BROWSER: &str = "browser";
const STATE: &str = "state";

impl Buyers {
    fn hash(&self, what: &str, secret: &str) -> Vec<u8> {
        self.inner.vault.hash_secret(Secret::WechatSignIn, what, secret.as_bytes())
    }

    /// Takes the sign-in that this browser has to finish: it is gone with the transaction's commit.
    async fn take_known(
        &self,
        tx: &mut Tx,
        opening: &OpeningId,
        browser: &str,
        now: Micros,
    ) -> Result<Option<Known>, BuyerError> {
        Ok(fetch_optional!(
            tx,
            Known,
            "DELETE FROM wechat_sign_in
             WHERE browser_hash = $1 AND opening_id = $2 AND openid_bidx IS NOT NULL AND expires_at > $3
             RETURNING id, app_id, openid_bidx, openid_sealed",
            self.hash(BROWSER, browser),
            opening,
            now
        )?)
    }

    /// In the transaction in which a code has proven the phone. False: this browser has no such sign-in, or no longer.
    pub(super) async fn bind_wechat(
        &self,
        tx: &mut Tx,
        opening: &OpeningId,
        browser: &str,
        phone_bidx: &[u8],
        now: Micros,
    ) -> Result<bool, BuyerError> {
        let Some(known) = self.take_known(tx, opening, browser, now).await? else { return Ok(false) };
        let vault = &self.inner.vault;
        let openid = vault.open_text(Field::WechatSignInOpenid, known.id.as_str(), &known.openid_sealed)?;
        let id = RowId::generate();
        execute!(
            tx,
            "INSERT INTO wechat_account (id, org_id, app_id, openid_bidx, openid_sealed, phone_bidx, proven_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (app_id, openid_bidx) DO UPDATE SET
                 id = excluded.id, openid_sealed = excluded.openid_sealed, phone_bidx = excluded.phone_bidx,
                 proven_at = excluded.proven_at",
            &id,
            OrgId::default_org(),
            &known.app_id,
            &known.openid_bidx,
            vault.seal(Field::WechatOpenid, id.as_str(), &openid)?,
            phone_bidx,
            now
        )?;
        Ok(true)
    }

    /// Forgets sign-ins that nobody can finish any more, a bounded number at a time. Returns how many went.
    pub(crate) async fn purge_wechat_sign_ins(&self, now: Micros) -> Result<u64, BuyerError> {
        let mut tx = self.inner.db.begin(Priority::Bulk).await?;
        let gone = execute!(
            tx,
            "DELETE FROM wechat_sign_in WHERE id IN
                 (SELECT id FROM wechat_sign_in WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            now,
            PURGE_ROWS
        )?;
        tx.commit().await?;
        Ok(gone)
    }
}
