//! The report in words, English or Chinese: the spreadsheets are Chinese, and so are many of those who mend them. Sheet,
//! row and header stand as the file has them, and each reason's code behind its words.

mod reasons;

use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::List;
use crate::cli::values::yuan;
use crate::domain::kind::UnitKind;
use crate::opening::prepare::{Change, Effect, FileProblem, ImportReport, RowProblem};

/// Changes, and rows that the file does not name, before the rest is only counted.
const LINES_SHOWN: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Lang {
    #[default]
    En,
    Zh,
}

impl Lang {
    pub fn print_report(self, file: &str, list: List, report: &ImportReport) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", self.summary(file, list, report))?;
        self.print_problems(&mut out, ["Refused rows", "拒收的行"], &report.refused)?;
        self.print_problems(&mut out, ["Warnings", "提醒"], &report.warnings)?;
        if let Some(effect) = &report.effect {
            writeln!(out, "{}", self.effect(effect))?;
            self.print_first(&mut out, effect.changed.iter().map(|change| self.change(change)))?;
            let kept = self.pick(["kept", "保留"]);
            self.print_first(&mut out, effect.missing.iter().map(|what| format!("{kept} {what}")))?;
        }
        writeln!(
            out,
            "{}",
            match report.stored {
                true => self.pick(["Stored.", "已写入。"]),
                false => self.pick(["Nothing was stored.", "没有写入。"]),
            }
        )
    }

    pub fn print_problem(self, file: &str, problem: &FileProblem) -> io::Result<()> {
        let (words, code) = (self.of_file(problem), problem.code());
        let line = match self {
            Self::En => format!("{file}: {words} [{code}]. Nothing was stored."),
            Self::Zh => format!("{file}：{words} [{code}]。没有写入。"),
        };
        writeln!(io::stdout(), "{line}")
    }

    pub fn unreadable(self, path: &Path, error: &io::Error) -> String {
        let path = path.display();
        match self {
            Self::En => format!("{path} can't be read: {error}"),
            Self::Zh => format!("{path} 读不出来：{error}"),
        }
    }

    /// What stands in a catalogue, English first.
    const fn pick(self, words: [&'static str; 2]) -> &'static str {
        match self {
            Self::En => words[0],
            Self::Zh => words[1],
        }
    }

    fn summary(self, file: &str, list: List, report: &ImportReport) -> String {
        let accepted = report.accepted;
        match list {
            List::Prices => {
                let (kinds, total) = (self.kinds(report), yuan(report.total_fen.unwrap_or_default()));
                match self {
                    Self::En => format!("{file}: {accepted} units{kinds}, {total} yuan in all"),
                    Self::Zh => format!("{file}：可收 {accepted} 套{kinds}，总价 {total} 元"),
                }
            }
            List::Roster => {
                let total = yuan(report.earnest_total_fen.unwrap_or_default());
                match self {
                    Self::En => format!("{file}: {accepted} registrations, {total} yuan of earnest money"),
                    Self::Zh => format!("{file}：可收 {accepted} 份登记，诚意金 {total} 元"),
                }
            }
        }
    }

    /// How many of each kind, in brackets.
    fn kinds(self, report: &ImportReport) -> String {
        let count = |kind: UnitKind| report.by_kind.as_ref().and_then(|by| by.get(kind.as_str())).copied();
        let kinds: Vec<String> = UnitKind::ALL
            .iter()
            .filter_map(|kind| count(*kind).map(|count| format!("{} {count}", self.kind(*kind))))
            .collect();
        match self {
            _ if kinds.is_empty() => String::new(),
            Self::En => format!(" ({})", kinds.join(", ")),
            Self::Zh => format!("（{}）", kinds.join("，")),
        }
    }

    fn effect(self, effect: &Effect) -> String {
        let Effect { added, changed, unchanged, missing } = effect;
        let (changed, missing) = (changed.len(), missing.len());
        match self {
            Self::En => format!(
                "{added} added, {changed} values changed, {unchanged} unchanged, {missing} kept that the file does not name"
            ),
            Self::Zh => {
                format!("新增 {added}，改动 {changed} 处，未变 {unchanged}，表中没有而保留的 {missing}")
            }
        }
    }

    fn change(self, change: &Change) -> String {
        let Change { what, field, before, after } = change;
        match self {
            Self::En => format!("changed {what}: {field} from {before:?} to {after:?}"),
            Self::Zh => format!("改 {what}：{field} 由「{before}」变为「{after}」"),
        }
    }

    fn print_problems(
        self,
        out: &mut impl Write,
        title: [&'static str; 2],
        problems: &[RowProblem],
    ) -> io::Result<()> {
        let (title, count) = (self.pick(title), problems.len());
        writeln!(out, "{title}{}{count}", self.pick([": ", "："]))?;
        problems.iter().try_for_each(|problem| writeln!(out, "  {}", self.problem(problem)))
    }

    fn problem(self, problem: &RowProblem) -> String {
        let RowProblem { sheet, row, column, reason, value, first, registration } = problem;
        let mut line = match (self, column.as_str()) {
            (Self::En, "") => format!("{sheet}, row {row}"),
            (Self::En, column) => format!("{sheet}, row {row}, {column:?}"),
            (Self::Zh, "") => format!("{sheet} 第 {row} 行"),
            (Self::Zh, column) => format!("{sheet} 第 {row} 行「{column}」"),
        };
        line += self.pick([": ", "："]);
        line += self.of_row(*reason);
        if !value.is_empty() {
            line += &match self {
                Self::En => format!(": {value}"),
                Self::Zh => format!("：{value}"),
            };
        }
        if let Some(first) = first {
            line += &match self {
                Self::En => format!(" (first in {}, row {})", first.sheet, first.row),
                Self::Zh => format!("（先见于 {} 第 {} 行）", first.sheet, first.row),
            };
        }
        if let Some(code) = registration {
            line += &match self {
                Self::En => format!(" (registered already as {code})"),
                Self::Zh => format!("（已登记于 {code}）"),
            };
        }
        format!("{line} [{}]", reason.as_str())
    }

    /// A screenful; `--json` has them all.
    fn print_first(
        self,
        out: &mut impl Write,
        mut lines: impl ExactSizeIterator<Item = String>,
    ) -> io::Result<()> {
        for line in lines.by_ref().take(LINES_SHOWN) {
            writeln!(out, "  {line}")?;
        }
        match (lines.len(), self) {
            (0, _) => Ok(()),
            (more, Self::En) => writeln!(out, "  … and {more} more: see --json"),
            (more, Self::Zh) => writeln!(out, "  …… 另有 {more} 处，见 --json"),
        }
    }
}

/// A file that was not understood, in the form of a report.
pub(super) fn problem_json(problem: &FileProblem) -> Value {
    json!({
        "accepted": 0, "refused": [], "warnings": [], "stored": false,
        "file": {"code": problem.code(), "params": problem.params()},
    })
}
