//! The client against the fake, over HTTP (`fakes/`), and the published signatures.

mod client;
mod tokens;
mod vectors;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::store::{Priority, execute, fetch_one, testing};
use crate::vault::Keyring;
use fakes::wechat::{Settings, known};

/// A fake WeChat, and a database for clients of it.
struct Stage {
    _folder: TempDir,
    db: Db,
    vault: Arc<Vault>,
    http: reqwest::Client,
    base: String,
}

impl Stage {
    async fn new() -> Self {
        let (folder, db) = testing::sqlite().await;
        let vault = Arc::new(Vault::from_keyring(&Keyring::generate().unwrap()).unwrap());
        let address = fakes::start(&Settings::default()).await.unwrap();
        let redirect = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(redirect).build().unwrap();
        Self { _folder: folder, db, vault, http, base: format!("http://{address}") }
    }

    /// One more gateway's client.
    fn client(&self) -> WeChat {
        self.client_of(known::APP_ID, known::SECRET)
    }

    fn client_of(&self, app_id: &str, secret: &str) -> WeChat {
        let base = || self.base.clone();
        let urls = Urls { api: base(), open: base(), mp: base() };
        let account = Account { app_id: app_id.to_owned(), secret: Secret::new(secret.to_owned()), urls };
        WeChat::new(account, self.db.clone(), Arc::clone(&self.vault)).unwrap()
    }

    async fn order(&self, api: Api, times: usize, fault: Value) {
        self.tell("/_fake/faults", json!({ "api": api.path(), "times": times, "fault": fault })).await;
    }

    async fn tell(&self, path: &str, body: Value) -> Value {
        let sent = self.http.post(format!("{}{path}", self.base)).json(&body).send().await.unwrap();
        assert!(sent.status().is_success(), "{path}: {}", sent.status());
        serde_json::from_str(&sent.text().await.unwrap()).unwrap_or_default()
    }

    async fn look(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.base)).send().await.unwrap().json().await.unwrap()
    }

    async fn calls(&self, api: Api) -> u64 {
        self.look("/_fake/counts").await[api.path()]["calls"].as_u64().unwrap_or(0)
    }

    async fn openid(&self, user: &str) -> String {
        let people = self.look("/_fake/wechat/people").await;
        let person = people.as_array().unwrap().iter().find(|person| person["key"] == user).unwrap();
        person["openid"].as_str().unwrap().to_owned()
    }

    /// A code as a browser brings it back.
    async fn code(&self, client: &WeChat, user: &str) -> String {
        let url = client.authorize_url("http://kp.example/back", Scope::Base, "state1");
        let request = self.http.get(url).header("cookie", format!("fake_wechat_user={user}"));
        let location = request.send().await.unwrap().headers()["location"].to_str().unwrap().to_owned();
        let code = location.strip_prefix("http://kp.example/back?code=").unwrap();
        code.strip_suffix("&state=state1").unwrap().to_owned()
    }

    /// Time passes for the stored tokens and for WeChat.
    async fn pass(&self, seconds: i64) {
        let mut tx = self.db.begin(Priority::Staff).await.unwrap();
        execute!(
            tx,
            "UPDATE wechat_token SET expires_at = expires_at - $1, forced_at = forced_at - $1",
            seconds * 1_000_000
        )
        .unwrap();
        tx.commit().await.unwrap();
        self.tell("/_fake/clock", json!({ "ahead_ms": seconds * 1_000 })).await;
    }
}

const SCENE: Scene<'static> = Scene { word: "opening", expires_in_s: 600 };
