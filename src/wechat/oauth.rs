//! Who is it? A code from the browser becomes an openid.

use serde::Deserialize;

use super::WeChat;
use super::error::{Api, WechatError};

const CODE_BYTES_MAX: usize = 512;
const OPENID_BYTES_MAX: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Silent: the openid, nothing else.
    Base,
    /// Asks the user; with the unionid.
    UserInfo,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Scope::Base => "snsapi_base",
            Scope::UserInfo => "snsapi_userinfo",
        }
    }
}

/// A WeChat user, as this account sees them.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub openid: String,
    pub unionid: Option<String>,
    /// The virtual account of a snapshot page: nobody's, and another one each time.
    pub is_snapshot: bool,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("is_snapshot", &self.is_snapshot).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Answer {
    openid: String,
    unionid: Option<String>,
    #[serde(default)]
    is_snapshotuser: i64,
}

impl WeChat {
    /// Where a browser is sent. WeChat compares the address with a pattern: names, their order and the fragment must be
    /// exactly these.
    pub fn authorize_url(&self, redirect_uri: &str, scope: Scope, state: &str) -> String {
        let escaped = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        format!(
            "{}/connect/oauth2/authorize?appid={}&redirect_uri={}&response_type=code&scope={}&state={}#wechat_redirect",
            self.account.urls.open,
            escaped(&self.account.app_id),
            escaped(redirect_uri),
            scope.as_str(),
            escaped(state)
        )
    }

    /// A code is good once and for five minutes. What else WeChat gives for it, tokens of the user's, is not kept.
    pub async fn user_of_code(&self, code: &str) -> Result<User, WechatError> {
        plausible(code)?;
        let query = [
            ("appid", self.account.app_id.as_str()),
            ("secret", self.account.secret.expose()),
            ("code", code),
            ("grant_type", "authorization_code"),
        ];
        let answer: Answer = self.wire.get(Api::OauthToken, &query).await?;
        let openid = checked_openid(Api::OauthToken, answer.openid)?;
        Ok(User { openid, unionid: answer.unionid, is_snapshot: answer.is_snapshotuser != 0 })
    }
}

/// What comes from a browser is not sent on unseen.
pub(super) fn plausible(code: &str) -> Result<(), WechatError> {
    let plain = |byte: u8| byte.is_ascii_graphic();
    if code.is_empty() || code.len() > CODE_BYTES_MAX || !code.bytes().all(plain) {
        return Err(WechatError::Invalid("the code"));
    }
    Ok(())
}

pub(super) fn checked_openid(api: Api, openid: String) -> Result<String, WechatError> {
    if openid.is_empty() || openid.len() > OPENID_BYTES_MAX {
        return Err(WechatError::Malformed { api, what: "the openid is empty or too long" });
    }
    Ok(openid)
}
