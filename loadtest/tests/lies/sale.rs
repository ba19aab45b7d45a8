//! A sale as small as one can be that keeps its promises, with a switch for each way of breaking one. It shares no code
//! with the server: what it says on the wire is written from `docs/protocol.md`.

use std::collections::HashMap;

use kaipan_loadtest::now_ms;
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// Every lie but those about boards is told once, so that the audit must find the one among all honest answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    None,
    /// The second buyer who taps a home gets it too.
    SellsTwice,
    /// A yes that is stored nowhere.
    LosesYes,
    /// The buyer has the home and is told that it is taken.
    NoThatWasYes,
    /// One home is said to be taken to everybody, and nobody has it.
    TakenButFree,
    /// Nobody gets anything.
    NothingGiven,
    /// One tap never gets an answer, however often it is asked for.
    Silent,
    /// A number of the journal is left out.
    JournalGap,
    /// All sockets are shown held homes as sold.
    WrongBoards,
    /// One buyer is shown held homes as sold.
    WrongBoardForOne,
    /// Sockets are told of no home at all.
    NoBoards,
    /// Sockets are shown the board on arrival, and no change after it.
    StuckBoards,
    /// What everybody may read without a session shows held homes as free.
    WrongPublicBoard,
    /// The first buyer who gets a yes on a socket gets a no to the same key after it.
    Contradicts,
    /// No lie: a hold lapses when everybody has seen the last frame, before the truth is read.
    LapsesAtTheEnd,
}

/// The buyer whom [`Lie::WrongBoardForOne`] is told.
pub const VICTIM: &str = "S00030";

/// A change for all sockets.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    pub from: i64,
    pub to: i64,
    pub unit: u32,
}

pub struct Sale {
    lie: Lie,
    told: bool,
    muted: Option<String>,
    denied: Option<u32>,
    /// One digit a unit.
    status: Vec<u8>,
    claims: Vec<Value>,
    journal: Vec<Value>,
    answers: HashMap<(String, String), Value>,
    seq: i64,
    changes: broadcast::Sender<Change>,
}

impl Sale {
    pub fn new(units: usize, lie: Lie) -> Self {
        Self {
            lie,
            told: false,
            muted: None,
            denied: None,
            status: vec![b'0'; units],
            claims: Vec::new(),
            journal: vec![json!({ "seq": 1, "kind": "published", "at_ms": now_ms(), "body": {} })],
            answers: HashMap::new(),
            seq: 1,
            changes: broadcast::channel(4_096).0,
        }
    }

    pub fn units(&self) -> usize {
        self.status.len()
    }

    pub fn truth(&mut self) -> Value {
        if self.lie == Lie::LapsesAtTheEnd && self.first_time() {
            self.lapse();
        }
        json!({ "claims": self.claims, "journal": self.journal })
    }

    /// The answer to a pick, once and for all; none is what [`Lie::Silent`] says.
    pub fn pick(&mut self, registration: &str, key: &str, unit: u32) -> Option<Value> {
        if self.lie == Lie::Silent && self.muted.get_or_insert_with(|| key.to_owned()) == key {
            return None;
        }
        let tap = (registration.to_owned(), key.to_owned());
        if let Some(answer) = self.answers.get(&tap) {
            return Some(answer.clone());
        }
        let taken = json!({ "key": key, "answer": "no", "code": "TAKEN", "params": { "unit": unit } });
        let free = self.status.get(unit as usize) == Some(&b'0');
        let answer = match (free, self.lie) {
            (true, Lie::LosesYes) if self.first_time() => {
                json!({ "key": key, "answer": "yes", "claim": self.claim("LOST", unit, self.seq) })
            }
            (true, Lie::NoThatWasYes) if self.first_time() => {
                self.grant(registration, key, unit);
                taken
            }
            (true, Lie::TakenButFree) if *self.denied.get_or_insert(unit) == unit => taken,
            (true, Lie::NothingGiven) => {
                json!({ "key": key, "answer": "no", "code": "QUOTA_USED", "params": {} })
            }
            (true, _) => self.grant(registration, key, unit),
            (false, Lie::SellsTwice) if self.first_time() => self.grant(registration, key, unit),
            (false, _) => taken,
        };
        self.answers.insert(tap, answer.clone());
        Some(answer)
    }

    /// The answer that a tap already has.
    pub fn ask(&self, registration: &str, key: &str) -> Option<Value> {
        if self.muted.as_deref() == Some(key) {
            return None;
        }
        let known = self.answers.get(&(registration.to_owned(), key.to_owned())).cloned();
        Some(known.unwrap_or_else(|| json!({ "key": key, "answer": "no", "code": "NOT_RECORDED" })))
    }

    fn first_time(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    /// Stores the claim and its entry, tells all sockets, gives the yes.
    fn grant(&mut self, registration: &str, key: &str, unit: u32) -> Value {
        let from = self.seq;
        let gap = self.lie == Lie::JournalGap && self.first_time();
        self.seq += if gap { 2 } else { 1 };
        let id = format!("C{}", self.seq);
        self.status[unit as usize] = b'1';
        self.claims.push(json!({
            "id": id, "unit": unit, "registration": registration, "key": key, "state": "held", "occupying": true,
            "seq": self.seq,
        }));
        self.write("held", &json!({ "claim": id, "unit": unit }));
        // Nobody listening is no fault.
        let _ = self.changes.send(Change { from, to: self.seq, unit });
        json!({ "key": key, "answer": "yes", "claim": self.claim(&id, unit, self.seq) })
    }

    /// An entry of the journal, at the sequence that was just taken.
    fn write(&mut self, kind: &str, body: &Value) {
        self.journal.push(json!({ "seq": self.seq, "kind": kind, "at_ms": now_ms(), "body": body }));
    }

    /// The first hold ends, and no socket hears of it any more.
    fn lapse(&mut self) {
        self.seq += 1;
        let first = &mut self.claims[0];
        (first["state"], first["occupying"]) = ("lapsed".into(), false.into());
        let body = json!({ "claim": first["id"] });
        self.write("lapsed", &body);
    }

    /// What a socket is told after this answer to the same key.
    pub fn second_thought(&mut self, answer: &Value) -> Option<Value> {
        let is_lie = self.lie == Lie::Contradicts && answer["answer"] == "yes" && self.first_time();
        is_lie.then(|| json!({ "key": answer["key"], "answer": "no", "code": "NOT_RECORDED" }))
    }

    fn claim(&self, id: &str, unit: u32, seq: i64) -> Value {
        json!({
            "id": id, "unit": unit, "state": "held", "generation": 1, "code": "A7K2", "deposit_fen": 5_000_000,
            "paid_fen": 0, "deadline_ms": 0, "created_ms": 0, "seq": seq, "extended": false,
        })
    }

    pub fn public_board(&self) -> Value {
        let honest = String::from_utf8_lossy(&self.status).into_owned();
        let status = if self.lie == Lie::WrongPublicBoard { honest.replace('1', "0") } else { honest };
        json!({ "seq": self.seq, "status": status })
    }

    /// What a socket of this buyer is shown on arrival, and the changes from there on: without a gap between the two.
    pub fn follow(&self, registration: &str) -> (Option<String>, broadcast::Receiver<Change>) {
        (self.snapshot(registration), self.changes.subscribe())
    }

    pub fn snapshot(&self, registration: &str) -> Option<String> {
        let honest = String::from_utf8_lossy(&self.status).into_owned();
        let status = if self.deceives(registration) { honest.replace('1', "2") } else { honest };
        self.shown("snapshot", &json!({ "seq": self.seq, "status": status }))
    }

    pub fn change(&self, registration: &str, change: Change) -> Option<String> {
        if self.lie == Lie::StuckBoards {
            return None;
        }
        let digit = if self.deceives(registration) { 2 } else { 1 };
        self.shown("board", &json!({ "from": change.from, "to": change.to, "u": [change.unit, digit] }))
    }

    fn shown(&self, tag: &str, body: &Value) -> Option<String> {
        (self.lie != Lie::NoBoards).then(|| frame(tag, body))
    }

    fn deceives(&self, registration: &str) -> bool {
        self.lie == Lie::WrongBoards || (self.lie == Lie::WrongBoardForOne && registration == VICTIM)
    }
}

/// A frame as the protocol writes it, its tag first.
pub fn frame(tag: &str, body: &Value) -> String {
    format!(r#"{{"t":"{tag}",{}"#, &body.to_string()[1..])
}
