//! What simulated buyers want. Everybody looks at the same price list, so wishes crowd on the same few homes: weights
//! fall with rank as 1/(rank + 4), which puts about half of all wishes on a tenth of 474 homes.

use rand::{Rng, RngExt};

use crate::wire::{Kind, Unit};

/// The popularity of the units of one kind.
pub struct Taste {
    /// Units, most popular first, beside the running sum of their weights.
    ranked: Vec<(f64, u32)>,
}

impl Taste {
    /// Ranks the units of `kind`: southern, middle-high floors first, with a little luck.
    pub fn of(units: &[Unit], kind: Kind, rng: &mut impl Rng) -> Self {
        let mut scored: Vec<(f64, u32)> = units
            .iter()
            .filter(|unit| unit.kind == kind)
            .map(|unit| (score(unit) + rng.random::<f64>() * 2.0, unit.unit))
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut sum = 0.0;
        let ranked = scored
            .into_iter()
            .zip(0_u32..)
            .map(|((_, unit), rank)| {
                sum += 1.0 / f64::from(rank + 4);
                (sum, unit)
            })
            .collect();
        Self { ranked }
    }

    /// One wish, by popularity; none if there are no such units.
    pub fn draw(&self, rng: &mut impl Rng) -> Option<u32> {
        let (total, _) = self.ranked.last()?;
        let mark = rng.random::<f64>() * total;
        let at = self.ranked.partition_point(|(sum, _)| *sum < mark);
        self.ranked.get(at).or(self.ranked.last()).map(|(_, unit)| *unit)
    }

    /// `count` different wishes, fewer if there are not that many units.
    pub fn draw_many(&self, count: usize, rng: &mut impl Rng) -> Vec<u32> {
        let mut wishes = Vec::with_capacity(count);
        // Popular units come up again and again, so a bounded number of draws, not a loop until full.
        for _ in 0..count * 8 {
            if wishes.len() == count {
                break;
            }
            if let Some(unit) = self.draw(rng)
                && !wishes.contains(&unit)
            {
                wishes.push(unit);
            }
        }
        wishes
    }

    /// Every unit, most popular first.
    pub fn all(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranked.iter().map(|(_, unit)| *unit)
    }
}

fn score(unit: &Unit) -> f64 {
    // "3A" is a floor too: what stands in for an unlucky fourth.
    let digits = unit.floor.as_deref().map(|floor| floor.trim_end_matches(|c: char| !c.is_ascii_digit()));
    let floor: f64 = digits.and_then(|digits| digits.parse().ok()).unwrap_or(1.0);
    let height = 6.0 - (floor - 12.0).abs() / 3.0;
    let light = if unit.facing.as_deref() == Some("南") { 3.0 } else { 0.0 };
    height + light
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn homes(count: u32) -> Vec<Unit> {
        (0..count)
            .map(|unit| Unit {
                unit,
                kind: Kind::Home,
                floor: Some((2 + unit / 4).to_string()),
                facing: unit.is_multiple_of(4).then(|| "南".to_owned()),
            })
            .collect()
    }

    #[test]
    fn wishes_crowd_on_popular_units_but_reach_all() {
        let mut rng = StdRng::seed_from_u64(3);
        let taste = Taste::of(&homes(474), Kind::Home, &mut rng);
        let mut times = vec![0_u32; 474];
        for _ in 0..20_000 {
            times[taste.draw(&mut rng).unwrap() as usize] += 1;
        }
        let top: u32 = taste.all().take(47).map(|unit| times[unit as usize]).sum();
        assert!((9_000..12_500).contains(&top), "a tenth of the homes got {top} of 20000 wishes");
        assert!(times.iter().all(|n| *n > 0));
    }

    #[test]
    fn favourites_are_different_and_a_missing_kind_is_no_wish() {
        let mut rng = StdRng::seed_from_u64(4);
        let taste = Taste::of(&homes(5), Kind::Home, &mut rng);
        let mut wishes = taste.draw_many(5, &mut rng);
        wishes.sort_unstable();
        wishes.dedup();
        assert_eq!(wishes.len(), 5);
        assert_eq!(Taste::of(&homes(5), Kind::Shop, &mut rng).draw(&mut rng), None);
    }
}
