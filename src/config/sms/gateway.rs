//! A gateway of somebody else's: one request of configured form for each message.

use std::fmt;

use clap::ValueEnum;
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Encode, SmsSettings, SmsSettingsError, Template, Values};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsMethod {
    Get,
    #[default]
    Post,
}

#[derive(Clone, PartialEq, Eq)]
pub struct SmsBody {
    pub template: Template,
    pub encode: Encode,
}

#[derive(Clone, PartialEq, Eq)]
pub struct SmsGateway {
    pub method: SmsMethod,
    pub url: Template,
    pub headers: Vec<(HeaderName, Template)>,
    pub body: Option<SmsBody>,
    /// In the answer, if the message was taken.
    pub success: Option<String>,
    pub access_key_id: String,
    pub secret: Zeroizing<String>,
}

/// Its address and its headers may hold the secret as they stand.
impl fmt::Debug for SmsGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmsGateway")
    }
}

/// Values of the right form, to see what a template becomes.
const SAMPLE: Values<'static> = Values {
    phone: "13800000000",
    text: "【开盘】\"\\",
    code: "000000",
    minutes: "5",
    access_key_id: "id",
    secret: "secret",
};

impl SmsGateway {
    pub(super) fn checked(
        settings: SmsSettings,
        secret: Option<Zeroizing<String>>,
    ) -> Result<Self, SmsSettingsError> {
        let provider = settings.sms_provider.unwrap_or_default().as_str();
        let Some(url) = settings.sms_http_url else {
            return Err(SmsSettingsError::Missing { provider, missing: vec!["KAIPAN_SMS_HTTP_URL"] });
        };
        let url = checked_url(url)?;
        let method = settings.sms_http_method.unwrap_or_default();
        let headers = settings.sms_http_headers.unwrap_or_default();
        let headers = headers.iter().map(|header| checked_header(header)).collect::<Result<Vec<_>, _>>()?;
        let body = settings.sms_http_body.map(|body| checked_body(body, method, &headers)).transpose()?;
        let said = |word: &str| {
            url.names(word) || body.as_ref().is_some_and(|body: &SmsBody| body.template.names(word))
        };
        if !said("phone") {
            return Err(SmsSettingsError::NotSaid("{phone}"));
        }
        if !said("code") && !said("text") {
            return Err(SmsSettingsError::NotSaid("{code} and no {text}"));
        }
        let named = |word: &str| said(word) || headers.iter().any(|(_, value)| value.names(word));
        let mut missing = Vec::new();
        for (word, setting, variable, is_set) in [
            (
                "access_key_id",
                "sms_access_key_id",
                "KAIPAN_SMS_ACCESS_KEY_ID",
                settings.sms_access_key_id.is_some(),
            ),
            ("secret", "sms_secret", "KAIPAN_SMS_SECRET (or KAIPAN_SMS_SECRET_FILE)", secret.is_some()),
        ] {
            match (named(word), is_set) {
                (true, false) => missing.push(variable),
                (false, true) => return Err(SmsSettingsError::Unused(setting)),
                _ => {}
            }
        }
        if !missing.is_empty() {
            return Err(SmsSettingsError::Missing { provider, missing });
        }
        let access_key_id = settings.sms_access_key_id.unwrap_or_default();
        let secret = secret.unwrap_or_default();
        let filled = Values { access_key_id: &access_key_id, secret: &secret, ..SAMPLE };
        if headers.iter().any(|(_, value)| !fits_a_header(&value.fill(Encode::Plain, &filled))) {
            let what = "a header can hold once it is filled in: visible ASCII";
            return Err(SmsSettingsError::Wrong { setting: "sms_http_headers", what });
        }
        Ok(Self { method, url, headers, body, success: settings.sms_http_success, access_key_id, secret })
    }
}

fn checked_url(text: String) -> Result<Template, SmsSettingsError> {
    let setting = "sms_http_url";
    let url = Template::parse(text, setting)?;
    let what =
        "a web server's address looks like: https://host/path?query; what is filled in stands after the host";
    let wrong = || SmsSettingsError::Wrong { setting, what };
    // What is filled in must not say who is asked.
    let (scheme, rest) = url.as_str().split_once("://").ok_or_else(wrong)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let filled: Uri = url.fill(Encode::Percent, &SAMPLE).parse().map_err(|_| wrong())?;
    let plain = !authority.is_empty() && !authority.contains(['{', '@']);
    if matches!(scheme, "http" | "https") && plain && filled.authority().is_some() {
        Ok(url)
    } else {
        Err(wrong())
    }
}

fn checked_header(text: &str) -> Result<(HeaderName, Template), SmsSettingsError> {
    let setting = "sms_http_headers";
    let what = "headers look like: NAME: VALUE, with a | between";
    let wrong = || SmsSettingsError::Wrong { setting, what };
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
    let value = Template::parse(value.trim().to_owned(), setting)?;
    // Chinese does not go into a header.
    if value.names("text") {
        return Err(SmsSettingsError::MisplacedWord { setting, name: "text" });
    }
    Ok((name, value))
}

fn fits_a_header(value: &str) -> bool {
    HeaderValue::from_str(value).is_ok() && value.is_ascii()
}

fn checked_body(
    text: String,
    method: SmsMethod,
    headers: &[(HeaderName, Template)],
) -> Result<SmsBody, SmsSettingsError> {
    let setting = "sms_http_body";
    if method == SmsMethod::Get {
        let what = "a GET can have: leave it out, or set sms_http_method to post";
        return Err(SmsSettingsError::Wrong { setting, what });
    }
    let template = Template::parse(text, setting)?;
    let kind = headers.iter().find(|(name, _)| *name == hyper::header::CONTENT_TYPE);
    let kind = kind.and_then(|(_, value)| value.as_str().split(';').next()).unwrap_or_default();
    let encode = match kind.trim().to_ascii_lowercase().as_str() {
        "application/json" => Encode::Json,
        "application/x-www-form-urlencoded" => Encode::Percent,
        _ => {
            let what = "sms_http_headers says: name Content-Type: application/json or application/x-www-form-urlencoded";
            return Err(SmsSettingsError::Wrong { setting, what });
        }
    };
    let filled = template.fill(encode, &SAMPLE);
    if encode == Encode::Json && serde_json::from_str::<serde::de::IgnoredAny>(&filled).is_err() {
        let what = "Content-Type: application/json says: it is no JSON once it is filled in";
        return Err(SmsSettingsError::Wrong { setting, what });
    }
    Ok(SmsBody { template, encode })
}
