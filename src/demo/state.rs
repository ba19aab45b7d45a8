//! What the page and the terminal are told: one value, replaced as a whole by the stage and read by the page.

use serde::Serialize;
use serde_json::Value;

/// The demo as it is now.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct State {
    pub stage: Stage,
    pub opening: Option<OpeningFacts>,
    pub links: Vec<Link>,
    pub staff: Option<StaffLogin>,
    pub newcomers: Vec<Newcomer>,
    pub server: ServerState,
    /// Free, held, sold, withheld, as the big screen has them; also after the crowd has gone.
    pub board: Option<[i64; 4]>,
    /// The crowd's latest figures, as it printed them.
    pub crowd: Option<Value>,
    pub verdict: Option<Value>,
    /// A sentence about what went wrong, if something did.
    pub trouble: Option<String>,
}

/// What is going on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    #[default]
    Loading,
    Starting,
    Running,
    Auditing,
    Done,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct OpeningFacts {
    pub id: String,
    pub name: String,
    pub project_name: String,
    pub start_ms: i64,
    pub end_ms: i64,
    pub units: usize,
    pub registrations: usize,
}

/// An address to open, with its QR code where a phone should reach it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Link {
    pub what: &'static str,
    pub url: String,
    /// Rows of the QR code, `1` dark.
    pub qr: Option<Vec<String>>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct StaffLogin {
    pub login: String,
    pub password: String,
}

/// A registration that the crowd leaves alone, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Newcomer {
    pub registration: String,
    pub phone: String,
    /// The newest code in the outbox, and when it was sent.
    pub code: Option<String>,
    pub code_sent_ms: Option<i64>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct ServerState {
    pub state: ServerPhase,
    pub pid: Option<u32>,
    /// How often the page's button killed it.
    pub kills: u32,
    /// From the last SIGKILL until the server was ready again.
    pub back_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ServerPhase {
    #[default]
    Down,
    Starting,
    Up,
    Failed,
}
