//! Template messages to followers, and subscription messages to whoever said yes once.

use std::collections::{HashMap, VecDeque};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::WeChat;
use super::answer::{Errcode, Refused};
use super::cast::{by_openid, known, person};
use super::params;

const SENT_KEPT: usize = 1_000;

#[derive(Debug, Clone, Serialize)]
pub struct Sent {
    kind: &'static str,
    msgid: i64,
    openid: String,
    template_id: String,
    data: HashMap<String, Word>,
}

#[derive(Default)]
pub struct Messages {
    next: i64,
    /// By person and `client_msg_id`.
    by_client_id: HashMap<(String, String), i64>,
    sent: VecDeque<Sent>,
    /// How many messages a person still takes, by openid and template.
    subscriptions: HashMap<(String, String), u32>,
}

impl Messages {
    fn send(
        &mut self,
        kind: &'static str,
        openid: &str,
        template_id: &str,
        data: HashMap<String, Word>,
    ) -> i64 {
        self.next += 1;
        if self.sent.len() == SENT_KEPT {
            self.sent.pop_front();
        }
        let (openid, template_id) = (openid.to_owned(), template_id.to_owned());
        self.sent.push_back(Sent { kind, msgid: self.next, openid, template_id, data });
        self.next
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read to be known; where a message leads is not followed here")]
struct MiniProgram {
    appid: String,
    pagepath: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read to be known; where a message leads is not followed here")]
struct Template {
    touser: String,
    template_id: String,
    url: Option<String>,
    miniprogram: Option<MiniProgram>,
    client_msg_id: Option<String>,
    data: HashMap<String, Word>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read to be known; where a message leads is not followed here")]
struct Subscription {
    touser: String,
    template_id: String,
    page: Option<String>,
    miniprogram: Option<MiniProgram>,
    data: HashMap<String, Word>,
}

/// Every name that the template has, no other, and none empty.
fn check(template_id: &str, data: &HashMap<String, Word>) -> Result<(), Refused> {
    let known = known::TEMPLATES.iter().find(|(id, _)| *id == template_id);
    let (_, names) = known.ok_or(Errcode::TemplateInvalid)?;
    let filled = |name: &&str| data.get(*name).is_some_and(|word| !word.value.is_empty());
    if data.len() == names.len() && names.iter().all(filled) {
        Ok(())
    } else {
        Err(Errcode::DataArgument.into())
    }
}

pub async fn template(
    State(wechat): State<WeChat>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    wechat.with_token(query.as_deref())?;
    let message: Template = params::body(&body)?;
    let person = by_openid(&wechat.settings().app_id, &message.touser).ok_or(Errcode::OpenidInvalid)?;
    if !person.follows {
        return Err(Errcode::NotFollowing.into());
    }
    check(&message.template_id, &message.data)?;
    if message.client_msg_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 32) {
        return Err(Errcode::DataArgument.into());
    }
    let mut state = wechat.state();
    let messages = &mut state.messages;
    let client = message.client_msg_id.map(|id| (message.touser.clone(), id));
    let before = client.as_ref().and_then(|client| messages.by_client_id.get(client)).copied();
    let msgid = match before {
        Some(msgid) => msgid,
        None => messages.send("template", &message.touser, &message.template_id, message.data),
    };
    if let Some(client) = client
        && messages.by_client_id.len() < SENT_KEPT
    {
        messages.by_client_id.insert(client, msgid);
    }
    Ok(Json(json!({ "errcode": 0, "errmsg": "ok", "msgid": msgid })))
}

pub async fn subscription(
    State(wechat): State<WeChat>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    wechat.with_token(query.as_deref())?;
    let message: Subscription = params::body(&body)?;
    by_openid(&wechat.settings().app_id, &message.touser).ok_or(Errcode::OpenidInvalid)?;
    check(&message.template_id, &message.data)?;
    let mut state = wechat.state();
    let messages = &mut state.messages;
    let left = messages.subscriptions.get_mut(&(message.touser.clone(), message.template_id.clone()));
    match left {
        Some(left) if *left > 0 => *left -= 1,
        _ => return Err(Errcode::NotSubscribed.into()),
    }
    messages.send("subscription", &message.touser, &message.template_id, message.data);
    Ok(Json(json!({ "errcode": 0, "errmsg": "ok" })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    user: String,
    template_id: String,
    times: u32,
}

/// A person agrees to so many messages.
pub async fn subscribe(State(wechat): State<WeChat>, Json(said): Json<Subscribe>) -> StatusCode {
    let known = known::TEMPLATES.iter().any(|(id, _)| *id == said.template_id);
    let Some(person) = person(&said.user).filter(|_| known) else { return StatusCode::NOT_FOUND };
    let openid = person.openid(&wechat.settings().app_id);
    wechat.state().messages.subscriptions.insert((openid, said.template_id), said.times);
    StatusCode::NO_CONTENT
}

pub async fn sent(State(wechat): State<WeChat>) -> Json<Vec<Sent>> {
    Json(wechat.state().messages.sent.iter().cloned().collect())
}
