//! Picks and asks in one pass, as `JSON.stringify` and its like write them.
//!
//! It never refuses: what it does not know for certain (an escape, another field, a field twice, a number that is no
//! `u32`) it leaves to serde, which names the field that is wrong. A property says that both always agree.

use super::ClientFrame;

/// The frame, if it is a plain pick or ask.
pub fn scan(text: &str) -> Option<ClientFrame<'_>> {
    let mut rest = Rest(text);
    let (mut tag, mut key, mut unit) = (None, None, None);
    rest.token(b'{')?;
    loop {
        let name = rest.string()?;
        rest.token(b':')?;
        let is_new = match name {
            "t" => tag.replace(rest.string()?).is_none(),
            "key" => key.replace(rest.string()?).is_none(),
            "unit" => unit.replace(rest.number()?).is_none(),
            _ => return None,
        };
        if !is_new {
            return None;
        }
        match rest.any_token()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    rest.skip_space();
    if !rest.0.is_empty() {
        return None;
    }
    let key = key?.into();
    match (tag?, unit) {
        ("pick", Some(unit)) => Some(ClientFrame::Pick { key, unit, again: false }),
        ("ask", None) => Some(ClientFrame::Ask { key }),
        _ => None,
    }
}

struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn any_token(&mut self) -> Option<u8> {
        self.skip_space();
        let token = *self.0.as_bytes().first()?;
        self.0 = self.0.get(1..)?;
        Some(token)
    }

    fn token(&mut self, wanted: u8) -> Option<()> {
        (self.any_token()? == wanted).then_some(())
    }

    /// A string of printable ASCII without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.token(b'"')?;
        let length = self.0.bytes().position(|b| b == b'"' || b == b'\\' || !(b' '..=b'~').contains(&b))?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest.strip_prefix('"')?;
        Some(string)
    }

    /// Digits, of which no zero leads others. A sign, a fraction or an exponent behind them is no token that may follow.
    fn number(&mut self) -> Option<u32> {
        self.skip_space();
        let length = self.0.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(length)?;
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        self.0 = rest;
        digits.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Mutation that turned it red: a leading zero let through.
    #[test]
    fn picks_and_asks_of_programs_are_read_and_everything_else_is_left() {
        let pick = |key: &'static str, unit| Some(ClientFrame::Pick { key: key.into(), unit, again: false });
        let cases = [
            (r#"{"t":"pick","key":"tap-0001","unit":17}"#, pick("tap-0001", 17)),
            (r#"{"key":"k","t":"pick","unit":0}"#, pick("k", 0)),
            (" { \"t\" : \"pick\" ,\n\"unit\":4294967295 , \"key\":\"\" } ", pick("", u32::MAX)),
            (r#"{"t":"ask","key":"tap-0001"}"#, Some(ClientFrame::Ask { key: "tap-0001".into() })),
            (r#"{"t":"ask","key":"tap-0001","unit":1}"#, None),
            (r#"{"t":"pick","key":"tap-0001"}"#, None),
            (r#"{"t":"pick","key":"tap-0001","unit":01}"#, None),
            (r#"{"t":"pick","key":"tap-0001","unit":1.0}"#, None),
            (r#"{"t":"pick","key":"tap-0001","unit":4294967296}"#, None),
            (r#"{"t":"pick","key":"tap\u002d0001","unit":1}"#, None),
            (r#"{"t":"pick","key":"tap-0001","key":"tap-0001","unit":1}"#, None),
            (r#"{"t":"pick","key":"tap-0001","unit":1,}"#, None),
            (r#"{"t":"pick","key":"tap-0001","unit":1}}"#, None),
            (r#"{"t":"pick","key":"tap-0001","unit":1"#, None),
            (r#"{"t":"pick","key":"tap-0001","unit":1,"again":true}"#, None),
            (r#"{"t":"time","c":1}"#, None),
            ("", None),
        ];
        for (text, frame) in cases {
            assert_eq!(scan(text), frame, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_it_reads_serde_reads_the_same(
            parts in prop::collection::vec(prop::sample::select(vec![
                "{", "}", ",", ":", "\"t\"", "\"key\"", "\"unit\"", "\"pick\"", "\"ask\"", "\"tap-0001\"",
                "17", "0", "00", "-1", "1e3", " ", "\"x\\\"y\"", "null", "\"t\":\"pick\",", "\"key\":\"k\",",
                "\"unit\":", "4294967296", "é",
            ]), 0..14),
            order in Just(["\"t\":\"pick\"", "\"key\":\"tap-0001\"", "\"unit\":7", "\"t\":\"ask\""]).prop_shuffle(),
            fields in 0..5_usize,
        ) {
            for text in [parts.concat(), format!("{{{}}}", order[..fields.min(4)].join(" , "))] {
                if let Some(frame) = scan(&text) {
                    prop_assert_eq!(ClientFrame::read(text.as_bytes()).ok(), Some(frame), "{}", text);
                }
            }
        }
    }
}
