//! A text with places: `{phone}`, `{text}`, `{code}`, `{minutes}`, `{access_key_id}`, `{secret}`. Every other brace is itself,
//! so that JSON needs no escapes.

use zeroize::Zeroizing;

use super::SmsSettingsError;
use crate::domain::text::percent_encoded;

const WORDS: [&str; 6] = ["phone", "text", "code", "minutes", "access_key_id", "secret"];

/// What is filled in.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    pub phone: &'a str,
    pub text: &'a str,
    pub code: &'a str,
    pub minutes: &'a str,
    pub access_key_id: &'a str,
    pub secret: &'a str,
}

impl Values<'_> {
    fn get(&self, word: &str) -> &str {
        match word {
            "phone" => self.phone,
            "text" => self.text,
            "code" => self.code,
            "minutes" => self.minutes,
            "access_key_id" => self.access_key_id,
            _ => self.secret,
        }
    }
}

/// How what is filled in is written where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encode {
    Plain,
    /// In a URL or a form.
    Percent,
    /// Inside the quotes of a JSON string.
    Json,
}

impl Encode {
    fn write(self, value: &str) -> String {
        match self {
            Self::Plain => value.to_owned(),
            Self::Percent => percent_encoded(value),
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
            }
        }
    }
}

/// May hold a secret as it stands, so it is wiped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Zeroizing<String>);

impl Template {
    pub fn parse(text: String, setting: &'static str) -> Result<Self, SmsSettingsError> {
        if let Some(name) = words(&text).find(|name| !WORDS.contains(name)) {
            return Err(SmsSettingsError::UnknownWord { setting, name: name.to_owned() });
        }
        Ok(Self(Zeroizing::new(text)))
    }

    pub fn names(&self, word: &str) -> bool {
        words(&self.0).any(|name| name == word)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One pass: what is filled in is not looked through for places.
    pub fn fill(&self, encode: Encode, values: &Values<'_>) -> Zeroizing<String> {
        let mut filled = Zeroizing::new(String::with_capacity(self.0.len() + 64));
        let mut rest = self.0.as_str();
        while let Some((before, name, after)) = next_word(rest) {
            filled.push_str(before);
            filled.push_str(&encode.write(values.get(name)));
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// The text before the next place, its name, and the text after it.
fn next_word(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        let name_at = open + 1;
        let name = text[name_at..].split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap_or("");
        let close = name_at + name.len();
        if !name.is_empty() && text[close..].starts_with('}') {
            return Some((&text[..open], name, &text[close + 1..]));
        }
        from = name_at;
    }
    None
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, name, after) = next_word(rest)?;
        rest = after;
        Some(name)
    })
}
