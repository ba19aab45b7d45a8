//! How a command's flags are written: spans, moments, money, one value for each kind of unit. clap names the flag
//! whose value one of these refuses.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, offset};

use crate::domain::decimal::exact_hundredths;
use crate::domain::kind::UnitKind;
use crate::domain::money::Fen;
use crate::domain::time::Micros;

/// `90`, `90s`, `2m` or `1m30s`.
pub fn span(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no time: expected something like 20s, 2m or 1m30s");
    let mut seconds: u64 = 0;
    let mut rest = text;
    for (unit, factor) in [('m', 60), ('s', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            let number: u64 = number.parse().map_err(|_| bad())?;
            seconds = seconds.saturating_add(number.saturating_mul(factor));
            rest = after;
        }
    }
    if !rest.is_empty() {
        let number: u64 = rest.parse().map_err(|_| bad())?;
        // A number alone is seconds; one that follows a unit is a slip.
        seconds = if rest == text { number } else { return Err(bad()) };
    }
    Ok(Duration::from_secs(seconds))
}

/// A moment as it was typed. Without an offset it is meant where the project is, which is known only later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Exact(Micros),
    Local(DateTime),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::Exact(Micros(at.as_microsecond())));
        }
        // By format: a date alone would quietly mean midnight.
        ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
            .iter()
            .find_map(|format| DateTime::strptime(format, text).ok())
            .map(Self::Local)
            .ok_or_else(|| {
                "expected 2026-12-01T10:00:00+08:00, or 2026-12-01 10:00 in the project's time zone"
                    .to_owned()
            })
    }
}

impl Moment {
    /// `None` where the clocks of `zone` skip or repeat it.
    pub fn in_zone(self, zone: &TimeZone) -> Option<Micros> {
        match self {
            Self::Exact(at) => Some(at),
            Self::Local(at) => {
                let at = zone.to_ambiguous_timestamp(at).unambiguous().ok()?;
                Some(Micros(at.as_microsecond()))
            }
        }
    }
}

/// China's clocks have had one offset since 1991, so the usual zone needs no time zone files on the machine.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    if name == "Asia/Shanghai" { Some(TimeZone::fixed(offset(8))) } else { TimeZone::get(name).ok() }
}

/// `2026-12-01 10:00:00 +08:00`
pub fn moment(at: Micros, zone: &TimeZone) -> String {
    match Timestamp::from_microsecond(at.0) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
        Err(_) => at.0.to_string(),
    }
}

/// `1,724,775,236.00`
pub fn yuan(fen: i64) -> String {
    let digits = (fen / 100).unsigned_abs().to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{}{grouped}.{:02}", if fen < 0 { "-" } else { "" }, (fen % 100).abs())
}

/// `home=50000`: what one flag says of one kind of unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfKind<T> {
    pub kind: UnitKind,
    pub value: T,
}

impl<T> OfKind<T> {
    fn read(text: &str, expected: &str, value: impl Fn(&str) -> Option<T>) -> Result<Self, String> {
        let read = |(kind, text): (&str, &str)| {
            Some(Self { kind: UnitKind::from_name(kind.trim())?, value: value(text.trim())? })
        };
        text.split_once('=')
            .and_then(read)
            .ok_or_else(|| format!("expected home, parking, shop or storage, then = and {expected}"))
    }
}

pub fn yuan_of_kind(text: &str) -> Result<OfKind<Fen>, String> {
    OfKind::read(text, "yuan with at most two decimals", |yuan| exact_hundredths(yuan).map(Fen))
}

pub fn count_of_kind(text: &str) -> Result<OfKind<i64>, String> {
    OfKind::read(text, "a whole number", |count| count.parse().ok())
}

pub fn bound_of_kind(text: &str) -> Result<OfKind<Option<i64>>, String> {
    OfKind::read(text, "a whole number or none", |bound| {
        if bound == "none" { Some(None) } else { bound.parse().ok().map(Some) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_grouped() {
        assert_eq!(yuan(172_477_523_600), "1,724,775,236.00");
        assert_eq!(yuan(99_905), "999.05");
        assert_eq!(yuan(0), "0.00");
    }

    #[test]
    fn money_is_taken_to_the_fen_or_not_at_all() {
        let fen = |text| yuan_of_kind(text).ok().map(|of| (of.kind, of.value.0));
        assert_eq!(fen("home=50000"), Some((UnitKind::Home, 5_000_000)));
        assert_eq!(fen("parking=1,234.56"), Some((UnitKind::Parking, 123_456)));
        for text in ["home=0.005", "home", "home=", "house=5", "=5", "home=5e3"] {
            assert_eq!(fen(text), None, "{text}");
        }
        assert_eq!(bound_of_kind("shop=none").map(|of| of.value), Ok(None));
        assert_eq!(bound_of_kind("shop=2").map(|of| of.value), Ok(Some(2)));
    }

    #[test]
    fn a_moment_is_exact_or_meant_where_the_project_is() {
        let at = |text: &str, zone| text.parse::<Moment>().ok()?.in_zone(&time_zone(zone)?);
        let ten = Micros(1_796_090_400_000_000);
        for text in
            ["2026-12-01T10:00:00+08:00", "2026-12-01T02:00:00Z", "2026-12-01 10:00", "2026-12-01 10:00:00"]
        {
            assert_eq!(at(text, "Asia/Shanghai"), Some(ten), "{text}");
        }
        for text in ["2026-12-01", "10:00", "2026-12-01 25:00", "2026-02-30 10:00", "tomorrow", ""] {
            assert_eq!(text.parse::<Moment>().ok(), None, "{text}");
        }
        // One hour that Berlin's clocks show twice, and one that they skip.
        for text in ["2026-10-25 02:30", "2026-03-29 02:30"] {
            assert_eq!(at(text, "Europe/Berlin"), None, "{text}");
        }
        assert_eq!(moment(ten, &time_zone("Asia/Shanghai").unwrap()), "2026-12-01 10:00:00 +08:00");
    }
}
