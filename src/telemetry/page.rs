//! Prometheus' text format, for what is looked up when the page is asked for.

use std::fmt::{Display, Write};

use super::names::Metric;

/// Lines of the page, family by family.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// Begins a family: what it means and how to read it, then its samples. A family without samples says nothing.
    pub fn family<L, V: Display>(&mut self, name: &str, samples: impl IntoIterator<Item = (L, V)>)
    where
        L: Labels,
    {
        let mut samples = samples.into_iter().peekable();
        let (Some(metric), Some(_)) = (Metric::find(name), samples.peek()) else { return };
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# HELP {name} {}\n# TYPE {name} {}", metric.help, metric.kind);
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{} {value}", labels.text());
        }
        self.0.push('\n');
    }

    /// A family of one sample without labels.
    pub fn value(&mut self, name: &str, value: impl Display) {
        self.family(name, [((), value)]);
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

/// Names and values of a sample's labels. Values are ids and closed sets, which need no escape.
pub trait Labels {
    fn text(&self) -> String;
}

impl Labels for () {
    fn text(&self) -> String {
        String::new()
    }
}

impl<const N: usize> Labels for [(&'static str, &str); N] {
    fn text(&self) -> String {
        let pairs: Vec<String> = self.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("{{{}}}", pairs.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names;

    #[test]
    fn a_family_is_its_meaning_and_its_samples_and_nothing_when_it_has_none() {
        let mut page = Page::default();
        page.family(names::OPENINGS, Vec::<([(&'static str, &str); 1], u64)>::new());
        page.family(names::OPENINGS, [([("phase", "live")], 2), ([("phase", "closed")], 1)]);
        page.value(names::PROCESS_THREADS, 7);
        let expected = "# HELP kaipan_openings Openings that run in this process, by phase\n\
                        # TYPE kaipan_openings gauge\n\
                        kaipan_openings{phase=\"live\"} 2\n\
                        kaipan_openings{phase=\"closed\"} 1\n\n\
                        # HELP process_threads Threads of the process\n\
                        # TYPE process_threads gauge\n\
                        process_threads 7\n\n";
        assert_eq!(page.into_text(), expected);
    }
}
