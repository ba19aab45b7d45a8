//! Which account, and where WeChat is.

use zeroize::Zeroizing;

/// A text that is never printed and is wiped when dropped: the account's secret, a token, a session key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// For what is sent or sealed, and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// WeChat's hosts; a test has them elsewhere. Without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    pub api: String,
    /// Where buyers are sent to agree.
    pub open: String,
    /// Where pictures of scene codes are.
    pub mp: String,
}

impl Default for Urls {
    fn default() -> Self {
        Self {
            api: "https://api.weixin.qq.com".to_owned(),
            open: "https://open.weixin.qq.com".to_owned(),
            mp: "https://mp.weixin.qq.com".to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub app_id: String,
    pub secret: Secret,
    pub urls: Urls,
}
