//! WeChat as an Official Account and its Mini Program meet it. One address plays `open.weixin.qq.com`, `api.weixin.qq.com`
//! and `mp.weixin.qq.com`; their paths do not meet.
//!
//! ```text
//!   authorize ── a person chooses or is known ──► code ──► oauth ──► openid
//!   tokens ────► access token, jsapi ticket                 cast ──► who the people are
//!   scenes, messages, mini ── with an access token
//! ```

mod answer;
mod authorize;
mod cast;
mod messages;
mod mini;
mod oauth;
mod params;
mod scenes;
#[cfg(test)]
mod tests;
mod tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::routing::{get, post};

use crate::desk::Desk;

pub use answer::refusal;
pub use cast::{People, Person, known, people};

/// The account that is played.
#[derive(Debug, Clone)]
pub struct Settings {
    pub app_id: String,
    pub secret: String,
    /// Hosts to which sign-in may lead back; empty: any.
    pub domains: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { app_id: known::APP_ID.to_owned(), secret: known::SECRET.to_owned(), domains: Vec::new() }
    }
}

#[derive(Clone)]
pub struct WeChat(Arc<Inside>);

struct Inside {
    settings: Settings,
    desk: Desk,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    oauth: oauth::Grants,
    tokens: tokens::Tokens,
    scenes: scenes::Scenes,
    messages: messages::Messages,
    mini: mini::Codes,
}

impl WeChat {
    pub fn new(settings: &Settings, desk: Desk) -> Self {
        Self(Arc::new(Inside { settings: settings.clone(), desk, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn now_ms(&self) -> i64 {
        self.0.desk.now_ms()
    }
}

/// What the world sees.
pub fn router(wechat: WeChat) -> Router {
    Router::new()
        .route("/", get(authorize::who).post(authorize::change))
        .route("/connect/oauth2/authorize", get(authorize::ask).post(authorize::decide))
        .route("/sns/oauth2/access_token", get(oauth::access_token))
        .route("/sns/oauth2/refresh_token", get(oauth::refresh_token))
        .route("/sns/userinfo", get(oauth::userinfo))
        .route("/sns/jscode2session", get(mini::code_to_session))
        .route("/wxa/business/getuserphonenumber", post(mini::phone_number))
        .route("/cgi-bin/stable_token", post(tokens::stable_token))
        .route("/cgi-bin/ticket/getticket", get(tokens::ticket))
        .route("/cgi-bin/qrcode/create", post(scenes::create))
        .route("/cgi-bin/showqrcode", get(scenes::show))
        .route("/cgi-bin/message/template/send", post(messages::template))
        .route("/cgi-bin/message/subscribe/bizsend", post(messages::subscription))
        .with_state(wechat)
}

/// What only a test does: what people do in WeChat itself, and what ends tokens early.
pub fn control(wechat: WeChat) -> Router {
    Router::new()
        .route("/_fake/wechat/people", get(cast::list))
        .route("/_fake/wechat/js-codes", post(mini::new_js_code))
        .route("/_fake/wechat/phone-codes", post(mini::new_phone_code))
        .route("/_fake/wechat/subscriptions", post(messages::subscribe))
        .route("/_fake/wechat/sent", get(messages::sent))
        .route("/_fake/wechat/tokens/end", post(tokens::end))
        .with_state(wechat)
}

/// Letters and digits, as codes and tokens look.
fn random(length: usize) -> String {
    use rand::RngExt;
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(length).map(char::from).collect()
}
