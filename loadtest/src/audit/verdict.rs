//! What the comparison found, as one line in two languages and as JSON.

use serde::{Deserialize, Serialize};

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Finding {
    /// Two claims on one unit at one time.
    Double {
        unit: u32,
    },
    /// A buyer saw *yes*, and there is no such claim, or it is gone without an end that the buyer could know.
    YesLost {
        key: String,
    },
    /// The cashier was told that a deal was made, and it is none.
    DealLost {
        claim: String,
    },
    /// A buyer saw *no*, and the claim exists.
    NoWasYes {
        key: String,
    },
    /// Buyers were told that a unit is taken which nobody ever had.
    TakenButFree {
        unit: u32,
    },
    /// Every answer of a tapping run was a no, also those for this unit, which nobody ever had.
    NothingGiven {
        unit: u32,
    },
    Unanswered {
        key: String,
    },
    /// A yes and a no to one key, two yeses of two claims, or an answer to a tap that was never made.
    Contradicted {
        key: String,
    },
    JournalGap {
        after: i64,
    },
    /// The claims name another occupant of a unit than the journal does, or another state of it.
    Disagreement {
        unit: u32,
    },
    /// A board shows another status than the journal gives, read as far as the board says it has come: of the units it
    /// is wrong about, the first. `boards` of them are wrong in the same way; `board` is whose it was, for one of them.
    BoardWrong {
        board: String,
        boards: u64,
        unit: u32,
        shows: Option<char>,
        truth: Option<char>,
    },
    /// A board ended at `seq`, though the entry after it had long been written; at -1 it was never shown at all.
    BoardBehind {
        board: String,
        boards: u64,
        seq: i64,
    },
}

impl Finding {
    /// Every kind that an audit looks for.
    pub const CODES: [&str; 12] = [
        "DOUBLE",
        "YES_LOST",
        "DEAL_LOST",
        "NO_WAS_YES",
        "TAKEN_BUT_FREE",
        "NOTHING_GIVEN",
        "UNANSWERED",
        "CONTRADICTED",
        "JOURNAL_GAP",
        "DISAGREEMENT",
        "BOARD_WRONG",
        "BOARD_BEHIND",
    ];

    /// As it stands in JSON under `finding`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Double { .. } => "DOUBLE",
            Self::YesLost { .. } => "YES_LOST",
            Self::DealLost { .. } => "DEAL_LOST",
            Self::NoWasYes { .. } => "NO_WAS_YES",
            Self::TakenButFree { .. } => "TAKEN_BUT_FREE",
            Self::NothingGiven { .. } => "NOTHING_GIVEN",
            Self::Unanswered { .. } => "UNANSWERED",
            Self::Contradicted { .. } => "CONTRADICTED",
            Self::JournalGap { .. } => "JOURNAL_GAP",
            Self::Disagreement { .. } => "DISAGREEMENT",
            Self::BoardWrong { .. } => "BOARD_WRONG",
            Self::BoardBehind { .. } => "BOARD_BEHIND",
        }
    }

    /// How often the promise was broken: boards of one kind are one finding.
    pub fn times(&self) -> u64 {
        match self {
            Self::BoardWrong { boards, .. } | Self::BoardBehind { boards, .. } => *boards,
            _ => 1,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    pub sold: usize,
    pub taps: usize,
    /// How many boards were compared; the demo's crowd compares none.
    pub boards: u64,
    pub findings: Vec<Finding>,
}

/// What is said of a kind of finding, with its number: always, or only when there is one.
struct Phrase {
    code: &'static str,
    zh: &'static str,
    en_one: &'static str,
    en_many: &'static str,
    always: bool,
}

const PHRASES: [Phrase; 11] = [
    Phrase { code: "DOUBLE", zh: "一房两卖", en_one: "double", en_many: "double", always: true },
    Phrase {
        code: "YES_LOST", zh: "丢失的“抢到”", en_one: "yes lost", en_many: "yes lost", always: true
    },
    Phrase {
        code: "DEAL_LOST", zh: "丢失的成交", en_one: "deal lost", en_many: "deals lost", always: false
    },
    Phrase {
        code: "NO_WAS_YES",
        zh: "说没抢到其实抢到",
        en_one: "no that was a yes",
        en_many: "noes that were a yes",
        always: false,
    },
    Phrase {
        code: "TAKEN_BUT_FREE",
        zh: "没人选却说已被选走的房",
        en_one: "free unit said to be taken",
        en_many: "free units said to be taken",
        always: false,
    },
    Phrase {
        code: "NOTHING_GIVEN",
        zh: "有房却无人抢到",
        en_one: "run that gave nothing away",
        en_many: "runs that gave nothing away",
        always: false,
    },
    Phrase {
        code: "CONTRADICTED",
        zh: "前后矛盾的答复",
        en_one: "contradictory answer",
        en_many: "contradictory answers",
        always: false,
    },
    Phrase {
        code: "JOURNAL_GAP",
        zh: "日志缺口",
        en_one: "gap in the journal",
        en_many: "gaps in the journal",
        always: false,
    },
    Phrase {
        code: "DISAGREEMENT",
        zh: "日志与认购不符",
        en_one: "unit on which journal and claims disagree",
        en_many: "units on which journal and claims disagree",
        always: false,
    },
    Phrase {
        code: "BOARD_WRONG",
        zh: "销控显示不符",
        en_one: "wrong board",
        en_many: "wrong boards",
        always: false,
    },
    Phrase {
        code: "BOARD_BEHIND",
        zh: "没有跟上的销控",
        en_one: "board left behind",
        en_many: "boards left behind",
        always: false,
    },
];

impl Verdict {
    /// Nothing found, and there was something to find: an empty record proves nothing.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && (self.taps > 0 || self.boards > 0)
    }

    /// The one line at the end, Chinese first.
    pub fn line(&self) -> String {
        format!("{} | {}", self.line_zh(), self.line_en())
    }

    pub fn line_zh(&self) -> String {
        let mut parts = vec![format!("售出 {}", self.sold)];
        parts.extend(self.phrases().map(|(phrase, count)| format!("{} {count}", phrase.zh)));
        parts.push(match (self.taps, self.unanswered()) {
            (0, _) => "没有任何点击".to_owned(),
            (_, 0) => "每次点击都有答复".to_owned(),
            (_, count) => format!("{count} 次点击没有答复"),
        });
        parts.join(" · ")
    }

    pub fn line_en(&self) -> String {
        let mut parts = vec![format!("{} sold", self.sold)];
        parts.extend(self.phrases().map(|(phrase, count)| {
            format!("{count} {}", if count == 1 { phrase.en_one } else { phrase.en_many })
        }));
        parts.push(match (self.taps, self.unanswered()) {
            (0, _) => "no tap on record".to_owned(),
            (_, 0) => "every tap answered".to_owned(),
            (_, 1) => "1 tap unanswered".to_owned(),
            (_, count) => format!("{count} taps unanswered"),
        });
        parts.join(" · ")
    }

    pub fn to_json(&self) -> String {
        serde_json::json!({
            "clean": self.is_clean(), "line_zh": self.line_zh(), "line_en": self.line_en(),
            "sold": self.sold, "taps": self.taps, "findings": self.findings,
        })
        .to_string()
    }

    fn phrases(&self) -> impl Iterator<Item = (&Phrase, u64)> {
        PHRASES
            .iter()
            .map(|phrase| (phrase, self.count(phrase.code)))
            .filter(|(phrase, count)| phrase.always || *count > 0)
    }

    fn unanswered(&self) -> u64 {
        self.count("UNANSWERED")
    }

    fn count(&self, code: &str) -> u64 {
        self.findings.iter().filter(|finding| finding.code() == code).map(Finding::times).sum()
    }
}
