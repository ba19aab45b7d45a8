//! A server's own figures: the page of `/metrics`, in Prometheus' text format.

use std::collections::BTreeMap;

use crate::failure::{Failure, Outcome, While};

/// Every line of the page: its name, its labels, its value.
#[derive(Debug, Clone, Default)]
pub struct Figures(Vec<(String, BTreeMap<String, String>, f64)>);

impl Figures {
    pub fn of(page: &str) -> Outcome<Self> {
        let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines: Vec<_> = lines.map(line).collect::<Outcome<_>>()?;
        if lines.is_empty() { Err(Failure::new("the page of figures is empty")) } else { Ok(Self(lines)) }
    }

    /// Several servers together.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// All lines of this name that carry these labels, added up; none is nothing.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let carries = |carried: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| carried.get(*label).is_some_and(|carried| carried == value))
        };
        let lines = self.0.iter().filter(|(known, carried, _)| known == name && carries(carried));
        lines.map(|(_, _, value)| value).sum()
    }

    /// The same, by the value of one label.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (_, carried, value) in self.0.iter().filter(|(known, _, _)| known == name) {
            if let Some(key) = carried.get(label) {
                *sums.entry(key.clone()).or_default() += value;
            }
        }
        sums
    }
}

/// `name{label="value",…} 1.5`. The values of our labels hold neither quotes nor commas.
fn line(text: &str) -> Outcome<(String, BTreeMap<String, String>, f64)> {
    let doing = || format!("reading the figure {text}");
    let (head, value) = text.rsplit_once(' ').during(&doing())?;
    let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
    let labels = labels.strip_suffix('}').during(&doing())?;
    let pair = |pair: &str| {
        let (label, value) = pair.split_once('=')?;
        Some((label.to_owned(), value.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
    };
    let pairs = labels.split(',').filter(|text| !text.is_empty());
    let labels = pairs.map(|text| pair(text).during(&doing())).collect::<Outcome<_>>()?;
    Ok((name.to_owned(), labels, value.parse().during(&doing())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP kaipan_gate2_calls_total Calls\n# TYPE kaipan_gate2_calls_total counter\n\
        kaipan_gate2_calls_total{opening=\"A\",script=\"claim\"} 7\n\
        kaipan_gate2_calls_total{opening=\"B\",script=\"claim\"} 2\n\
        kaipan_gate2_calls_total{opening=\"A\",script=\"tell\"} 5\n\nkaipan_ready 1\n";

    /// Mutations that turned it red: only the first label looked at; a name that begins like another taken for it.
    #[test]
    fn figures_are_added_up_by_name_and_labels() {
        let figures = Figures::of(PAGE).unwrap();
        let sum = |name, labels: &[(&str, &str)]| figures.sum(name, labels);
        assert_eq!(sum("kaipan_gate2_calls_total", &[]), 14.0);
        assert_eq!(sum("kaipan_gate2_calls_total", &[("opening", "A"), ("script", "claim")]), 7.0);
        assert_eq!(sum("kaipan_gate2_calls_total", &[("script", "claim")]), 9.0);
        assert_eq!((sum("kaipan_ready", &[]), sum("kaipan_gate2_calls", &[])), (1.0, 0.0));
        let both = figures.clone().and(Figures::of("kaipan_ready 1\n").unwrap());
        assert_eq!(both.sum("kaipan_ready", &[]), 2.0);
        let by = BTreeMap::from([("claim".to_owned(), 9.0), ("tell".to_owned(), 5.0)]);
        assert_eq!(figures.by("kaipan_gate2_calls_total", "script"), by);
    }

    #[test]
    fn a_page_that_is_none_is_no_nought() {
        for page in ["", "# HELP only\n", "<html>", "name{a=\"b\" 1", "name{a=b} 1", "name one"] {
            assert!(Figures::of(page).is_err(), "{page}");
        }
    }
}
