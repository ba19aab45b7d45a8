//! Areas are whole hundredths of a square metre, as registries print them.

use serde::{Deserialize, Serialize};

use super::decimal;
use super::money::Fen;

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct AreaCenti(pub i64);

/// One square kilometre; a larger "area" is a mistaken column.
const AREA_CENTI_MAX: i64 = 100_000_000;

impl AreaCenti {
    /// A written area; nothing at or below zero, nothing absurd.
    pub fn parse(text: &str) -> Option<Self> {
        decimal::hundredths(text).and_then(Self::checked)
    }

    pub fn checked(centi: i64) -> Option<Self> {
        (1..=AREA_CENTI_MAX).contains(&centi).then_some(Self(centi))
    }

    /// Does a unit price times this area differ from the total by at least `tolerance`? Exact: no rounding takes part.
    pub fn price_differs(self, unit_price: Fen, total: Fen, tolerance: Fen) -> bool {
        let product = i128::from(unit_price.0) * i128::from(self.0);
        let hundredfold = i128::from(total.0) * 100;
        (product - hundredfold).abs() >= i128::from(tolerance.0) * 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_positive_and_sane() {
        assert_eq!(AreaCenti::parse("89.12"), Some(AreaCenti(8_912)));
        assert_eq!(AreaCenti::parse("０"), None);
        assert_eq!(AreaCenti::parse("-12.72"), None);
        assert_eq!(AreaCenti::parse("10000000"), None);
    }

    #[test]
    fn one_yuan_is_where_a_difference_begins() {
        let area = AreaCenti(8_912);
        // 27,370 × 89.12 = 2,439,214.40
        assert!(!area.price_differs(Fen(2_737_000), Fen(243_921_400), Fen(100)));
        assert!(!area.price_differs(Fen(2_737_000), Fen(243_921_341), Fen(100)));
        assert!(area.price_differs(Fen(2_737_000), Fen(243_921_340), Fen(100)));
        assert!(area.price_differs(Fen(2_737_000), Fen(243_921_540), Fen(100)));
    }
}
