//! How the API says no: HTTP 200, `errcode`, and words that nobody should parse.

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::random;
use crate::desk::Judged;

macro_rules! errcodes {
    ($($name:ident = $code:literal, $words:literal;)*) => {
        /// The documented errors that are answered here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Errcode { $($name,)* }

        impl Errcode {
            pub const fn code(self) -> i64 {
                match self { $(Errcode::$name => $code,)* }
            }
        }

        fn words(code: i64) -> &'static str {
            match code { $($code => $words,)* _ => "ordered by a test" }
        }
    };
}

errcodes! {
    Busy = -1, "system error";
    CredentialInvalid = 40001, "invalid credential, access_token is invalid or not latest";
    GrantTypeInvalid = 40002, "invalid grant_type";
    OpenidInvalid = 40003, "invalid openid";
    AppIdInvalid = 40013, "invalid appid";
    UserTokenInvalid = 40014, "invalid access_token";
    CodeInvalid = 40029, "invalid code";
    RefreshTokenInvalid = 40030, "invalid refresh_token";
    TemplateInvalid = 40037, "invalid template_id";
    ActionInvalid = 40053, "invalid action info";
    ArgumentInvalid = 40097, "invalid args";
    SecretInvalid = 40125, "invalid appsecret";
    RiskyUser = 40226, "code blocked";
    TokenMissing = 41001, "access_token missing";
    AppIdMissing = 41002, "appid missing";
    RefreshTokenMissing = 41003, "refresh_token missing";
    SecretMissing = 41004, "appsecret missing";
    CodeMissing = 41008, "missing code";
    OpenidMissing = 41009, "missing openid";
    TokenExpired = 42001, "access_token expired";
    NotFollowing = 43004, "require subscribe";
    NotSubscribed = 43101, "user refuse to accept the msg";
    QuotaReached = 45009, "reach max api daily quota limit";
    TooOften = 45011, "api minute-quota reach limit, please retry next minute";
    DataFormat = 47001, "data format error";
    DataArgument = 47003, "argument invalid!";
    Unauthorized = 48001, "api unauthorized";
}

/// A refusal under way to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub Errcode);

impl From<Errcode> for Refused {
    fn from(errcode: Errcode) -> Self {
        Self(errcode)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refusal(self.0.code())
    }
}

/// Any errcode as the API answers it.
pub fn refusal(code: i64) -> Response {
    let errmsg = format!("{}, rid: {}", words(code), random(16));
    let mut response = Json(json!({ "errcode": code, "errmsg": errmsg })).into_response();
    response.extensions_mut().insert(Judged(code));
    response
}

/// `/sns/…` answers JSON and calls it text.
pub struct Plain(pub Value);

impl IntoResponse for Plain {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "text/plain")], self.0.to_string()).into_response()
    }
}
