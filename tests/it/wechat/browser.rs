//! A WeChat that is played, a server that is set to it, and browsers that keep their cookies.

use fakes::wechat::{Settings, known, people};
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::harness::{Api, Database, Home, Plan, Reply, Sale, Server};

/// An opening whose buyers may sign in by WeChat.
pub struct Town {
    pub home: Home,
    pub server: Server,
    pub sale: Sale,
    pub wechat: WeChat,
}

/// The fake's address and its desk.
#[derive(Clone)]
pub struct WeChat {
    pub base: String,
    http: reqwest::Client,
}

impl WeChat {
    pub async fn start() -> Self {
        let address = fakes::start(&Settings::default()).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { base: format!("http://{address}"), http }
    }

    /// The settings of a server that is to use it.
    pub fn settings(&self) -> Vec<(&'static str, &'static str)> {
        // A test's few bytes for the life of its process.
        let base: &'static str = self.base.clone().leak();
        vec![
            ("KAIPAN_WECHAT_APP_ID", known::APP_ID),
            ("KAIPAN_WECHAT_SECRET", known::SECRET),
            ("KAIPAN_WECHAT_API_URL", base),
            ("KAIPAN_WECHAT_OPEN_URL", base),
        ]
    }

    /// The next call of the code's exchange fails like this.
    pub async fn order(&self, fault: Value) {
        let order = json!({ "api": "/sns/oauth2/access_token", "fault": fault });
        let sent = self.http.post(format!("{}/_fake/faults", self.base)).json(&order).send().await.unwrap();
        assert!(sent.status().is_success());
    }

    /// Where WeChat leads this user from there.
    pub async fn agree(&self, authorize_url: &str, user: &str) -> String {
        let request = self.http.get(authorize_url).header(COOKIE, format!("fake_wechat_user={user}"));
        location_of(request.send().await.unwrap().headers())
    }

    pub async fn refuse(&self, authorize_url: &str) -> String {
        let form = "application/x-www-form-urlencoded";
        let request = self.http.post(authorize_url).header("content-type", form).body("choice=refuse");
        location_of(request.send().await.unwrap().headers())
    }
}

pub fn openid(user: &str) -> String {
    people().iter().find(|person| person.key == user).unwrap().openid(known::APP_ID)
}

impl Town {
    pub async fn new(database: Database, plan: &Plan) -> Self {
        let wechat = WeChat::start().await;
        let mut home = Home::new(database).await;
        home.settings = wechat.settings();
        let server = home.serve().await;
        let sale = Sale::publish(&server, plan).await;
        Self { home, server, sale, wechat }
    }

    pub fn browser(&self) -> Browser {
        Browser::at(self.server.buyers_port)
    }
}

/// A browser on a phone: no session yet.
pub struct Browser {
    http: reqwest::Client,
    api: Api,
    base: String,
    pub cookie: String,
}

impl Browser {
    pub fn at(port: u16) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { http, api: Api::new(port), base: format!("http://127.0.0.1:{port}"), cookie: String::new() }
    }

    /// The same browser at another gateway behind the same address.
    pub fn moved_to(&self, port: u16) -> Self {
        Self { cookie: self.cookie.clone(), ..Self::at(port) }
    }

    /// Asks for a sign-in; where to go for it.
    pub async fn start(&mut self, sale: &Sale) -> String {
        let reply = self.post(&sale.path("/sign-in/wechat"), json!({})).await;
        self.cookie = cookie(&reply.headers).expect("a cookie");
        reply.ok()["authorize_url"].as_str().unwrap().to_owned()
    }

    /// Follows WeChat's redirect; where the page is then.
    pub async fn come_back(&self, location: &str) -> String {
        let path = location.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
        let url = format!("{}{}", self.base, path.expect("a full address"));
        let answer = self.http.get(url).header(COOKIE, &self.cookie).send().await.unwrap();
        assert_eq!(answer.status(), 303, "{location}");
        location_of(answer.headers())
    }

    /// From the question to the page that WeChat has led back to.
    pub async fn by_wechat(&mut self, town: &Town, user: &str) -> String {
        let url = self.start(&town.sale).await;
        self.come_back(&town.wechat.agree(&url, user).await).await
    }

    pub async fn finish(&self, sale: &Sale, registration: Option<&str>) -> Reply {
        let body = json!({ "registration": registration, "device": "phone" });
        self.post(&sale.path("/sign-in/wechat/finish"), body).await
    }

    /// Signs in with a code, and binds.
    pub async fn bind(&self, sale: &Sale, phone: &str, registration: Option<&str>) -> Reply {
        let code = sale.latest_code(phone).await;
        let body = json!({
            "phone": phone, "code": code, "registration": registration, "device": "phone", "bind_wechat": true,
        });
        self.post(&sale.path("/sign-in"), body).await
    }

    pub async fn ask_for_code(&self, sale: &Sale, phone: &str) {
        self.post(&sale.path("/sign-in/code"), json!({ "phone": phone })).await.ok();
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        let request = self.api.request(reqwest::Method::POST, path).json(&body).header(COOKIE, &self.cookie);
        self.api.send(request).await.unwrap()
    }
}

fn location_of(headers: &HeaderMap) -> String {
    headers[LOCATION].to_str().unwrap().to_owned()
}

/// What the browser keeps of `kp_wechat`.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .filter_map(|line| line.split(';').next())
        .find(|pair| pair.starts_with("kp_wechat="))
        .map(str::to_owned)
}
