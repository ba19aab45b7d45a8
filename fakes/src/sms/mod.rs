//! Providers of SMS. Each has a path of its own, so that one address plays them all: a client's base URL ends with it.
//!
//! A fake here checks the signature over what it was sent, byte for byte, by code of its own; then every parameter; and keeps
//! what it took, so that a test can read the code that a phone would show.

mod aliyun;
mod check;
mod gateway;
mod tencent;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde::Serialize;

use crate::desk::Desk;

/// The account that is played, the same with every provider.
pub mod known {
    pub const ACCESS_KEY_ID: &str = "LTAIfa4e5c0ffee0000001";
    pub const SECRET: &str = "fa4e5c0ffee0-the-secret-of-a-fake";
    pub const SIGN_NAME: &str = "开盘测试";
    /// Takes `code`.
    pub const TEMPLATE: &str = "SMS_100000001";
    /// Takes `code` and `minutes`, in this order.
    pub const TEMPLATE_OF_TWO: &str = "SMS_100000002";
    pub const APP_ID: &str = "1400006666";

    pub const ALIYUN: &str = "/sms/aliyun";
    pub const TENCENT_CLOUD: &str = "/sms/tencent-cloud";
    pub const GATEWAY: &str = "/sms/gateway";
}

/// Nonces that are remembered, and messages.
const KEPT: usize = 10_000;

/// A message that was taken.
#[derive(Debug, Clone, Serialize)]
pub struct Taken {
    pub provider: &'static str,
    pub phone: String,
    /// What the template was given, in its order, or the whole text.
    pub params: Vec<String>,
}

#[derive(Default)]
struct Book {
    taken: VecDeque<Taken>,
    nonces: HashSet<String>,
}

#[derive(Clone)]
pub struct Sms {
    desk: Desk,
    book: Arc<Mutex<Book>>,
}

impl Sms {
    pub fn new(desk: Desk) -> Self {
        Self { desk, book: Arc::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_s(&self) -> i64 {
        self.desk.now_ms() / 1_000
    }

    fn take(&self, provider: &'static str, phone: String, params: Vec<String>) {
        let mut book = self.book();
        if book.taken.len() == KEPT {
            book.taken.pop_front();
        }
        book.taken.push_back(Taken { provider, phone, params });
    }

    /// False: it was used before.
    fn is_new(&self, nonce: &str) -> bool {
        let mut book = self.book();
        if book.nonces.len() >= KEPT {
            book.nonces.clear();
        }
        book.nonces.insert(nonce.to_owned())
    }
}

/// What the template of this id takes.
fn template(id: &str) -> Option<&'static [&'static str]> {
    match id {
        known::TEMPLATE => Some(&["code"]),
        known::TEMPLATE_OF_TWO => Some(&["code", "minutes"]),
        _ => None,
    }
}

/// Eleven digits of a mainland mobile.
fn is_mobile(phone: &str) -> bool {
    phone.len() == 11 && phone.starts_with('1') && phone.bytes().all(|byte| byte.is_ascii_digit())
}

/// What the world sees.
pub fn router(sms: Sms) -> Router {
    Router::new()
        .route(known::ALIYUN, post(aliyun::send))
        .route(known::TENCENT_CLOUD, post(tencent::send))
        .route(known::GATEWAY, any(gateway::send))
        .with_state(sms)
}

/// What only a test does: reads what arrived at the phones.
pub fn control(sms: Sms) -> Router {
    Router::new().route("/_fake/sms/taken", get(taken)).with_state(sms)
}

async fn taken(State(sms): State<Sms>) -> Json<Vec<Taken>> {
    Json(sms.book().taken.iter().cloned().collect())
}

/// A provider's refusal of this code, as it answers it.
pub fn refusal(path: &str, code: &str) -> Response {
    match path {
        known::ALIYUN => aliyun::refusal(code),
        known::TENCENT_CLOUD => tencent::refusal(code),
        _ => gateway::refusal(code),
    }
}
