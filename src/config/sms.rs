//! Who sends SMS, and with which account.

mod gateway;
mod template;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hyper::Uri;
use serde::Deserialize;
use zeroize::Zeroizing;

pub use gateway::{SmsBody, SmsGateway, SmsMethod};
pub use template::{Encode, Template, Values};

/// In the file these stand beside the others.
#[derive(Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmsSettings {
    /// Who sends sign-in codes. outbox: nobody, they stand in the console [default: outbox]
    #[arg(long, env = "KAIPAN_SMS_PROVIDER", value_enum)]
    pub sms_provider: Option<SmsProvider>,

    /// The account's key: Aliyun's AccessKey ID, Tencent Cloud's SecretId; a gateway's {access_key_id}
    #[arg(long, env = "KAIPAN_SMS_ACCESS_KEY_ID", value_name = "ID")]
    pub sms_access_key_id: Option<String>,

    /// The key's secret; better in a file, or in the environment. A gateway's {secret}
    #[arg(long, env = "KAIPAN_SMS_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub sms_secret: Option<String>,

    /// A file that holds the secret and nothing else
    #[arg(long, env = "KAIPAN_SMS_SECRET_FILE", value_name = "FILE")]
    pub sms_secret_file: Option<PathBuf>,

    /// The signature (签名) that the provider approved, without brackets
    #[arg(long, env = "KAIPAN_SMS_SIGN_NAME", value_name = "NAME")]
    pub sms_sign_name: Option<String>,

    /// The approved template of sign-in codes
    #[arg(long, env = "KAIPAN_SMS_TEMPLATE_SIGN_IN_CODE", value_name = "ID")]
    pub sms_template_sign_in_code: Option<String>,

    /// What that template takes, in its order: code, minutes [default: code]
    #[arg(long, env = "KAIPAN_SMS_TEMPLATE_SIGN_IN_PARAMS", value_enum, value_delimiter = ',')]
    pub sms_template_sign_in_params: Option<Vec<SmsWord>>,

    /// Tencent Cloud's application (SmsSdkAppId)
    #[arg(long, env = "KAIPAN_SMS_APP_ID", value_name = "ID")]
    pub sms_app_id: Option<String>,

    /// Tencent Cloud's region [default: ap-guangzhou]
    #[arg(long, env = "KAIPAN_SMS_REGION", value_name = "REGION")]
    pub sms_region: Option<String>,

    /// Where Aliyun or Tencent Cloud is, for a proxy between or a test [default: the provider's own]
    #[arg(long, env = "KAIPAN_SMS_BASE_URL", value_name = "URL")]
    pub sms_base_url: Option<String>,

    /// http-gateway: where a message is sent. {phone} {text} {code} {minutes} {access_key_id} {secret} are filled in
    #[arg(long, env = "KAIPAN_SMS_HTTP_URL", value_name = "URL", hide_env_values = true)]
    pub sms_http_url: Option<String>,

    /// http-gateway: how [default: post]
    #[arg(long, env = "KAIPAN_SMS_HTTP_METHOD", value_enum)]
    pub sms_http_method: Option<SmsMethod>,

    /// http-gateway: headers, each NAME: VALUE, with a | between; filled in likewise, but for {text}
    #[arg(
        long,
        env = "KAIPAN_SMS_HTTP_HEADERS",
        value_delimiter = '|',
        value_name = "NAME: VALUE",
        hide_env_values = true
    )]
    pub sms_http_headers: Option<Vec<String>>,

    /// http-gateway: the body, JSON or a form, filled in and escaped as its Content-Type asks
    #[arg(long, env = "KAIPAN_SMS_HTTP_BODY", value_name = "TEMPLATE", hide_env_values = true)]
    pub sms_http_body: Option<String>,

    /// http-gateway: what stands in the answer if the message was taken [default: any answer from 200 to 299 is a yes]
    #[arg(long, env = "KAIPAN_SMS_HTTP_SUCCESS", value_name = "TEXT")]
    pub sms_http_success: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmsProvider {
    #[default]
    Outbox,
    Aliyun,
    TencentCloud,
    HttpGateway,
}

impl SmsProvider {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Aliyun => "aliyun",
            Self::TencentCloud => "tencent-cloud",
            Self::HttpGateway => "http-gateway",
        }
    }

    /// The settings that say something to it, beside the secret and its file.
    const fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Outbox => &[],
            Self::Aliyun => &[
                "sms_access_key_id",
                "sms_sign_name",
                "sms_template_sign_in_code",
                "sms_template_sign_in_params",
                "sms_base_url",
            ],
            Self::TencentCloud => &[
                "sms_access_key_id",
                "sms_sign_name",
                "sms_template_sign_in_code",
                "sms_template_sign_in_params",
                "sms_app_id",
                "sms_region",
                "sms_base_url",
            ],
            Self::HttpGateway => &[
                "sms_access_key_id",
                "sms_http_url",
                "sms_http_method",
                "sms_http_headers",
                "sms_http_body",
                "sms_http_success",
            ],
        }
    }
}

/// What a provider's template takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsWord {
    Code,
    Minutes,
}

impl SmsWord {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Minutes => "minutes",
        }
    }
}

/// How SMS leaves, as the program uses it. Secrets are never printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SmsAt {
    #[default]
    Outbox,
    Aliyun(SmsCloud),
    TencentCloud {
        cloud: SmsCloud,
        app_id: String,
        region: String,
    },
    HttpGateway(Box<SmsGateway>),
}

/// What both clouds want.
#[derive(Clone, PartialEq, Eq)]
pub struct SmsCloud {
    pub access_key_id: String,
    pub secret: Zeroizing<String>,
    pub sign_name: String,
    pub sign_in_code: SmsTemplate,
    /// http or https, with a host and maybe a path; without a slash at the end.
    pub base_url: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsTemplate {
    pub id: String,
    pub words: Vec<SmsWord>,
}

impl fmt::Debug for SmsCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsCloud").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// What is missing or wrong, each with what to do about it. No value of a setting that may hold a secret stands here.
#[derive(Debug, thiserror::Error)]
pub enum SmsSettingsError {
    #[error(
        "{0} is set and sms_provider is not: set KAIPAN_SMS_PROVIDER to aliyun, tencent-cloud or http-gateway, or leave it out"
    )]
    NoProvider(&'static str),
    #[error("sms_provider {provider} does not know {setting}: leave it out")]
    Idle { provider: &'static str, setting: &'static str },
    #[error("sms_provider {provider} needs {}", missing.join(", "))]
    Missing { provider: &'static str, missing: Vec<&'static str> },
    #[error("sms_secret and sms_secret_file are both set: leave one out")]
    SecretTwice,
    #[error("sms_secret_file {} can not be read: {source}", path.display())]
    SecretFile { path: PathBuf, source: std::io::Error },
    #[error("sms_secret_file {} is empty", .0.display())]
    SecretFileEmpty(PathBuf),
    #[error("{setting} is not what {what}")]
    Wrong { setting: &'static str, what: &'static str },
    #[error(
        "{setting} names {{{name}}}, which nobody fills in: {{phone}} {{text}} {{code}} {{minutes}} {{access_key_id}} {{secret}}"
    )]
    UnknownWord { setting: &'static str, name: String },
    #[error("{setting} can not hold {{{name}}}: it is for the URL or the body")]
    MisplacedWord { setting: &'static str, name: &'static str },
    #[error("sms_http_url and sms_http_body name no {0}: the gateway would not know it")]
    NotSaid(&'static str),
    #[error("{0} is set, and nothing of sms_http_… names it: use it or leave it out")]
    Unused(&'static str),
}

const ALIYUN: &str = "https://dysmsapi.aliyuncs.com";
const TENCENT_CLOUD: &str = "https://sms.tencentcloudapi.com";
const REGION: &str = "ap-guangzhou";

fn given(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

impl SmsSettings {
    pub(super) const NAMES: [&str; 15] = [
        "sms_provider",
        "sms_access_key_id",
        "sms_secret",
        "sms_secret_file",
        "sms_sign_name",
        "sms_template_sign_in_code",
        "sms_template_sign_in_params",
        "sms_app_id",
        "sms_region",
        "sms_base_url",
        "sms_http_url",
        "sms_http_method",
        "sms_http_headers",
        "sms_http_body",
        "sms_http_success",
    ];

    pub(super) fn or(self, other: Self) -> Self {
        // A secret of one place and a file of the other are one setting, not two.
        let (sms_secret, sms_secret_file) = if self.sms_secret.is_some() || self.sms_secret_file.is_some() {
            (self.sms_secret, self.sms_secret_file)
        } else {
            (other.sms_secret, other.sms_secret_file)
        };
        Self {
            sms_provider: self.sms_provider.or(other.sms_provider),
            sms_access_key_id: self.sms_access_key_id.or(other.sms_access_key_id),
            sms_secret,
            sms_secret_file,
            sms_sign_name: self.sms_sign_name.or(other.sms_sign_name),
            sms_template_sign_in_code: self.sms_template_sign_in_code.or(other.sms_template_sign_in_code),
            sms_template_sign_in_params: self
                .sms_template_sign_in_params
                .or(other.sms_template_sign_in_params),
            sms_app_id: self.sms_app_id.or(other.sms_app_id),
            sms_region: self.sms_region.or(other.sms_region),
            sms_base_url: self.sms_base_url.or(other.sms_base_url),
            sms_http_url: self.sms_http_url.or(other.sms_http_url),
            sms_http_method: self.sms_http_method.or(other.sms_http_method),
            sms_http_headers: self.sms_http_headers.or(other.sms_http_headers),
            sms_http_body: self.sms_http_body.or(other.sms_http_body),
            sms_http_success: self.sms_http_success.or(other.sms_http_success),
        }
    }

    /// What is empty is not set.
    fn trimmed(self) -> Self {
        Self {
            sms_provider: self.sms_provider,
            sms_access_key_id: given(self.sms_access_key_id),
            sms_secret: given(self.sms_secret),
            sms_secret_file: self.sms_secret_file.filter(|path| !path.as_os_str().is_empty()),
            sms_sign_name: given(self.sms_sign_name),
            sms_template_sign_in_code: given(self.sms_template_sign_in_code),
            sms_template_sign_in_params: self.sms_template_sign_in_params.filter(|words| !words.is_empty()),
            sms_app_id: given(self.sms_app_id),
            sms_region: given(self.sms_region),
            sms_base_url: given(self.sms_base_url),
            sms_http_url: given(self.sms_http_url),
            sms_http_method: self.sms_http_method,
            sms_http_headers: self
                .sms_http_headers
                .map(|all| all.into_iter().filter(|header| !header.trim().is_empty()).collect::<Vec<_>>())
                .filter(|all| !all.is_empty()),
            sms_http_body: given(self.sms_http_body),
            sms_http_success: given(self.sms_http_success),
        }
    }

    fn is_set(&self) -> [(&'static str, bool); 12] {
        [
            ("sms_access_key_id", self.sms_access_key_id.is_some()),
            ("sms_sign_name", self.sms_sign_name.is_some()),
            ("sms_template_sign_in_code", self.sms_template_sign_in_code.is_some()),
            ("sms_template_sign_in_params", self.sms_template_sign_in_params.is_some()),
            ("sms_app_id", self.sms_app_id.is_some()),
            ("sms_region", self.sms_region.is_some()),
            ("sms_base_url", self.sms_base_url.is_some()),
            ("sms_http_url", self.sms_http_url.is_some()),
            ("sms_http_method", self.sms_http_method.is_some()),
            ("sms_http_headers", self.sms_http_headers.is_some()),
            ("sms_http_body", self.sms_http_body.is_some()),
            ("sms_http_success", self.sms_http_success.is_some()),
        ]
    }

    pub(super) fn resolve(self) -> Result<SmsAt, SmsSettingsError> {
        let mut settings = self.trimmed();
        let provider = match settings.sms_provider {
            // In so many words: an account may stay set while nothing is sent.
            Some(SmsProvider::Outbox) => return Ok(SmsAt::Outbox),
            provider => provider.unwrap_or_default(),
        };
        let idle = settings
            .is_set()
            .into_iter()
            .find(|(name, is_set)| *is_set && !provider.takes().contains(name))
            .map(|(name, _)| name);
        let secret_set = settings.sms_secret.is_some() || settings.sms_secret_file.is_some();
        let idle = idle.or((provider == SmsProvider::Outbox && secret_set).then_some("sms_secret"));
        match (idle, settings.sms_provider) {
            (Some(setting), None) => return Err(SmsSettingsError::NoProvider(setting)),
            (Some(setting), Some(_)) => {
                return Err(SmsSettingsError::Idle { provider: provider.as_str(), setting });
            }
            (None, _) => {}
        }
        let secret = secret(settings.sms_secret.take(), settings.sms_secret_file.take())?;
        match provider {
            SmsProvider::Outbox => Ok(SmsAt::Outbox),
            SmsProvider::Aliyun => Ok(SmsAt::Aliyun(cloud(settings, secret, provider, ALIYUN)?.0)),
            SmsProvider::TencentCloud => {
                let region = settings.sms_region.take().unwrap_or_else(|| REGION.to_owned());
                let (cloud, app_id) = cloud(settings, secret, provider, TENCENT_CLOUD)?;
                Ok(SmsAt::TencentCloud { cloud, app_id, region })
            }
            SmsProvider::HttpGateway => {
                Ok(SmsAt::HttpGateway(Box::new(SmsGateway::checked(settings, secret)?)))
            }
        }
    }
}

fn secret(
    text: Option<String>,
    file: Option<PathBuf>,
) -> Result<Option<Zeroizing<String>>, SmsSettingsError> {
    match (text, file) {
        (Some(_), Some(_)) => Err(SmsSettingsError::SecretTwice),
        (Some(text), None) => Ok(Some(Zeroizing::new(text))),
        (None, Some(path)) => read(&path).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, SmsSettingsError> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| SmsSettingsError::SecretFile { path: path.to_owned(), source })?;
    let trimmed = Zeroizing::new(text.trim().to_owned());
    if trimmed.is_empty() { Err(SmsSettingsError::SecretFileEmpty(path.to_owned())) } else { Ok(trimmed) }
}

/// With the application, which is Tencent Cloud's alone.
fn cloud(
    settings: SmsSettings,
    secret: Option<Zeroizing<String>>,
    provider: SmsProvider,
    usual: &str,
) -> Result<(SmsCloud, String), SmsSettingsError> {
    let mut missing = Vec::new();
    let mut needed = |value: Option<String>, name: &'static str| {
        value.unwrap_or_else(|| {
            missing.push(name);
            String::new()
        })
    };
    let access_key_id = needed(settings.sms_access_key_id, "KAIPAN_SMS_ACCESS_KEY_ID");
    let sign_name = needed(settings.sms_sign_name, "KAIPAN_SMS_SIGN_NAME");
    let id = needed(settings.sms_template_sign_in_code, "KAIPAN_SMS_TEMPLATE_SIGN_IN_CODE");
    let app_id = match provider {
        SmsProvider::TencentCloud => needed(settings.sms_app_id, "KAIPAN_SMS_APP_ID"),
        _ => String::new(),
    };
    let secret = secret.unwrap_or_else(|| {
        missing.push("KAIPAN_SMS_SECRET (or KAIPAN_SMS_SECRET_FILE)");
        Zeroizing::default()
    });
    if !missing.is_empty() {
        return Err(SmsSettingsError::Missing { provider: provider.as_str(), missing });
    }
    // It stands in a header.
    if !access_key_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = "a key's id looks like: letters and digits";
        return Err(SmsSettingsError::Wrong { setting: "sms_access_key_id", what });
    }
    let base_url = match settings.sms_base_url {
        Some(url) => checked_url(url.trim_end_matches('/'), "sms_base_url")?,
        None => usual.to_owned(),
    };
    let words = settings.sms_template_sign_in_params.unwrap_or_else(|| vec![SmsWord::Code]);
    if !words.contains(&SmsWord::Code) {
        let what = "a sign-in code's template takes: code, or code,minutes in its own order";
        return Err(SmsSettingsError::Wrong { setting: "sms_template_sign_in_params", what });
    }
    let sign_in_code = SmsTemplate { id, words };
    Ok((SmsCloud { access_key_id, secret, sign_name, sign_in_code, base_url }, app_id))
}

/// An absolute URL of a web server, without a query.
fn checked_url(url: &str, setting: &'static str) -> Result<String, SmsSettingsError> {
    let is_web = url.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
            && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
    });
    let what = "a web server's address looks like: https://host or https://host/path";
    if is_web { Ok(url.to_owned()) } else { Err(SmsSettingsError::Wrong { setting, what }) }
}
