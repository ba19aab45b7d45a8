//! A mainland mobile number in one canonical form: eleven digits. Everything that signs a buyer in, finds a duplicate
//! or sends a message compares this form and no other.

use std::fmt;

use super::text::fold_char;

/// Longer than any way of writing eleven digits; keeps a hostile cell from being walked.
const WRITTEN_CHARS_MAX: usize = 40;

/// Eleven digits, `1[3-9]` first. `Debug` and `Display` show it masked: a log line must not leak it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mainland mobile number: 11 digits that begin with 13 to 19")]
pub struct BadPhone;

impl Phone {
    /// Reads `13800000001`, `138 0000-0001`, `+86 138…`, `0086138…`, full-width digits.
    pub fn parse(written: &str) -> Result<Self, BadPhone> {
        let mut digits = String::with_capacity(15);
        let mut plus = false;
        if written.chars().nth(WRITTEN_CHARS_MAX).is_some() {
            return Err(BadPhone);
        }
        for c in written.chars().map(fold_char) {
            match c {
                '0'..='9' => digits.push(c),
                '+' if digits.is_empty() && !plus => plus = true,
                ' ' | '-' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FEFF}' | '\u{200B}' => {}
                _ => return Err(BadPhone),
            }
        }
        let national = match digits.len() {
            11 if !plus => digits.as_str(),
            13 => digits.strip_prefix("86").ok_or(BadPhone)?,
            15 if !plus => digits.strip_prefix("0086").ok_or(BadPhone)?,
            _ => return Err(BadPhone),
        };
        let mobile = matches!(national.as_bytes(), [b'1', b'3'..=b'9', ..]);
        if mobile { Ok(Self(national.to_owned())) } else { Err(BadPhone) }
    }

    /// The canonical eleven digits, for the vault and the sender of messages.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `138****0001`
    pub fn masked(&self) -> String {
        format!("{}****{}", &self.0[..3], self.tail())
    }

    /// The last four digits, by which a cashier finds a buyer.
    pub fn tail(&self) -> &str {
        &self.0[7..]
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_way_of_writing_one_number() {
        for written in [
            "19900000020",
            "１９９０００００　０２０",
            "199 0000-0020",
            "+8619900000020",
            "+86 199-0000-0020",
            "0086 19900000020",
            "8619900000020",
            "(+86)19900000020",
            " 199\u{2013}0000\u{2013}0020\u{200B}",
        ] {
            let phone = Phone::parse(written).unwrap();
            assert_eq!(phone.as_str(), "19900000020", "{written}");
            assert_eq!(format!("{phone} {phone:?}"), "199****0020 199****0020");
        }
    }

    #[test]
    fn refuses_what_is_not_one_mobile_number() {
        for written in [
            "",
            "1990000006",
            "199000000061",
            "29900000020",
            "12900000020",
            "02164000000",
            "+19900000020",
            "+852 9000 0000",
            "19900000020/19900000021",
            "1.99E+10",
            "19900000020转1",
            "1990000002O",
            "++8619900000020",
            "00000000000000000000000000000000000000000000000019900000020",
        ] {
            assert_eq!(Phone::parse(written), Err(BadPhone), "{written}");
        }
    }
}
