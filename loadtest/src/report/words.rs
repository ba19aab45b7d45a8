//! Every word that a report says, in Chinese and English side by side: a word without its twin does not compile.

/// What the page says around the figures.
pub mod page;

/// One text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    pub zh: &'static str,
    pub en: &'static str,
}

impl Text {
    /// Both languages with their `{places}` filled in.
    pub fn with(&self, values: &[(&str, &str)]) -> (String, String) {
        let fill = |text: &str| {
            values
                .iter()
                .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
        };
        (fill(self.zh), fill(self.en))
    }
}

const fn text(zh: &'static str, en: &'static str) -> Text {
    Text { zh, en }
}

/// What stands for a code that this program does not know: a newer program wrote the report.
const OTHER: Text = text("其他", "other");

/// Findings of the audit: code, name, what it means.
const FINDINGS: [(&str, Text, Text); 12] = [
    (
        "DOUBLE",
        text("一房两卖", "homes sold twice"),
        text("同一套房同时有两笔有效认购。", "Two live claims on one unit at one time."),
    ),
    (
        "YES_LOST",
        text("丢失的“抢到”", "lost yeses"),
        text(
            "购房人看到“抢到”，服务器里却没有这笔认购。",
            "A buyer was told yes, and the server has no such claim.",
        ),
    ),
    (
        "DEAL_LOST",
        text("丢失的成交", "lost deals"),
        text("收银台看到成交，服务器里却不是。", "The cashier was told of a deal that is none."),
    ),
    (
        "NO_WAS_YES",
        text("说没抢到其实抢到", "noes that were a yes"),
        text(
            "购房人看到“没抢到”，服务器里却有这笔认购。",
            "A buyer was told no, and the server has the claim.",
        ),
    ),
    (
        "TAKEN_BUT_FREE",
        text("没人选却说已被选走的房", "free homes said to be taken"),
        text(
            "购房人看到“已被选走”，这套房却从来没有人选到。",
            "Buyers were told that a unit is taken which nobody ever had.",
        ),
    ),
    (
        "NOTHING_GIVEN",
        text("有房却无人抢到", "nothing given away"),
        text(
            "点过的房有的从来没有人选到，却没有一个人抢到。",
            "Nobody got anything, though homes that were tapped were never anybody's.",
        ),
    ),
    (
        "UNANSWERED",
        text("没有答复的点击", "taps without an answer"),
        text("点击之后一直没有“抢到”或“没抢到”。", "Neither a yes nor a no ever came."),
    ),
    (
        "CONTRADICTED",
        text("前后矛盾的答复", "contradictory answers"),
        text(
            "同一次点击先后得到相反的答复，或没点过却有答复。",
            "A yes and a no to one tap, two yeses of two claims, or an answer to a tap never made.",
        ),
    ),
    (
        "JOURNAL_GAP",
        text("日志缺口", "gaps in the journal"),
        text(
            "日志编号不连续，或认购没有对应的日志。",
            "A number is missing or double, or a claim has no entry.",
        ),
    ),
    (
        "DISAGREEMENT",
        text("日志与认购不符", "journal against claims"),
        text(
            "按日志推算的归属或状态与认购表不同。",
            "The journal ends with another owner or state of a unit than the claims.",
        ),
    ),
    (
        "BOARD_WRONG",
        text("销控显示不符", "wrong boards"),
        text(
            "购房人的销控图与服务器日志同一时刻的状态不一致。",
            "A board shows something else than the journal does at the entry that the board has come to.",
        ),
    ),
    (
        "BOARD_BEHIND",
        text("没有跟上的销控", "boards left behind"),
        text(
            "全部结束之后，购房人的销控图仍停在几秒之前，或从未显示。",
            "A board ended seconds behind the journal, or was never shown.",
        ),
    ),
];

pub fn finding(code: &str) -> Text {
    FINDINGS.iter().find(|(known, ..)| *known == code).map_or(OTHER, |(_, name, _)| *name)
}

/// What a finding means, in a sentence.
pub fn finding_meaning(code: &str) -> Text {
    FINDINGS.iter().find(|(known, ..)| *known == code).map_or(OTHER, |(.., meaning)| *meaning)
}

/// What a limit is set on.
const LIMITS: [(&str, Text); 12] = [
    ("answer_p50_ms", text("答复用时 p50", "answer time p50")),
    ("answer_p99_ms", text("答复用时 p99", "answer time p99")),
    ("answer_p999_ms", text("答复用时 p99.9", "answer time p99.9")),
    ("answer_max_ms", text("最慢的答复", "slowest answer")),
    ("board_p50_ms", text("销控延迟 p50", "board lag p50")),
    ("board_p99_ms", text("销控延迟 p99", "board lag p99")),
    ("board_max_ms", text("最晚的销控更新", "latest board")),
    ("connect_p99_ms", text("连接用时 p99", "connect time p99")),
    ("connect_max_ms", text("最慢的连接", "slowest connect")),
    ("unanswered_count", text("没有答复的点击", "taps without an answer")),
    ("errors_share", text("出错占比", "share of errors")),
    ("server_rss_mib", text("服务器内存", "server memory")),
];

pub fn limit(name: &str) -> Option<Text> {
    LIMITS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Final answers and what else came back, by the protocol's codes.
const ANSWERS: [(&str, Text); 29] = [
    ("YES", text("抢到", "got it")),
    ("TAKEN", text("已被选走", "taken")),
    ("QUOTA_USED", text("名额已用", "quota used")),
    ("ALREADY_YOURS", text("已是本人的", "already theirs")),
    ("NOT_OPEN_YET", text("还没开始", "not open yet")),
    ("CLOSED", text("已经结束", "closed")),
    ("PAUSED", text("暂停中", "paused")),
    ("NOT_ADMITTED", text("不在名单", "not admitted")),
    ("NOT_YOUR_TURN", text("还没轮到", "not their turn")),
    ("WITHHELD", text("暂不销售", "withheld")),
    ("UNIT_UNKNOWN", text("没有这套房", "no such unit")),
    ("NOT_RECORDED", text("没有收到这次点击", "tap not recorded")),
    ("VIEWER_DEVICE", text("不是选房设备", "not the picking device")),
    ("SLOW_DOWN", text("请求太快，稍后再试", "asked to slow down")),
    ("OVERLOADED", text("服务器繁忙", "server overloaded")),
    ("DRAINING", text("服务器即将停止", "server draining")),
    ("NOT_READY", text("服务器还没就绪", "server not ready")),
    ("TIMED_OUT", text("服务器超时", "server timed out")),
    ("INTERNAL", text("服务器内部错误", "server error")),
    ("KEY_REUSED", text("编号重复使用", "key reused")),
    ("IN_PROGRESS", text("正在确认（重发）", "in progress, sent again")),
    ("UNKNOWN", text("结果待查（再问）", "unknown, asked again")),
    ("SILENCE", text("没有回音", "silence")),
    ("LINK_LOST", text("连接中断", "connection lost")),
    ("ERROR", text("其他错误", "another error")),
    ("CONNECT_FAILED", text("连不上", "could not connect")),
    ("FRAME_UNKNOWN", text("看不懂的消息", "a frame outside the protocol")),
    ("BOARD_GAP", text("销控更新有缺口（重新取）", "gap in the board, fetched again")),
    ("SIGN_IN_FAILED", text("登录失败", "sign-in failed")),
];

/// Nothing for a code that is not in the catalogue: the code itself then stands alone.
pub fn answer(code: &str) -> Option<Text> {
    ANSWERS.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}

/// What a histogram measures.
const HISTOGRAMS: [(&str, Text); 3] = [
    ("answer", text("点击到答复", "tap to answer")),
    ("board", text("销控更新", "change to board")),
    ("connect", text("建立连接", "connect")),
];

pub fn histogram(name: &str) -> Option<Text> {
    HISTOGRAMS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// A figure with the unit that its name ends in.
pub fn figure(name: &str, value: f64) -> String {
    match name.rsplit('_').next() {
        Some("ms") => format!("{} ms", rounded(value)),
        Some("us") => format!("{} µs", rounded(value)),
        Some("s") => format!("{} s", rounded(value)),
        Some("bytes") => format!("{} GiB", rounded(value / (1024.0 * 1024.0 * 1024.0))),
        Some("mib") => format!("{} MiB", rounded(value)),
        Some("share") => format!("{} %", rounded(value * 100.0)),
        _ => rounded(value),
    }
}

/// Three digits that matter, no more zeros than needed.
fn rounded(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Finding;
    use crate::report::{judge, names};

    /// Mutations: a finding, and a limit, without its words.
    #[test]
    fn every_code_has_its_words() {
        for code in Finding::CODES {
            assert_ne!(finding(code), OTHER, "{code}");
        }
        assert_eq!(FINDINGS.len(), Finding::CODES.len());
        for (name, _) in judge::LIMITS {
            assert!(limit(name).is_some(), "{name}");
        }
        for name in [names::ANSWER, names::BOARD, names::CONNECT] {
            assert!(histogram(name).is_some(), "{name}");
        }
    }

    /// The codes and names that people look up are in the document that explains them.
    #[test]
    fn the_document_names_every_code_and_limit() {
        let document = include_str!("../../../docs/load-report.md");
        for name in Finding::CODES.into_iter().chain(judge::LIMITS.map(|(name, _)| name)) {
            assert!(document.contains(&format!("`{name}`")), "{name}");
        }
    }

    /// Mutations: a place in one language only, Chinese missing, a full stop of the other language.
    #[test]
    fn both_languages_say_the_same() {
        let places = |text: &str| {
            let mut names: Vec<_> = text
                .split('{')
                .skip(1)
                .filter_map(|rest| rest.split('}').next())
                .map(str::to_owned)
                .collect();
            names.sort();
            names
        };
        let codes = FINDINGS.iter().flat_map(|(_, name, meaning)| [*name, *meaning]);
        let tables = LIMITS.iter().chain(&ANSWERS).chain(&HISTOGRAMS).map(|(_, text)| *text);
        for text in codes.chain(tables).chain(page::ALL.iter().copied()) {
            assert_eq!(places(text.zh), places(text.en), "{text:?}");
            let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            assert!(chinese(text.zh) && !chinese(text.en) && !text.en.trim().is_empty(), "{text:?}");
            assert_eq!(text.zh.ends_with('。'), text.en.ends_with('.'), "{text:?}");
        }
    }

    /// Every reason of a no and every general code that docs/protocol.md names has a word here.
    #[test]
    fn the_protocols_reasons_have_words() {
        let protocol = include_str!("../../../docs/protocol.md");
        let reasons =
            protocol.split("Reasons of a *no*:").nth(1).unwrap().split("The same key").next().unwrap();
        let codes: Vec<_> = reasons
            .split('`')
            .skip(1)
            .step_by(2)
            .map(|code| code.split([' ', '{']).next().unwrap())
            .collect();
        assert!(codes.len() > 8, "{codes:?}");
        for code in codes {
            assert!(answer(code).is_some(), "{code}");
        }
    }

    #[test]
    fn figures_have_units_and_three_digits() {
        for (name, value, shown) in [
            ("answer_p99_ms", 4.7, "4.7 ms"),
            ("answer_p99_ms", 1_234.5, "1234 ms"),
            ("answer_p99_ms", 0.0, "0 ms"),
            ("answer_p99_ms", 0.25, "0.25 ms"),
            ("errors_share", 0.0125, "1.25 %"),
            ("server_rss_mib", 99.96, "100 MiB"),
            ("memory_bytes", 16_700_000_000.0, "15.6 GiB"),
            ("unanswered_count", 3.0, "3"),
        ] {
            assert_eq!(figure(name, value), shown);
        }
    }
}
