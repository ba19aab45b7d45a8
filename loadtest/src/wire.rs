//! The crowd's own copy of the wire's types: what `docs/protocol.md` says, and of that only what a buyer reads.
//! Unknown fields are passed over, as in any client that is older than its server.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Home,
    Parking,
    Shop,
    Storage,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Opening {
    pub phase: String,
    pub start_ms: i64,
    pub end_ms: i64,
    pub now_ms: i64,
    pub favourites_max: usize,
    pub catalogue_hash: String,
    /// Where a server tells it.
    #[serde(default)]
    pub version: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Catalogue {
    pub units: Vec<Unit>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Unit {
    pub unit: u32,
    pub kind: Kind,
    pub floor: Option<String>,
    pub facing: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SignedIn {
    pub token: String,
    pub me: Me,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Me {
    #[serde(default)]
    pub claims: Vec<Claim>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claim {
    pub id: String,
    pub unit: u32,
    pub state: String,
    pub generation: i64,
    pub deposit_fen: i64,
    /// Of the journal's entry that made or last changed it.
    #[serde(default)]
    pub seq: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Yes { key: String, claim: Claim },
    No { key: String, code: String },
    InProgress { key: String },
    Unknown { key: String },
}

impl Answer {
    pub fn key(&self) -> &str {
        match self {
            Self::Yes { key, .. }
            | Self::No { key, .. }
            | Self::InProgress { key }
            | Self::Unknown { key } => key,
        }
    }
}

/// What comes from the server, but for board frames, which only [`crate::crowd::eyes`] reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Frame {
    Answer(Answer),
    Claim {
        claim: Claim,
    },
    Mine {
        claims: Vec<Claim>,
    },
    Snapshot {
        seq: i64,
        status: String,
    },
    Board {
        from: i64,
        to: i64,
        u: Vec<u32>,
    },
    Error {
        code: String,
        #[serde(default)]
        params: Params,
        key: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct Params {
    pub retry_after_ms: Option<u64>,
    #[serde(default)]
    pub choices: Vec<Choice>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Choice {
    pub code: String,
}

/// The body of a refusal.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Problem {
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub params: Params,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Outbox {
    pub messages: Vec<OutboxMessage>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct OutboxMessage {
    pub id: String,
    pub code: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct StaffSession {
    pub token: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Paid {
    pub hold: PaidHold,
}

#[derive(Debug, Clone, Deserialize)]
pub struct PaidHold {
    pub state: String,
}

pub fn pick_frame(key: &str, unit: u32, again: bool) -> String {
    let mut frame = pick_body(key, unit, again);
    frame["t"] = "pick".into();
    frame.to_string()
}

/// The same over HTTP.
pub fn pick_body(key: &str, unit: u32, again: bool) -> serde_json::Value {
    let mut body = serde_json::json!({ "key": key, "unit": unit });
    if again {
        body["again"] = true.into();
    }
    body
}

pub fn ask_frame(key: &str) -> String {
    serde_json::json!({ "t": "ask", "key": key }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames as `docs/protocol.md` writes them, with fields a newer server might add.
    #[test]
    fn frames_of_the_protocol_are_read() {
        let yes = r#"{"t":"answer","key":"k2345678","answer":"yes","claim":{"id":"01J","unit":4,"state":"held",
            "generation":1,"code":"A7K2","deposit_fen":5000000,"paid_fen":0,"deadline_ms":1,"created_ms":1,"seq":9,
            "extended":false,"later":"field"}}"#;
        let Frame::Answer(Answer::Yes { key, claim }) = serde_json::from_str(yes).unwrap() else { panic!() };
        assert_eq!((key.as_str(), claim.unit, claim.deposit_fen), ("k2345678", 4, 5_000_000));

        let no = r#"{"t":"answer","key":"k2345678","answer":"no","code":"TAKEN","params":{"unit":4}}"#;
        assert!(
            matches!(serde_json::from_str(no).unwrap(), Frame::Answer(Answer::No { code, .. }) if code == "TAKEN")
        );

        let slow = r#"{"t":"error","code":"SLOW_DOWN","params":{"retry_after_ms":250},"key":"k2345678"}"#;
        let Frame::Error { params, key, .. } = serde_json::from_str(slow).unwrap() else { panic!() };
        assert_eq!((params.retry_after_ms, key.as_deref()), (Some(250), Some("k2345678")));

        assert!(matches!(serde_json::from_str(r#"{"t":"time","c":1,"now_ms":2}"#).unwrap(), Frame::Other));
    }
}
