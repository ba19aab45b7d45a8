//! How long each step of a sign-in by WeChat is good for, and what is left of it. Through the doors: `tests/it/wechat/`.

use fakes::wechat::{Settings, known};
use reqwest::redirect::Policy;

use super::*;
use crate::limits::{WECHAT_BIND_S, WECHAT_PROVEN_S, WECHAT_SIGN_IN_S};
use crate::wechat::{Account, Secret, Urls, WeChat};

struct Town {
    f: Fixture,
    door: WechatSignIn,
    http: reqwest::Client,
}

impl Town {
    async fn new() -> Self {
        let f = fixture().await;
        let base = format!("http://{}", fakes::start(&Settings::default()).await.unwrap());
        let urls = Urls { api: base.clone(), open: base.clone(), mp: base };
        let secret = Secret::new(known::SECRET.to_owned());
        let account = Account { app_id: known::APP_ID.to_owned(), secret, urls };
        let wechat = WeChat::new(account, f.db.clone(), f.vault.clone()).unwrap();
        let door = WechatSignIn::new(f.buyers.clone(), wechat);
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { f, door, http }
    }

    /// Begins at `at`, and comes back at `back`. The browser's half, and how it ended.
    async fn visit(&self, at: Micros, back: Micros) -> (String, WechatEnd) {
        let callback = "http://kp.example/back";
        let started = self.door.start(&self.f.opening, callback, HALL, at).await.unwrap();
        let request = self.http.get(&started.authorize_url).header("cookie", "fake_wechat_user=lin");
        let location = request.send().await.unwrap().headers()["location"].to_str().unwrap().to_owned();
        let query = location.strip_prefix("http://kp.example/back?code=").unwrap();
        let (code, state) = query.split_once("&state=").unwrap();
        let returned = Returned { browser: &started.browser, state, code: Some(code) };
        let end = self.door.returned(returned, back).await.unwrap();
        (started.browser, end)
    }

    async fn finish(&self, browser: &str, at: Micros) -> Result<SignedIn, &'static str> {
        let finish = Finish { opening: &self.f.opening, browser, registration: None, device: "phone" };
        self.door.finish(finish, at).await.map_err(|fault| fault.code())
    }

    async fn bind(&self, browser: &str, at: Micros) -> SignedIn {
        self.f.request(PHONE, at).await.unwrap();
        let code = self.f.sent(PHONE).await.unwrap();
        let attempt = SignInAttempt {
            opening: &self.f.opening,
            phone: PHONE,
            code: &code,
            registration: None,
            device: "phone",
            address: HALL,
            wechat: Some(browser),
        };
        self.f.buyers.sign_in(attempt, at).await.unwrap()
    }

    async fn rows(&self) -> i64 {
        let mut read = self.f.db.read().await.unwrap();
        fetch_one!(read, (i64,), "SELECT COUNT(*) FROM wechat_sign_in").unwrap().0
    }
}

/// Mutations that turned it red: each of the three ends not looked at.
#[tokio::test]
async fn op_2_each_step_is_good_for_its_time_and_no_longer() {
    let town = Town::new().await;
    let (_, late) = town.visit(EARLY, after(EARLY, WECHAT_SIGN_IN_S)).await;
    assert_eq!(late, WechatEnd::StateUnknown);
    let (browser, in_time) = town.visit(EARLY, after(EARLY, WECHAT_SIGN_IN_S - 1)).await;
    assert_eq!(in_time, WechatEnd::Known);

    let known_at = after(EARLY, WECHAT_SIGN_IN_S - 1);
    assert_eq!(town.finish(&browser, after(known_at, WECHAT_BIND_S)).await, Err("WECHAT_AGAIN"));
    let bound_at = after(known_at, WECHAT_BIND_S - 1);
    assert_eq!(town.finish(&browser, bound_at).await, Err("WECHAT_UNBOUND"));
    assert!(town.bind(&browser, bound_at).await.bound);
    let (browser, _) = town.visit(bound_at, bound_at).await;
    assert!(!town.bind(&browser, after(bound_at, WECHAT_BIND_S)).await.bound, "too late to bind");

    let proven = after(bound_at, WECHAT_PROVEN_S - 1);
    let (browser, _) = town.visit(proven, proven).await;
    assert_eq!(town.finish(&browser, after(proven, 1)).await, Err("WECHAT_UNBOUND"), "ninety days on");
    assert!(town.finish(&browser, proven).await.is_ok());
}

/// Mutation that turned it red: what can no longer be finished kept.
#[tokio::test]
async fn sign_ins_that_nobody_finished_are_forgotten() {
    let town = Town::new().await;
    town.visit(EARLY, EARLY).await;
    town.door.start(&town.f.opening, "http://kp.example/back", HALL, EARLY).await.unwrap();
    assert_eq!(town.rows().await, 2);
    assert_eq!(town.f.buyers.purge_wechat_sign_ins(after(EARLY, WECHAT_SIGN_IN_S + 1)).await.unwrap(), 1);
    assert_eq!(town.f.buyers.purge_wechat_sign_ins(after(EARLY, WECHAT_BIND_S + 1)).await.unwrap(), 1);
    assert_eq!(town.rows().await, 0);
}

/// A person's binding moves only by another proof. Mutation that turned it red: the first proof kept.
#[tokio::test]
async fn op_2_another_proof_takes_the_place_of_the_first() {
    let town = Town::new().await;
    let (browser, _) = town.visit(EARLY, EARLY).await;
    assert!(town.bind(&browser, EARLY).await.bound);
    let later = after(EARLY, WECHAT_PROVEN_S + 1);
    let (browser, _) = town.visit(later, later).await;
    assert_eq!(town.finish(&browser, later).await, Err("WECHAT_UNBOUND"));
    assert!(town.bind(&browser, later).await.bound);
    let (browser, _) = town.visit(later, later).await;
    assert!(town.finish(&browser, later).await.is_ok());
}
