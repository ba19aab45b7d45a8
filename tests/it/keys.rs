//! CO-4: keys change while the server runs. Buyers sign in and pick meanwhile and hear of nothing; the process is killed in the
//! middle; two gateways share a keyring's file, or have a copy each. What is sealed by which key is read here from the first
//! bytes of every sealed column of the schema, not from what the product says.

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tokio::time::{Instant, sleep};

use crate::harness::{
    Api, Database, Home, Plan, Sale, Server, admin, draft, people, refused, roster, said, told,
};

/// The sealed columns of the database itself.
enum Hands {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Hands {
    async fn on(home: &Home) -> Self {
        match home.database_url() {
            Some(url) => Self::Postgres(PgPool::connect(url).await.unwrap()),
            None => {
                let file = home.data_dir().join("kaipan.db");
                Self::Sqlite(SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap())
            }
        }
    }

    async fn columns(&self) -> Vec<(String, String)> {
        match self {
            Self::Sqlite(pool) => {
                let text = "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
                            WHERE t.type = 'table' AND c.name LIKE '%sealed'";
                sqlx::query_as(text).fetch_all(pool).await.unwrap()
            }
            Self::Postgres(pool) => {
                let text = "SELECT c.table_name::text, c.column_name::text FROM information_schema.columns c
                            JOIN information_schema.tables t USING (table_schema, table_name)
                            WHERE t.table_type = 'BASE TABLE' AND c.table_schema = current_schema()
                              AND c.column_name LIKE '%sealed'";
                sqlx::query_as(text).fetch_all(pool).await.unwrap()
            }
        }
    }

    async fn values(&self, table: &str, column: &str) -> Vec<Vec<u8>> {
        let text = AssertSqlSafe(format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL"));
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(text).fetch_all(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(text).fetch_all(pool).await.unwrap(),
        }
    }

    /// How many values this key has sealed, and how many there are.
    async fn sealed_by(&self, key: u8) -> (usize, usize) {
        let columns = self.columns().await;
        assert!(columns.len() >= 20, "{columns:?}");
        let (mut sealed, mut all) = (0, 0);
        for (table, column) in columns {
            let values = self.values(&table, &column).await;
            all += values.len();
            sealed += values.iter().filter(|value| value.starts_with(&[1, 0, 0, 0, key])).count();
        }
        (sealed, all)
    }
}

async fn keys(home: &Home) -> Value {
    serde_json::from_str(&told(&home.run(&["keys", "list", "--json"]).await)).unwrap()
}

/// Asks until it is so; the machine may be busy.
async fn soon(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(90), "not in time: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn retired(home: &Home, key: &str) {
    let mut last = String::new();
    soon(&format!("key {key} is retired"), async || {
        let output = home.run(&["keys", "retire", key]).await;
        last = said(&output);
        output.status.success()
    })
    .await;
}

/// A roster of an opening that nobody has published: only to have something to seal again.
async fn fill(admin: &Api, count: usize) -> String {
    let opening = draft(admin, &Plan::default()).await;
    let path = format!("/api/v1/openings/{opening}/import/roster?mode=all_or_nothing");
    let report = admin.upload(&path, "roster.csv", roster(&people(count), 1)).await.ok();
    assert_eq!(report["refused"], json!([]));
    opening
}

/// Everything that was sealed still reads: people in a roster, messages, the log's chain, staff.
async fn all_reads(home: &Home, sale: &Sale, admin: &Api) {
    let registrations = admin.get(&sale.path("/registrations")).await.text();
    assert!(registrations.contains(&sale.people[0].code), "{registrations}");
    assert!(!sale.latest_code(&sale.people[0].phone).await.is_empty());
    let staff = admin.get("/api/v1/staff").await.ok();
    assert!(!staff["staff"].as_array().unwrap().is_empty(), "{staff}");
    let log = admin.get("/api/v1/log").await.ok();
    assert!(!log["entries"].as_array().unwrap().is_empty());
    told(&home.run(&["audit", "check"]).await);
}

/// Mutation that turned it red: one column (`staff.name`) left out when everything is sealed again.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn co_4_keys_rotate_while_buyers_sign_in_and_pick(#[case] database: Database) {
    const BUYERS: usize = 24;
    let mut home = Home::new(database).await;
    // One address signs them all in.
    home.settings.push(("KAIPAN_CROWD", "true"));
    let server = home.serve().await;
    let other = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(home.serve_another().await.unwrap()),
    };
    let plan = Plan { homes: BUYERS, buyers: BUYERS, ..Plan::default() };
    let sale = Sale::publish(&server, &plan).await;
    fill(&sale.admin, 300).await;
    sale.started().await;
    if let Some(other) = &other {
        let there = other.buyers();
        soon("it is live at the other", async || there.get(&sale.path("")).await.text().contains("\"live\""))
            .await;
    }
    let hands = Hands::on(&home).await;
    let (by_first, all) = hands.sealed_by(1).await;
    assert_eq!(by_first, all);

    // Lanes of buyers sign in and pick, each at both gateways; a third of the way the key changes.
    let (sale, other) = (&sale, &other);
    let lane = async |lane: usize| {
        let mut tokens = Vec::new();
        for n in (lane..BUYERS).step_by(4) {
            let buyer = sale.buyer(n).await;
            let door = other
                .as_ref()
                .filter(|_| n % 2 == 0)
                .map_or_else(|| buyer.at(&server), |other| buyer.at(other));
            let answer = door.pick(&format!("pick-{n:06}"), n as u64).await;
            assert_eq!(answer["answer"], "yes", "buyer {n}: {answer}");
            assert_eq!(door.me().await["registration"]["code"], sale.people[n].code.as_str());
            if n == 8 {
                let told = told(&home.run(&["keys", "rotate"]).await);
                assert!(told.contains("key 2 seals"), "{told}");
            }
            tokens.push(buyer.token);
        }
        tokens
    };
    let tokens: Vec<String> = join_all((0..4).map(lane)).await.concat();

    soon("nothing is sealed by key 1", async || hands.sealed_by(1).await.0 == 0).await;
    let (by_second, all) = hands.sealed_by(2).await;
    assert_eq!(by_second, all);
    retired(&home, "1").await;
    let listed = keys(&home).await;
    let ids: Vec<&Value> = listed["keys"].as_array().unwrap().iter().map(|key| &key["id"]).collect();
    assert_eq!(ids, [2], "{listed}");
    let gateways = listed["gateways"].as_array().unwrap();
    assert!(gateways.iter().all(|gateway| gateway["seals_with"] == 2), "{listed}");

    all_reads(&home, sale, &sale.admin).await;
    assert!(server.stop().await.success());
    let server = home.serve().await;
    all_reads(&home, sale, &admin(&server).await).await;
    let me = server.buyers().with_token(&tokens[5]).get(&sale.path("/me")).await.ok();
    assert_eq!(me["claims"].as_array().unwrap().len(), 1, "a session from before the rotation");
    // One of them did it, whichever it was.
    let said = server.said() + &other.as_ref().map(Server::said).unwrap_or_default();
    assert!(said.contains("sealed again") && !said.contains("do not open"), "{said}");
}

/// Killed in the middle of it: nothing is lost, the next start goes on, and meanwhile both keys open.
///
/// Mutation that turned it red: sealing again only when the keyring changes, not at a start.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn co_4_a_kill_in_the_middle_of_it_loses_nothing(#[case] database: Database) {
    let home = Home::new(database).await;
    let server = home.serve().await;
    let boss = admin(&server).await;
    let opening = fill(&boss, 3_000).await;
    let path = format!("/api/v1/openings/{opening}/registrations");
    let before = boss.get(&path).await.ok();
    let hands = Hands::on(&home).await;
    told(&home.run(&["keys", "rotate"]).await);
    let names = async || {
        let names = hands.values("registration", "name_sealed").await;
        names.iter().filter(|name| name.starts_with(&[1, 0, 0, 0, 2])).count()
    };
    soon("some are sealed again", async || names().await > 0).await;
    server.kill().await;
    let (left, all) = hands.sealed_by(1).await;
    assert!(left > 0 && left < all, "{left} of {all}: it was not the middle");
    let refusal = refused(&home.run(&["keys", "retire", "1"]).await);
    // On Postgres the gateway that was killed may count as alive for a moment more.
    assert!(refusal.contains("sealed by key 1") || refusal.contains("gateway"), "{refusal}");

    let server = home.serve().await;
    let boss = admin(&server).await;
    assert_eq!(boss.get(&path).await.ok(), before, "while some are sealed by either key");
    soon("the rest is sealed again", async || hands.sealed_by(1).await.0 == 0).await;
    assert_eq!(boss.get(&path).await.ok(), before);
    retired(&home, "1").await;
    told(&home.run(&["audit", "check"]).await);
}

/// A copy for each gateway: one that lacks the new key says so and gives no wrong answer, the old key is kept for it, and with
/// the new copy it goes on. Where the key is added first and used later, nobody meets that.
#[tokio::test]
async fn co_4_two_gateways_with_copies_of_the_keyring_postgres() {
    let home = Home::new(Database::Postgres).await;
    let server = home.serve().await;
    let copy = home.file("copy.json");
    let give = || {
        // As an operator does it: beside, and then in one step.
        let beside = home.file("copy.new");
        fs::copy(home.keyring(), &beside).unwrap();
        fs::rename(&beside, &copy).unwrap();
    };
    give();
    let mut command = home.command();
    command.arg("serve").env("KAIPAN_KEYRING", &copy);
    let (buyers, staff) = (crate::harness::free_port(), crate::harness::free_port());
    let other = home.serve_by(command, buyers, staff).await.unwrap();
    let (here, there) = (admin(&server).await, admin(&other).await);
    let seals_with = async |key: u32, gateways: usize| {
        let listed = keys(&home).await;
        let with =
            listed["gateways"].as_array().unwrap().iter().filter(|one| one["seals_with"] == key).count();
        with == gateways
    };

    soon("both say which key they seal with", async || seals_with(1, 2).await).await;
    told(&home.run(&["keys", "rotate"]).await);
    soon("this gateway seals with key 2", async || seals_with(2, 1).await).await;
    here.post("/api/v1/staff", json!({"login": "li.na", "name": "李娜", "role": "cashier", "password": "correct-horse-battery-staple"}))
        .await
        .ok();
    let blind = there.get("/api/v1/staff").await;
    assert_eq!(blind.status, 500, "{}", blind.text());
    assert!(!blind.text().contains("李娜"));
    assert!(other.said().contains("key 2, which is not in the keyring"), "{}", other.said());
    let refusal = refused(&home.run(&["keys", "retire", "1"]).await);
    assert!(refusal.contains("seals with key 1, and not with key 2"), "{refusal}");

    give();
    soon("both seal with key 2", async || seals_with(2, 2).await).await;
    assert!(there.get("/api/v1/staff").await.ok().to_string().contains("李娜"));
    retired(&home, "1").await;
    give();

    // The other way round: first every copy has it, then it seals.
    told(&home.run(&["keys", "add"]).await);
    give();
    told(&home.run(&["keys", "use", "3"]).await);
    soon("this gateway seals with key 3", async || seals_with(3, 1).await).await;
    let body = json!({"login": "wang.fang", "name": "王芳", "role": "cashier", "password": "correct-horse-battery-staple"});
    here.post("/api/v1/staff", body).await.ok();
    assert!(there.get("/api/v1/staff").await.ok().to_string().contains("王芳"));

    // Another key under the same number is nobody's.
    let foreign = home.file("foreign.json");
    let mut command = home.command();
    command
        .env("KAIPAN_KEYRING", &foreign)
        .env("KAIPAN_DATA_DIR", home.file("elsewhere"))
        .env_remove("KAIPAN_DATABASE_URL");
    assert!(command.args(["migrate"]).status().await.unwrap().success());
    let mut command = home.command();
    command.args(["project", "add", "x"]).env("KAIPAN_KEYRING", &foreign);
    command.env("KAIPAN_DATA_DIR", home.file("elsewhere")).env_remove("KAIPAN_DATABASE_URL");
    assert!(command.status().await.unwrap().success());
    fs::rename(&foreign, &copy).unwrap();
    soon("the other complains", async || other.said().contains("sealed with another keyring")).await;
    assert!(
        there.get("/api/v1/staff").await.ok().to_string().contains("王芳"),
        "it goes on with what it has"
    );
}

async fn served_by(home: &Home, settings: &[(&str, &str)]) -> Result<Server, String> {
    let mut command = home.command();
    command.arg("serve").env_remove("KAIPAN_KEYRING");
    command.envs(settings.iter().copied());
    home.serve_by(command, home.buyers_port, home.staff_port).await
}

/// Keys from the environment and from a program; what is wrong with either is said at the start, and no key with it.
#[tokio::test]
async fn co_4_keys_from_the_environment_and_from_a_program() {
    let home = Home::new(Database::Sqlite).await;
    let json = fs::read_to_string(home.keyring()).unwrap();
    let program = format!("cat {}", home.keyring().display());
    for settings in [[("KAIPAN_KEYS", json.as_str())], [("KAIPAN_KEYRING_COMMAND", program.as_str())]] {
        let server = served_by(&home, &settings).await.unwrap();
        admin(&server).await.get("/api/v1/staff").await.ok();
        assert!(server.stop().await.success());
    }
    let bad: [(&[(&str, &str)], &str); 5] = [
        (&[("KAIPAN_KEYRING_COMMAND", "false")], "ended with status 1"),
        (&[("KAIPAN_KEYRING_COMMAND", "echo nothing")], "not a keyring"),
        (&[("KAIPAN_KEYRING_COMMAND", "no-such-program-here")], "can't be run"),
        (&[("KAIPAN_KEYS", "{}")], "not a keyring"),
        (&[("KAIPAN_KEYS", &json), ("KAIPAN_KEYRING_COMMAND", &program)], "set one of them"),
    ];
    for (settings, words) in bad {
        let why = served_by(&home, settings).await.err().unwrap();
        assert!(why.contains(words), "{settings:?}: {why}");
    }
    let log = fs::read_to_string(home.file(&format!("serve-{}.log", home.buyers_port))).unwrap();
    assert!(secrets_in(&home.keyring()).iter().all(|secret| !log.contains(secret.as_str())));

    let mut command = home.command();
    command.args(["keys", "rotate"]).env_remove("KAIPAN_KEYRING").env("KAIPAN_KEYRING_COMMAND", &program);
    let refusal = refused(&command.output().await.unwrap());
    assert!(refusal.contains("come from KAIPAN_KEYS or KAIPAN_KEYRING_COMMAND"), "{refusal}");
}

/// The keys of a keyring's file, as it writes them.
pub fn secrets_in(keyring: &Path) -> Vec<String> {
    let ring: Value = serde_json::from_str(&fs::read_to_string(keyring).unwrap()).unwrap();
    let fields = ring["fields"].as_array().unwrap().iter().map(|field| &field["key"]);
    let keys: Vec<String> = fields
        .chain([&ring["index"], &ring["session"]])
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    assert!(keys.len() >= 3 && keys.iter().all(|key| key.len() == 44), "the keys are not found");
    keys
}
