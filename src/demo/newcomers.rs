//! What whoever watches the demo is shown of it: the board's counts, and sign-in codes to take part with. Codes are asked for through the buyers' door and read from the staff's
//! outbox, as a person would; a code that the newcomer asked for on the buyer's page shows up here too.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::ports::Doors;
use super::state::{Newcomer, StaffLogin};
use super::wire;

/// A log-in with the role `crowd`, and the doors.
pub(super) struct Desk {
    doors: Doors,
    opening: String,
    login: StaffLogin,
    token: Option<String>,
}

impl Desk {
    pub fn new(doors: Doors, opening: &str, login: StaffLogin) -> Self {
        Self { doors, opening: opening.to_owned(), login, token: None }
    }

    /// Asks for a code for a phone. The error is the server's code, such as `SLOW_DOWN`.
    pub async fn ask(&self, phone: &str) -> Result<(), String> {
        let path = format!("/api/v1/openings/{}/sign-in/code", self.opening);
        wire::post(self.doors.buyers, &path, None, &json!({ "phone": phone })).await?.ok().map(|_| ())
    }

    /// How many units are free, held, sold and withheld; none while the server is away.
    pub async fn board(&self) -> Option<[i64; 4]> {
        let path = format!("/api/v1/openings/{}/screen", self.opening);
        let screen = wire::get(self.doors.buyers, &path, None).await.ok()?.ok().ok()?;
        let count = |name: &str| screen[name].as_i64();
        Some([count("free")?, count("held")?, count("sold")?, count("withheld")?])
    }

    /// Brings the newest codes of the newcomers; a server that is away changes nothing.
    pub async fn refresh(&mut self, newcomers: &mut [Newcomer]) {
        for newcomer in newcomers {
            if let Ok(Some((code, sent_ms))) = self.newest(&newcomer.phone).await {
                newcomer.code = Some(code);
                newcomer.code_sent_ms = Some(sent_ms);
            }
        }
    }

    async fn newest(&mut self, phone: &str) -> Result<Option<(String, i64)>, String> {
        let console: SocketAddr = self.doors.console;
        let token = match &self.token {
            Some(token) => token.clone(),
            None => {
                let login = json!({ "login": self.login.login, "password": self.login.password });
                let session = wire::post(console, "/api/v1/session", None, &login).await?.ok()?;
                session["token"].as_str().ok_or("no token")?.to_owned()
            }
        };
        let path = format!("/api/v1/openings/{}/outbox?phone={phone}", self.opening);
        let outbox = wire::get(console, &path, Some(&token)).await?.ok();
        // A session that is refused is asked for again next time.
        self.token = outbox.is_ok().then_some(token);
        Ok(outbox?["messages"].as_array().into_iter().flatten().find_map(code_of))
    }
}

fn code_of(message: &Value) -> Option<(String, i64)> {
    Some((message["code"].as_str()?.to_owned(), message["created_ms"].as_i64()?))
}
