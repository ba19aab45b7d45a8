//! `kaipan-loadtest report`, `merge` and `compare`: files in, files out, an exit status that scripts can act on.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::compare::{self, Change, Row};
use super::merge::{Input, merge};
use super::words::figure;
use super::{Report, Verdict, html};
use crate::{audit, record};

/// What the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Pass = 0,
    Fail = 1,
    Refused = 3,
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Fail => Self::Fail,
            Verdict::Refused => Self::Refused,
        }
    }
}

#[derive(Debug, Args)]
pub struct RenderArgs {
    /// A report as JSON
    file: PathBuf,
    /// Where the page goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Reports of one run, from two machines or more
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,
    /// The record of each report, in the same order: what `--record` of the run wrote
    #[arg(long, required = true, value_name = "FILE")]
    record: Vec<PathBuf>,
    /// What `kaipan opening dump --json` printed after the last part had ended
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
    /// Where the merged report goes, as JSON
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Also write it as a page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The report to compare with
    before: PathBuf,
    /// The report to judge
    after: PathBuf,
    /// End with 1 if a figure is clearly worse, and by more than this factor
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    worse_than: Option<f64>,
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor >= 1.0 && factor.is_finite() => Ok(factor),
        _ => Err("expected a factor such as 1.2".to_owned()),
    }
}

/// Makes the page again.
pub fn render(args: &RenderArgs) -> Result<Exit, String> {
    let report = Report::read(&args.file).map_err(|error| error.to_string())?;
    write(&args.output, &html::page(&report))?;
    // Whether the run passed was said when it ran; here only the page was asked for.
    Ok(Exit::Pass)
}

pub fn merged(args: &MergeArgs, out: &mut impl Write) -> Result<Exit, String> {
    if args.record.len() != args.files.len() {
        return Err(format!("{} reports need as many records, not {}", args.files.len(), args.record.len()));
    }
    let inputs: Vec<Input> = args
        .files
        .iter()
        .zip(&args.record)
        .map(|(file, record)| {
            Ok(Input {
                file: file.display().to_string(),
                report: Report::read(file).map_err(|error| error.to_string())?,
                record: record::read(record).map_err(|error| format!("{}: {error}", record.display()))?,
            })
        })
        .collect::<Result<_, String>>()?;
    let truth = audit::read_truth(&args.truth)?;
    let report = merge(&inputs, &truth).map_err(|error| error.to_string())?;
    let json = report.to_json().map_err(|error| error.to_string())?;
    write(&args.output, &format!("{json}\n"))?;
    if let Some(page) = &args.html {
        write(page, &html::page(&report))?;
    }
    tell(out, &report).map_err(|error| error.to_string())?;
    Ok(report.verdict.into())
}

/// The verdict and its reasons, as a run ends with them on the terminal.
pub fn tell(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    let name = html::verdict_name(report.verdict);
    writeln!(out, "{} | {}", name.zh, name.en)?;
    report.reasons.iter().try_for_each(|reason| writeln!(out, "  {reason}"))
}

pub fn compared(args: &CompareArgs, out: &mut impl Write) -> Result<Exit, String> {
    let [before, after] =
        [&args.before, &args.after].map(|file| Report::read(file).map_err(|error| error.to_string()));
    let (before, after) = (before?, after?);
    compare::comparable(&before, &after)?;
    let rows = compare::rows(&before, &after);
    print(out, &before, &after, &rows).map_err(|error| error.to_string())?;
    // Of a run whose generator was too slow no figure means anything, better or worse.
    if before.verdict == Verdict::Refused || after.verdict == Verdict::Refused {
        return Ok(Exit::Refused);
    }
    let exceeded = args.worse_than.is_some_and(|factor| rows.iter().any(|row| row.exceeds(factor)));
    Ok(if exceeded { Exit::Fail } else { Exit::Pass })
}

fn print(out: &mut impl Write, before: &Report, after: &Report, rows: &[Row]) -> std::io::Result<()> {
    let [left, right] = [before, after].map(|report| html::verdict_name(report.verdict));
    writeln!(out, "A: {} | {}    B: {} | {}", left.zh, left.en, right.zh, right.en)?;
    for difference in compare::differences(before, after) {
        writeln!(out, "计划不同 | asked for something else: {difference}")?;
    }
    writeln!(out, "{:<20} {:>12} {:>12} {:>7}", "", "A", "B", "B/A")?;
    for row in rows {
        let [before, after] = [row.before, row.after].map(|side| figure(&row.name, side.value));
        let ratio = row.ratio().map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        writeln!(out, "{:<20} {before:>12} {after:>12} {ratio:>7}  {}", row.name, verdict(row))?;
    }
    Ok(())
}

fn verdict(row: &Row) -> &'static str {
    let time = row.name.ends_with("_ms");
    match (row.change, time) {
        (Change::Same, _) => "相当 | same within noise",
        (Change::Better, true) => "更快 | faster",
        (Change::Worse, true) => "更慢 | slower",
        (Change::Better, false) => "更少 | less",
        (Change::Worse, false) => "更多 | more",
    }
}

/// Whole or not at all: a reader never meets half a report.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, text).map_err(named)?;
    std::fs::rename(&beside, path).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;
    use crate::report::{Histogram, SCHEMA, names};

    fn saved(folder: &Path, name: &str, report: &Report) -> PathBuf {
        let path = folder.join(name);
        write(&path, &report.to_json().unwrap()).unwrap();
        path
    }

    fn ended(before: &Path, after: &Path, worse_than: Option<f64>) -> (Result<Exit, String>, String) {
        let args = CompareArgs { before: before.to_owned(), after: after.to_owned(), worse_than };
        let mut out = Vec::new();
        let exit = compared(&args, &mut out);
        (exit, String::from_utf8(out).unwrap())
    }

    /// Mutations: the factor ignored, the two files exchanged, a refused run compared as if it were one.
    #[test]
    fn a_comparison_ends_with_what_scripts_can_act_on() {
        let folder = tempfile::tempdir().unwrap();
        let base = sample();
        let mut slow = sample();
        let mut answers = Histogram::new();
        (0..400).for_each(|n| answers.record_us(20_000 + n));
        slow.histograms.insert(names::ANSWER.to_owned(), answers);
        let [before, after] = [("a.json", &base), ("b.json", &slow)].map(|(n, r)| saved(folder.path(), n, r));

        let (exit, said) = ended(&before, &after, None);
        assert_eq!(exit, Ok(Exit::Pass));
        let row = said.lines().find(|line| line.starts_with("answer_p99_ms")).unwrap();
        assert!(row.contains("8.62 ms") && row.contains("20.4 ms") && row.contains("2.37"), "{row}");
        assert!(row.ends_with("更慢 | slower"), "{row}");
        assert!(
            said.lines()
                .any(|line| line.starts_with("connect_p99_ms") && line.ends_with("same within noise"))
        );
        assert_eq!(ended(&before, &after, Some(1.2)).0, Ok(Exit::Fail));
        assert_eq!(ended(&before, &after, Some(100.0)).0, Ok(Exit::Pass));
        assert_eq!(ended(&after, &before, Some(1.2)).0, Ok(Exit::Pass), "faster is not worse");

        let mut refused = slow;
        refused.verdict = Verdict::Refused;
        let refused = saved(folder.path(), "c.json", &refused);
        assert_eq!(ended(&before, &refused, Some(100.0)).0, Ok(Exit::Refused));
    }

    #[test]
    fn what_is_no_report_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let good = saved(folder.path(), "good.json", &sample());
        let other = folder.path().join("other.json");
        std::fs::write(&other, sample().to_json().unwrap().replace(SCHEMA, "kaipan.load-report/9")).unwrap();
        let error = ended(&good, &other, None).0.unwrap_err();
        assert!(error.contains("other.json: its schema is `kaipan.load-report/9`"), "{error}");
        let error = ended(&folder.path().join("none.json"), &good, None).0.unwrap_err();
        assert!(error.contains("none.json"), "{error}");
        let page = folder.path().join("page.html");
        assert_eq!(render(&RenderArgs { file: good, output: page.clone() }), Ok(Exit::Pass));
        assert!(std::fs::read_to_string(page).unwrap().starts_with("<!doctype html>"));
        for (text, fine) in [("1.2", true), ("1", true), ("0.9", false), ("inf", false), ("x", false)] {
            assert_eq!(factor(text).is_ok(), fine, "{text}");
        }
    }
}
