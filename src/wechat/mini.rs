//! The Mini Program: its sign-in, and the phone number that a user gives it. Its app id and secret are its own, so it is a
//! [`WeChat`] of its own.

use serde::Deserialize;
use serde_json::json;

use super::WeChat;
use super::account::Secret;
use super::error::{Api, WechatError};
use super::oauth::{checked_openid, plausible};

/// Who opened the Mini Program. `session_key` never leaves the server.
#[derive(Clone, PartialEq, Eq)]
pub struct MiniSession {
    pub openid: String,
    pub unionid: Option<String>,
    pub session_key: Secret,
}

/// As WeChat keeps it; without the country's prefix.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber {
    pub number: String,
    pub country_code: String,
}

#[derive(Deserialize)]
struct SessionAnswer {
    openid: String,
    unionid: Option<String>,
    session_key: String,
}

#[derive(Deserialize)]
struct PhoneAnswer {
    phone_info: PhoneInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PhoneInfo {
    pure_phone_number: String,
    country_code: String,
}

impl WeChat {
    pub async fn mini_session(&self, js_code: &str) -> Result<MiniSession, WechatError> {
        plausible(js_code)?;
        let query = [
            ("appid", self.account.app_id.as_str()),
            ("secret", self.account.secret.expose()),
            ("js_code", js_code),
            ("grant_type", "authorization_code"),
        ];
        let answer: SessionAnswer = self.wire.get(Api::CodeToSession, &query).await?;
        Ok(MiniSession {
            openid: checked_openid(Api::CodeToSession, answer.openid)?,
            unionid: answer.unionid,
            session_key: Secret::new(answer.session_key),
        })
    }

    /// The code is that of the button, not of the sign-in.
    pub async fn phone_number(&self, code: &str) -> Result<PhoneNumber, WechatError> {
        plausible(code)?;
        let body = json!({ "code": code });
        let PhoneAnswer { phone_info } = self.post(Api::PhoneNumber, &body).await?;
        Ok(PhoneNumber { number: phone_info.pure_phone_number, country_code: phone_info.country_code })
    }
}
