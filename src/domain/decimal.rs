//! Decimal text to whole hundredths, without a float in between: 0.01 yuan and 0.01 m² are what the product counts in.

use super::text::fold_char;

/// Ten trillion hundredths: sums over every row that [`crate::limits`] allows stay far inside an `i64`.
pub const HUNDREDTHS_MAX: i64 = 10_000_000_000_000;

/// `29,605` → 2960500, `78.125` → 7813 (half up, away from zero), `１２．５` → 1250. Thousands separators must stand
/// where they belong: `29,60` could be meant as a decimal comma and is refused.
pub fn hundredths(text: &str) -> Option<i64> {
    fixed(text, 2)
}

/// The same for an amount that somebody states: what would have to be rounded is refused.
pub fn exact_hundredths(text: &str) -> Option<i64> {
    let decimals = text.trim().chars().map(fold_char).skip_while(|c| *c != '.').skip(1);
    let exact = decimals.skip(2).all(|c| c == '0');
    exact.then(|| hundredths(text)).flatten()
}

/// [`hundredths`] of a number of ten thousands (`243.9214` 万元 → 243921400 fen), rounded only after it is scaled.
pub fn hundredths_of_ten_thousands(text: &str) -> Option<i64> {
    fixed(text, 6)
}

/// The number times ten to the power of `places`, half up.
fn fixed(text: &str, places: u32) -> Option<i64> {
    let mut sign = 1;
    let mut whole = 0_i64;
    let mut fraction = 0_i64;
    let mut fraction_digits = 0_u32;
    let mut digits = 0_u32;
    // Digits since the last separator, once there was one.
    let mut group: Option<u32> = None;
    let mut in_fraction = false;
    for (at, c) in text.trim().chars().map(fold_char).enumerate() {
        match c {
            '-' | '+' if at == 0 => sign = if c == '-' { -1 } else { 1 },
            '0'..='9' => {
                let digit = i64::from(c.to_digit(10)?);
                digits += 1;
                if !in_fraction {
                    whole = whole.checked_mul(10)?.checked_add(digit)?;
                    group = group.map(|n| n + 1);
                } else {
                    if fraction_digits < places {
                        fraction = fraction * 10 + digit;
                    } else if fraction_digits == places && digit >= 5 {
                        fraction += 1;
                    }
                    fraction_digits += 1;
                }
            }
            ',' | '，' if !in_fraction && digits > 0 => {
                let grouped = group.map_or(digits <= 3, |n| n == 3);
                if !grouped {
                    return None;
                }
                group = Some(0);
            }
            '.' if !in_fraction && digits > 0 => in_fraction = true,
            _ => return None,
        }
    }
    if digits == 0 || group.is_some_and(|n| n != 3) || (in_fraction && fraction_digits == 0) {
        return None;
    }
    fraction *= 10_i64.pow(places.saturating_sub(fraction_digits));
    let value = whole.checked_mul(10_i64.pow(places))?.checked_add(fraction)?;
    (value <= HUNDREDTHS_MAX).then_some(sign * value)
}

/// A spreadsheet's number as decimal text: its shortest, so that 89.12 reads as 8912 and not as 8911. `None` for what
/// no amount or area can be.
pub fn text_of_f64(number: f64) -> Option<String> {
    (number.is_finite() && number.abs() < 1e13).then(|| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_written() {
        for (text, expected) in [
            ("29,605", 2_960_500),
            ("1,234,567.8", 123_456_780),
            ("０８９．１２", 8_912),
            ("78.125", 7_813),
            ("78.1249", 7_812),
            ("0.995", 100),
            ("-5", -500),
            ("3.", i64::MIN),
            ("29,60", i64::MIN),
            ("2960,500", i64::MIN),
            ("1,,000", i64::MIN),
            (",100", i64::MIN),
            ("", i64::MIN),
            ("-", i64::MIN),
            ("1e5", i64::MIN),
            ("5万", i64::MIN),
            ("99999999999999999999", i64::MIN),
        ] {
            assert_eq!(hundredths(text).unwrap_or(i64::MIN), expected, "{text}");
        }
        for (text, expected) in [
            ("50,000.01", Some(5_000_001)),
            ("5.100", Some(510)),
            ("0.005", None),
            ("５．００１", None),
            ("", None),
        ] {
            assert_eq!(exact_hundredths(text), expected, "{text}");
        }
        let hundredths_of_f64 = |number| text_of_f64(number).and_then(|text| hundredths(&text));
        assert_eq!(hundredths_of_ten_thousands("243.9214"), Some(243_921_400));
        assert_eq!(hundredths_of_ten_thousands("0.12345678"), Some(123_457));
        assert_eq!(hundredths_of_f64(89.12), Some(8_912));
        assert_eq!(hundredths_of_f64(2_439_214.000_000_000_4), Some(243_921_400));
        assert_eq!(hundredths_of_f64(f64::NAN), None);
        assert_eq!(hundredths_of_f64(1e300), None);
    }

    proptest::proptest! {
        #[test]
        fn every_amount_survives_text_and_float(value in -HUNDREDTHS_MAX/100..HUNDREDTHS_MAX/100) {
            let text = format!("{}{}.{:02}", if value < 0 { "-" } else { "" }, value.abs() / 100, value.abs() % 100);
            proptest::prop_assert_eq!(hundredths(&text), Some(value));
            let float = text_of_f64(value as f64 / 100.0).unwrap();
            proptest::prop_assert_eq!(hundredths(&float), Some(value));
        }
    }
}
