//! Staff over two gateways: sessions, and what ends them (CO-5, OP-85); the one log that both write (CO-6).

use std::time::Duration;

use serde_json::json;

use super::{Two, at, within};
use crate::harness::{Api, Server, admin, staff};

/// A gateway answers for a session from memory for 5 seconds; the rest is for a busy machine.
const ENDED: Duration = Duration::from_secs(8);

async fn works(server: &Server, account: &Api) -> bool {
    at(server, account).get("/api/v1/openings").await.status == 200
}

async fn ends_at(server: &Server, account: &Api, why: &str) {
    within(ENDED, why, async || !works(server, account).await).await;
    at(server, account).get("/api/v1/openings").await.refused(401, "SESSION_ENDED");
}

/// Logged in at one and at work at the other at once; what ends a session ends it at both, within the time for which a
/// gateway answers from memory.
///
/// Mutation that turned it red: sessions answered from memory for ten minutes.
#[tokio::test]
async fn postgres_a_session_of_staff_lives_and_ends_at_both() {
    let two = Two::start(false).await;
    let boss = admin(&two.a).await;
    let mut accounts = Vec::new();
    for (login, role) in
        [("left", "manager"), ("changed", "manager"), ("disabled", "cashier"), ("reset", "auditor")]
    {
        // Added at A, logged in at A, at work at B: from now on both have it in memory.
        let account = staff(&two.a, &boss, login, role).await;
        assert!(works(&two.a, &account).await && works(&two.b, &account).await, "{login}");
        accounts.push(account);
    }
    let listed = at(&two.b, &boss).get("/api/v1/staff").await.ok();
    let id = |login: &str| {
        let found = listed["staff"].as_array().unwrap().iter().find(|member| member["login"] == login);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };

    accounts[0].delete("/api/v1/session").await.ok();
    boss.patch(&format!("/api/v1/staff/{}", id("changed")), json!({"role": "cashier"})).await.ok();
    boss.patch(&format!("/api/v1/staff/{}", id("disabled")), json!({"disabled": true})).await.ok();
    let password = json!({"password": "another long password"});
    boss.post(&format!("/api/v1/staff/{}/password", id("reset")), password).await.ok();
    for (account, why) in accounts.iter().zip(["left", "changed", "disabled", "reset"]) {
        assert!(!works(&two.a, account).await, "{why}: at once where it was done");
        ends_at(&two.b, account, why).await;
    }

    // And what is so now is so at the other at once.
    let log_in = async |server: &Server, login: &str, password: &str| {
        server.staff().post("/api/v1/session", json!({"login": login, "password": password})).await
    };
    let usual = "correct-horse-battery-staple";
    let changed = log_in(&two.b, "changed", usual).await.ok();
    assert_eq!(changed["staff"]["role"], "cashier");
    let changed = two.b.staff().with_token(changed["token"].as_str().unwrap());
    changed.post("/api/v1/projects", json!({"name": "x"})).await.refused(403, "FORBIDDEN");
    log_in(&two.b, "disabled", usual).await.refused(401, "LOGIN_FAILED");
    log_in(&two.b, "reset", usual).await.refused(401, "LOGIN_FAILED");
    log_in(&two.b, "reset", "another long password").await.ok();
}

/// What is done at both at the same time makes one chain without a gap.
///
/// Mutation that turned it red: the head read and not taken by the transaction that writes a row.
#[tokio::test]
async fn postgres_co_6_two_gateways_write_one_chain() {
    let two = Two::start(false).await;
    let boss = admin(&two.a).await;
    let doors = [boss.clone(), at(&two.b, &boss)];
    let work = (0..60).map(|n| {
        let door = doors[n % 2].clone();
        tokio::spawn(async move {
            door.post("/api/v1/projects", json!({"name": format!("项目 {n}")})).await.ok()
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    for door in &doors {
        let checked = door.get("/api/v1/log/check").await.ok();
        // The admin's account, the log-in, and the projects.
        assert_eq!((&checked["rows"], &checked["wrong"]), (&json!(62), &json!(null)), "{checked}");
    }
    assert_eq!(two.home.run(&["audit", "check"]).await.status.code(), Some(0));
}
