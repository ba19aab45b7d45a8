//! The account's access token and its jsapi ticket.

use std::collections::VecDeque;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Errcode, Refused};
use super::params::{self, Params};
use super::{WeChat, random};

const TOKEN_MS: i64 = 7_200 * 1_000;
/// When less is left an ordinary request gets a new token, and for so long the one before stays good.
const OVERLAP_MS: i64 = 5 * 60 * 1_000;
const FORCED_APART_MS: i64 = 30 * 1_000;
const FORCED_A_DAY: usize = 20;
const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// As long as documents ask to be stored, so that whoever stores less is found out.
const TOKEN_CHARS: usize = 512;
/// Tokens that are told apart from those that never were.
const REMEMBERED: usize = 64;

#[derive(Debug, Clone)]
struct Token {
    text: String,
    /// Until then it is good; of the newest, it is also when it is replaced.
    ends_ms: i64,
}

#[derive(Default)]
pub struct Tokens {
    /// The newest last.
    issued: VecDeque<Token>,
    forced_ms: VecDeque<i64>,
    ticket: Option<Token>,
}

impl Tokens {
    fn issue(&mut self, now_ms: i64) -> &Token {
        if let Some(before) = self.issued.back_mut() {
            before.ends_ms = before.ends_ms.min(now_ms + OVERLAP_MS);
        }
        if self.issued.len() == REMEMBERED {
            self.issued.pop_front();
        }
        // Not one in two: the one before the one before ended with its overlap.
        let older = self.issued.len().saturating_sub(1);
        for token in self.issued.iter_mut().take(older) {
            token.ends_ms = token.ends_ms.min(now_ms);
        }
        self.issued.push_back(Token { text: random(TOKEN_CHARS), ends_ms: now_ms + TOKEN_MS });
        &self.issued[self.issued.len() - 1]
    }

    fn current(&mut self, now_ms: i64) -> &Token {
        let lasts = self.issued.back().is_some_and(|token| token.ends_ms > now_ms + OVERLAP_MS);
        if lasts { &self.issued[self.issued.len() - 1] } else { self.issue(now_ms) }
    }

    fn force(&mut self, now_ms: i64) -> Result<&Token, Refused> {
        self.forced_ms.retain(|at| *at > now_ms - DAY_MS);
        if self.forced_ms.back().is_some_and(|last| *last > now_ms - FORCED_APART_MS) {
            return Err(Errcode::TooOften.into());
        }
        if self.forced_ms.len() == FORCED_A_DAY {
            return Err(Errcode::QuotaReached.into());
        }
        self.forced_ms.push_back(now_ms);
        Ok(self.issue(now_ms))
    }
}

impl WeChat {
    /// What every call with the account's token asks first.
    pub(super) fn check_token(&self, token: &str) -> Result<(), Refused> {
        let now_ms = self.now_ms();
        let state = self.state();
        let issued = state.tokens.issued.iter().find(|issued| issued.text == token);
        match issued {
            None => Err(Errcode::CredentialInvalid.into()),
            Some(issued) if issued.ends_ms <= now_ms => Err(Errcode::TokenExpired.into()),
            Some(_) => Ok(()),
        }
    }

    /// The query of a call that takes nothing but the token there.
    pub(super) fn with_token(&self, query: Option<&str>) -> Result<(), Refused> {
        let params = Params::read(query, &[("access_token", Some(Errcode::TokenMissing))])?;
        self.check_token(params.get("access_token"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    grant_type: String,
    #[serde(default)]
    appid: String,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    force_refresh: bool,
}

pub async fn stable_token(State(wechat): State<WeChat>, body: Bytes) -> Result<Json<Value>, Refused> {
    let wanted: Wanted = params::body(&body)?;
    let settings = wechat.settings();
    let fault = if wanted.grant_type != "client_credential" {
        Some(Errcode::GrantTypeInvalid)
    } else if wanted.appid.is_empty() {
        Some(Errcode::AppIdMissing)
    } else if wanted.appid != settings.app_id {
        Some(Errcode::AppIdInvalid)
    } else if wanted.secret.is_empty() {
        Some(Errcode::SecretMissing)
    } else if wanted.secret != settings.secret {
        Some(Errcode::SecretInvalid)
    } else {
        None
    };
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    let now_ms = wechat.now_ms();
    let mut state = wechat.state();
    let token = if wanted.force_refresh { state.tokens.force(now_ms)? } else { state.tokens.current(now_ms) };
    Ok(Json(json!({ "access_token": token.text, "expires_in": (token.ends_ms - now_ms) / 1_000 })))
}

pub async fn ticket(State(wechat): State<WeChat>, RawQuery(query): RawQuery) -> Result<Json<Value>, Refused> {
    let wanted = [("access_token", Some(Errcode::TokenMissing)), ("type", Some(Errcode::ArgumentInvalid))];
    let params = Params::read(query.as_deref(), &wanted)?;
    wechat.check_token(params.get("access_token"))?;
    if params.get("type") != "jsapi" {
        return Err(Errcode::ArgumentInvalid.into());
    }
    let now_ms = wechat.now_ms();
    let mut state = wechat.state();
    let fresh = || Token { text: random(86), ends_ms: now_ms + TOKEN_MS };
    if state.tokens.ticket.as_ref().is_none_or(|ticket| ticket.ends_ms <= now_ms + OVERLAP_MS) {
        state.tokens.ticket = Some(fresh());
    }
    let ticket = state.tokens.ticket.get_or_insert_with(fresh);
    Ok(Json(json!({
        "errcode": 0,
        "errmsg": "ok",
        "ticket": ticket.text,
        "expires_in": (ticket.ends_ms - now_ms) / 1_000,
    })))
}

/// As when somebody else forces a new one: what was issued is good no more.
pub async fn end(State(wechat): State<WeChat>) -> StatusCode {
    wechat.state().tokens.issued.clear();
    StatusCode::NO_CONTENT
}
