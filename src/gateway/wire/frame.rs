//! Frames of `kaipan.v1`: one JSON object each, tag `t`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::scan::scan;
use super::{Answer, Claim, DeviceRequest};
use crate::http::Problem;
use crate::http::extract::parse_json;
use crate::opening::answer::{self, Key, Refusal};
use crate::opening::board::{Snapshot, Status, Tick};

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ServerFrame {
    Hello(Hello),
    Mine {
        claims: Vec<Claim>,
    },
    Answer(Answer),
    Claim {
        claim: Claim,
    },
    Control {
        phase: &'static str,
        paused: bool,
        start_ms: i64,
        end_ms: i64,
        now_ms: i64,
    },
    Device {
        device: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<DeviceRequest>,
    },
    Time {
        c: Number,
        now_ms: i64,
    },
    Error {
        code: &'static str,
        params: Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hello {
    pub protocol: u32,
    pub opening: String,
    pub now_ms: i64,
    pub phase: &'static str,
    pub paused: bool,
    pub start_ms: i64,
    pub end_ms: i64,
    pub device: &'static str,
    pub seq: i64,
}

impl ServerFrame {
    /// Appends the frame's text.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Strings and numbers always serialise, and a Vec takes everything.
        let _ = serde_json::to_writer(out, self);
    }

    pub fn error(problem: Problem, key: Option<String>) -> Self {
        Self::Error { code: problem.code.as_str(), params: problem.params, key }
    }
}

/// Appends the frame that answers a pick or an ask. What nearly every answer is (a *no*) is written by hand; a test
/// compares it with what `ServerFrame` would say.
pub fn write_answer(out: &mut Vec<u8>, key: &Key, answer: &answer::Answer) {
    let answer::Answer::No(refusal) = answer else {
        return ServerFrame::Answer(Answer::of(key, answer)).write(out);
    };
    let unit = match refusal {
        Refusal::Taken { unit } | Refusal::Withheld { unit } | Refusal::AlreadyYours { unit } => Some(unit.0),
        Refusal::QuotaUsed { .. } => return ServerFrame::Answer(Answer::of(key, answer)).write(out),
        _ => None,
    };
    let parts = [r#"{"t":"answer","answer":"no","key":""#, key.as_str(), r#"","code":""#, refusal.code()];
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    // A Vec takes everything.
    let _ = match unit {
        Some(unit) => write!(out, r#"","params":{{"unit":{unit}}}}}"#),
        None => out.write_all(br#"","params":{}}"#),
    };
}

/// One digit a unit, by ordinal.
pub fn status_digits(statuses: &[Status]) -> String {
    statuses.iter().map(|status| char::from(status.digit())).collect()
}

/// Written by hand, as it is the one frame whose size grows with the opening; encoded once for all connections.
pub fn snapshot_frame(snapshot: &Snapshot) -> String {
    format!(r#"{{"t":"snapshot","seq":{},"status":"{}"}}"#, snapshot.seq, status_digits(&snapshot.statuses))
}

/// Encoded once for all connections.
pub fn board_frame(tick: &Tick) -> String {
    let mut text = format!(r#"{{"t":"board","from":{},"to":{},"u":["#, tick.from, tick.to);
    for (at, (unit, status)) in tick.changes.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing into a String can not fail.
        let _ = write!(text, "{comma}{},{}", unit.0, char::from(status.digit()));
    }
    text.push_str("]}");
    text
}

/// What a client may say.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientFrame<'a> {
    /// `again`: it was sent before and may have been taken.
    Pick {
        key: Cow<'a, str>,
        unit: u32,
        again: bool,
    },
    Ask {
        key: Cow<'a, str>,
    },
    Snapshot,
    Time {
        c: Number,
    },
}

#[derive(Deserialize)]
struct Tag {
    t: String,
}

#[derive(Deserialize)]
struct PickBody {
    key: String,
    unit: u32,
    #[serde(default)]
    again: bool,
}

#[derive(Deserialize)]
struct AskBody {
    key: String,
}

#[derive(Deserialize)]
struct TimeBody {
    c: Number,
}

/// Only to name the frame that an error answers.
#[derive(Deserialize)]
struct KeyOnly {
    key: String,
}

impl<'a> ClientFrame<'a> {
    /// The key of the pick that the frame is about.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Pick { key, .. } | Self::Ask { key } => Some(key),
            Self::Snapshot | Self::Time { .. } => None,
        }
    }

    /// Reads a frame; the problem names the field, and the key comes along if the frame had one. A pick or ask as
    /// programs write it is read in one pass (see `scan`), anything else by serde.
    pub fn parse(text: &'a str) -> Result<Self, (Problem, Option<String>)> {
        if let Some(frame) = scan(text) {
            return Ok(frame);
        }
        Self::read(text.as_bytes())
            .map_err(|problem| (problem, parse_json::<KeyOnly>(text.as_bytes()).ok().map(|only| only.key)))
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let Tag { t } = parse_json(bytes)?;
        Ok(match t.as_str() {
            "pick" => {
                let PickBody { key, unit, again } = parse_json(bytes)?;
                Self::Pick { key: key.into(), unit, again }
            }
            "ask" => {
                let AskBody { key } = parse_json(bytes)?;
                Self::Ask { key: key.into() }
            }
            "snapshot" => Self::Snapshot,
            "time" => {
                let TimeBody { c } = parse_json(bytes)?;
                Self::Time { c }
            }
            _ => return Err(Problem::malformed("t")),
        })
    }
}
