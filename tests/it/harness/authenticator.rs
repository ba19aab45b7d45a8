//! The authenticator app on somebody's phone.

use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use super::api::Api;
use super::sale::now_ms;

pub struct Authenticator {
    app: Totp,
    /// The present step when it was set up: codes are asked for by their distance from it.
    second: u64,
    pub recovery_codes: Vec<String>,
}

impl Authenticator {
    /// From the key that a person types by hand.
    pub fn new(key: &str) -> Self {
        let app = Builder::new().with_secret(Secret::try_from_base32(key).unwrap()).build().unwrap();
        Self { app, second: now_ms() / 1_000, recovery_codes: Vec::new() }
    }

    /// Sets an account's second factor up; the code of the present step is used up by it.
    pub async fn set_up(account: &Api, password: &str) -> Self {
        let begun = account.post("/api/v1/session/second-factor", json!({"current": password})).await.ok();
        let mut phone = Self::new(begun["key"].as_str().unwrap());
        let confirmed =
            account.post("/api/v1/session/second-factor/confirm", json!({"code": phone.code(0)})).await;
        let codes: Vec<Value> = confirmed.ok()["recovery_codes"].as_array().unwrap().clone();
        phone.recovery_codes = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        phone
    }

    /// The code of the step so many after the one of the set-up.
    pub fn code(&self, steps: u64) -> String {
        self.app.generate(self.second + 30 * steps).to_string()
    }

    /// A code of no step near.
    pub fn wrong(&self) -> String {
        let near: Vec<u64> = (0..10).map(|step| (self.second + 30 * step).saturating_sub(120)).collect();
        let near: Vec<String> =
            near.into_iter().map(|second| self.app.generate(second).to_string()).collect();
        (0..20).map(|n| format!("{:06}", 111_111 * (n % 9) + n)).find(|code| !near.contains(code)).unwrap()
    }
}
