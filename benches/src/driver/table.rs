//! The table: what was measured beside what was promised, in the terminal, as JSON, and as Markdown between markers of a
//! page, so that writing it twice changes nothing else.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::bench::Bench;
use super::machine::{load_average, processor};
use crate::clock::wall_ms;
use crate::failure::{Failure, Outcome, While};
use crate::stats::{Bound, Figure, number};

/// The page has a table for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// One server.
    #[default]
    Single,
    /// Several gateways on one Postgres and one Redis.
    Cluster,
}

impl Part {
    pub const ALL: [Self; 2] = [Self::Single, Self::Cluster];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Cluster => "cluster",
        }
    }

    /// What its markers in the page are called.
    fn markers(self, cores: usize) -> String {
        match self {
            Self::Single => format!("{cores} cores"),
            Self::Cluster => format!("cluster, {cores} cores"),
        }
    }
}

/// One figure with its goal.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub part: Part,
    pub what: String,
    pub goal: String,
    pub ours: Figure,
    /// Whose figure it is compared with.
    pub peer: Option<&'static str>,
    pub theirs: Option<Figure>,
    /// What the goal bounds: the ratio of the medians where there is a peer, else our median.
    pub judged: f64,
    pub bound: Option<Bound>,
    /// The goal speaks of four cores.
    pub needs_four_cores: bool,
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Met,
    /// By this share of the bound.
    Missed(f64),
    /// Fewer than four cores.
    NeedsFourCores,
    /// There is no goal: the figure is there to explain another.
    NoGoal,
}

impl Line {
    /// A figure of ours against a bound of its own.
    pub fn alone(what: impl Into<String>, ours: Figure, goal: &str, bound: Option<Bound>) -> Self {
        let judged = ours.median();
        Self {
            part: Part::default(),
            what: what.into(),
            goal: goal.to_owned(),
            ours,
            peer: None,
            theirs: None,
            judged,
            bound,
            needs_four_cores: false,
            note: String::new(),
        }
    }

    /// A figure of ours as a multiple of a peer's.
    pub fn beside(
        what: impl Into<String>,
        ours: Figure,
        peer: &'static str,
        theirs: Figure,
        bound: Bound,
    ) -> Self {
        let goal = match bound {
            Bound::AtLeast(least) => format!("≥ {least} × {peer}"),
            Bound::AtMost(most) => format!("≤ {most} × {peer}"),
        };
        let judged = ours.median() / theirs.median();
        let line = Self::alone(what, ours, &goal, Some(bound));
        Self { peer: Some(peer), theirs: Some(theirs), judged, ..line }
    }

    /// Beside a peer's, but without a goal: to explain another line.
    pub fn told(what: impl Into<String>, ours: Figure, peer: &'static str, theirs: Figure) -> Self {
        let line = Self::beside(what, ours, peer, theirs, Bound::AtLeast(0.0));
        Self { goal: "–".to_owned(), bound: None, ..line }
    }

    pub fn four_cores(self) -> Self {
        Self { needs_four_cores: true, ..self }
    }

    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    pub fn verdict(&self, cores: usize) -> Verdict {
        match self.bound {
            None => Verdict::NoGoal,
            Some(_) if self.needs_four_cores && cores < 4 => Verdict::NeedsFourCores,
            Some(bound) => bound.missed_by(self.judged).map_or(Verdict::Met, Verdict::Missed),
        }
    }
}

fn verdict_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Met => "met".to_owned(),
        Verdict::Missed(by) if by.is_finite() => format!("missed by {} %", number(by * 100.0)),
        Verdict::Missed(_) => "missed".to_owned(),
        Verdict::NeedsFourCores => "not judged: needs four cores".to_owned(),
        Verdict::NoGoal => "–".to_owned(),
    }
}

#[derive(Serialize)]
pub struct Table {
    measured_at: String,
    processor: String,
    cores: usize,
    server_cores: usize,
    runs: usize,
    full: bool,
    load_average_before: f64,
    pub lines: Vec<Line>,
    /// Rows that could not run, with the reason.
    pub failed: Vec<(Part, String, String)>,
}

impl Table {
    pub fn new(bench: &Bench) -> Self {
        Self {
            measured_at: day_and_minute(wall_ms()),
            processor: processor(),
            cores: bench.cores.count(),
            server_cores: bench.cores.server.len(),
            runs: bench.runs,
            full: bench.full,
            load_average_before: load_average(),
            lines: Vec::new(),
            failed: Vec::new(),
        }
    }

    pub fn heading(&self) -> String {
        let Self { measured_at, processor, cores, server_cores, runs, load_average_before, .. } = self;
        let form = if self.full { "full" } else { "short" };
        format!(
            "{measured_at} UTC · {processor}, {cores} cores: server on {server_cores}, load on {} · {form} form, medians of \
             {runs} (least–most) · load average before {load_average_before:.2}",
            cores - server_cores
        )
    }

    fn cells(&self, line: &Line) -> [String; 6] {
        let theirs = line.theirs.as_ref().map_or_else(|| "–".to_owned(), Figure::words);
        let ratio = if line.peer.is_some() { number(line.judged) } else { "–".to_owned() };
        let mut verdict = verdict_words(&line.verdict(self.cores));
        if !line.note.is_empty() {
            verdict += &format!("; {}", line.note);
        }
        [line.what.clone(), line.goal.clone(), line.ours.words(), theirs, ratio, verdict]
    }

    /// One line for the terminal.
    pub fn words(&self, line: &Line) -> String {
        let [what, goal, ours, theirs, ratio, verdict] = self.cells(line);
        let beside = line.peer.map_or_else(String::new, |peer| format!(" · {peer} {theirs} · ratio {ratio}"));
        format!("  {what}: {ours}{beside} · goal {goal} · {verdict}")
    }

    pub fn summary(&self) -> String {
        let count = |wanted: fn(&Verdict) -> bool| {
            self.lines.iter().filter(|line| wanted(&line.verdict(self.cores))).count()
        };
        let mut words = format!(
            "{} goals met, {} missed, {} not judged for want of cores, {} rows could not run",
            count(|verdict| *verdict == Verdict::Met),
            count(|verdict| matches!(verdict, Verdict::Missed(_))),
            count(|verdict| *verdict == Verdict::NeedsFourCores),
            self.failed.len()
        );
        for (_, row, why) in &self.failed {
            words += &format!("\n  {row}: {why}");
        }
        words
    }

    /// As JSON, after every row: a run that is cut short has still measured something.
    pub fn keep(&self, folder: &Path) -> Outcome<()> {
        let text = serde_json::to_vec_pretty(self).during("the table as JSON")?;
        fs::write(folder.join(format!("table-{}-cores.json", self.cores)), text).during("keeping the table")
    }

    fn markdown(&self, part: Part) -> String {
        let mut text = format!("{}\n\n", self.heading());
        text += "| what | goal | Kaipan | beside | ratio | |\n|---|---|---|---|---|---|\n";
        for line in self.lines.iter().filter(|line| line.part == part) {
            let [what, goal, ours, theirs, ratio, verdict] = self.cells(line);
            text += &format!("| {what} | {goal} | {ours} | {theirs} | {ratio} | {verdict} |\n");
        }
        for (_, row, why) in self.failed.iter().filter(|(of, _, _)| *of == part) {
            text += &format!("\n**{row} could not run**: {why}\n");
        }
        text
    }

    /// Replaces what stands between the markers of each part that was measured; other cores have markers of their own.
    pub fn write_markdown(&self, file: &Path) -> Outcome<()> {
        let page = fs::read_to_string(file).during("reading the page")?;
        fs::write(file, self.written_into(page)?).during("writing the page")
    }

    fn written_into(&self, mut page: String) -> Outcome<String> {
        for part in Part::ALL {
            let measured = self.lines.iter().map(|line| line.part).chain(self.failed.iter().map(|row| row.0));
            if measured.into_iter().any(|of| of == part) {
                page = between(&page, &part.markers(self.cores), &self.markdown(part))?;
            }
        }
        Ok(page)
    }
}

/// `page` with `text` between `<!-- figures: NAME -->` and `<!-- end of figures: NAME -->`.
fn between(page: &str, name: &str, text: &str) -> Outcome<String> {
    let (open, close) = (format!("<!-- figures: {name} -->\n"), format!("<!-- end of figures: {name} -->"));
    let parts = page.split_once(&open).and_then(|(before, rest)| Some((before, rest.split_once(&close)?.1)));
    let Some((before, after)) = parts else {
        return Err(Failure(format!("the page has no markers for the figures of {name}")));
    };
    Ok(format!("{before}{open}{text}{close}{after}"))
}

/// `2026-11-21 22:05`.
fn day_and_minute(ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    moment.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ours: f64, theirs: f64, bound: Bound) -> Line {
        Line::beside("picks", Figure::of("/s", [ours]), "bare axum", Figure::of("/s", [theirs]), bound)
    }

    /// Mutation that turned it red: a line that needs four cores counted as met on two.
    #[test]
    fn a_goal_is_met_missed_or_honestly_not_judged() {
        assert_eq!(line(95.0, 100.0, Bound::AtLeast(0.9)).verdict(4), Verdict::Met);
        let missed = line(45.0, 100.0, Bound::AtLeast(0.9));
        assert_eq!(verdict_words(&missed.verdict(4)), "missed by 50.0 %");
        assert_eq!(missed.four_cores().verdict(2), Verdict::NeedsFourCores);
        assert!(matches!(line(1.0, 0.0, Bound::AtMost(2.0)).verdict(4), Verdict::Missed(_)));
        let alone = Line::alone("slowest", Figure::of("ms", [101.0]), "≤ 100 ms", Some(Bound::AtMost(100.0)));
        assert_eq!(verdict_words(&alone.verdict(4)), "missed by 1.00 %");
    }

    #[test]
    fn writing_a_table_twice_changes_the_page_once() {
        let page = "# Figures\n<!-- figures: 4 cores -->\nold\n<!-- end of figures: 4 cores -->\nlimits\n";
        let once = between(page, "4 cores", "new\n").unwrap();
        assert_eq!(
            once,
            "# Figures\n<!-- figures: 4 cores -->\nnew\n<!-- end of figures: 4 cores -->\nlimits\n"
        );
        assert_eq!(between(&once, "4 cores", "new\n").unwrap(), once);
        assert!(between(page, "2 cores", "new\n").is_err());
    }

    /// Mutation that turned it red: the table of a part that was not measured written without lines.
    #[test]
    fn a_part_that_was_not_measured_keeps_its_table() {
        let mut table = Table {
            measured_at: "2026-11-21 22:05".to_owned(),
            processor: "a processor".to_owned(),
            cores: 4,
            server_cores: 2,
            runs: 5,
            full: true,
            load_average_before: 0.1,
            lines: vec![Line { part: Part::Cluster, ..line(2.0, 1.0, Bound::AtLeast(1.7)) }],
            failed: Vec::new(),
        };
        let page = "<!-- figures: 4 cores -->\nold\n<!-- end of figures: 4 cores -->\n\
                    <!-- figures: cluster, 4 cores -->\nolder\n<!-- end of figures: cluster, 4 cores -->\n";
        let written = table.written_into(page.to_owned()).unwrap();
        assert!(written.contains("\nold\n") && !written.contains("older"), "{written}");
        assert!(
            written.contains("| picks | ≥ 1.7 × bare axum | 2.00 /s | 1.00 /s | 2.00 | met |"),
            "{written}"
        );
        table.failed.push((Part::Single, "hall".to_owned(), "no".to_owned()));
        let written = table.written_into(page.to_owned()).unwrap();
        assert!(written.contains("**hall could not run**: no") && !written.contains("\nold\n"), "{written}");
        assert!(table.written_into("no markers".to_owned()).is_err());
    }
}
