//! How a call can end badly. Closed words and numbers only: a URL holds the secret, and `errmsg` is somebody else's text.

use std::fmt;

use crate::store::StoreError;
use crate::vault::VaultError;

macro_rules! apis {
    ($($name:ident = $path:literal;)*) => {
        /// What is called.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Api { $($name,)* }

        impl Api {
            pub const fn path(self) -> &'static str {
                match self { $(Api::$name => $path,)* }
            }
        }
    };
}

apis! {
    OauthToken = "/sns/oauth2/access_token";
    StableToken = "/cgi-bin/stable_token";
    Ticket = "/cgi-bin/ticket/getticket";
    CreateScene = "/cgi-bin/qrcode/create";
    SendTemplate = "/cgi-bin/message/template/send";
    SendSubscription = "/cgi-bin/message/subscribe/bizsend";
    CodeToSession = "/sns/jscode2session";
    PhoneNumber = "/wxa/business/getuserphonenumber";
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

macro_rules! errcodes {
    ($($(#[$doc:meta])* $name:ident = $($code:literal)|+;)*) => {
        /// Why WeChat refused, as far as somebody here does something about it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Errcode {
            $($(#[$doc])* $name,)*
            Other(i64),
        }

        impl Errcode {
            pub fn of(code: i64) -> Self {
                match code { $($($code)|+ => Errcode::$name,)* other => Errcode::Other(other) }
            }
        }
    };
}

errcodes! {
    /// WeChat is overloaded: later.
    Busy = -1;
    /// The access token is not, or no longer, the newest.
    TokenInvalid = 40001 | 40014;
    TokenExpired = 42001;
    OpenidInvalid = 40003;
    /// Our settings: the app id or the secret is wrong.
    AppIdInvalid = 40013;
    SecretInvalid = 40125;
    /// This machine's address is not on the account's list.
    AddressNotListed = 40164;
    /// The code from the browser is unknown, used or late.
    CodeInvalid = 40029 | 40163 | 42003;
    TemplateInvalid = 40037;
    /// WeChat blocks the user.
    RiskyUser = 40226;
    NotFollowing = 43004;
    /// The user refused the message or has used up what they agreed to.
    NotSubscribed = 43101;
    QuotaReached = 45009;
    TooOften = 45011;
    DataInvalid = 47001 | 47003;
    Unauthorized = 48001;
}

impl Errcode {
    /// Another access token may help.
    pub fn is_about_token(self) -> bool {
        matches!(self, Self::TokenInvalid | Self::TokenExpired)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum WechatError {
    #[error("WeChat's {0} did not answer in time")]
    TimedOut(Api),
    #[error("WeChat's {0} can not be reached")]
    Unreachable(Api),
    #[error("WeChat's {api} answered HTTP {status}")]
    Status { api: Api, status: u16 },
    #[error("WeChat's {0} answered more than it may")]
    TooLarge(Api),
    #[error("WeChat's {api} did not answer as documented: {what}")]
    Malformed { api: Api, what: &'static str },
    #[error("WeChat's {api} refused: {errcode:?}")]
    Refused { api: Api, errcode: Errcode },
    /// What was given can not be right; WeChat was not asked.
    #[error("{0} is not what WeChat takes")]
    Invalid(&'static str),
    #[error("too many calls to WeChat are under way")]
    Crowded,
    #[error("another gateway is fetching WeChat's token and has not done so in time")]
    Waited,
    #[error("TLS can not be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl WechatError {
    pub fn errcode(&self) -> Option<Errcode> {
        match self {
            Self::Refused { errcode, .. } => Some(*errcode),
            _ => None,
        }
    }
}
