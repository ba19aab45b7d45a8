//! The Official Account that buyers sign in with, and where WeChat is.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{ConfigError, checked_origin};

/// In the file these stand beside the others.
#[derive(Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WechatSettings {
    /// The Official Account's app id; without it nobody signs in by WeChat
    #[arg(long, env = "KAIPAN_WECHAT_APP_ID", value_name = "ID")]
    pub wechat_app_id: Option<String>,

    /// The account's secret (AppSecret); better in a file, or in the environment
    #[arg(long, env = "KAIPAN_WECHAT_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub wechat_secret: Option<String>,

    /// A file that holds the secret and nothing else
    #[arg(long, env = "KAIPAN_WECHAT_SECRET_FILE", value_name = "FILE")]
    pub wechat_secret_file: Option<PathBuf>,

    /// Where WeChat's API is, for a proxy between or a test [default: https://api.weixin.qq.com]
    #[arg(long, env = "KAIPAN_WECHAT_API_URL", value_name = "ORIGIN")]
    pub wechat_api_url: Option<String>,

    /// Where WeChat asks its users, for a test [default: https://open.weixin.qq.com]
    #[arg(long, env = "KAIPAN_WECHAT_OPEN_URL", value_name = "ORIGIN")]
    pub wechat_open_url: Option<String>,
}

/// The account, as the program uses it. The secret is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct WechatAt {
    pub app_id: String,
    pub secret: Zeroizing<String>,
    /// `None`: WeChat's own.
    pub api_url: Option<String>,
    pub open_url: Option<String>,
}

impl fmt::Debug for WechatAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WechatAt").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

/// What is missing or wrong, each with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum WechatSettingsError {
    #[error("{0} is set and wechat_app_id is not: set the Official Account's app id, or leave both out")]
    AppIdMissing(&'static str),
    #[error(
        "wechat_app_id {0:?} is none: expected wx and 16 digits or letters a to f, as the account's page shows it"
    )]
    AppId(String),
    #[error(
        "wechat_app_id is set and the secret is not: set KAIPAN_WECHAT_SECRET, or KAIPAN_WECHAT_SECRET_FILE to a file that holds it"
    )]
    SecretMissing,
    #[error("wechat_secret and wechat_secret_file are both set: leave one out")]
    SecretTwice,
    #[error("the secret of wechat_app_id is not 32 digits or letters a to f: is it the account's AppSecret?")]
    Secret,
    #[error("wechat_secret_file {} can not be read: {source}", path.display())]
    SecretFile { path: PathBuf, source: std::io::Error },
}

impl WechatSettings {
    pub(super) const NAMES: [&str; 5] =
        ["wechat_app_id", "wechat_secret", "wechat_secret_file", "wechat_api_url", "wechat_open_url"];

    pub(super) fn or(self, other: Self) -> Self {
        // A secret of one place and a file of the other are one setting, not two.
        let (wechat_secret, wechat_secret_file) =
            if self.wechat_secret.is_some() || self.wechat_secret_file.is_some() {
                (self.wechat_secret, self.wechat_secret_file)
            } else {
                (other.wechat_secret, other.wechat_secret_file)
            };
        Self {
            wechat_app_id: self.wechat_app_id.or(other.wechat_app_id),
            wechat_secret,
            wechat_secret_file,
            wechat_api_url: self.wechat_api_url.or(other.wechat_api_url),
            wechat_open_url: self.wechat_open_url.or(other.wechat_open_url),
        }
    }

    pub(super) fn resolve(self) -> Result<Option<WechatAt>, ConfigError> {
        let given =
            |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let (secret, file) = (given(self.wechat_secret), self.wechat_secret_file);
        let file = file.filter(|path| !path.as_os_str().is_empty());
        let (api_url, open_url) = (given(self.wechat_api_url), given(self.wechat_open_url));
        let Some(app_id) = given(self.wechat_app_id) else {
            let set = [
                ("wechat_secret", secret.is_some()),
                ("wechat_secret_file", file.is_some()),
                ("wechat_api_url", api_url.is_some()),
                ("wechat_open_url", open_url.is_some()),
            ];
            return match set.iter().find(|(_, is_set)| *is_set) {
                Some((name, _)) => Err(WechatSettingsError::AppIdMissing(name).into()),
                None => Ok(None),
            };
        };
        if !app_id.strip_prefix("wx").is_some_and(|rest| is_hex(rest, 16)) {
            return Err(WechatSettingsError::AppId(app_id).into());
        }
        let secret = match (secret, file) {
            (Some(_), Some(_)) => return Err(WechatSettingsError::SecretTwice.into()),
            (Some(secret), None) => Zeroizing::new(secret),
            (None, Some(path)) => read(&path)?,
            (None, None) => return Err(WechatSettingsError::SecretMissing.into()),
        };
        if !is_hex(&secret, 32) {
            return Err(WechatSettingsError::Secret.into());
        }
        let origin = |url: Option<String>| url.map(checked_origin).transpose();
        Ok(Some(WechatAt { app_id, secret, api_url: origin(api_url)?, open_url: origin(open_url)? }))
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, WechatSettingsError> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| WechatSettingsError::SecretFile { path: path.to_owned(), source })?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP_ID: &str = "wxfa4e5c0ffee00001";
    const SECRET: &str = "fa4e5c0ffee0fa4e5c0ffee0fa4e5c0f";

    fn settings(app_id: &str, secret: &str) -> WechatSettings {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        WechatSettings {
            wechat_app_id: given(app_id),
            wechat_secret: given(secret),
            ..WechatSettings::default()
        }
    }

    #[test]
    fn without_a_word_it_is_off_and_what_is_missing_is_named() {
        assert_eq!(WechatSettings::default().resolve().unwrap(), None);
        let cases = [
            (settings("", SECRET), "wechat_secret is set and wechat_app_id is not"),
            (settings(APP_ID, ""), "set KAIPAN_WECHAT_SECRET"),
            (settings("wx12", SECRET), "wechat_app_id \"wx12\""),
            (settings(APP_ID, "short"), "is it the account's AppSecret?"),
            (
                WechatSettings {
                    wechat_secret_file: Some("/nowhere/secret".into()),
                    ..settings(APP_ID, SECRET)
                },
                "both set",
            ),
            (
                WechatSettings { wechat_secret_file: Some("/nowhere/secret".into()), ..settings(APP_ID, "") },
                "/nowhere/secret can not be read",
            ),
            (
                WechatSettings { wechat_api_url: Some("https://a/b".to_owned()), ..settings(APP_ID, SECRET) },
                "is no origin",
            ),
            (
                WechatSettings { wechat_open_url: Some("https://a".to_owned()), ..settings("", "") },
                "wechat_open_url is set",
            ),
        ];
        for (settings, expected) in cases {
            let refused = settings.resolve().unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
            assert!(!refused.contains(SECRET), "{refused}");
        }
    }

    #[test]
    fn the_secret_comes_from_a_file_and_is_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, format!("{SECRET}\n")).unwrap();
        let given = WechatSettings { wechat_secret_file: Some(file), ..settings(APP_ID, "") };
        let resolved = given.resolve().unwrap().unwrap();
        assert_eq!(resolved.secret.as_str(), SECRET);
        assert!(!format!("{resolved:?}").contains(SECRET));
    }
}
