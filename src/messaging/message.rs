//! What may be said to a buyer, and in which words.
//!
//! Stored is the purpose with its parameters; the words are chosen when somebody reads or sends the message. The match
//! below is the catalogue: a message without words in one of the languages does not compile.

use serde::{Deserialize, Serialize};

use crate::domain::time::Micros;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    ZhCn,
    En,
}

/// A message to one phone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "snake_case")]
pub enum Message {
    SignInCode { code: String, valid_minutes: i64 },
}

impl Message {
    /// The stable name in the database.
    pub const fn purpose(&self) -> &'static str {
        match self {
            Message::SignInCode { .. } => "sign_in_code",
        }
    }

    /// The secret in it, for the outbox page's own column.
    pub fn code(&self) -> Option<&str> {
        match self {
            Message::SignInCode { code, .. } => Some(code),
        }
    }

    /// For how many minutes it is worth something.
    pub(super) const fn minutes(&self) -> i64 {
        match self {
            Message::SignInCode { valid_minutes, .. } => *valid_minutes,
        }
    }

    pub(super) const fn expires_at(&self, now: Micros) -> Micros {
        now.plus(Micros::from_secs(self.minutes() * 60))
    }

    /// The same without its secret, for whoever should see that it was sent and not sign in with it.
    #[must_use]
    pub fn hidden(&self) -> Self {
        match self {
            Message::SignInCode { valid_minutes, .. } => {
                Message::SignInCode { code: "******".to_owned(), valid_minutes: *valid_minutes }
            }
        }
    }

    pub fn text(&self, language: Language) -> String {
        match (self, language) {
            (Message::SignInCode { code, valid_minutes }, Language::ZhCn) => {
                format!(
                    "【开盘】验证码 {code}，{valid_minutes} 分钟内有效。请勿告诉他人，工作人员不会向您索要。"
                )
            }
            (Message::SignInCode { code, valid_minutes }, Language::En) => format!(
                "[Kaipan] Your code is {code}, valid for {valid_minutes} minutes. Tell nobody: our staff never ask for it."
            ),
        }
    }
}

/// A log line must not show a code.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.purpose())
    }
}
