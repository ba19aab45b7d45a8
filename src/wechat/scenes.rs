//! QR codes of the Official Account that carry a word of ours.

use serde::Deserialize;
use serde_json::json;

use super::WeChat;
use super::error::{Api, WechatError};

const EXPIRE_S_MAX: i64 = 2_592_000;
const SCENE_CHARS_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene<'a> {
    /// 1 to 64 characters.
    pub word: &'a str,
    /// At most 30 days.
    pub expires_in_s: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneCode {
    /// Where its picture is.
    pub image_url: String,
    /// What the picture says, for whoever draws it himself.
    pub content: String,
    pub expires_in_s: i64,
}

#[derive(Deserialize)]
struct Answer {
    ticket: String,
    url: String,
    expire_seconds: i64,
}

impl WeChat {
    pub async fn scene_code(&self, scene: Scene<'_>) -> Result<SceneCode, WechatError> {
        if !(1..=SCENE_CHARS_MAX).contains(&scene.word.chars().count()) {
            return Err(WechatError::Invalid("the scene's word"));
        }
        if !(1..=EXPIRE_S_MAX).contains(&scene.expires_in_s) {
            return Err(WechatError::Invalid("the scene's time"));
        }
        let body = json!({
            "expire_seconds": scene.expires_in_s,
            "action_name": "QR_STR_SCENE",
            "action_info": { "scene": { "scene_str": scene.word } },
        });
        let answer: Answer = self.post(Api::CreateScene, &body).await?;
        let ticket: String = form_urlencoded::byte_serialize(answer.ticket.as_bytes()).collect();
        Ok(SceneCode {
            image_url: format!("{}/cgi-bin/showqrcode?ticket={ticket}", self.account.urls.mp),
            content: answer.url,
            expires_in_s: answer.expire_seconds,
        })
    }
}
