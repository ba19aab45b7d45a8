//! The people who use WeChat here, and the account that is played.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::WeChat;

/// What the fake is called if nobody says otherwise. None of it is anything outside of it.
pub mod known {
    pub const APP_ID: &str = "wxfa4e5c0ffee00001";
    pub const SECRET: &str = "fa4e5c0ffee0fa4e5c0ffee0fa4e5c0f";
    /// The Mini Program of the same company.
    pub const MINI_APP_ID: &str = "wxfa4e5c0ffee00002";
    pub const MINI_SECRET: &str = "fa4e5c0ffee1fa4e5c0ffee1fa4e5c0f";
    /// Templates of the account: id, and the names that each message must fill.
    pub const TEMPLATES: &[(&str, &[&str])] = &[
        ("tm_opening_soon_00000000000000000000000000", &["thing1", "time2"]),
        ("tm_hold_lapses_000000000000000000000000000", &["thing1", "time2", "amount3"]),
    ];
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Person {
    pub key: &'static str,
    pub nickname: &'static str,
    /// Bound to their WeChat, as the Mini Program may learn it.
    pub phone: &'static str,
    /// Reads a snapshot page: its virtual account is nobody's.
    pub snapshot: bool,
    pub follows: bool,
    /// The Mini Program's door refuses them.
    pub risky: bool,
    pub note: &'static str,
}

pub type People = &'static [Person];

pub fn people() -> People {
    const PLAIN: Person = Person {
        key: "lin",
        nickname: "林晓",
        phone: "13900001001",
        snapshot: false,
        follows: true,
        risky: false,
        note: "已关注公众号",
    };
    &[
        PLAIN,
        Person { key: "chen", nickname: "陈默", phone: "13900001002", ..PLAIN },
        Person {
            key: "wu",
            nickname: "吴桐",
            phone: "13900001003",
            follows: false,
            note: "没有关注公众号",
            ..PLAIN
        },
        Person {
            key: "snapshot",
            nickname: "快照页访客",
            phone: "13900001004",
            snapshot: true,
            follows: false,
            note: "以快照页打开：只有虚拟账号",
            ..PLAIN
        },
        Person {
            key: "risky",
            nickname: "风险账号",
            phone: "13900001005",
            follows: false,
            risky: true,
            note: "小程序登录会被拦截",
            ..PLAIN
        },
    ]
}

pub fn person(key: &str) -> Option<&'static Person> {
    people().iter().find(|person| person.key == key)
}

impl Person {
    /// Another account of the same company sees another openid.
    pub fn openid(&self, app_id: &str) -> String {
        format!("o{}", letters(&format!("openid {app_id} {}", self.key), 27))
    }

    /// The same for all accounts of the company.
    pub fn unionid(&self) -> String {
        format!("u{}", letters(&format!("unionid {}", self.key), 27))
    }
}

pub fn by_openid(app_id: &str, openid: &str) -> Option<&'static Person> {
    people().iter().find(|person| person.openid(app_id) == openid)
}

fn letters(of: &str, count: usize) -> String {
    let mut text = URL_SAFE_NO_PAD.encode(Sha256::digest(of));
    text.truncate(count);
    text
}

pub async fn list(State(wechat): State<WeChat>) -> Json<Value> {
    let app_id = &wechat.settings().app_id;
    let all = people().iter().map(|person| {
        json!({
            "key": person.key,
            "nickname": person.nickname,
            "openid": person.openid(app_id),
            "mini_openid": person.openid(known::MINI_APP_ID),
            "unionid": person.unionid(),
            "phone": person.phone,
        })
    });
    Json(all.collect())
}
