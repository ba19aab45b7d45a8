//! What a page needs to use WeChat's own functions: its address, signed with the ticket.

use sha1::{Digest, Sha1};

use super::WeChat;
use super::error::WechatError;
use crate::domain::time::Micros;
use crate::http::outgoing::random_text;

const URL_BYTES_MAX: usize = 2_048;

/// What `wx.config` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub app_id: String,
    pub timestamp_s: i64,
    pub nonce: String,
    pub signature: String,
}

/// Of the page's address without what follows `#`, and nothing escaped.
pub fn signature(ticket: &str, nonce: &str, timestamp_s: i64, url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let text = format!("jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp_s}&url={url}");
    hex::encode(Sha1::digest(text))
}

impl WeChat {
    pub async fn share(&self, url: &str, now: Micros) -> Result<Share, WechatError> {
        if url.len() > URL_BYTES_MAX || !(url.starts_with("https://") || url.starts_with("http://")) {
            return Err(WechatError::Invalid("the page's address"));
        }
        let ticket = self.jsapi_ticket().await?;
        let nonce = random_text();
        let timestamp_s = now.0.div_euclid(1_000_000);
        let signature = signature(ticket.expose(), &nonce, timestamp_s, url);
        Ok(Share { app_id: self.account.app_id.clone(), timestamp_s, nonce, signature })
    }
}
