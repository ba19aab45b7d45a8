//! `/sns/…`: a code becomes an openid, once and within five minutes.

use std::collections::HashMap;

use axum::extract::{RawQuery, State};
use serde_json::{Value, json};

use super::answer::{Errcode, Plain, Refused};
use super::cast::Person;
use super::params::Params;
use super::{WeChat, random};

const CODE_MS: i64 = 5 * 60 * 1_000;
const TOKEN_S: i64 = 7_200;
const REFRESH_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// A fake that is left alone with a loop does not eat the machine.
const KEPT_MAX: usize = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Base,
    UserInfo,
}

impl Scope {
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "snsapi_base" => Some(Self::Base),
            "snsapi_userinfo" => Some(Self::UserInfo),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Base => "snsapi_base",
            Self::UserInfo => "snsapi_userinfo",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Grant {
    person: &'static Person,
    scope: Scope,
    ends_ms: i64,
}

#[derive(Default)]
pub struct Grants {
    codes: HashMap<String, Grant>,
    tokens: HashMap<String, Grant>,
    refresh: HashMap<String, Grant>,
}

impl Grants {
    fn keep(
        map: &mut HashMap<String, Grant>,
        name: String,
        grant: Grant,
        now_ms: i64,
    ) -> Result<(), Refused> {
        if map.len() >= KEPT_MAX {
            map.retain(|_, kept| kept.ends_ms > now_ms);
        }
        if map.len() >= KEPT_MAX {
            return Err(Errcode::Busy.into());
        }
        map.insert(name, grant);
        Ok(())
    }
}

impl WeChat {
    /// The person has agreed, or is known and not asked.
    pub(super) fn new_code(&self, person: &'static Person, scope: Scope) -> Result<String, Refused> {
        let now_ms = self.now_ms();
        let code = random(32);
        let grant = Grant { person, scope, ends_ms: now_ms + CODE_MS };
        Grants::keep(&mut self.state().oauth.codes, code.clone(), grant, now_ms)?;
        Ok(code)
    }

    fn is_ours(&self, params: &Params) -> Result<(), Refused> {
        let settings = self.settings();
        if params.get("appid") != settings.app_id {
            return Err(Errcode::AppIdInvalid.into());
        }
        if params.get("secret") != settings.secret {
            return Err(Errcode::SecretInvalid.into());
        }
        Ok(())
    }

    fn new_user_token(&self, person: &'static Person, scope: Scope) -> Result<Value, Refused> {
        let now_ms = self.now_ms();
        let (token, refresh) = (random(110), random(110));
        let mut state = self.state();
        let grant = Grant { person, scope, ends_ms: now_ms + TOKEN_S * 1_000 };
        Grants::keep(&mut state.oauth.tokens, token.clone(), grant, now_ms)?;
        let lasting = Grant { ends_ms: now_ms + REFRESH_MS, ..grant };
        Grants::keep(&mut state.oauth.refresh, refresh.clone(), lasting, now_ms)?;
        Ok(json!({
            "access_token": token,
            "expires_in": TOKEN_S,
            "refresh_token": refresh,
            "openid": person.openid(&self.settings().app_id),
            "scope": scope.as_str(),
        }))
    }
}

pub async fn access_token(State(wechat): State<WeChat>, RawQuery(query): RawQuery) -> Result<Plain, Refused> {
    let wanted = [
        ("appid", Some(Errcode::AppIdMissing)),
        ("secret", Some(Errcode::SecretMissing)),
        ("code", Some(Errcode::CodeMissing)),
        ("grant_type", Some(Errcode::GrantTypeInvalid)),
    ];
    let params = Params::read(query.as_deref(), &wanted)?;
    wechat.is_ours(&params)?;
    if params.get("grant_type") != "authorization_code" {
        return Err(Errcode::GrantTypeInvalid.into());
    }
    let grant = wechat.state().oauth.codes.remove(params.get("code"));
    let grant = grant.filter(|grant| grant.ends_ms > wechat.now_ms()).ok_or(Errcode::CodeInvalid)?;
    let mut answer = wechat.new_user_token(grant.person, grant.scope)?;
    if grant.person.snapshot {
        answer["is_snapshotuser"] = json!(1);
    }
    if grant.scope == Scope::UserInfo {
        answer["unionid"] = json!(grant.person.unionid());
    }
    Ok(Plain(answer))
}

pub async fn refresh_token(
    State(wechat): State<WeChat>,
    RawQuery(query): RawQuery,
) -> Result<Plain, Refused> {
    let wanted = [
        ("appid", Some(Errcode::AppIdMissing)),
        ("grant_type", Some(Errcode::GrantTypeInvalid)),
        ("refresh_token", Some(Errcode::RefreshTokenMissing)),
    ];
    let params = Params::read(query.as_deref(), &wanted)?;
    if params.get("appid") != wechat.settings().app_id {
        return Err(Errcode::AppIdInvalid.into());
    }
    if params.get("grant_type") != "refresh_token" {
        return Err(Errcode::GrantTypeInvalid.into());
    }
    let grant = wechat.state().oauth.refresh.get(params.get("refresh_token")).copied();
    let grant = grant.filter(|grant| grant.ends_ms > wechat.now_ms()).ok_or(Errcode::RefreshTokenInvalid)?;
    wechat.new_user_token(grant.person, grant.scope).map(Plain)
}

pub async fn userinfo(State(wechat): State<WeChat>, RawQuery(query): RawQuery) -> Result<Plain, Refused> {
    let wanted = [
        ("access_token", Some(Errcode::TokenMissing)),
        ("openid", Some(Errcode::OpenidMissing)),
        ("lang", None),
    ];
    let params = Params::read(query.as_deref(), &wanted)?;
    let grant = wechat.state().oauth.tokens.get(params.get("access_token")).copied();
    let grant = grant.ok_or(Errcode::UserTokenInvalid)?;
    if grant.ends_ms <= wechat.now_ms() {
        return Err(Errcode::TokenExpired.into());
    }
    let openid = grant.person.openid(&wechat.settings().app_id);
    if params.get("openid") != openid {
        return Err(Errcode::OpenidInvalid.into());
    }
    if grant.scope == Scope::Base {
        return Err(Errcode::Unauthorized.into());
    }
    Ok(Plain(json!({
        "openid": openid,
        "nickname": grant.person.nickname,
        "sex": 0,
        "language": "",
        "city": "",
        "province": "",
        "country": "",
        "headimgurl": "",
        "privilege": [],
        "unionid": grant.person.unionid(),
    })))
}
