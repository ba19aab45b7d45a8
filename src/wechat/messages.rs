//! Template messages to followers, and subscription messages to whoever agreed to one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::WeChat;
use super::error::{Api, WechatError};

/// What a message's templates and pages are is the caller's; a template's names are checked by WeChat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Word {
    pub value: String,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Template {
    #[serde(rename = "touser")]
    pub openid: String,
    pub template_id: String,
    /// What a tap opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The same one is sent once within ten minutes, so that a message whose answer was lost can be sent again. At most 32
    /// characters.
    pub client_msg_id: String,
    pub data: BTreeMap<String, Word>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Subscription {
    #[serde(rename = "touser")]
    pub openid: String,
    pub template_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    pub data: BTreeMap<String, Word>,
}

#[derive(Deserialize)]
struct Sent {
    msgid: i64,
}

#[derive(Deserialize)]
struct Done {}

impl WeChat {
    /// The message's number at WeChat.
    pub async fn send_template(&self, message: &Template) -> Result<i64, WechatError> {
        let sent: Sent = self.post(Api::SendTemplate, &json(message)).await?;
        Ok(sent.msgid)
    }

    pub async fn send_subscription(&self, message: &Subscription) -> Result<(), WechatError> {
        let Done {} = self.post(Api::SendSubscription, &json(message)).await?;
        Ok(())
    }
}

/// Texts in maps: they always are a JSON value.
fn json(message: &impl Serialize) -> Value {
    serde_json::to_value(message).unwrap_or_default()
}
