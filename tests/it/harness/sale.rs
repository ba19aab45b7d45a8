//! An opening in a few lines: staff signed in, sheets imported, published, buyers at their phones.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::api::Api;
use super::home::Home;
use super::link::Link;
use super::server::Server;
use super::sheets::{self, Person};

const PASSWORD: &str = "correct-horse-battery-staple";

/// What a test wants; the rest is usual.
#[derive(Debug, Clone)]
pub struct Plan {
    pub homes: usize,
    pub buyers: usize,
    /// How many homes each registration may take.
    pub homes_each: u32,
    pub hold_s: u64,
    pub deposit_fen: u64,
    pub starts_in_ms: u64,
    /// Units withheld before publication.
    pub withheld: Vec<u64>,
    /// People whose eligibility is still pending, by number.
    pub pending: Vec<usize>,
    /// The first two people live in one household, which may take one home.
    pub household_of_two: bool,
    /// The first two people have the same phone.
    pub shared_phone: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            homes: 12,
            buyers: 4,
            homes_each: 1,
            hold_s: 900,
            deposit_fen: 5_000_000,
            // The check before publication refuses a start that is past: time for three requests on a busy machine.
            starts_in_ms: 3_000,
            withheld: Vec::new(),
            pending: Vec::new(),
            household_of_two: false,
            shared_phone: false,
        }
    }
}

/// A published opening and who runs it.
pub struct Sale {
    pub opening: String,
    pub admin: Api,
    pub people: Vec<Person>,
    buyers: Api,
}

/// The first admin, whom the command line adds before a server runs: on SQLite both need the folder's lock.
pub async fn add_admin(home: &Home) {
    let arguments = ["staff", "add", "admin", "--name", "管理员", "--role", "admin", "--password-stdin"];
    let added = home.run_fed(&arguments, PASSWORD).await;
    assert!(added.status.success(), "staff add: {}", String::from_utf8_lossy(&added.stderr));
}

/// The console of the first admin.
pub async fn admin(server: &Server) -> Api {
    sign_in_staff(server, "admin").await
}

/// The console of a new member of staff, whom the admin adds.
pub async fn staff(server: &Server, admin: &Api, login: &str, role: &str) -> Api {
    let body = json!({"login": login, "name": login, "role": role, "password": PASSWORD});
    admin.post("/api/v1/staff", body).await.ok();
    sign_in_staff(server, login).await
}

async fn sign_in_staff(server: &Server, login: &str) -> Api {
    let session =
        server.staff().post("/api/v1/session", json!({"login": login, "password": PASSWORD})).await.ok();
    server.staff().with_token(session["token"].as_str().unwrap())
}

impl Sale {
    /// Signs the admin in, creates a project and an opening, imports both sheets, publishes.
    pub async fn publish(server: &Server, plan: &Plan) -> Self {
        let admin = admin(server).await;
        let opening = draft(&admin, plan).await;
        let mut people = sheets::people(plan.buyers);
        for n in &plan.pending {
            people[*n].eligibility = "待审核";
        }
        if plan.household_of_two {
            people[1].household = people[0].household.clone();
        }
        if plan.shared_phone {
            people[1].phone = people[0].phone.clone();
        }
        import(&admin, &opening, "price-list", sheets::price_list(plan.homes)).await;
        import(&admin, &opening, "roster", sheets::roster(&people, plan.homes_each)).await;
        let path = format!("/api/v1/openings/{opening}");
        if !plan.withheld.is_empty() {
            let withhold = json!({"units": plan.withheld, "reason": "样板间"});
            admin.post(&format!("{path}/units/withhold"), withhold).await.ok();
        }
        let start_ms = now_ms() + plan.starts_in_ms;
        admin.patch(&path, json!({"start_ms": start_ms, "end_ms": start_ms + 3_600_000})).await.ok();
        admin.post(&format!("{path}/check"), json!({})).await.ok();
        let published = admin.post(&format!("{path}/publish"), json!({})).await.ok();
        assert_eq!(published["units"]["total"], plan.homes, "{published}");
        assert_eq!(published["registrations"]["total"], plan.buyers, "{published}");
        Self { opening, admin, people, buyers: server.buyers() }
    }

    /// The path of one of this opening's routes, the same on both doors.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/openings/{}{rest}", self.opening)
    }

    /// The buyers' door without a session.
    pub fn onlooker(&self) -> &Api {
        &self.buyers
    }

    /// From now on buyers come in by this port of the same sale: another gateway's, or a proxy's.
    pub fn enter_by(&mut self, port: u16) {
        self.buyers = Api::new(port);
    }

    /// Waits until the server's own clock has opened the gate.
    pub async fn started(&self) {
        let live = async {
            while self.buyers.get(&self.path("")).await.ok()["phase"] != "live" {
                sleep(Duration::from_millis(25)).await;
            }
        };
        timeout(Duration::from_secs(60), live).await.expect("the opening starts");
    }

    /// The board over HTTP shows this within a second, as every screen must.
    pub async fn board_shows(&self, status: &str) {
        let mut seen = String::new();
        let shown = async {
            while seen != status {
                let board = self.buyers.get(&self.path("/board")).await.ok();
                board["status"].as_str().unwrap().clone_into(&mut seen);
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(Duration::from_secs(1), shown).await.is_err() {
            panic!("the board shows {seen}, not {status}");
        }
    }

    /// Signs the `n`th person in with the code that the outbox shows.
    pub async fn buyer(&self, n: usize) -> Buyer {
        self.buyer_with(n, "phone").await
    }

    /// The same on a device of this name.
    pub async fn buyer_with(&self, n: usize, device: &str) -> Buyer {
        let Person { phone, code: registration, .. } = &self.people[n];
        self.buyers.post(&self.path("/sign-in/code"), json!({"phone": phone})).await.ok();
        let code = self.latest_code(phone).await;
        let body = json!({"phone": phone, "code": code, "device": format!("{device} of {registration}")});
        let signed_in = self.buyers.post(&self.path("/sign-in"), body).await.ok();
        assert_eq!(signed_in["me"]["registration"]["code"], registration.as_str());
        let token = signed_in["token"].as_str().unwrap().to_owned();
        Buyer { api: self.buyers.with_token(&token), token, opening: self.opening.clone() }
    }

    /// The newest sign-in code sent to this phone.
    pub async fn latest_code(&self, phone: &str) -> String {
        let outbox = self.admin.get(&self.path(&format!("/outbox?phone={phone}"))).await.ok();
        outbox["messages"][0]["code"].as_str().unwrap_or_else(|| panic!("no code: {outbox}")).to_owned()
    }

    pub async fn link(&self, server: &Server, buyer: &Buyer) -> Link {
        Link::open(server.buyers_port, &self.opening, Some(&buyer.token)).await.unwrap()
    }
}

/// A signed-in buyer over HTTP.
pub struct Buyer {
    pub api: Api,
    pub token: String,
    opening: String,
}

impl Buyer {
    /// The same session at another gateway.
    pub fn at(&self, server: &Server) -> Self {
        let (token, opening) = (self.token.clone(), self.opening.clone());
        Self { api: server.buyers().with_token(&token), token, opening }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/openings/{}{rest}", self.opening)
    }

    /// One tap, and what comes of it: `in_progress` is repeated, `unknown` asked about, `SLOW_DOWN` waited for.
    pub async fn pick(&self, key: &str, unit: u64) -> Value {
        let path = self.path("/picks");
        let pick = async || loop {
            let reply = self.api.post(&path, json!({"key": key, "unit": unit})).await;
            if reply.status != 429 {
                return reply.ok();
            }
            // On a busy machine a loop may ask to come back.
            let wait_ms = reply.refused(429, "SLOW_DOWN")["retry_after_ms"].as_u64().unwrap();
            sleep(Duration::from_millis(wait_ms)).await;
        };
        let mut answer = pick().await;
        loop {
            answer = match answer["answer"].as_str() {
                Some("in_progress") => pick().await,
                Some("unknown") => self.ask(key).await,
                _ => return answer,
            };
        }
    }

    pub async fn ask(&self, key: &str) -> Value {
        self.api.post(&self.path(&format!("/picks/{key}/ask")), json!({})).await.ok()
    }

    pub async fn me(&self) -> Value {
        self.api.get(&self.path("/me")).await.ok()
    }
}

/// A new opening with nothing in it; its start lies a day ahead until `publish` sets it.
pub async fn draft(admin: &Api, plan: &Plan) -> String {
    let now_ms = now_ms();
    let project = admin.post("/api/v1/projects", json!({"name": format!("项目 {now_ms}")})).await.ok();
    let deposit = json!({"home": plan.deposit_fen, "parking": 0, "shop": 0, "storage": 0});
    let opening = json!({
        "project": project["id"],
        "name": "首开",
        "start_ms": now_ms + 86_400_000,
        "end_ms": now_ms + 90_000_000,
        "hold_s": plan.hold_s,
        "favourites_max": 10,
        "deposit_fen": deposit,
        "quota": {"home": plan.homes_each, "parking": 1, "shop": 1, "storage": 1},
        "household_quota": if plan.household_of_two { json!({"home": 1}) } else { json!({}) },
    });
    admin.post("/api/v1/openings", opening).await.ok()["id"].as_str().unwrap().to_owned()
}

/// The server's clock is this machine's.
pub fn now_ms() -> u64 {
    u64::try_from(now_us() / 1_000).unwrap()
}

/// In the database's unit.
pub fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

pub async fn import(admin: &Api, opening: &str, which: &str, csv: Vec<u8>) -> Value {
    let path = format!("/api/v1/openings/{opening}/import/{which}?mode=all_or_nothing");
    let report = admin.upload(&path, &format!("{which}.csv"), csv).await.ok();
    assert_eq!(report["refused"], json!([]), "{which}");
    report
}
